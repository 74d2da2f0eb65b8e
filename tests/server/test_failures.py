"""Failures by cause, in memory: from a handle, a notebook and the command; of what is failed now, and nothing else."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from said import refused

import raylab
import raylab.testing
from raylab.client.resting import Resting
from raylab.offline import overview
from raylab.server.known_labs import Place
from raylab.terminal.command import main


def fit(x: int, folder: str) -> dict[str, int]:
    while Path(folder, "held").exists():
        time.sleep(0.01)
    if Path(folder, "mended").exists():
        return {"y": x}
    if x % 3 == 0:
        raise ValueError(f"no fit at {x}")
    if x % 3 == 1:
        try:
            return {"y": {}["beta"]}
        except KeyError as error:
            raise RuntimeError(f"trial {x} needs more") from error
    return {"y": x}


FIRST = fit.__code__.co_firstlineno
HERE = str(Path(__file__))


def finished(sweep: raylab.Sweep) -> raylab.Sweep:
    assert sweep.wait(timeout=60, progress=False), sweep.progress()
    return sweep


@pytest.fixture
def sweep(lab: raylab.Lab, tmp_path: Path) -> raylab.Sweep:
    """Ten points of two repeats: 8 trials that find no fit, 6 that need more, 6 that are done."""
    design = raylab.Factorial(x=range(10), folder=str(tmp_path))
    return finished(lab.submit(fit, design, name="fits", repeats=2, seed=1))


def at(lab: raylab.Lab) -> raylab.Notebook:
    return raylab.Notebook(lab.info()["notebook"])


def test_a_row_for_each_cause_the_most_frequent_first(sweep: raylab.Sweep) -> None:
    found = sweep.failures(by="cause")
    assert found.to_dicts() == [
        {
            "type": "ValueError",
            "message": "no fit at #",
            "where": f"{HERE}:{FIRST + 6}",
            "root": None,
            "count": 8,
            "statuses": ["failed"],
            "example": "no fit at 0",
            "_point": 0,
            "_repeat": 0,
            "_last_lines": "",
            "rerun": "sweep.rerun(0)",
        },
        {
            "type": "RuntimeError",
            "message": "trial # needs more",
            "where": f"{HERE}:{FIRST + 11}",
            "root": "KeyError: 'beta'",
            "count": 6,
            "statuses": ["failed"],
            "example": "trial 1 needs more",
            "_point": 1,
            "_repeat": 0,
            "_last_lines": "",
            "rerun": "sweep.rerun(1)",
        },
    ]
    each = sweep.failures()
    assert found["count"].sum() == sweep.progress().failed == each.height
    assert [sweep.design[point]["x"] for point in each["_point"]] == each["x"].to_list()


def test_a_notebook_says_the_same_with_its_own_line(lab: raylab.Lab, sweep: raylab.Sweep) -> None:
    for name in ("fits", None):
        found = at(lab).failures(name, by="cause")
        assert found.drop("rerun").equals(sweep.failures(by="cause").drop("rerun"))
        assert found["rerun"].to_list() == ["notebook.rerun('fits', 0)", "notebook.rerun('fits', 1)"]
        assert at(lab).failures(name).equals(sweep.failures())


def test_what_runs_again_is_of_no_cause_and_what_failed_again_is(sweep: raylab.Sweep, tmp_path: Path) -> None:
    before = sweep.failures(by="cause")
    assert sweep.retry() == 14
    assert finished(sweep).failures(by="cause").equals(before), "each failed once more, and counts once"
    (tmp_path / "mended").touch()
    sweep.retry()
    assert finished(sweep).failures(by="cause").is_empty()
    assert sweep.failures(by="cause").schema == before.schema


def test_the_example_is_the_lowest_trial_that_is_failed_now(lab: raylab.Lab, tmp_path: Path) -> None:
    def picky(x: int, folder: str) -> None:
        if not Path(folder, f"good-{x}").exists():
            raise ValueError(f"bad {x}")

    sweep = finished(lab.submit(picky, {"x": range(5), "folder": str(tmp_path)}, name="s", order="design"))
    (tmp_path / "good-0").touch()
    sweep.retry()
    (row,) = finished(sweep).failures(by="cause").to_dicts()
    assert (row["count"], row["example"], row["_point"]) == (4, "bad 1", 1)


def test_what_failures_are_not_grouped_by_is_refused(lab: raylab.Lab, sweep: raylab.Sweep) -> None:
    for ask in (sweep.failures, at(lab).failures):
        with refused(ValueError, "'cause'", "got 'node'"):
            ask(by="node")
    lab.submit(fit, {"x": [1], "folder": "/"}, name="other")
    with refused(raylab.SweepNotFound, "'fits', 'other'"):
        at(lab).failures(by="cause")
    with refused(raylab.SweepNotFound, "no sweep 'nothing'"):
        at(lab).failures("nothing")


def test_of_a_sweep_that_was_set_aside_too(lab: raylab.Lab, sweep: raylab.Sweep) -> None:
    before = sweep.failures(by="cause")
    lab.submit(fit, {"x": [2], "folder": "/"}, name="fits", if_exists="replace")
    assert lab.sweep("fits~1").failures(by="cause").equals(before)
    assert at(lab).failures("fits~1", by="cause")["rerun"][0] == "notebook.rerun('fits~1', 0)"


def shown(lab: raylab.Lab, name: str = "fits") -> list[tuple[str, int]]:
    """The causes that the lab names shortly; its notebook knows them as well."""
    (status,) = lab._client.overview(name)
    (on_disk,) = overview(at(lab), name)
    assert on_disk.causes == status.causes
    return [(each.cause.type, each.count) for each in status.causes]


def test_a_lab_names_the_commonest_causes_of_what_is_failed_now(
    lab: raylab.Lab, sweep: raylab.Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(lab) == [("ValueError", 8), ("RuntimeError", 6)]
    sweep.wait()
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("raylab: fits: 14 of 20 trials failed, the first with ")
    places = [f"({Path(__file__).name}:{FIRST + ahead})" for ahead in (6, 11)]
    assert line.endswith(f"; 8 × ValueError: no fit at # {places[0]}, 6 × RuntimeError: trial # needs more {places[1]}")
    (tmp_path / "held").touch()
    assert sweep.retry() == 14
    assert shown(lab) == [], "they run again"
    assert sweep.failures(by="cause").is_empty()
    (tmp_path / "held").unlink()
    finished(sweep)
    assert shown(lab) == [("ValueError", 8), ("RuntimeError", 6)]
    (tmp_path / "mended").touch()
    sweep.retry()
    finished(sweep)
    assert shown(lab) == []


def test_a_lab_that_starts_again_knows_the_causes(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    design = raylab.Factorial(x=range(10), folder=str(tmp_path))
    for repeats in (1, 2):  # as it was left, and after some ran again and more came
        with raylab.testing.lab(notebook=tmp_path / "home" / "test") as lab:
            if repeats == 2:
                assert shown(lab) == [("ValueError", 4), ("RuntimeError", 3)]
            sweep = finished(lab.submit(fit, design, name="fits", seed=1))
            sweep.retry()
            finished(sweep).extend(repeats=repeats)
            finished(sweep)
            assert shown(lab) == [("ValueError", 4 * repeats), ("RuntimeError", 3 * repeats)]


def test_a_lab_that_starts_again_knows_the_causes_of_a_sweep_that_is_not_complete(tmp_path: Path) -> None:
    design = raylab.Factorial(x=range(300), folder=str(tmp_path))
    with raylab.testing.lab(notebook=tmp_path / "test") as lab:
        sweep = lab.submit(fit, design, name="fits", max_failures=3, order="design")
        assert not sweep.wait(timeout=60, progress=False)
        before = shown(lab)
        assert sum(count for _, count in before) == sweep.progress().failed >= 3
    with raylab.testing.lab(notebook=tmp_path / "test") as lab:
        assert lab.sweep("fits").progress().state == "paused"
        assert shown(lab) == before
        assert lab.sweep("fits").retry() == sum(count for _, count in before)
        lab.sweep("fits").change(max_failures=None)
        lab.resume("fits")
        finished(lab.sweep("fits"))
        assert sorted(shown(lab)) == [("RuntimeError", 100), ("ValueError", 100)]


def test_a_retry_of_one_status_leaves_the_causes_of_others(lab: raylab.Lab, sweep: raylab.Sweep) -> None:
    assert sweep.retry(status=["crashed", "timed_out"]) == 0
    assert shown(lab) == [("ValueError", 8), ("RuntimeError", 6)]


def test_the_error_that_is_named_is_one_of_what_is_failed_now(tmp_path: Path) -> None:
    def picky(x: int, folder: str) -> None:
        if not Path(folder, "mended").exists():
            raise ValueError(f"bad {x}")
        if x == 3:
            raise KeyError("beta")

    def named(lab: raylab.Lab) -> set[str | None]:
        (status,), (on_disk,) = lab._client.overview("s"), overview(at(lab), "s")
        return {status.first_error, on_disk.first_error}

    with raylab.testing.lab(notebook=tmp_path / "test") as lab:
        sweep = finished(lab.submit(picky, {"x": range(5), "folder": str(tmp_path)}, name="s", order="design"))
        assert named(lab) == {"ValueError: bad 0"}
        (tmp_path / "mended").touch()
        sweep.retry()
        finished(sweep)
        assert named(lab) == {"KeyError: 'beta'"}
    with raylab.testing.lab(notebook=tmp_path / "test") as lab:
        assert named(lab) == {"KeyError: 'beta'"}
        lab.sweep("s").retry()
        finished(lab.sweep("s"))
        assert named(lab) == {"KeyError: 'beta'"}


def test_going_on_with_other_code_counts_anew(lab: raylab.Lab, sweep: raylab.Sweep, tmp_path: Path) -> None:
    def fit(x: int, folder: str) -> dict[str, int]:
        raise OSError(f"no {x}")

    design = raylab.Factorial(x=range(10), folder=str(tmp_path))
    with pytest.warns(UserWarning, match="14 trials that failed run again"):
        lab.submit(fit, design, name="fits", repeats=2, if_exists="continue")
    finished(sweep)
    assert shown(lab) == [("OSError", 14)]


def test_beyond_a_hundred_causes_the_rest_is_one_row_and_its_example_is_the_lowest_too(lab: raylab.Lab) -> None:
    def odd(word: str) -> dict[str, int]:
        if word:
            raise ValueError(f"{word} is odd")
        return {"y": 1}

    words = ["", *(f"{a}{b}" for a in "abcdefghijk" for b in "abcdefghij")]
    sweep = finished(lab.submit(odd, {"word": words}, name="odd", order="design"))
    rows = sweep.failures(by="cause").to_dicts()
    assert len(rows) == 101
    assert (rows[-1]["type"], rows[-1]["count"]) == ("more", 10)
    apart = {row["_point"] for row in rows[:-1]}
    assert rows[-1]["_point"] == min(set(range(1, 111)) - apart)
    assert rows[-1]["example"] == f"{words[rows[-1]['_point']]} is odd"
    assert at(lab).failures("odd", by="cause").drop("rerun").equals(sweep.failures(by="cause").drop("rerun"))


def test_the_line_runs_the_trial(lab: raylab.Lab, sweep: raylab.Sweep) -> None:
    lines = [*sweep.failures(by="cause")["rerun"], *at(lab).failures(by="cause")["rerun"]]
    for line, words in zip(lines, 2 * ["no fit at 0", "trial 1 needs more"], strict=True):
        with pytest.raises((ValueError, RuntimeError), match=words):
            eval(line, {"sweep": sweep, "notebook": at(lab)})


class Parts(raylab.Experiment):
    """Fails in another of its parts for each point."""

    def set_up(self, params: dict[str, Any]) -> None:
        if params["x"] == 0:
            raise OSError(f"nothing at {self.seed}")

    def do(self, params: dict[str, Any]) -> Any:
        if params["x"] == 1:
            raise ArithmeticError
        return (iter if params["x"] == 2 else len)([])

    def tear_down(self) -> None:
        raise BufferError("not empty")


class Epyc:
    """Says that it failed, in epyc's way."""

    def set(self, params: dict[str, Any]) -> None:
        self.x = params["x"]

    def run(self) -> Any:
        about = {"epyc.experiment.status": False}
        if self.x:
            about["epyc.experiment.exception"] = ValueError(f"three of {self.x}")  # type: ignore[assignment]
        return {"metadata": about, "results": {}} if self.x < 2 else 3


