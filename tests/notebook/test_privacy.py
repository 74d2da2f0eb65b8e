"""Who may look into a notebook, who may write in it, and what reading it never does."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from sweeps import WHO, Bench

import raylab
from raylab.core.design import Factorial
from raylab.errors import NameRefused
from raylab.notebook.writer import Writer
from raylab.server import known_labs
from raylab.terminal import background


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """What a shell may have set; 000 takes nothing away."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


class Trap:
    """A value whose pickle notes who loads it."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.log),)


def trapped(x: int, log: str) -> dict[str, object]:
    return {"y": x, "odd": Trap(Path(log))}


def modes(folder: Path) -> dict[int, set[int]]:
    """The modes of the folders and of the files below a folder."""
    found: dict[int, set[int]] = {stat.S_IFDIR: set(), stat.S_IFREG: set()}
    for path in (folder, *folder.rglob("*")):
        mode = path.stat().st_mode
        found[stat.S_IFMT(mode)].add(stat.S_IMODE(mode))
    return found


def test_all_of_a_notebook_and_what_is_made_above_it_is_for_its_owner_alone(tmp_path: Path, umask: int) -> None:
    root = tmp_path / "made" / "too" / "notebook"
    bench = Bench(root)
    bench.submit("sweep", lambda x: {"y": x}, Factorial(x=range(20)))
    for start in (0, 10):
        bench.run("sweep", start, start + 10)
    bench.seal("sweep")
    assert raylab.Notebook(root).results("sweep").height == 20
    assert modes(tmp_path / "made") == {stat.S_IFDIR: {0o700}, stat.S_IFREG: {0o600}}


def test_what_is_noted_of_labs_and_clusters_is_for_its_owner_alone(
    tmp_path: Path, umask: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYLAB_HOME", str(tmp_path / "made" / "labs"))
    with background._memory() as memory:
        assert background._remembered(memory) is None
    known_labs.remember("far", str(tmp_path / "elsewhere"))
    assert modes(tmp_path / "made") == {stat.S_IFDIR: {0o700}, stat.S_IFREG: {0o600}}


@pytest.mark.parametrize(("mode", "refused"), [(0o777, True), (0o702, True), (0o770, False), (0o1777, False)])
def test_a_new_notebook_does_not_lie_where_everybody_may_replace_its_files(
    tmp_path: Path, mode: int, refused: bool
) -> None:
    root = tmp_path / "open"
    root.mkdir()
    root.chmod(mode)
    writer = Writer(root, WHO)
    if refused:
        with pytest.raises(NameRefused, match="chmod o-w") as error:
            writer.establish("lab", "ada")
        assert str(root) in str(error.value)
        assert list(root.iterdir()) == []
        root.chmod(0o700)
    assert writer.establish("lab", "ada").name == "lab"
    root.chmod(0o777)
    assert writer.establish("lab", "ada").name == "lab", "one that is there is opened: its owner chose so"


def test_reading_loads_no_pickle(tmp_path: Path) -> None:
    log = tmp_path / "loaded"
    bench = Bench(tmp_path / "notebook")
    bench.submit("sweep", trapped, Factorial(x=range(5), log=[str(log)]))
    bench.run("sweep")
    notebook = raylab.Notebook(tmp_path / "notebook")
    rows = notebook.results("sweep", status="all", metadata=True)
    assert all(odd["pickle"] and "Trap" in odd["repr"] for odd in rows["odd"])
    bench.seal("sweep")
    notebook.results("sweep")
    notebook.sweeps()
    json.dumps(notebook.progress("sweep").total)
    assert notebook.verify().is_empty()
    assert Bench(tmp_path / "notebook").requests, "nor does a lab that opens it"
    assert not log.exists()

    import pickle

    pickle.loads(rows["odd"][0]["pickle"])  # whoever asks for it
    assert log.exists()
