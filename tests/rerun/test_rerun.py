"""A recorded trial runs again here, from the notebook alone, and is the same bit by bit; or it is said what differs."""

from __future__ import annotations

import os
import pdb
import pickle
import random
import shutil
import signal
import subprocess
import sys
import traceback
import types
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import raylab
from raylab.notebook import layout
from raylab.rerun.report import Rerun

ALL = ["square", "noisy", "rows", "odd", "kinds", "files", "variables", "named", "main", "mine", "grown", "wide"]


@pytest.mark.parametrize("name", ALL)
def test_a_trial_of_any_kind_is_the_same_again(notebook: raylab.Notebook, name: str) -> None:
    about = notebook.results(name, metadata=True)
    for point, repeat in about.select("_point", "_repeat").unique().rows():
        again = notebook.rerun(name, point, repeat)
        assert again.same is True, again
        assert again.differences == ()
        plain = again.rows.columns if name != "odd" else [each for each in again.rows.columns if each != "thing"]
        assert again.rows.select(plain).equals(again.recorded.select(plain))  # a set is pickled in any order
        assert again.rows.columns == notebook.results(name).columns
        assert "the same as its record, bit by bit" in repr(again)
        mine = notebook.results(name, metadata=["_point", "_repeat"]).filter(_point=point, _repeat=repeat)
        assert again.recorded.equals(mine.select(again.recorded.columns))


def test_it_says_what_was_returned_and_of_which_point(notebook: raylab.Notebook) -> None:
    again = notebook.rerun("square", 3)
    assert (again.result, again.params) == ({"y": 109}, {"x": 3})
    assert (again.which.sweep, again.which.point, again.which.repeat, again.which.code) == ("square", 3, 0, 1)
    assert repr(again).splitlines() == [
        "point 3, repeat 0 of 'square', code version 1: the same as its record, bit by bit",
        "  x=3",
    ]
    assert type(notebook.rerun("odd", 1).result["thing"]).__name__ == "Thing"


def test_whoever_needs_no_name_gives_none(made: Path, tmp_path: Path) -> None:
    notebook = raylab.Notebook(made)
    with pytest.raises(raylab.SweepNotFound, match="say which one"):
        notebook.rerun(point=3)
    with pytest.raises(TypeError, match=r"rerun\(point=17\).*got 3 for the sweep's name"):
        notebook.rerun(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="got no point"):
        notebook.rerun("square")
    with raylab.testing.lab(notebook=tmp_path / "one") as lab:
        lab.submit(lambda x: {"y": x}, {"x": range(3)}, name="only")
        lab.wait(progress=False)
    assert raylab.Notebook(tmp_path / "one").rerun(point=2).result == {"y": 2}


def test_what_is_not_there_is_said(notebook: raylab.Notebook) -> None:
    with pytest.raises(IndexError, match=r"no trial of point 5 and repeat 0; it has the points 0 to 4"):
        notebook.rerun("square", 5)
    with pytest.raises(IndexError, match=r"repeat 3; .* in up to 3 repeats"):
        notebook.rerun("noisy", 0, 3)
    with pytest.raises(TypeError, match="point: wanted the number"):
        notebook.rerun("noisy", 0.5)  # type: ignore[arg-type]
    with pytest.raises(IndexError, match="has the versions 1 to 2 of its code, and no version 3"):
        notebook.rerun("versions", 0, code=3)
    with pytest.raises(TypeError, match=r"code: wanted the number that _code of .* says; got '2'"):
        notebook.rerun("versions", 0, code="2")  # type: ignore[arg-type]
    with pytest.raises(raylab.SweepNotFound):
        notebook.rerun("squares", 0)
    assert notebook.rerun("noisy", np.int64(4), np.int64(2)).same


def test_of_a_sweep_that_has_grown_each_trial_has_the_seed_it_had(notebook: raylab.Notebook) -> None:
    assert notebook.rerun("grown", 6, 1).result == {"y": 8 * 8 + 100}