def test_experiments_of_any_kind_fail_for_causes(lab: raylab.Lab) -> None:
    def told(experiment: Any) -> list[tuple[str | None, str, str | None]]:
        sweep = finished(lab.submit(experiment, {"x": range(4)}, name=type(experiment).__name__))
        found = sweep.failures(by="cause").select("type", "message", "where").sort("type", "message").rows()
        return [(kind, text, None if where is None else where.rpartition(":")[0]) for kind, text, where in found]

    assert told(Parts()) == [
        ("ArithmeticError", "", HERE),
        ("BufferError", "not empty", HERE),
        ("OSError", "nothing at #", HERE),
    ]
    assert told(Epyc()) == [
        (None, "run() returned int; epyc's results dict is expected", None),
        (None, "the experiment reported a failure without an exception", None),
        ("ValueError", "three of #", None),
    ]


def wild(x: int, folder: str, seed: int) -> dict[str, int]:
    """Fails by chance, for one of some causes, in another way each time."""
    chance = len(list(Path(folder).iterdir())) + x + seed
    if chance % 5 < 3:
        raise [ValueError, KeyError, OSError][chance % 3](f"for {x}")
    return {"y": x}


@pytest.mark.parametrize("seed", range(3))
def test_whatever_a_sweep_goes_through_lab_notebook_and_rows_agree(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    (tmp_path / "marks").mkdir()
    size, repeats = 12, 1
    with raylab.testing.lab(notebook=tmp_path / "lab") as lab:
        sweep = lab.submit(wild, {"x": range(size), "folder": str(tmp_path / "marks")}, name="s", seed=seed + 1)
        for step in range(8):
            (tmp_path / "marks" / str(step)).touch()
            match chance.randrange(4):
                case 0:
                    size += 5
                    sweep.extend({"x": range(size), "folder": str(tmp_path / "marks")})
                case 1:
                    repeats += 1
                    sweep.extend(repeats=repeats)
                case _:
                    sweep.retry()  # also what runs, and what is written at the moment
            if chance.random() < 0.7:
                rows = finished(sweep).failures(by="cause")
                assert shown(lab, "s") == list(rows.select("type", "count").rows())[:3]
                assert rows["count"].sum() == sweep.progress().failed
        finished(sweep)
        last = shown(lab, "s")
    with raylab.testing.lab(notebook=tmp_path / "lab") as lab:
        assert shown(lab, "s") == last


class TestCommand:
    @pytest.fixture(params=["notebook", "at rest", "at work"])
    def words(
        self, request: pytest.FixtureRequest, lab: raylab.Lab, sweep: raylab.Sweep, monkeypatch: pytest.MonkeyPatch
    ) -> list[str]:
        """What names the sweep: in a notebook, of a lab at rest, of one at work."""
        place, info = lab.info()["notebook"], lab.info()
        if request.param == "notebook":
            return ["--notebook", place, sweep.name]

        def look(name: str, address: str | None) -> Any:
            if request.param == "at work":
                return lab._client
            return Resting(Place(name=name, notebook=place, id=info["id"]), here=True)

        monkeypatch.setattr("raylab.client.resting.look", look)
        return [lab.name, sweep.name]

    def test_it_shows_why(
        self, words: list[str], request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["failures", *words, "--by", "cause"]) == 0
        shown = capsys.readouterr().out
        rerun = "sweep.rerun({})" if "at work" in request.node.name else "notebook.rerun('fits', {})"
        assert shown == (
            f"8  ValueError: no fit at #\n   failed, at {HERE}:{FIRST + 6}\n"
            f"   the first is point 0: no fit at 0\n   {rerun.format(0)}\n"
            f"6  RuntimeError: trial # needs more\n   failed, at {HERE}:{FIRST + 11}, from KeyError: 'beta'\n"
            f"   the first is point 1: trial 1 needs more\n   {rerun.format(1)}\n"
        )

    def test_it_says_it_as_json(self, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["failures", *words, "--by", "cause", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert [(row["count"], row["statuses"]) for row in found] == [(8, ["failed"]), (6, ["failed"])]
        assert main(["failures", *words, "--json"]) == 0
        assert len(json.loads(capsys.readouterr().out)) == 14

    def test_it_shows_each_trial(
        self, words: list[str], sweep: raylab.Sweep, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["failures", *words]) == 0
        assert pl.read_csv(capsys.readouterr().out.encode())["_error"].to_list() == sweep.failures()["_error"].to_list()

    def test_nothing_failed_is_said_beside(
        self, words: list[str], sweep: raylab.Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "mended").touch()
        sweep.retry()
        finished(sweep)
        capsys.readouterr()
        assert main(["failures", *words, "--by", "cause"]) == 0
        shown = capsys.readouterr()
        assert shown.out == ""
        assert "nothing failed" in shown.err
        assert main(["failures", *words, "--by", "cause", "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == []
