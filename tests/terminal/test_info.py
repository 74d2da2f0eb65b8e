"""`raylab info`: where rows come from, for people, for programs, and for `git apply`."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from sweeps import Bench

from raylab import testing
from raylab.client.cluster import NoCluster
from raylab.core.design import Factorial
from raylab.core.provenance import Environment, Provenance, Tree, Workers
from raylab.core.request import Request, Version
from raylab.offline import Notebook
from raylab.terminal.command import main

CLIENT = Environment(python="3.11.4", platform="Linux-6", packages={"numpy": "2.4.6", "ray": "2.60"})
WORKER = replace(CLIENT, packages={"numpy": "2.3.0"})
CLEAN = Tree(
    commit="4be1",
    branch="main",
    remote="https://example.org/lab",
    dirty=False,
    untracked=("a", "b", "c", "d"),
    more_untracked=7,
)
FROM = Provenance(
    command="run.py --n 3",
    folder="/home/ada/lab",
    host="laptop",
    environment=CLIENT.digest,
    imports=("numpy",),
    tree=CLEAN,
)
DIFF = b"--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-x\n+caf\xe9\n"


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """A sweep whose code has three versions: one of which nothing is known, one of a clean working tree, and one of a
    changed one that ran elsewhere."""
    bench = Bench(tmp_path / "lab")
    bench.submit("s", lambda x: {"y": x}, Factorial(x=range(4)))
    bench.run("s")
    writer = bench.writer
    known = Notebook(bench.root)._records()["s"]
    clean = Version(code=known.code, modules=None, ingredients={"global N": "1"}, provenance=FROM)
    changed = replace(
        clean,
        ingredients={"global N": "2"},
        diff=writer.put_diff(DIFF),
        provenance=replace(FROM, tree=replace(CLEAN, dirty=True)),
    )
    workers = Workers(version=3, environment=WORKER.digest, nodes=("a", "b", "c", "d", "e"))
    about: dict[str, Any] = {"sweep": "s", "folder": known.folder, "user": "eve", "time_us": 1_700_000_000_000_000}
    writer.add(
        [
            Request.environment(CLIENT),
            Request.environment(WORKER),
            Request(kind="continued", body=asdict(clean), **about),
            Request(kind="continued", body=asdict(changed), **about),
            Request(kind="workers", body=asdict(workers), **about),
        ]
    )
    return bench.root


def test_for_people(notebook: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--notebook", str(notebook), "s"]) == 0
    assert capsys.readouterr().out == (
        "sweep       s, of ada, submitted 1970-01-01 00:00 UTC\n"
        "experiment  f\n"
        "design      Factorial(x=0 to 3 (4 levels)) of 4 points; 4 trials, seed 1, order random\n"
        "\n"
        "code        version 1, from ada, 1970-01-01 00:00 UTC\n"
        "  git       it is not known where this was submitted from\n"
        "\n"
        "code        version 2, from eve, 2023-11-14 22:13 UTC\n"
        "  differs   global N: 1, is new\n"
        "  command   run.py --n 3\n"
        "  on        laptop, in /home/ada/lab\n"
        "  git       4be1 on main, https://example.org/lab; nothing changed\n"
        "  untracked a, b, c and 8 more\n"
        "  python    3.11.4 on Linux-6, 2 packages\n"
        "  imports   numpy 2.4.6\n"
        "\n"
        "code        version 3, from eve, 2023-11-14 22:13 UTC\n"
        "  differs   global N: 2, was 1\n"
        "  command   run.py --n 3\n"
        "  on        laptop, in /home/ada/lab\n"
        "  git       4be1 on main, https://example.org/lab; changed, by a diff of 43 bytes (--diff prints it)\n"
        "  untracked a, b, c and 8 more\n"
        "  python    3.11.4 on Linux-6, 2 packages\n"
        "  imports   numpy 2.4.6\n"
        "  ran on    a, b, c and 2 more: Python 3.11.4 on Linux-6; numpy is 2.3.0, was submitted with 2.4.6\n"
    )
    assert main(["info", "--notebook", str(notebook), "s", "--code", "2"]) == 0
    out = capsys.readouterr().out
    assert "version 2" in out
    assert "version 3" not in out


def test_for_programs(notebook: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--notebook", str(notebook), "s", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["name"] == "s"
    assert [version["commit"] for version in found["code"]] == [None, "4be1", "4be1"]
    assert [version["diff"] for version in found["code"]] == [None, None, None]
    assert [version["diff_bytes"] for version in found["code"]] == [0, 0, len(DIFF)]
    assert found["code"][2]["submitted"] == "2023-11-14T22:13:20+00:00"
    assert main(["info", "--notebook", str(notebook), "s", "--json", "--diff"]) == 0
    assert json.loads(capsys.readouterr().out)["code"][2]["diff"].endswith("+caf\\xe9\n")


def test_for_git_apply(notebook: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["info", "--notebook", str(notebook), "s", "--diff"]) == 0
    assert capsysbinary.readouterr().out == DIFF
    assert main(["info", "--notebook", str(notebook), "s", "--diff", "--code", "2"]) == 0
    out, err = capsysbinary.readouterr()
    assert out == b""
    assert b"there is no diff of version 2 of 's': nothing changed" in err


def test_what_is_not_there(notebook: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--notebook", str(notebook), "s", "--code", "4"]) == 3
    assert "has 3 versions of its code" in capsys.readouterr().err
    assert main(["info", "--notebook", str(notebook), "t"]) == 3
    assert main(["info", "--notebook", str(notebook.parent / "none")]) == 3


def test_the_lab_itself(notebook: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--notebook", str(notebook)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("name        lab\n")
    assert str(notebook) in out
    assert main(["info", "--notebook", str(notebook), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["user"] == "ada"


def test_a_lab_at_rest_stays_at_rest(
    notebook: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object, **__: object) -> None:
        raise NoCluster("no Ray cluster runs on this machine")

    monkeypatch.setenv("RAYLAB_HOME", str(notebook.parent))
    monkeypatch.setattr("raylab.client.resting.connect", none)
    assert main(["info", "lab", "s", "--code", "3"]) == 0
    out, err = capsys.readouterr()
    assert "numpy is 2.3.0" in out
    assert "is at rest" in err
    assert main(["status", "lab", "s"]) == 0
    assert "on a, b, c and 2 more numpy is 2.3.0, was submitted with 2.4.6" in capsys.readouterr().out


def test_units_and_descriptions_stand_beside_their_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    units = {"t": ("K", "temperature of the bath"), "share": ("1", "of all"), "L": "m", "k": {"description": "a try"}}
    with testing.lab(notebook=tmp_path / "lab") as lab:
        lab.submit(lambda t: {"share": t}, {"t": [1]}, name="s", units=units).wait(progress=False)
    main(["info", "--notebook", str(tmp_path / "lab"), "s"])
    told = [line.split(maxsplit=1)[1] for line in capsys.readouterr().out.splitlines() if line.startswith("column")]
    assert told == ["L: m", "k: a try", "share: of all; 1", "t: temperature of the bath; K"]


def test_who_is_told_is_said_and_no_address(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    to = [{"url": "https://example.org/s3cr3t", "on": ["paused", "failed"]}, {"command": "true $HOOK"}]
    with testing.lab(notebook=tmp_path / "lab") as lab:
        lab.submit(lambda x: {"y": x}, {"x": [1]}, name="told", notify=to, seed=1)
        lab.submit(lambda x: {"y": x}, {"x": [1]}, name="nobody", notify=[], seed=1)
        lab.submit(lambda x: {"y": x}, {"x": [1]}, name="silent", seed=1)
    for name, words in (
        ("told", "example.org (paused, failed); the command true (ended, paused,"),
        ("nobody", "nobody"),
    ):
        assert main(["info", "--notebook", str(tmp_path / "lab"), name]) == 0
        told = " ".join(capsys.readouterr().out.split())
        assert f"notify {words}" in told
        assert "s3cr3t" not in told
    assert main(["info", "--notebook", str(tmp_path / "lab"), "silent"]) == 0
    assert "\nnotify" not in capsys.readouterr().out
