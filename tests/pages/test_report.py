"""A report says what there is to say of a lab or a sweep, in one file that asks nothing of anybody."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from browser import Sight, chromium
from sweeps import Bench

import raylab
import raylab.testing
from raylab.client.resting import OnDisk
from raylab.core.design import Factorial
from raylab.display.page import REPORT_POLICY
from raylab.offline import Notebook
from raylab.pages import portraits
from raylab.pages.report import made
from raylab.terminal.command import main

NASTY = "</p><script>document.title = 'taken'</script>\x1b[2J‮" + "W" * 400


def noisy(p: float, size: int, rng: Any) -> dict[str, Any]:
    if p > 0.8:
        raise ValueError(NASTY)
    warnings.warn("it converged slowly", stacklevel=1)
    return {"mass": p * size + rng.random(), "label": f"<b>{size}</b>"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[raylab.Lab]:
    """A lab with a sweep of repeats of which some failed, one without repeats, one with tables, one without rows."""
    with raylab.testing.lab("percolation", notebook=tmp_path_factory.mktemp("report") / "lab") as lab:
        design = raylab.Factorial(p=[0.2, 0.5, 0.9], size=[10, 20])
        units = {"mass": {"units": "kg", "description": "of all"}, "size": "m"}
        lab.submit(noisy, design, name="noisy", repeats=3, description=f"about {NASTY}", units=units)
        lab.submit(lambda x: {"y": 2 * x}, {"x": range(80)}, name="plain é %")
        lab.submit(lambda x: {"agents": pl.DataFrame({"id": [1, 2]}), "n": x}, {"x": [1]}, name="tables")
        assert lab.wait(timeout=60, progress=False)
        lab.submit(lambda x: x, {"x": [1]}, name="huge", memory=1e15)
        yield lab


@pytest.fixture(autouse=True)
def looked_up(lab: raylab.Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raylab.client.resting.look", lambda name, address: lab._client)


def text_of(page: str) -> str:
    """What a reader sees, without the tags."""
    body = page.partition("<body")[2]
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def test_a_report_of_a_sweep_says_all_there_is_to_say(lab: raylab.Lab) -> None:
    said = text_of(made(lab._client, "noisy"))
    for words in (
        "trials 18 of 18",
        "failed 6",
        "Factorial(p=0.2 to 0.9 (3 levels), size=10 to 20 (2 levels)) of 6 points",
        "3 repeats of each point",
        "mass: of all, in kg",
        "ValueError",
        "sweep.rerun(",
        "Results by point",
        "3 of 3",
        "±",
        "12 × UserWarning : it converged slowly",
        "command",
        "packages installed",
        "as of",
    ):
        assert words in said, words


def test_a_report_of_a_lab_has_all_its_sweeps(lab: raylab.Lab) -> None:
    said = text_of(made(lab._client, None))
    for name in ("noisy", "plain é %", "tables", "huge"):
        assert said.count(name) >= 2, name
    assert "Results x y 0 0 1 2" in said
    assert "… and 30 rows more" in said
    assert "Table agents" in said
    assert "no node of the cluster has what one trial asks for" in said


def test_what_strangers_wrote_is_text(lab: raylab.Lab) -> None:
    page = made(lab._client, None)
    assert "<script" not in page
    assert "<b>10" not in page
    assert "\x1b" not in page


def test_a_report_in_a_browser_asks_for_nothing_and_fits(lab: raylab.Lab, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    assert main(["report", "percolation", "-o", str(path)]) == 0
    with chromium() as browser:
        for width, scheme in [(1200, "light"), (390, "dark")]:
            with Sight(browser, path.as_uri(), width=width, scheme=scheme) as sight:
                sight.shows("Results by point")
                assert [each for each in sight.asked if not each.startswith("data:")] == [path.as_uri()]
                assert sight.complaints == []
                assert not sight.is_too_wide
                assert sight.page.title() == "percolation"
                ground = sight.page.evaluate("getComputedStyle(document.body).backgroundColor")
                assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(18, 23, 30)")
        with Sight(browser, path.as_uri(), scheme="dark") as sight:
            sight.page.emulate_media(media="print")
            assert sight.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
            assert len(sight.page.pdf()) > 10_000
    assert REPORT_POLICY.replace("'", "&#39;") in path.read_text()


def test_a_report_takes_the_place_of_an_earlier_one_whole_or_not_at_all(
    lab: raylab.Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "page.html"
    path.write_text("the one before")
    assert main(["report", "percolation", "nothing", "-o", str(path)]) == 3
    assert path.read_text() == "the one before"
    assert "has no sweep 'nothing'" in capsys.readouterr().err
    assert main(["report", "percolation", "noisy", "-o", str(path)]) == 0
    assert "the report is written to" in capsys.readouterr().err
    assert path.read_text().rstrip().endswith("</html>")
    assert [each.name for each in tmp_path.iterdir()] == ["page.html"]
    for bad in ("page.pdf", "none/page.html"):
        with pytest.raises(SystemExit) if bad.endswith("pdf") else pytest.MonkeyPatch.context():
            assert main(["report", "percolation", "-o", str(tmp_path / bad)]) == 2


def test_a_notebook_alone_makes_the_same_report_but_for_who_tells_it(lab: raylab.Lab) -> None:
    path = Path(lab.info()["notebook"])
    there, here = (text_of(made(each, "noisy")) for each in (lab._client, OnDisk(Notebook(path))))
    assert "this is what the notebook in" in here
    assert (
        there.partition("What was asked")[2].partition("sweep.rerun")[0]
        == (here.partition("What was asked")[2].partition("notebook.rerun")[0])
    )


def test_a_sweep_that_runs_is_reported_as_far_as_it_is(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "lab")
    bench.submit("half", lambda x: {"y": 1 // x}, Factorial(x=range(8)))
    assert "none yet" in text_of(made(OnDisk(Notebook(bench.root)), "half"))
    bench.run("half", 0, 4)
    said = text_of(made(OnDisk(Notebook(bench.root)), "half"))
    assert "ready 50.0%" in said
    assert "waiting 4" in said
    assert "Results over all trials" in said


def test_a_sweep_that_only_failed_has_no_table(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "lab")
    bench.submit("bad", lambda x: 1 // 0, Factorial(x=range(3)))
    bench.run("bad")
    said = text_of(made(OnDisk(Notebook(bench.root)), "bad"))
    assert "3 × ZeroDivisionError" in said
    assert "Results over all trials" not in said
    assert "none How it went" in said


def test_what_is_too_much_is_not_read(lab: raylab.Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a summary nor a frame of all rows is made of a sweep that is larger than that."""
    monkeypatch.setattr(portraits, "SUMMED", 10)
    monkeypatch.setattr(portraits, "BY_POINT", 10)
    for verb in ("summary", "results", "failures"):
        monkeypatch.setattr(lab._client, verb, None)
    said = text_of(made(lab._client, "noisy"))
    assert "18 rows are more than a page sums up" in said
    assert "The results that came in first" in said
    assert "6 × ValueError" in said


