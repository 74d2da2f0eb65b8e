"""Watching draws what there is to see until it ends, survives what can be survived, and is left with one quiet line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from statuses import status

import raylab
import raylab.testing
from raylab.client import live_plot, watching
from raylab.client.live_plot import LivePlot
from raylab.client.waiting import Mark
from raylab.client.watching import watch
from raylab.core.handle import Handle, Which
from raylab.core.status import Progress, Status
from raylab.errors import LabFenced, LabUnavailable, SweepNotFound
from raylab.notebook.tables import joined


class Story:
    """A lab that gives this news, one after the other."""

    name = "lab"

    def __init__(self, *news: list[Status] | BaseException) -> None:
        self._news = list(news)

    def news(self, sweep: Which, mark: Mark | None, left: float | None) -> tuple[Mark, list[Status]]:
        found = self._news.pop(0)
        if isinstance(found, BaseException):
            raise found
        return (1, -len(self._news)), found


def sweep(**words: Any) -> Status:
    return status(**{"name": "a", "waiting": 3, "total": 3, "state": "running", **words})


DONE = status("a", done=3, total=3)


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Mapping[str, str]]]:
    """What a cell's output showed, one after the other, as if this process were a kernel."""
    shown: list[Mapping[str, str]] = []

    class Output:
        def show(self, bundle: Mapping[str, str]) -> None:
            shown.append(bundle)

    monkeypatch.setattr(watching, "in_kernel", lambda: True)
    monkeypatch.setattr(watching, "Output", Output)
    return shown


