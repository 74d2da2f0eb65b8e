"""Submitting again, with a real cluster: what gives way, what does not, and that a handle means one sweep."""

from __future__ import annotations

from pathlib import Path

import pytest
from clusters import Cluster

import raylab

pytestmark = pytest.mark.ray

SAID = """
import os, time, warnings
def said(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = call()
    return made, [str(each.message) for each in caught]
def refused(kind, *words):
    import contextlib
    @contextlib.contextmanager
    def check():
        try:
            yield
        except kind as error:
            missing = [word for word in words if word not in str(error)]
            assert not missing, (missing, str(error))
        else:
            raise AssertionError(f"nothing was refused; expected {kind.__name__} with {words}")
    return check()
def gated(x, gate):
    while not os.path.exists(gate):
        time.sleep(0.02)
    return {"y": x}
"""


def _dedent(code: str) -> str:
    return "\n".join(line.removeprefix("    ") for line in code.splitlines())


def test_a_loop_over_a_value_makes_a_sweep_for_each_and_each_handle_gives_its_own(
    cluster: Cluster, lab_name: str
) -> None:
    script = """
    lab = raylab.Lab(name)
    for _ in range(2):                                   # also where the cell is run again
        sweeps = [lab.submit(lambda x, k=k: {"y": k * x}, {"x": range(5)}) for k in (1, 10, 100)]
        assert lab.wait(timeout=90, progress=False)
        assert [sweep.results()["y"].to_list() for sweep in sweeps] == [[k * x for x in range(5)] for k in (1, 10, 100)]
    names = [sweep.name for sweep in sweeps]
    assert lab.sweeps()["name"].to_list() == names and len(set(names)) == 3
    frame = lab.results(names)
    assert frame.columns == ["_sweep", "x", "y"] and frame["_sweep"].unique(maintain_order=True).to_list() == names
    assert lab.scan(names).collect().height == 15
    assert (lab.ready(names), lab.progress(names[:2]).total, lab.number_of_results(names[1:])) == (True, 10, 10)
    assert lab.wait(names, timeout=5, progress=False) and lab.update_results(names[:1]) == 5
    with refused(raylab.SweepNotFound, "'nothing'", *names):
        lab.results([names[0], "nothing"])
    with refused(raylab.SweepNotFound, f"results([{names[0]!r}, {names[1]!r}])"):
        lab.results()
    for verb in (lab.sweep, lab.cancel):
        with refused(raylab.NameRefused, "the name of one sweep is wanted"):
            verb(names)
    for bad in ([], [3], 3):
        with refused(raylab.NameRefused):
            lab.results(bad)
    """
    cluster.client(SAID + _dedent(script), name=lab_name)


def test_a_running_sweep_gives_way_only_when_told_to_and_its_handle_says_so(
    cluster: Cluster, lab_name: str, gate: Path
) -> None:
    script = """
    import threading
    lab = raylab.Lab(name)
    mine = lab.submit(gated, {"x": range(4), "gate": [gate]}, name="coarse")
    other = {"x": [7], "gate": [gate]}
    with refused(raylab.SweepExists, "another name with name=", "if_exists='replace'", "lab.results('coarse')"):
        lab.submit(gated, other, name="coarse")
    with refused(raylab.DesignError, "'extend' is not there yet"):
        lab.submit(gated, other, name="coarse", if_exists="extend")
    theirs, told = said(lambda: lab.submit(gated, other))
    assert theirs.name == "gated" and mine.progress().total == 4

    ends = []
    def watch(call):
        try:
            ends.append(call())
        except raylab.SweepNotFound as error:
            ends.append(str(error))
    calls = (lambda: mine.wait(timeout=90, progress=False), lambda: list(mine.updates(timeout=90)),
             lambda: lab.wait("coarse", timeout=90, progress=False))
    threads = [threading.Thread(target=watch, args=[call]) for call in calls]
    [thread.start() for thread in threads]
    until = time.monotonic() + 60
    while not mine.progress().running and time.monotonic() < until:
        time.sleep(0.02)
    new, told = said(lambda: lab.submit(gated, other, name="coarse", if_exists="replace"))
    assert len(told) == 1 and told[0].endswith("The rows of that one are read as 'coarse~1'"), told
    [thread.join(timeout=60) for thread in threads]
    assert len(ends) == 3 and all("was replaced by" in str(end) and "'coarse~1'" in str(end) for end in ends), ends

    verbs = (mine.info, mine.progress, mine.ready, mine.ready_fraction, mine.number_of_results, mine.update_results,
             mine.results, mine.scan, mine.failures, mine.warnings, mine.cancel, mine.lock, lambda: mine.design,
             lambda: mine.wait(timeout=1), lambda: next(mine.updates(timeout=1)))
    for verb in verbs:
        with refused(raylab.SweepNotFound, "was replaced by", "UTC", "'coarse~1'"):
            verb()
    open(gate, "w").close()
    assert new.wait(timeout=90, progress=False) and new.results()["x"].to_list() == [7]
    old = lab.sweep("coarse~1")
    assert old.wait(timeout=5, progress=False) and old.progress().total == 4 and old.info()["replaced_by"]
    assert old.results().height == lab.results("coarse~1").height == old.number_of_results()
    for verb in (old.cancel, old.lock, lambda: lab.cancel("coarse~1")):
        with refused(raylab.SweepLocked, "'coarse~1' was set aside for another 'coarse'"):
            verb()
    with refused(raylab.NameRefused, "'coarse~1' cannot be the name of a new sweep"):
        lab.submit(gated, other, name="coarse~1")
    assert "coarse~1" not in lab.sweeps()["name"] and lab.cancel("coarse") == 0
    again = lab.submit(gated, other, name="coarse", if_exists="replace")     # the same: nothing is replaced
    assert again.results().height == 1
    """
    cluster.client(SAID + _dedent(script), name=lab_name, gate=str(gate))
    assert raylab.Notebook(cluster.home / lab_name).results("coarse")["x"].to_list() == [7]