def test_damage_is_a_sentence_on_the_page(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "lab")
    bench.submit("s", lambda x: {"y": x}, Factorial(x=range(4)))
    bench.run("s")
    *_, journal = sorted((bench.root / "sweeps" / "s" / "journal").iterdir())
    data = bytearray(journal.read_bytes())
    source = OnDisk(Notebook(bench.root))
    (now,) = source.overview("s")
    data[len(data) // 2] ^= 255
    journal.chmod(0o600)
    journal.write_bytes(data)
    found = portraits.portrait(source, now)
    assert any("cannot be shown" in each for each in found.remarks), found.remarks


def test_figures_are_pictures_that_load_nothing(lab: raylab.Lab) -> None:
    now = lab._client.overview("noisy")[0]
    found = portraits.portrait(lab._client, now)
    assert (len(found.figures), len(found.course)) == (1, 2), found.remarks
    assert found.remarks == []
    assert made(lab._client, "noisy").count('src="data:image/svg+xml;base64,') == 3
    assert all("<script" not in figure.svg and "href" not in figure.svg for figure in [*found.figures, *found.course])


def test_without_the_extra_a_page_says_how_to_get_figures(lab: raylab.Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "raylab.display.charts", raising=False)
    monkeypatch.setitem(sys.modules, "altair", None)
    said = text_of(made(lab._client, "noisy"))
    assert "figures cannot be shown: a plot needs altair, which is not installed here: pip install" in said
    assert "Results by point" in said


def test_secrets_stay_back_unless_they_are_asked_for(lab: raylab.Lab) -> None:
    for kept in (True, False):
        now = lab._client.overview("noisy")[0]
        found = portraits.portrait(lab._client, now, diff=not kept)
        assert found.account["runtime_env"].get("env_vars") in (None, {})
        assert kept is False or all(version["diff"] is None for version in found.account["code"])


def test_means_come_with_what_their_intervals_reach(lab: raylab.Lab) -> None:
    now = lab._client.overview("noisy")[0]
    *_, by_point = portraits.portrait(lab._client, now).tables
    assert by_point.title == "Results by point"
    assert [column.name for column in by_point.columns] == ["p", "size", "trials ", "mass"]
    row = lab.sweep("noisy").summary("mass").row(0, named=True)
    mean, half = map(float, by_point.rows[0][-1].split(" ± "))
    assert np.isclose(mean, row["mean"], atol=10**-1)
    assert np.isclose(half, (row["high"] - row["low"]) / 2, rtol=0.1)
