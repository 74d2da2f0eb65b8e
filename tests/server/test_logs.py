"""What trials print, through a lab in memory: kept beside the rows, read by handle, name, command and file."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clusters import eventually
from said import refused, said

import raylab
import raylab.testing
from raylab.core import trial_log
from raylab.notebook import layout
from raylab.notebook.tables import Tables
from raylab.terminal.command import main


def loud(x: int) -> dict[str, int]:
    print("trial", x)
    print("aside", file=sys.stderr)
    if x % 2:
        raise ValueError("odd")
    return {"y": x}


def silent(x: int) -> dict[str, int]:
    if x % 2:
        raise ValueError("odd")
    return {"y": x}


def gated(x: int, gate: str) -> dict[str, int]:
    print("waiting")
    while not os.path.exists(gate):  # noqa: PTH110
        time.sleep(0.005)
    raise ValueError("open")


def ready(lab: raylab.Lab, experiment: Any = loud, count: int = 4, **words: Any) -> raylab.Sweep:
    sweep = lab.submit(experiment, {"x": range(count)}, **{"name": "s", **words})
    assert sweep.wait(timeout=60, progress=False)
    return sweep


def root(lab: raylab.Lab) -> Path:
    return Path(lab.info()["notebook"])


def test_of_what_failed_the_log_is_kept_and_of_what_is_done_it_is_said_how(lab: raylab.Lab) -> None:
    sweep = ready(lab)
    notebook = raylab.Notebook(root(lab))
    for log in (sweep.log, lab.sweep("s").log, lambda *words: notebook.log("s", *words)):
        assert log(1) == log(1, 0) == log(np.int64(1)) == "trial 1\naside\n"
        with refused(raylab.LogNotFound, "point 0 of 's'", "it is done", "capture='all'"):
            log(0)
    assert notebook.log(None, 3) == notebook.log(point=3) == "trial 3\naside\n"
    with refused(TypeError, "log('coarse', 17)", "3 for the sweep's name"):
        notebook.log(3)  # type: ignore[arg-type]
    assert sweep.results(metadata=["_printed"], status="all")["_printed"].to_list() == [None, 14, None, 14]


def test_all_and_none(lab: raylab.Lab) -> None:
    everything = ready(lab, name="everything", capture="all")
    assert [everything.log(x) for x in range(4)] == [f"trial {x}\naside\n" for x in range(4)]
    nothing = ready(lab, name="nothing", capture="none")
    for x, status in ((0, "done"), (1, "failed")):
        with refused(raylab.LogNotFound, f"it is {status}", f"capture='{'all' if status == 'done' else 'failed'}'"):
            nothing.log(x)
    assert not (root(lab) / "logs" / "nothing").exists()
    assert (everything.info()["capture"], nothing.info()["capture"]) == ("all", "none")


def test_what_printed_nothing_has_an_empty_log(lab: raylab.Lab) -> None:
    sweep = ready(lab, silent)
    assert (sweep.log(1), sweep.log(3)) == ("", "")
    assert sweep.failures()["_last_lines"].to_list() == ["", ""]
    assert not (root(lab) / "logs").exists(), "nothing is written where nothing is said"


def test_a_sweep_that_takes_another_word_keeps_what_runs_from_then_on(lab: raylab.Lab) -> None:
    sweep = ready(lab, capture="none", order="design")
    with refused(raylab.DesignError, "'failed'", "'all'", "got 'some'"):
        sweep.change(capture="some")
    with refused(raylab.DesignError, "got None"):
        lab.submit(loud, {"x": range(4)}, name="t", capture=None)  # type: ignore[arg-type]
    sweep.change(capture="all")
    assert sweep.info()["capture"] == "all"
    sweep.extend({"x": range(6)})
    assert sweep.wait(timeout=60, progress=False)
    assert (sweep.log(4), sweep.log(5)) == ("trial 4\naside\n", "trial 5\naside\n")
    with refused(raylab.LogNotFound, "was not kept when it ran"):
        sweep.log(1)
    assert sweep.retry() == 3
    assert sweep.wait(timeout=60, progress=False)
    assert sweep.log(1) == "trial 1\naside\n"
    assert sweep.log(5, attempt=1) == sweep.log(5, attempt=2) == "trial 5\naside\n"
    with refused(raylab.LogNotFound, "no attempt 7", "1, 2"):
        sweep.log(5, attempt=7)
    with pytest.raises(TypeError, match="attempt: wanted the number"):
        sweep.log(5, attempt="one")  # type: ignore[arg-type]
    _, told = said(lambda: lab.submit(loud, {"x": range(6)}, name="s", order="design", capture="none"))
    assert any("capture: 'none', was 'all'" in line for line in told), told


def test_a_trial_that_has_not_ended_has_no_log_yet(lab: raylab.Lab, gate: Path) -> None:
    sweep = lab.submit(gated, {"x": range(3), "gate": [str(gate)]}, name="held", order="design")
    eventually(lambda: sweep.progress().running)
    with refused(raylab.LogNotFound, "point 0 of 'held' has no log yet", "still running"):
        sweep.log(0)
    with refused(raylab.LogNotFound, "point 2", "waits"):
        sweep.log(2)
    with refused(raylab.LogNotFound, "no record"):
        raylab.Notebook(root(lab)).log("held", 0)
    sweep.pause()
    with refused(raylab.LogNotFound, "point 2", "paused"):
        sweep.log(2)
    sweep.cancel()
    with refused(raylab.LogNotFound, "point 2", "cancelled"):
        sweep.log(2)
    gate.touch()


@pytest.mark.parametrize(("point", "repeat"), [(4, 0), (-1, 0), (0, 1)])
def test_what_no_trial_is_is_refused(lab: raylab.Lab, point: int, repeat: int) -> None:
    sweep = ready(lab)
    with refused(raylab.LogNotFound, "no trial of point", "0 to 3"):
        sweep.log(point, repeat)
    with refused(TypeError, "number"):
        sweep.log("one")  # type: ignore[arg-type]


def test_repeats_grown_points_and_classes_have_their_own(lab: raylab.Lab) -> None:
    def classed(x: int, n: int) -> None:
        print(x, n)

    words: dict[str, Any] = {"name": "s", "capture": "all", "num_cpus": {"n": {1: 0.5, 2: 0.25}}}
    sweep = lab.submit(classed, {"x": range(4), "n": [1, 2]}, repeats=2, **words)
    sweep.extend({"x": [0, 10, 11], "n": [1, 2]}, repeats=3)
    assert sweep.wait(timeout=60, progress=False)
    rows = sweep.results(metadata=["_point"])
    assert rows.height == 16 + 2 + 12
    for row in rows.iter_rows(named=True):
        assert sweep.log(row["_point"], row["_repeat"]) == f"{row['x']} {row['n']}\n"


def test_failures_have_the_last_lines(lab: raylab.Lab) -> None:
    def counting(x: int) -> None:
        for at in range(x):
            print("line", at)
        raise ValueError("counted")

    sweep = lab.submit(counting, {"x": [0, 1, 50]}, name="s")
    assert sweep.wait(timeout=60, progress=False)
    frame = sweep.failures()
    assert frame["_last_lines"].to_list() == ["", "line 0", "\n".join(f"line {at}" for at in range(40, 50))]
    again, told = said(lambda: lab.submit(silent, frame, name="again"))
    assert list(again.design.parameters) == ["x"]
    assert any("_last_lines" in line for line in told), told


def test_attempts_have_their_own_and_the_record_names_them(lab: raylab.Lab) -> None:
    def third(x: int, seen: list[int] = []) -> None:  # noqa: B006
        seen.append(x)
        print(f"time {len(seen)}")
        if len(seen) < 3:
            raise ValueError("not yet")

    sweep = lab.submit(third, {"x": [1]}, name="s", retries=5)
    assert sweep.wait(timeout=60, progress=False)
    with refused(raylab.LogNotFound, "it is done", "attempt=1, 2"):
        sweep.log(0)
    assert [sweep.log(0, attempt=at) for at in (1, 2)] == ["time 1\n", "time 2\n"]
    with refused(raylab.LogNotFound, "it is done"):
        sweep.log(0, attempt=3)


def test_a_lab_that_comes_later_goes_on_with_the_same_logs(tmp_path: Path) -> None:
    with raylab.testing.lab(notebook=tmp_path / "lab") as lab:
        ready(lab)
    with raylab.testing.lab(notebook=tmp_path / "lab") as lab:
        sweep = lab.sweep("s")
        sweep.extend({"x": range(6)})
        assert sweep.wait(timeout=60, progress=False)
        assert (sweep.log(1), sweep.log(5)) == ("trial 1\naside\n", "trial 5\naside\n")


def test_results_are_read_without_the_logs(lab: raylab.Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = ready(lab)
    monkeypatch.setattr(layout, "log_folder", lambda folder: pytest.fail("the logs were looked for"))
    monkeypatch.setattr(Tables, "of", _but_logs(Tables.of))
    assert sweep.results(status="all").height == 4
    assert lab.sweep("s").scan(status="all").collect().height == 4
    assert raylab.Notebook(root(lab)).results("s").height == 2


def _but_logs(read: Any) -> Any:
    def of(self: Tables, folder: str, since: int = 0) -> Any:
        assert not folder.startswith(layout.LOGS)
        return read(self, folder, since)

    return of


def test_a_sweep_that_is_set_aside_or_removed(lab: raylab.Lab) -> None:
    first = ready(lab)
    second = ready(lab, silent, if_exists="replace")
    assert lab.sweep("s~1").log(1) == "trial 1\naside\n"
    assert second.log(1) == ""
    with refused(raylab.SweepNotFound, "replaced"):
        first.log(1)
    lab.remove("s~1")
    with refused(raylab.SweepNotFound, "removed"):
        lab.sweep("s~1")
    left = [path for path in (root(lab) / "logs" / "s").rglob("*.arrow") if _rows(path)]
    assert left == []
    third = ready(lab, loud, if_exists="replace")
    assert third.log(1) == "trial 1\naside\n"
    assert raylab.Notebook(root(lab)).verify().is_empty()


def _rows(path: Path) -> int:
    from raylab.notebook.file import load

    return int(load(path.read_bytes(), str(path)).table.num_rows)


def test_copies_have_the_logs_and_damage_to_them_is_named_and_costs_no_row(lab: raylab.Lab, tmp_path: Path) -> None:
    ready(lab)
    copy = raylab.Notebook(root(lab)).copy(tmp_path / "copy")
    assert copy.log("s", 1) == "trial 1\naside\n"
    (damaged,) = [path for path in (tmp_path / "copy" / "logs").rglob("*.arrow") if _rows(path)]
    data = bytearray(damaged.read_bytes())
    data[data.index(b"trial 1")] ^= 1
    damaged.chmod(0o600)
    damaged.write_bytes(data)
    copy = raylab.Notebook(tmp_path / "copy")
    assert copy.results("s").height == 2
    with refused(raylab.NotebookDamaged, "logs/s"):
        copy.log("s", 1)
    found = copy.verify()
    assert found.select("sweep", "trials").rows() in ([("s", 0)], [("s", None)])
    assert found["file"][0] == damaged.relative_to(tmp_path / "copy").as_posix()
    whole = copy.copy(tmp_path / "whole", salvage=True)
    assert whole.verify().is_empty()
    assert whole.results("s").height == 2
    assert whole.progress("s").state == "ready"
    with refused(raylab.LogNotFound, "14 bytes", "lost"):
        whole.log("s", 1)


def test_a_sweep_has_so_much_of_logs_at_most(lab: raylab.Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_log, "SWEEP_BYTES", 300)
    sweep = ready(lab, count=20, capture="all", order="design")
    kept = []
    for x in range(20):
        try:
            assert sweep.log(x) == f"trial {x}\naside\n"
            kept.append(x)
        except raylab.LogNotFound as error:
            assert "14 bytes" in str(error) or "15 bytes" in str(error)  # noqa: PT017
            assert "only counted" in str(error)  # noqa: PT017
    assert kept == [0, 1, 2]
    with refused(raylab.LogNotFound, f"what 17 attempts have printed since, {7 * 14 + 10 * 15} bytes"):
        sweep.log(19)
    assert sweep.results(status="all", metadata=["_printed"])["_printed"].sum() == 10 * 14 + 10 * 15


# -- the command


def test_the_command_shows_a_log(lab: raylab.Lab, capsys: pytest.CaptureFixture[str]) -> None:
    ready(lab)
    place = str(root(lab))
    capsys.readouterr()
    assert main(["log", "s", "1", "--notebook", place]) == 0
    assert capsys.readouterr().out == "trial 1\naside\n"
    assert main(["log", "s", "0", "--notebook", place]) == 3
    assert "capture='all'" in capsys.readouterr().err
    assert main(["log", "s", "17", "--notebook", place]) == 3
    assert "0 to 3" in capsys.readouterr().err
    assert main(["log", "nosweep", "0", "--notebook", place]) == 3
    assert main(["log", "s", "1", "--repeat", "1", "--notebook", place]) == 3
    assert main(["log", "s", "1", "--attempt", "1", "--notebook", place]) == 0
    for words in (["s"], ["s", "one"], ["a", "s", "1"]):
        with pytest.raises(SystemExit) as ended:
            main(["log", *words, "--notebook", place])
        assert ended.value.code == 2
