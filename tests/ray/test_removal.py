"""Hiding and deleting sweeps on a cluster: from a handle, a name and the command, beside readers, through deaths.

All else about it is in tests/server/test_removal.py."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from clusters import LAB, Cluster, eventually
from parts import REFUSED

from raylab.errors import SweepNotFound
from raylab.notebook.file import load
from raylab.offline import Notebook

SUBMIT = """
import os, time
def gated(x, gate):
    while not os.path.exists(gate):
        time.sleep(0.02)
    return {"y": x}
lab = raylab.Lab(name)
"""


def rows_in(folder: Path) -> int:
    return sum(load(path.read_bytes(), str(path)).table.num_rows for path in folder.rglob("*.arrow"))


def test_a_sweep_is_hidden_and_removed_from_a_handle_a_name_and_the_command(
    cluster: Cluster, lab_name: str, gate: Path
) -> None:
    gate.touch()
    script = """
    axes = {"x": range(10), "gate": [gate]}
    one, two, three = (lab.submit(gated, axes, name=name, seed=seed) for seed, name in enumerate("abc", start=1))
    assert lab.wait(timeout=120, progress=False)
    one.archive(), lab.archive("b")
    assert lab.sweeps()["name"].to_list() == ["c"] and lab.results().height == 10
    assert lab.sweeps(archived=True)["archived"].to_list() == [True, True, False]
    one.archive(undo=True), lab.archive("b", undo=True)
    one.remove(), lab.remove("b")
    for gone in (one, two):
        verbs = (gone.results, gone.progress, gone.cancel, lambda: gone.wait(timeout=1), lambda: lab.sweep(gone.name))
        for verb in verbs:
            with refused(raylab.SweepNotFound, f"{gone.name!r} was removed by", "UTC", "'c'"):
                verb()
    new = lab.submit(gated, axes, name="a")
    assert new.wait(timeout=150, progress=False) and new.results().height == 10
    one.remove()
    assert lab.results("a").height == 10
    """
    cluster.client(REFUSED + SUBMIT + _dedent(script), name=lab_name, gate=str(gate))
    root = cluster.home / lab_name

    def are_sealed() -> bool:
        try:
            return [rows_in(root / "sweeps" / name) for name in ("a", "b", "c", "a~2")] == [0, 0, 10, 10]
        except FileNotFoundError:  # of the journal
            return False

    assert eventually(are_sealed), "before that rows stand in the part and in the journal"

    hidden = cluster.command("archive", lab_name, "c")
    assert (hidden.returncode, hidden.stdout.split(";")[0]) == (0, "c is archived")
    assert [line.split()[0] for line in cluster.command("status", lab_name).stdout.splitlines()[1:]] == ["a"]
    listed = cluster.command("status", lab_name, "--all").stdout.splitlines()[1:]
    assert [line.split()[0] for line in listed] == ["c", "a"]
    assert cluster.command("archive", lab_name, "c", "--undo").returncode == 0
    assert cluster.command("rm", lab_name, "c").returncode == 2, "nobody is there to ask"
    assert rows_in(root / "sweeps/c") == 10
    removed = cluster.command("rm", lab_name, "c", "--yes")
    assert (removed.returncode, removed.stdout) == (0, "c is deleted, with 10 rows\n")
    assert rows_in(root / "sweeps/c") == 0
    for words in (("rm", lab_name, "c", "--yes"), ("results", lab_name, "c")):
        again = cluster.command(*words)
        assert (again.returncode, "'c' was removed by" in again.stderr) == (3, True), again.stderr
    assert cluster.command("shutdown", lab_name).returncode == 0
    started = cluster.command("rm", lab_name, "a", "--yes")
    assert "was started for it" in started.stdout, started.stderr
    assert "a is deleted, with 10 rows" in started.stdout
    assert Notebook(root).verify().is_empty()
    assert Notebook(root).sweeps().height == 0


@pytest.mark.long  # by default: tests/server/test_removal.py
def test_who_waits_and_reads_over_both_ways_is_told_and_what_runs_is_stopped(
    cluster: Cluster, lab_name: str, gate: Path
) -> None:
    script = """
    import threading
    sweep = lab.submit(gated, {"x": range(40), "gate": [gate]}, name="held")
    until = time.monotonic() + 100
    while not sweep.progress().running and time.monotonic() < until:
        time.sleep(0.02)
    ends = []
    def watch(call):
        try:
            ends.append(call())
        except raylab.SweepNotFound as error:
            ends.append(str(error))
    calls = [lambda: sweep.wait(timeout=150, progress=False), lambda: list(sweep.updates(timeout=90))]
    threads = [threading.Thread(target=watch, args=[call]) for call in calls]
    [thread.start() for thread in threads]
    raylab.Lab(name).remove("held")
    [thread.join(timeout=60) for thread in threads]
    assert len(ends) == 2 and all("'held' was removed by" in str(end) for end in ends), ends
    until = time.monotonic() + 100
    while lab.progress().running and time.monotonic() < until:
        time.sleep(0.05)
    quick = lab.submit(gated, {"x": [7], "gate": [os.devnull]}, name="quick")   # the slots are free
    assert quick.wait(timeout=150, progress=False)
    """
    cluster.client(SUBMIT + _dedent(script), name=lab_name, gate=str(gate), address=cluster.client_address)
    assert rows_in(cluster.home / lab_name / "sweeps/held") == 0


@pytest.mark.long
def test_a_lab_that_dies_while_it_deletes_goes_on_when_it_is_back(own_cluster: Cluster, lab_name: str) -> None:
    script = """
    def quick(x):
        return {"y": x}
    lab = raylab.Lab(name)
    keep = lab.submit(quick, {"x": range(5)}, name="keep")
    sweep = lab.submit(quick, {"x": range(2000)}, name="gone")
    assert lab.wait(timeout=120, progress=False)
    print(lab.info()["pid"])
    """
    pid = int(own_cluster.client(_dedent(script), name=lab_name).split()[-1])
    root = own_cluster.home / lab_name
    assert rows_in(root / "sweeps/gone") == 2000
    with own_cluster.begin("raylab.Lab(name).remove('gone')", name=lab_name) as remover:
        eventually(lambda: _is_said(root), every=0.001)
        os.kill(pid, signal.SIGKILL)
        remover.ended(120)  # it may have been told that the sweep is gone
    own_cluster.client("assert raylab.Lab(name).results('keep').height == 5", name=lab_name)
    assert own_cluster.workers(LAB) != [pid]
    eventually(lambda: rows_in(root / "sweeps/gone") == 0)
    assert Notebook(root).verify().is_empty()


def test_a_lab_is_hidden_and_deleted_as_a_whole_and_its_name_is_free(
    cluster: Cluster, lab_name: str, gate: Path
) -> None:
    begin = """
    sweep = lab.submit(gated, {"x": range(4), "gate": [gate]}, name="held")
    """
    cluster.client(SUBMIT + _dedent(begin), name=lab_name, gate=str(gate))
    for words in (("archive", lab_name), ("rm", lab_name, "--yes")):
        busy = cluster.command(*words)
        assert (busy.returncode, "4 trials outstanding" in busy.stderr) == (1, True), busy.stderr
    gate.touch()
    assert cluster.command("wait", lab_name, "--timeout", "100", "--quiet").returncode == 0
    archived = cluster.command("archive", lab_name)
    assert (archived.returncode, archived.stdout.split(";")[0]) == (0, f"{lab_name} is archived"), archived.stderr
    assert lab_name not in cluster.command("ls").stdout
    assert lab_name in cluster.command("ls", "--all").stdout
    look = """
    lab = raylab.Lab(name, create=False)
    assert lab.results().height == 4
    assert raylab.labs().filter(name=name).select("running", "archived").rows() == [(True, True)]
    """
    cluster.client(_dedent(look), name=lab_name)
    assert cluster.command("archive", lab_name, "--undo").returncode == 0
    assert lab_name in cluster.command("ls").stdout

    root = cluster.home / lab_name
    (root / "notes.txt").write_text("mine")
    removed = cluster.command("rm", lab_name, "--yes")
    assert (removed.returncode, "1 sweeps, 4 rows" in removed.stdout) == (0, True), removed.stderr
    assert [path.name for path in root.rglob("*")] == ["notes.txt"]
    assert lab_name not in cluster.command("ls", "--all").stdout
    assert cluster.command("rm", lab_name, "--yes").returncode == 3
    anew = """
    with refused(raylab.LabNotFound, repr(name)):
        raylab.Lab(name, create=False)
    lab = raylab.Lab(name)
    assert lab.sweeps().height == 0
    assert lab.submit(gated, {"x": [7], "gate": [gate]}, name="held").wait(timeout=150, progress=False)
    """
    cluster.client(
        REFUSED + SUBMIT.replace("lab = raylab.Lab(name)", "") + _dedent(anew), name=lab_name, gate=str(gate)
    )
    assert Notebook(root).results()["x"].to_list() == [7]
    forced = """
    os.unlink(gate)
    lab.submit(gated, {"x": range(9), "gate": [gate]}, name="more")
    """
    cluster.client(SUBMIT + _dedent(forced), name=lab_name, gate=str(gate))
    assert cluster.command("rm", lab_name, "--yes", "--force").returncode == 0
    assert [path.name for path in root.rglob("*")] == ["notes.txt"]


def _is_said(root: Path) -> bool:
    """Whether the requests say that it is removed."""
    try:
        Notebook(root).progress("gone")
    except SweepNotFound:
        return True
    return False


def _dedent(code: str) -> str:
    return "\n".join(line.removeprefix("    ") for line in code.splitlines())
