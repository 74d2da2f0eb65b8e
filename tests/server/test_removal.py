"""Hiding and deleting sweeps, in memory: what verbs without a name speak of, what is gone, what a handle says."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from clusters import eventually
from said import refused, said

import raylab
import raylab.testing
from raylab.notebook.file import load
from raylab.notebook.posix import PosixStore
from raylab.server.removal import Removals


def squares(x: int) -> dict[str, int]:
    return {"y": x * x}


def cubes(x: int) -> dict[str, int]:
    return {"y": x**3}


def gated(x: int, gate: str) -> dict[str, int]:
    while not os.path.exists(gate):  # noqa: PTH110
        time.sleep(0.005)
    return {"y": x}


def ready(lab: raylab.Lab, experiment: Callable[..., Any], name: str, **words: Any) -> raylab.Sweep:
    sweep = lab.submit(experiment, {"x": range(4)}, name=name, **words)
    assert sweep.wait(timeout=60, progress=False)
    return sweep


def files(root: Path, folder: str = "") -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in (root / folder).rglob("*") if path.is_file())


def rows_on_disk(root: Path, folder: str) -> int:
    count = 0
    for path in (root / folder).rglob("*.arrow"):
        with suppress(FileNotFoundError):  # it is being deleted
            count += load(path.read_bytes(), str(path)).table.num_rows
    return count


# -- archive


def test_what_is_archived_is_left_out_where_no_name_is_given_and_there_by_its_name(lab: raylab.Lab) -> None:
    one, two = ready(lab, squares, "one"), ready(lab, cubes, "two", repeats=2)
    with refused(raylab.SweepNotFound, "'one', 'two'"):
        lab.results()
    lab.archive("one")
    lab.archive("one")
    assert lab.sweeps()["name"].to_list() == ["two"]
    assert lab.sweeps(archived=True).select("name", "archived").rows() == [("one", True), ("two", False)]
    assert (lab.progress().total, lab.number_of_results()) == (8, 8)
    assert lab.results().height == 8, "the only sweep that is not archived"
    assert lab.results("one")["y"].to_list() == [0, 1, 4, 9]
    assert lab.sweep("one").results().equals(one.results())
    assert (one.info()["archived"], two.info()["archived"]) == (True, False)
    assert (lab.progress("one").total, lab.progress(["one", "two"]).total) == (4, 12)
    two.archive()
    with refused(raylab.SweepNotFound, "archived: 'one', 'two'"):
        lab.results()
    with refused(raylab.SweepNotFound, "no sweep 'three'", "archived: 'one', 'two'"):
        lab.results("three")
    assert lab.ready()
    assert lab.ready_fraction() == 1.0
    assert lab.progress().total == 0
    one.archive(undo=True)
    one.archive(undo=True)
    assert lab.sweeps()["name"].to_list() == ["one"]
    assert lab.results().height == 4


def test_a_notebook_hides_what_is_archived_as_its_lab_does(tmp_path: Path) -> None:
    with raylab.testing.lab(notebook=tmp_path / "lab") as lab:
        ready(lab, squares, "one")
        ready(lab, cubes, "two")
        lab.archive("one")
    with raylab.testing.lab(notebook=tmp_path / "lab") as lab:
        assert lab.sweeps()["name"].to_list() == ["two"]
        assert lab.sweeps(archived=True)["name"].to_list() == ["one", "two"]
    notebook = raylab.Notebook(tmp_path / "lab")
    assert notebook.sweeps()["name"].to_list() == ["two"]
    assert notebook.sweeps(archived=True).select("name", "archived").rows() == [("one", True), ("two", False)]
    assert notebook.results()["y"].to_list() == [0, 1, 8, 27]
    assert notebook.results("one")["y"].to_list() == [0, 1, 4, 9]
    assert (notebook.progress().total, notebook.progress("one").total) == (4, 4)


def test_nothing_runs_unseen(lab: raylab.Lab, gate: Path) -> None:
    axes = {"x": range(3), "gate": [str(gate)]}
    sweep = lab.submit(gated, axes, name="held")
    with refused(raylab.LabBusy, "'held' has 3 trials outstanding", "cancel it"):
        sweep.archive()
    sweep.cancel()
    sweep.archive()
    assert lab.sweeps().height == 0
    gate.touch()
    again, told = said(lambda: lab.submit(gated, axes, name="held"))
    assert told == ["'held' was archived; now it is among the lab's sweeps again"]
    assert lab.sweeps()["name"].to_list() == ["held"]
    assert again.wait(timeout=60, progress=False)
    assert again.results()["y"].to_list() == [0, 1, 2]


def test_submitting_what_is_archived_and_complete_shows_it_again(lab: raylab.Lab) -> None:
    ready(lab, squares, "one").archive()
    _, told = said(lambda: ready(lab, squares, "one"))
    assert told == ["'one' was archived; now it is among the lab's sweeps again"]
    _, told = said(lambda: ready(lab, squares, "one"))
    assert told == []
    assert lab.sweeps()["name"].to_list() == ["one"]


def test_a_locked_sweep_is_hidden_and_not_deleted(lab: raylab.Lab) -> None:
    sweep = ready(lab, squares, "kept")
    sweep.lock()
    with refused(raylab.SweepLocked, "'kept' is locked", "archive"):
        sweep.remove()
    with refused(raylab.SweepLocked, "'kept' is locked"):
        lab.remove("kept")
    sweep.archive()
    assert sweep.results().height == 4
    assert lab.sweeps().height == 0


# -- remove


def test_what_is_removed_is_gone_for_good_and_its_name_is_free(lab: raylab.Lab, tmp_path: Path) -> None:
    sweep = ready(lab, squares, "coarse")
    other = ready(lab, squares, "other", seed=3)
    root = tmp_path / "lab"
    assert rows_on_disk(root, "sweeps/coarse") == 4
    code = files(root, "code")
    assert sweep.remove() is None
    assert rows_on_disk(root, "sweeps/coarse") == 0
    assert files(root, "code") == code, "another sweep needs it"
    assert lab.sweeps(archived=True)["name"].to_list() == ["other"]
    verbs = [
        sweep.info,
        sweep.progress,
        sweep.ready,
        sweep.ready_fraction,
        sweep.number_of_results,
        sweep.update_results,
        sweep.results,
        sweep.scan,
        sweep.failures,
        sweep.warnings,
        sweep.cancel,
        sweep.lock,
        sweep.archive,
        lambda: sweep.design,
        lambda: sweep.wait(timeout=1),
        lambda: next(sweep.updates(timeout=1)),
        lambda: lab.results("coarse"),
        lambda: lab.sweep("coarse"),
        lambda: lab.cancel("coarse"),
        lambda: lab.remove("coarse"),
        lambda: lab.progress(["other", "coarse"]),
        lambda: raylab.Notebook(root).results("coarse"),
    ]
    for verb in verbs:
        with refused(raylab.SweepNotFound, "'coarse' was removed by", "UTC", "'other'"):
            verb()
    sweep.remove()  # as a call does that is repeated because its answer was lost
    assert raylab.Notebook(root).verify().is_empty()
    assert raylab.Notebook(root).sweeps()["name"].to_list() == ["other"]

    again = ready(lab, cubes, "coarse")
    assert again.results()["y"].to_list() == [0, 1, 8, 27]
    assert again.info()["folder"] == "sweeps/coarse~2"
    sweep.remove()
    assert again.results().height == 4, "the handle means the one that is gone"
    with refused(raylab.SweepNotFound, "was removed by", "'coarse' is another sweep now"):
        sweep.results()
    other.remove()
    left = [name for name in code if name in files(root, "code")]
    assert [Path(name).suffix for name in left] == [".zip"], "this module, which the third needs as well"
    assert again.results().height == 4
    again.remove()
    assert files(root, "code") == []


def test_what_runs_is_stopped(lab: raylab.Lab, gate: Path, tmp_path: Path) -> None:
    axes = {"x": range(50), "gate": [str(gate)]}
    sweep = lab.submit(gated, axes, name="held")
    eventually(lambda: sweep.progress().running)
    ends: list[object] = []

    def watch(call: Callable[[], object]) -> None:
        try:
            ends.append(call())
        except raylab.SweepNotFound as error:
            ends.append(str(error))

    calls = [lambda: sweep.wait(timeout=60, progress=False), lambda: list(sweep.updates(timeout=60))]
    threads = [threading.Thread(target=watch, args=[call]) for call in calls]
    for thread in threads:
        thread.start()
    lab.remove("held")
    for thread in threads:
        thread.join(timeout=30)
    assert len(ends) == 2
    assert all("'held' was removed by" in str(end) for end in ends), ends
    gate.touch()
    assert lab.ready()
    lab.shutdown()  # nothing is outstanding
    assert rows_on_disk(tmp_path / "lab", "sweeps/held") == 0


def test_what_was_set_aside_is_removed_by_its_name_and_what_is_in_force_leaves_it_there(lab: raylab.Lab) -> None:
    first = ready(lab, squares, "s")
    second, _ = said(lambda: ready(lab, cubes, "s", if_exists="replace"))
    third, _ = said(lambda: ready(lab, lambda x: {"y": -x}, "s", if_exists="replace"))
    third.remove()
    assert lab.sweeps().height == 0
    assert lab.results("s~1")["y"].to_list() == [0, 1, 4, 9]
    with refused(raylab.SweepNotFound, "'s' was removed by"):
        lab.results("s")
    lab.remove("s~1")
    with refused(raylab.SweepNotFound, "'s~1' was removed by"):
        lab.results("s~1")
    with refused(raylab.SweepNotFound, "was removed by"):
        first.results()
    fourth = ready(lab, squares, "s")
    assert fourth.info()["folder"] == "sweeps/s~4"
    fifth, told = said(lambda: ready(lab, cubes, "s", if_exists="replace"))
    assert "read as 's~4'" in told[0]
    assert [lab.results(name)["y"].to_list() for name in ("s~2", "s~4", "s")] == [
        [0, 1, 8, 27],
        [0, 1, 4, 9],
        [0, 1, 8, 27],
    ]
    with refused(raylab.SweepNotFound, "was replaced by", "'s~2'"):
        second.results()
    assert fifth.results().height == 4


def test_what_is_archived_can_be_removed_and_the_rest_stays_after_the_lab_began_anew(tmp_path: Path) -> None:
    root = tmp_path / "lab"
    with raylab.testing.lab(notebook=root) as lab:
        kept = ready(lab, cubes, "kept").results()
        ready(lab, squares, "gone").archive()
        lab.remove("gone")
    with raylab.testing.lab(notebook=root) as lab:
        assert lab.sweeps(archived=True)["name"].to_list() == ["kept"]
        assert lab.results().equals(kept)
        with refused(raylab.SweepNotFound, "'gone' was removed by", "'kept'"):
            lab.results("gone")
        assert ready(lab, squares, "gone").info()["folder"] == "sweeps/gone~2"


def test_a_removal_that_was_cut_is_carried_out_by_the_next_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "lab"

    async def never(self: Removals, folder: str) -> None:
        """The lab dies when the row is written."""

    with raylab.testing.lab(notebook=root) as lab, monkeypatch.context() as patch:
        patch.setattr(Removals, "carried_out", never)
        ready(lab, squares, "coarse").remove()
    assert rows_on_disk(root, "sweeps/coarse") == 4
    with refused(raylab.SweepNotFound, "'coarse' was removed by"):
        raylab.Notebook(root).results("coarse")
    with raylab.testing.lab(notebook=root) as lab:
        eventually(lambda: rows_on_disk(root, "sweeps/coarse") == 0)
        eventually(lambda: files(root, "code") == [])
        assert lab.sweeps().height == 0
        assert ready(lab, squares, "coarse").info()["folder"] == "sweeps/coarse~2"


def test_a_disk_that_refuses_to_delete_holds_nobody_up(
    lab: raylab.Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep, root = ready(lab, squares, "coarse"), tmp_path / "lab"
    remove, refusing = PosixStore.remove, threading.Event()

    def refuse(self: PosixStore, path: str) -> None:
        if path.startswith("sweeps/coarse/") and not refusing.is_set():
            raise PermissionError(1, "Operation not permitted", path)
        remove(self, path)

    monkeypatch.setattr(PosixStore, "remove", refuse)
    monkeypatch.setattr("raylab.server.removal.PATIENCE_S", 0.2)
    sweep.remove()
    assert rows_on_disk(root, "sweeps/coarse") >= 4
    with refused(raylab.SweepNotFound, "'coarse' was removed by"):
        sweep.results()
    assert ready(lab, cubes, "coarse").results().height == 4
    refusing.set()
    eventually(lambda: rows_on_disk(root, "sweeps/coarse") == 0)
