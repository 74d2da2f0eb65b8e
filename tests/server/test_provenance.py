"""Where rows come from, in a lab in memory: kept for each code version, shown from the lab and from its notebook,
copied, removed, missed where it is lost."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from said import said
from sweeps import packaged

import raylab
import raylab.testing
from raylab.core.handle import Handle
from raylab.core.provenance import Environment
from raylab.core.request import Request
from raylab.notebook.writer import SweepTable, Writer
from raylab.server import environments
from raylab.worker import lease
from raylab.worker.environment import environment

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")

SOURCE = "import numpy as np\n\ndef trial(x):\n    return {{'y': int(np.sqrt(x)) + {0}}}\n"
AXES = {"x": [1, 4, 9]}


class Project:
    """A repository with an experiment of one's own, which is edited and loaded again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self.git("init", "-q", "-b", "main")
        self.git("remote", "add", "origin", "https://ada:hunter2@example.org/lab.git")
        self.write(0)
        self.git("add", ".")
        self.git("commit", "-q", "-m", "first")

    def git(self, *words: str) -> str:
        who = ["-c", "user.name=ada", "-c", "user.email=ada@example.org"]
        done = subprocess.run(["git", *who, "-C", self.root, *words], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def write(self, offset: int) -> Any:
        """The experiment with this much added to its results; from this very file, since a worker in this process has
        its own copy of the module first on the path."""
        (path := self.root / "of_the_project.py").write_text(SOURCE.format(offset))
        spec = importlib.util.spec_from_file_location("of_the_project", path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.trial

    @property
    def commit(self) -> str:
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def project(tmp_path: Path, patient_git: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.delenv("RAYLAB_DIFF", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(tmp_path / "project"))
    yield Project(tmp_path / "project")
    sys.modules.pop("of_the_project", None)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Of the lab's notebook."""
    return tmp_path / "lab"


def ready(sweep: raylab.Sweep) -> raylab.Sweep:
    assert sweep.wait(timeout=60, progress=False)
    return sweep


def diffs(place: Path) -> list[Path]:
    return sorted((place / "code").glob("*.diff"))


def test_each_code_version_tells_where_it_came_from(lab: raylab.Lab, project: Project, place: Path) -> None:
    commit = project.commit
    sweep = ready(lab.submit(project.write(0), AXES, name="s"))
    edited = project.write(1)
    ready(lab.submit(edited, AXES, name="s", if_exists="continue"))
    project.git("commit", "-q", "-am", "second")
    ready(lab.submit(project.write(1), AXES, name="s"))  # the same again is no version
    first, second = sweep.info()["code"]
    for version in (first, second):
        assert (version["commit"], version["branch"]) == (commit, "main")
        assert version["remote"] == "https://example.org/lab.git"
        assert (version["user"], version["folder"]) == (lab.info()["user"], str(Path.cwd()))
        assert version["command"] != "interactive"
        assert version["packages"]["numpy"] == version["imports"]["numpy"]
        assert version["imports"].keys() == {"numpy"}
        assert version["git"] is None
    assert (first["dirty"], first["diff"]) == (False, None)
    assert second["dirty"]
    assert second["diff"] == project.git("diff", "HEAD~1", "HEAD") + "\n"
    notebook = raylab.Notebook(place)
    assert notebook.info("s") == sweep.info()
    assert b"hunter2" not in b"".join(path.read_bytes() for path in place.rglob("*") if path.is_file())


def test_a_sweep_that_is_replaced_or_mended_keeps_its_own(lab: raylab.Lab, project: Project) -> None:
    ready(lab.submit(project.write(0), AXES, name="s"))
    ready(lab.submit(project.write(1), AXES, name="s", if_exists="replace"))
    (old,), (new,) = (lab.sweep(name).info()["code"] for name in ("s~1", "s"))
    assert (old["dirty"], new["dirty"], old["commit"]) == (False, True, new["commit"])
    assert len(old["workers"]) == len(new["workers"]) == 1


def test_what_a_sweep_grows_by_is_no_version(lab: raylab.Lab, project: Project) -> None:
    trial = project.write(0)
    sweep = ready(lab.submit(trial, AXES, name="s"))
    before = sweep.info()["code"]
    (project.root / "notes.txt").touch()
    lab.submit(trial, {"x": [1, 4, 9, 16]}, name="s", if_exists="extend")
    sweep.extend(repeats=2)
    assert ready(sweep).info()["code"] == before


def test_the_call_whose_answer_was_lost_changes_nothing(
    lab: raylab.Lab, project: Project, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = lab._client.connection

    def twice(verb: str, *args: Any, **words: Any) -> Any:
        type(calls).call(calls, verb, *args, **words)  # type: ignore[arg-type]
        return type(calls).call(calls, verb, *args, **words)  # type: ignore[arg-type]

    monkeypatch.setattr(calls, "call", twice, raising=False)
    ready(lab.submit(project.write(0), AXES, name="s"))
    ready(lab.submit(project.write(1), AXES, name="s", if_exists="continue"))
    assert [version["dirty"] for version in lab.sweep("s").info()["code"]] == [False, True]
    assert len(diffs(place)) == 1
    assert raylab.Notebook(place).verify().is_empty()


def test_the_diff_stays_out_where_the_person_says_so(
    lab: raylab.Lab, project: Project, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYLAB_DIFF", "0")
    (version,) = lab.submit(project.write(7), AXES, name="s").info()["code"]
    assert (version["dirty"], version["diff"]) == (True, None)
    assert diffs(place) == []


def test_a_diff_that_nobody_can_read_and_one_that_is_cut(
    lab: raylab.Lab, project: Project, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.root / "of_the_project.py").write_bytes(b"# caf\xe9\n" * 100)
    project.git("stash", "-q")
    trial = project.write(0)
    (project.root / "words.txt").write_bytes(b"caf\xe9\n" * 100)
    project.git("add", "words.txt")
    monkeypatch.setattr("raylab.client.repository.DIFF_BYTES", 300)
    (version,) = lab.submit(trial, AXES, name="s").info()["code"]
    assert version["diff_cut"]
    assert r"+caf\xe9" in version["diff"]
    (path,) = diffs(place)
    assert b"+caf\xe9" in path.read_bytes()
    assert path.stat().st_size <= 300
    json.dumps(raylab.Notebook(place).info("s"), default=str).encode()


# -- the notebook


def test_the_diff_is_no_part_of_what_is_polled(lab: raylab.Lab, project: Project) -> None:
    trial = project.write(0)
    (project.root / "large.txt").write_text("a line\n" * 100_000)
    project.git("add", "large.txt")
    sweep = ready(lab.submit(trial, AXES, name="s"))
    assert len(sweep.info()["code"][0]["diff"]) > 700_000
    calls = lab._client.connection
    handles = [Handle("s", sweep.info()["folder"])]
    asked = (("overview", handles), ("news", handles, None, 0.0), ("record", *handles))
    assert all(len(pickle.dumps(calls.call(*words))) < 20_000 for words in asked)
    assert len(lab.sweeps().write_json()) < 2_000


def test_code_and_diff_go_with_their_last_user(lab: raylab.Lab, project: Project, place: Path) -> None:
    trial = project.write(3)
    one, two = ready(lab.submit(trial, AXES, name="one")), ready(lab.submit(trial, AXES, name="two"))
    assert len(diffs(place)) == 1
    one.remove()
    assert len(diffs(place)) == 1
    assert two.info()["code"][0]["diff"]
    two.remove()
    assert list((place / "code").iterdir()) == []


def test_a_copy_has_it_and_a_diff_that_is_lost_is_found_and_stops_nothing(
    project: Project, place: Path, tmp_path: Path
) -> None:
    with raylab.testing.lab(notebook=place) as lab:
        info = ready(lab.submit(project.write(3), AXES, name="s")).info()
    notebook = raylab.Notebook(place)
    assert notebook.copy(tmp_path / "copy").info("s") == info == notebook.info("s")
    (path,) = diffs(place)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert notebook.verify()["file"].to_list() == [f"code/{path.name}"]
    assert notebook.info("s")["code"][0]["diff"] is None
    path.unlink()
    (finding,) = notebook.verify().to_dicts()
    assert (finding["file"], finding["sweep"], finding["what"]) == (f"code/{path.name}", "s", "it is missing")
    salvaged = notebook.copy(tmp_path / "salvaged", salvage=True)
    assert salvaged.verify().is_empty()
    (version,) = salvaged.info("s")["code"]
    assert version == {**info["code"][0], "diff": None, "diff_bytes": 0}
    assert salvaged.progress("s").state == "ready", "no trial needs it"
    with raylab.testing.lab(notebook=tmp_path / "salvaged") as lab:
        assert lab.sweep("s").info()["code"] == [version]


def test_it_is_there_after_a_restart_for_every_sweep_in_whatever_state(project: Project, place: Path) -> None:
    with raylab.testing.lab(notebook=place) as lab:
        trial = project.write(3)
        for name in ("done", "locked", "hidden"):
            ready(lab.submit(trial, AXES, name=name))
        lab.sweep("locked").lock()
        lab.archive("hidden")
        lab.submit(trial, AXES, name="given up", num_cpus=7).cancel()
        lab.submit(trial, AXES, name="waits", num_cpus=7).pause()
        before = {name: lab.sweep(name).info() for name in lab.sweeps(archived=True)["name"]}
    assert len(before) == 5
    assert all(info["code"][0]["diff"] for info in before.values())
    notebook = raylab.Notebook(place)
    assert {name: notebook.info(name) for name in before} == before
    with raylab.testing.lab(notebook=place) as lab:
        assert {name: lab.sweep(name).info() for name in before} == before


def test_a_sweep_whose_request_is_lost_is_still_told_of_by_its_table(
    project: Project, place: Path, tmp_path: Path
) -> None:
    with raylab.testing.lab(notebook=place) as lab:
        commit = ready(lab.submit(project.write(3), AXES, name="s")).info()["code"][0]["commit"]
    for path in (place / "requests").rglob("*.arrow"):
        path.unlink()
    salvaged = raylab.Notebook(place).copy(tmp_path / "salvaged", salvage=True)
    (version,) = salvaged.info("s")["code"]
    assert (version["commit"], version["dirty"], version["packages"], version["workers"]) == (commit, True, {}, [])
    assert version["diff"]


def test_notebook_info_without_a_name_is_about_the_notebook(lab: raylab.Lab, place: Path) -> None:
    live, found = lab.info(), raylab.Notebook(place).info()
    same = ("name", "notebook", "id", "user", "format")
    assert {name: found[name] for name in same} == {name: live[name] for name in same}
    with pytest.raises(raylab.SweepNotFound):
        raylab.Notebook(place).info("nothing")


# -- workers


OTHER = replace(environment(), packages={**environment().packages, "numpy": "0.1", "polars": "0.2"})


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> Environment:
    """Workers with other packages than the client."""
    monkeypatch.setattr(lease, "_environment", lambda: (OTHER.digest, OTHER))
    return OTHER


def test_workers_like_the_client_are_told_without_a_word(
    lab: raylab.Lab, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = lab.submit(project.write(0), AXES, name="s")
    assert sweep.wait(timeout=60)
    (workers,) = sweep.info()["code"][0]["workers"]
    assert (workers["nodes"], workers["differs"]) == ([lab.info()["node"]], [])
    assert workers["packages"] == sweep.info()["code"][0]["packages"]
    assert "numpy" not in capsys.readouterr().err


def test_another_version_of_what_is_imported_is_told_once_at_the_sweep(
    lab: raylab.Lab, project: Project, others: Environment, capsys: pytest.CaptureFixture[str], place: Path
) -> None:
    mine = environment().packages["numpy"]
    sweep = lab.submit(project.write(0), AXES, name="s")
    assert sweep.wait(timeout=60, progress=False)
    lines = [line for line in capsys.readouterr().err.splitlines() if "numpy" in line]
    assert lines == [f"raylab: s: on {lab.info()['node']} numpy is 0.1, was submitted with {mine}"]
    assert "polars" not in lines[0], "nobody imports it"
    assert sweep.wait(timeout=60)
    assert lab.wait(timeout=60)
    assert "numpy" not in capsys.readouterr().err, "it was told"
    for info in (sweep.info(), raylab.Notebook(place).info("s")):
        (workers,) = info["code"][0]["workers"]
        assert workers["differs"] == [f"numpy is 0.1, was submitted with {mine}"]
        assert workers["packages"] == others.packages
    again = lab.submit(project.write(0), AXES, name="again")
    assert again.wait(timeout=60)
    assert "again: on" in capsys.readouterr().err, "it is another sweep"


def test_an_environment_that_was_not_noted_is_sent_again(
    lab: raylab.Lab, project: Project, others: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "MOST_NODES", 0)
    sweep = ready(lab.submit(project.write(0), AXES, name="of too many nodes"))
    assert sweep.info()["code"][0]["workers"] == []
    monkeypatch.undo()
    monkeypatch.setattr(lease, "_environment", lambda: (others.digest, others))
    sweep = ready(lab.submit(project.write(0), AXES, name="s"))
    assert sweep.info()["code"][0]["workers"][0]["packages"] == others.packages


def test_what_many_sweeps_have_in_common_stands_once(lab: raylab.Lab, project: Project, place: Path) -> None:
    trial = project.write(0)
    for seed in range(20):
        ready(lab.submit(trial, AXES, name=f"s{seed}", seed=seed))
    kinds = [request.kind for request in requests(place)]
    assert (kinds.count("environment"), kinds.count("workers"), kinds.count("submitted")) == (1, 20, 20)


def test_workers_do_not_send_again_what_the_lab_has(project: Project, place: Path) -> None:
    def known(lab: raylab.Lab) -> Any:
        return lab._client.connection._actor._lab.environments  # type: ignore[attr-defined]

    with raylab.testing.lab(notebook=place) as lab:
        sweep = ready(lab.submit(project.write(0), AXES, name="s"))
        assert known(lab).known == (environment().digest,)
    with raylab.testing.lab(notebook=place) as lab:  # which has read it
        lab.sweep("s").extend(repeats=2)
        sweep = ready(lab.sweep("s"))
        assert (known(lab).known, known(lab)._met) == ((environment().digest,), {})
        assert len(sweep.info()["code"][0]["workers"]) == 1
    order = lease.LeaseOrder(lease=1, start=0, stop=1, flush_s=1.0, environments=(environment().digest,))
    package = packaged(lambda x: x, raylab.Factorial(x=[1]))
    first = next(iter(lease.run_lease(order, package)))
    assert (first.digest, first.environment) == (environment().digest, None)  # type: ignore[union-attr]


def requests(place: Path) -> list[Any]:
    from raylab.notebook.posix import PosixStore
    from raylab.notebook.verify import requests_of

    return requests_of(PosixStore(place))


def test_rows_are_not_there_before_what_made_them_is_known(
    lab: raylab.Lab, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a notebook that is looked at, or a lab that is killed, at any moment."""
    add, commit, committed, early = Writer.add, SweepTable.commit, threading.Event(), list[bool]()

    def slow(writer: Writer, requests: Sequence[Request]) -> None:
        if any(request.kind == "workers" for request in requests):
            early.append(committed.wait(0.5))  # as long as a commit that does not wait would take, many times over
        add(writer, requests)

    def told(table: SweepTable, *words: Any) -> Any:
        committed.set()
        return commit(table, *words)

    monkeypatch.setattr(Writer, "add", slow)
    monkeypatch.setattr(SweepTable, "commit", told)
    ready(lab.submit(project.write(0), AXES, name="s"))
    assert early == [False]


def test_what_is_submitted_tells_of_no_library_that_differs_twice(lab: raylab.Lab, project: Project) -> None:
    trial = project.write(0)
    ready(lab.submit(trial, AXES, name="s"))
    assert said(lambda: lab.submit(trial, AXES, name="s"))[1] == []