def test_a_cell_shows_each_news_in_place_until_all_is_in(
    cell: list[Mapping[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    watch(Story([sweep()], [sweep(waiting=1, done=2)], [DONE]), Handle("a"), None)
    assert [f"{ready} of 3 trials" in each["text/plain"] for ready, each in zip((0, 2, 3, 3), cell, strict=True)] == [
        True
    ] * 4
    assert ["live" in each["text/html"].rpartition("</style>")[2] for each in cell] == [True, True, True, False]
    assert capsys.readouterr() == ("", "")


def test_elsewhere_it_is_the_bar_or_lines(capsys: pytest.CaptureFixture[str]) -> None:
    failed = status("a", done=2, failed=1, total=3, first_error="ValueError: 7 is odd")
    watch(Story([sweep()], [failed]), "a", None)
    out, err = capsys.readouterr()
    assert out == ""
    assert "raylab: a: 100%, 3 of 3 trials are ready, 1 failed" in err
    assert "the first with ValueError: 7 is odd" in err


def test_a_sweep_that_stands_still_ends_it_and_the_card_says_why(cell: list[Mapping[str, str]]) -> None:
    watch(Story([sweep()], [sweep(state="paused", reason="the first 100 all failed")]), "a", None)
    assert "paused" in cell[-1]["text/plain"]
    assert "the first 100 all failed" in cell[-1]["text/html"]


def test_several_sweeps_are_a_table_and_new_ones_come_into_it(cell: list[Mapping[str, str]]) -> None:
    watch(Story([sweep()], [DONE, sweep(name="b")], [DONE, status("b", done=3, total=3)]), None, None)
    assert "b" not in cell[0]["text/plain"].split()
    assert "b" in cell[1]["text/plain"].split()
    watch(Story([]), None, None)
    assert "no sweeps yet" in cell[-1]["text/plain"]


@pytest.mark.parametrize("kernel", [True, False])
def test_an_interrupt_is_one_quiet_line_and_nothing_is_raised(
    cell: list[Mapping[str, str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kernel: bool
) -> None:
    monkeypatch.setattr(watching, "in_kernel", lambda: kernel)
    watch(Story([sweep(done=1, waiting=2)], KeyboardInterrupt()), "a", None)
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == "raylab: interrupted; nothing was cancelled: of 'a' 1 of 3 trials are ready (33.3%)"
    watch(Story(KeyboardInterrupt()), "a", None)
    assert capsys.readouterr().err == "raylab: interrupted; nothing was cancelled\n"
    if kernel:
        assert "live" not in cell[-1]["text/html"].rpartition("</style>")[2], "nobody draws it again"


@pytest.mark.parametrize(
    "error", [LabUnavailable("no answer"), LabFenced("taken over"), SweepNotFound("removed by eve")]
)
def test_what_is_gone_meanwhile_is_said_and_what_never_was_is_an_error(
    cell: list[Mapping[str, str]], capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    watch(Story([sweep()], error), "a", None)
    assert capsys.readouterr().err == f"raylab: {error}\n"
    with pytest.raises(type(error), match=str(error)):
        watch(Story(error), "a", None)


def test_it_ends_at_its_time(cell: list[Mapping[str, str]]) -> None:
    watch(Story([sweep()]), "a", 0)
    assert len(cell) == 2
    with pytest.raises(ValueError, match="a number from 0 on, or None; got -1"):
        watch(Story(), "a", -1)


# -- with a plot


def test_a_plot_is_drawn_below_the_card_and_reads_what_is_new_only(
    monkeypatch: pytest.MonkeyPatch, cell: list[Mapping[str, str]]
) -> None:
    pictures: list[Any] = []
    asked: list[int] = []

    class Picture:
        def show(self, bundle: Mapping[str, Any], about: Mapping[str, Any]) -> None:
            pictures.append(next(value for kind, value in bundle.items() if "vegalite" in kind))

    monkeypatch.setattr(live_plot, "Output", Picture)
    with raylab.testing.lab() as lab:
        sweep = lab.submit(lambda x: {"y": x}, {"x": range(4)}, name="alive")
        sweep.wait(progress=False)
        client = lab._client
        live = LivePlot(client.pinned("alive"), client.subject, clock=lambda: 0.0)
        live.draw(sweep.progress())
        live.draw(sweep.progress())  # nothing is new
        sweep.extend({"x": range(4, 7)})
        sweep.wait(progress=False)
        read = client._read
        monkeypatch.setattr(client, "_read", lambda record, since: asked.append(since) or read(record, since))
        live.draw(sweep.progress())
    rows = [sorted(row["x"] for row in next(iter(each["datasets"].values()))) for each in pictures]
    assert rows == [[0, 1, 2, 3], [0, 1, 2, 3, 4, 5, 6]]
    assert asked == [4]


def test_a_plot_takes_a_share_of_the_time_only_and_the_last_one_is_always_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = iter([0.0, 0.0, 2.0, 5.0, 11.0, 13.0, 14.0, 15.0, 15.0, 16.0])
    drawn: list[int] = []

    class Drawn:
        def _repr_mimebundle_(self) -> tuple[dict[str, Any], dict[str, Any]]:
            return {}, {}

    class Picture:
        def show(self, bundle: Mapping[str, Any], about: Mapping[str, Any]) -> None:
            drawn.append(now.rows)

    monkeypatch.setattr(live_plot, "Output", Picture)
    monkeypatch.setattr(live_plot, "picture", lambda subject: Drawn())
    live = LivePlot(Handle("a"), lambda sweep, known: SimpleNamespace(files=[]), clock=lambda: next(times))  # type: ignore[arg-type, return-value]
    for rows, is_last in ((1, False), (2, False), (3, False), (4, False), (4, True), (4, True)):
        now = Progress.of([sweep(rows=rows)])
        live.draw(now, is_last)
    # Drawing took 2 s of the first 10, and so the second one, at 5 s, is left out; it took 2 s at 11 s, too.
    assert drawn == [1, 3, 4]


def test_a_plot_where_no_cell_is_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with raylab.testing.lab() as lab:
        lab.submit(lambda x: x, {"x": range(3)}, name="here").watch(timeout=60, plot=True)
    assert "plot=True draws in a notebook's cell" in capsys.readouterr().err


def test_files_that_are_known_and_new_ones_are_one_table_also_where_a_part_was_sealed() -> None:
    def file(seq: int, stop: int) -> Any:
        return SimpleNamespace(info=SimpleNamespace(seq=seq, stop=stop))

    one, two, three, part = file(0, 5), file(5, 7), file(7, 9), file(0, 7)
    assert joined([one, two], [three]) == [one, two, three]
    assert joined([one, two], [two, three]) == [one, two, three]
    assert joined([one, two], [part, three]) == [part, three]
    assert joined([one, two], []) == [one, two]
