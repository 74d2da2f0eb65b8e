"""What a cell shows of a lab: the truth of the moment, or a sentence, soon."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from statuses import status

import raylab
import raylab.testing
from raylab.client import glance
from raylab.core.handle import Handle, Which
from raylab.core.status import Status
from raylab.errors import LabFenced


class Answering:
    """A lab that answers so."""

    name = "lab"

    def __init__(self, answer: Callable[[], list[Status]]) -> None:
        self._answer = answer

    def overview(self, sweep: Which = None, archived: bool = False) -> list[Status]:
        return self._answer()


def raising(error: Exception) -> Callable[[], Any]:
    def answer() -> Any:
        raise error

    return answer


def test_a_lab_that_is_silent_is_waited_for_some_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glance, "GLANCE_S", 0.01)
    never = threading.Event()
    try:
        card = glance.sweep_card(Answering(lambda: never.wait(60) and []), Handle("a"))  # type: ignore[arg-type]
        assert card.text.startswith("sweep a of lab lab: no answer within 0 s; nothing is lost")
    finally:
        never.set()


@pytest.mark.parametrize("error", [LabFenced("it was taken over by eve"), OSError(5, "it broke"), ValueError("odd")])
def test_whatever_goes_wrong_is_a_sentence(error: Exception) -> None:
    lab = Answering(raising(error))
    for card in (glance.sweep_card(lab, Handle("a")), glance.lab_card(lab, lambda: "/labs/lab")):
        assert str(error.args[-1]) in card.text
        assert str(error.args[-1]) in card.html
    there = Answering(lambda: [status("a", archived=True), status("b")])
    assert "1 archived" in glance.lab_card(there, lambda: "/labs/lab").text


def test_a_lab_and_its_sweeps_show_themselves(lab: raylab.Lab) -> None:
    assert "no sweeps yet" in str(lab)
    sweep = lab.submit(lambda x: 1 / x, {"x": range(3)}, name="odd", repeats=2, description="<i>x</i>")
    assert sweep.wait(timeout=60, progress=False)
    for text in (str(sweep), str(lab), sweep._repr_mimebundle_()["text/plain"]):
        assert "odd" in text
        assert "100%" in text
    for html in (sweep._repr_html_(), lab._repr_html_(), lab._repr_mimebundle_()["text/html"]):
        assert "odd" in html
    assert "&lt;i&gt;x" in sweep._repr_html_()
    assert "2 failed" in sweep._repr_html_().replace("</b>", "").replace("<b>", "")
    assert "ZeroDivisionError" in str(sweep)
    assert str(sweep.progress()).startswith("Progress("), "all numbers by name, as before"
    assert repr(lab) == f"<Lab {lab.name!r}>"
    notebook = raylab.Notebook(lab.info()["notebook"])
    assert "odd" in str(notebook)
    assert "odd" in notebook._repr_html_()

    sweep.archive()
    assert "1 archived" in str(lab)
    assert "100%" in str(sweep)
    sweep.remove()
    assert "was removed by" in str(sweep)
    assert "was removed by" in sweep._repr_html_()
    lab.shutdown()
    for gone in (lab, sweep):
        assert "was shut down; open it again" in str(gone)
        assert "was shut down; open it again" in gone._repr_html_()
    assert repr(sweep) == f"<Sweep 'odd' of lab {lab.name!r}>", "asks nobody"


def test_a_sweep_is_watched_in_memory(lab: raylab.Lab, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = lab.submit(lambda x: x, {"x": range(3)}, name="seen")
    assert sweep.watch(timeout=60) is None
    assert "seen: 100%, 3 of 3 trials are ready" in capsys.readouterr().err
    assert lab.watch() is None
    assert lab.watch(["seen"]) is None
    with pytest.raises(raylab.SweepNotFound, match="'seen'"):
        lab.watch("unseen")