def test_a_bug_that_is_mended_takes_the_name_and_its_failures_are_a_design(cluster: Cluster, lab_name: str) -> None:
    script = """
    lab = raylab.Lab(name)
    def fit(x):
        raise KeyError(x)
    broken = lab.submit(fit, {"x": range(4)}, repeats=3)
    assert broken.wait(timeout=90, progress=False)
    failures = broken.failures()
    assert "_repeat" in failures.columns and failures.height == 12
    def fit(x):
        return {"y": x}
    mended, told = said(lambda: lab.submit(fit, {"x": range(4)}, repeats=3))
    assert mended.name == "fit" and "read as 'fit~1'" in told[0], told
    assert mended.wait(timeout=90, progress=False) and mended.results().height == 12
    assert lab.sweep("fit~1").failures().equals(failures)
    def fit(x):
        return {"y": -x}
    with refused(raylab.SweepExists, "function fit: its source has changed"):
        lab.submit(fit, {"x": range(4)}, repeats=3, name="fit")

    again, told = said(lambda: lab.submit(fit, failures, name="again"))
    assert "_repeat, _status, _attempt, _error" in told[0] and "12 failed trials are 4 points: repeats" in told[0], told
    assert again.wait(timeout=90, progress=False) and again.results()["y"].to_list() == [0, -1, -2, -3]
    rows = mended.results(metadata=True).select("x", "_seq", "_repeat")
    some, told = said(lambda: lab.submit(fit, rows, name="some"))
    assert some.progress().total == 4 and len(told) == 1, told
    with refused(raylab.DesignError, "'_x'"):
        lab.submit(fit, failures.with_columns(_x=1), name="bad")
    """
    cluster.client(SAID + _dedent(script), name=lab_name)


def test_what_was_set_aside_is_still_there_after_the_lab_was_started_again(cluster: Cluster, lab_name: str) -> None:
    script = """
    lab = raylab.Lab(name)
    lab.submit(lambda x: {"y": x}, {"x": [1, 2]}, name="s").wait(timeout=90, progress=False)
    lab.submit(lambda x: {"y": -x}, {"x": [1, 2]}, name="s", if_exists="replace").wait(timeout=90, progress=False)
    lab.submit(lambda x: {"y": 0}, {"x": [1, 2]}, name="s", if_exists="replace").wait(timeout=90, progress=False)
    lab.shutdown()
    lab = raylab.Lab(name, create=False)
    assert [lab.results(which)["y"].to_list() for which in ("s~1", "s~2", "s")] == [[1, 2], [-1, -2], [0, 0]]
    assert lab.results(["s", "s~1"])["_sweep"].to_list() == ["s", "s", "s~1", "s~1"]
    """
    cluster.client(SAID + _dedent(script), name=lab_name)