# what it raises -----------------------------------------------------------------------------------------------------


def frames(error: BaseException) -> list[str]:
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


def test_what_the_experiment_raises_is_raised_where_it_happens(
    notebook: raylab.Notebook, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match="3 is bad") as caught:
        notebook.rerun("fragile", 3)
    assert (type(caught.value), caught.value.args) == (ValueError, ("3 is bad",))
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert frames(caught.value)[-1] == "fragile"
    outside = [frame for frame in traceback.extract_tb(caught.value.__traceback__) if "raylab" in frame.filename]
    last = caught.value.__traceback__
    while last.tb_next is not None:  # type: ignore[union-attr]
        last = last.tb_next  # type: ignore[union-attr]
    assert last.tb_frame.f_locals == {"x": 3}  # type: ignore[union-attr]
    assert {"attempt", "run", "_execute", "_called"}.isdisjoint(frame.name for frame in outside)
    assert caught.value.__notes__ == [
        "raylab: point 3, repeat 0 of 'fragile', code version 1: its record has failed with the same error"
    ]
    assert capsys.readouterr().out == "trying 3\n"


def test_an_experiment_class_and_epycs_raise_likewise(notebook: raylab.Notebook) -> None:
    with pytest.raises(KeyError, match="two") as caught:
        notebook.rerun("coin", 2)
    assert frames(caught.value)[-1] == "do"
    with pytest.raises(ValueError, match="one") as caught_of_epyc:
        notebook.rerun("epyc", 1)
    assert frames(caught_of_epyc.value)[-1] == "work"
    assert "failed with the same error" in caught_of_epyc.value.__notes__[0]
    assert notebook.rerun("epyc", 2).same
    assert notebook.rerun("coin", 1).same


def test_an_exception_that_takes_no_attributes_passes_as_well(notebook: raylab.Notebook) -> None:
    with pytest.raises(Exception, match=r"^2$") as caught:
        notebook.rerun("frozen", 2)
    assert type(caught.value).__name__ == "Frozen"
    assert frames(caught.value)[-1] == "frozen"


def test_a_failure_that_does_not_happen_here_is_the_difference(notebook: raylab.Notebook) -> None:
    sys.modules["no_such_package"] = types.ModuleType("no_such_package")
    try:
        late = notebook.rerun("late", 1)
    finally:
        del sys.modules["no_such_package"]
    assert late.same is False
    by_name = {difference.name: (difference.recorded, difference.now) for difference in late.differences}
    assert by_name["_status"] == ("failed", "done")
    assert by_name["_error"] == ("ModuleNotFoundError: No module named 'no_such_package'", None)
    assert "_status: done here, failed in the record" in repr(late)


def test_a_package_that_is_missing_in_a_trial_is_the_trials_own_error(notebook: raylab.Notebook) -> None:
    with pytest.raises(ModuleNotFoundError) as caught:
        notebook.rerun("late", 1)
    assert frames(caught.value)[-1] == "late"
    assert "did not travel with it" in caught.value.__notes__[0]


# versions of the code -----------------------------------------------------------------------------------------------


def test_a_record_runs_with_its_own_version_and_with_another_one(notebook: raylab.Notebook) -> None:
    assert notebook.rerun("versions", 1).which.code == 1
    assert notebook.rerun("versions", 1).same
    assert notebook.rerun("versions", 3).which.code == 2
    assert notebook.rerun("versions", 3).result == {"y": -3}
    with pytest.raises(ValueError, match="3 is bad") as caught:
        notebook.rerun("versions", 3, code=1)
    assert "its record is 'done'" in caught.value.__notes__[0]
    other = notebook.rerun("versions", 1, code=2)
    assert other.same is False
    assert [(each.kind, each.name, each.recorded, each.now) for each in other.differences] == [
        ("value", "y", 1, -1),
        ("version", "code", 1, 2),
    ]
    assert "code: 2 here, 1 in the record" in repr(other)


def test_what_waits_runs_and_has_nothing_to_be_compared_with(notebook: raylab.Notebook) -> None:
    again = notebook.rerun("waiting", 2)
    assert (again.result, again.same, again.differences) == ({"y": 104}, None, ())
    assert again.recorded.height == 0
    assert again.rows.rows() == [(2, 104)]
    assert "nothing is recorded of it yet" in repr(again)


def test_values_that_differ_are_named_with_both(notebook: raylab.Notebook) -> None:
    again = notebook.rerun("unsteady", 2)
    (difference,) = again.differences
    assert (difference.kind, difference.name, difference.now) == ("value", "pid", os.getpid())
    assert difference.recorded == notebook.results("unsteady")["pid"][2]
    assert f"pid: {os.getpid()} here, {difference.recorded} in the record" in repr(again)


def test_strings_that_hash_at_random_are_a_hint_where_something_differs(notebook: raylab.Notebook) -> None:
    assert ("PYTHONHASHSEED" in repr(notebook.rerun("unsteady", 2))) == bool(sys.flags.hash_randomization)
    assert "PYTHONHASHSEED" not in repr(notebook.rerun("square", 2))


# the process --------------------------------------------------------------------------------------------------------


def test_newer_modules_of_the_same_names_stay_and_are_not_used(
    notebook: raylab.Notebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.py").write_text("def square(x):\n    return {'y': 'newer'}\n")
    (tmp_path / "helper.py").write_text("OFFSET = 'newer'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import helper  # type: ignore[import-not-found]
    import model  # type: ignore[import-not-found]

    try:
        before = (list(sys.path), list(sys.meta_path))
        assert notebook.rerun("square", 3).result == {"y": 109}
        assert notebook.rerun("square", 2).result == {"y": 104}
        with pytest.raises(ValueError, match="3 is bad"):
            notebook.rerun("fragile", 3)
        assert (sys.path, sys.meta_path) == before
        assert sys.modules["model"] is model
        assert sys.modules["helper"] is helper
        assert model.square(3) == {"y": "newer"}
        import model as again

        assert again is model
    finally:
        del sys.modules["model"], sys.modules["helper"]


def test_where_nothing_of_these_names_was_loaded_nothing_is_afterwards(notebook: raylab.Notebook) -> None:
    notebook.rerun("square", 3)
    assert not {"model", "helper"} & sys.modules.keys()


def test_the_process_is_as_it_was(notebook: raylab.Notebook, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GREETING", "mine")
    random.seed(7)
    np.random.seed(7)
    kept = (random.getstate(), pickle.dumps(np.random.get_state()), os.environ.copy(), list(sys.argv), np.geterr())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        filters = list(warnings.filters)
        for name in ("noisy", "files", "variables"):
            assert notebook.rerun(name, 1).same
        with pytest.raises(ValueError, match="bad"):
            notebook.rerun("fragile", 3)
        assert list(warnings.filters) == filters
    now = (random.getstate(), pickle.dumps(np.random.get_state()), os.environ.copy(), list(sys.argv), np.geterr())
    assert now == kept
    assert Path.cwd() == tmp_path
    assert list(tmp_path.iterdir()) == []  # what the trial wrote is in a folder of its own, and gone
    assert notebook.results("variables")["greeting"].unique().to_list() == ["hello"]


def test_what_a_trial_takes_of_the_process_is_given_back(notebook: raylab.Notebook) -> None:
    def taken() -> tuple[object, ...]:
        return signal.getsignal(signal.SIGTERM), sys.getrecursionlimit(), sys.stdout, sys.stderr

    before = taken()
    assert notebook.rerun("greedy", 1).result == {"y": 1}
    assert taken() == before


def test_in_several_threads_one_runs_after_the_other(
    notebook: raylab.Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = types.ModuleType("model")
    monkeypatch.setitem(sys.modules, "model", newer)
    before = list(sys.path), os.environ.copy()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda number: notebook.rerun("noisy", number % 5, number % 3).same, range(16)))
    assert found == [True] * 16
    assert (list(sys.path), os.environ.copy()) == before
    assert sys.modules["model"] is newer


def test_no_cluster_is_needed_and_ray_is_not_even_imported(made: Path, tmp_path: Path) -> None:
    script = f"""
import sys, raylab
notebook = raylab.Notebook({str(made)!r})
assert notebook.rerun("noisy", 2, 1).same and notebook.rerun("kinds", 0).same
assert "ray" not in sys.modules
assert notebook.rerun("main", 2).same and notebook.rerun("odd", 2).same
import ray
assert not ray.is_initialized()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_child_that_a_trial_forked_does_not_go_on_with_the_program(made: Path, tmp_path: Path) -> None:
    script = f"import os, raylab\npid = os.getpid()\nassert raylab.Notebook({str(made)!r}).rerun('forking', 2).same\n"
    script += "print('went on')\n"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "went on\n"), done.stderr


def test_a_process_that_a_trial_crashes_says_where(made: Path, tmp_path: Path) -> None:
    script = f"import raylab\nraylab.Notebook({str(made)!r}).rerun('crashing', 2)\n"
    command = [sys.executable, "-c", script]
    env = {**os.environ, "CRASH": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGSEGV
    assert "in crashing" in done.stderr


def test_classes_of_this_process_stay_as_they_are(tmp_path: Path) -> None:
    class Counter(raylab.Experiment):
        bonus = 1

        def do(self, params: dict[str, Any]) -> dict[str, Any]:
            return {"y": params["x"] + self.bonus}

    with raylab.testing.lab(notebook=tmp_path / "n") as lab:
        sweep = lab.submit(Counter(), {"x": range(3)}, name="s")
        sweep.wait(progress=False)
        Counter.bonus = 10
        Counter.later = True  # type: ignore[attr-defined]
        assert sweep.rerun(1).same
        assert Counter.bonus == 10
        assert raylab.Notebook(tmp_path / "n").rerun("s", 1).result == {"y": 2}
        assert Counter.bonus == 10


# the debugger -------------------------------------------------------------------------------------------------------


def test_the_debugger_begins_in_the_experiment(
    notebook: raylab.Notebook, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, ["p ('x is', x)", "c"])
    assert notebook.rerun("square", 3, debugger=True).same
    assert "('x is', 3)" in capsys.readouterr().out


def test_after_the_debugger_ctrl_c_is_again_what_it_was(
    notebook: raylab.Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(signal.SIGINT)
    typed(monkeypatch, ["c"])
    notebook.rerun("square", 3, debugger=True)
    assert signal.getsignal(signal.SIGINT) == before


def test_the_debugger_opens_where_something_is_raised(
    notebook: raylab.Notebook, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, ["c", "p ('raised at', x)", "q"])
    with pytest.raises(ValueError, match="3 is bad"):
        notebook.rerun("fragile", 3, debugger=True)
    assert "('raised at', 3)" in capsys.readouterr().out


def typed(monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    """Whoever reads a line gets these."""
    waiting = iter(lines)
    monkeypatch.setattr("builtins.input", lambda prompt="": next(waiting))
    monkeypatch.setattr(pdb.Pdb, "use_rawinput", 1)


def test_a_debugger_of_ones_own_is_in_the_experiment(made: Path, tmp_path: Path) -> None:
    script = tmp_path / "again.py"
    script.write_text(f"import raylab\nraylab.Notebook({str(made)!r}).rerun('fragile', 3)\n")
    done = subprocess.run(
        [sys.executable, "-m", "pdb", "-c", "continue", str(script)],
        input="p ('x is', x)\nq\n",
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "('x is', 3)" in done.stdout, done.stdout + done.stderr


# what cannot be run -------------------------------------------------------------------------------------------------


def copied(made: Path, folder: Path) -> Path:
    shutil.copytree(made, folder)
    return folder


def test_code_that_is_not_what_was_written_is_never_run(made: Path, tmp_path: Path) -> None:
    notebook = raylab.Notebook(copied(made, tmp_path / "damaged"))
    record = notebook._records()["square"]
    path = tmp_path / "damaged" / layout.pickle_path(record.code)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes() + b".")
    with pytest.raises(raylab.NotebookDamaged, match=path.name):
        notebook.rerun("square", 3)
    path.unlink()
    with pytest.raises(raylab.NotebookDamaged, match=f"{path.name} is missing"):
        notebook.rerun("square", 3)


def test_code_of_another_python_is_refused_with_the_version_that_runs_it(
    notebook: raylab.Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raylab.rerun.rerun.this_python", lambda: (3, 99))
    words = rf"was submitted from Python {sys.version_info[0]}.{sys.version_info[1]}, and this is Python 3.99"
    with pytest.raises(raylab.VersionMismatch, match=words):
        notebook.rerun("square", 3)


def test_a_package_that_is_not_here_is_named_with_its_version(tmp_path: Path) -> None:
    """It is there when the sweep is submitted, and hidden when the trial is run again."""
    folder = tmp_path / "site-packages"
    (folder / "gadget").mkdir(parents=True)
    (folder / "gadget" / "__init__.py").write_text("VALUE = 4\n")
    (folder / "gadget-1.2.dist-info").mkdir()
    (folder / "gadget-1.2.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: gadget\nVersion: 1.2\n")
    (tmp_path / "uses.py").write_text("import gadget\ndef f(x):\n    return {'y': gadget.VALUE}\n")
    make = """
import sys, raylab, raylab.testing, uses
with raylab.testing.lab(notebook=sys.argv[1]) as lab:
    lab.submit(uses.f, {"x": range(2)}, name="s").wait(progress=False)
"""
    script = tmp_path / "make.py"
    script.write_text(make)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "n")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    notebook = raylab.Notebook(tmp_path / "n")
    assert notebook.results("s").height == 2
    with pytest.raises(raylab.ExperimentError, match=r"needs the package 'gadget'.* with version 1\.2 of it"):
        notebook.rerun("s", 0)
    assert "uses" not in sys.modules


# from a lab ---------------------------------------------------------------------------------------------------------


def test_a_handle_runs_it_here_too(lab: raylab.Lab) -> None:
    def where(x: int) -> dict[str, Any]:
        return {"y": x, "pid": os.getpid(), "wide": [float(x)] * 3}

    sweep = lab.submit(where, {"x": range(4)}, name="here", repeats=2)
    sweep.wait(progress=False)
    again = sweep.rerun(2, 1)
    assert isinstance(again, Rerun)
    assert again.same, again
    assert again.result["pid"] == os.getpid()
    assert again.rows.equals(sweep.results().filter(pl.col("x") == 2, pl.col("_repeat") == 1))
    assert sweep.number_of_results() == 8
    sweep.cancel()
    assert sweep.rerun(0).same
    lab.archive("here")
    assert sweep.rerun(0).same


def test_a_sweep_that_was_replaced_runs_again_under_the_name_it_has_since(lab: raylab.Lab) -> None:
    def first(x: int) -> dict[str, int]:
        return {"y": x}

    def second(x: int) -> dict[str, int]:
        return {"y": -x}

    old = lab.submit(first, {"x": range(3)}, name="s")
    old.wait(progress=False)
    new = lab.submit(second, {"x": range(3)}, name="s", if_exists="replace")
    new.wait(progress=False)
    with pytest.raises(raylab.SweepNotFound, match="was replaced"):
        old.rerun(1)
    assert lab.sweep("s~1").rerun(1).result == {"y": 1}
    assert new.rerun(1).result == {"y": -1}
    new.remove()
    with pytest.raises(raylab.SweepNotFound, match="was removed"):
        new.rerun(1)
