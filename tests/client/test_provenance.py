"""What a process says of where it submits from: its command, its notebook, the experiment's own repository."""

from __future__ import annotations

import functools
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from raylab.client import provenance
from raylab.client.provenance import Looking, Origin

SAY = "from raylab.client.provenance import Looking; print(Looking(print).origin(()).provenance.command)"


def origin(experiment: object, imports: tuple[str, ...]) -> Origin:
    return Looking(experiment).origin(imports)


def command(*words: str, given: str = "", cwd: Path) -> str:
    """What a process of this Python says of itself."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, *words], input=given, capture_output=True, text=True, check=True, cwd=cwd, env=env, timeout=100
    )
    return done.stdout.splitlines()[-1]


def test_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(SAY)
    assert command("run.py", "--n", "3", "two words", cwd=tmp_path) == "run.py --n 3 'two words'"
    assert command("-m", "run", "--n", "3", cwd=tmp_path) == f"{tmp_path}/run.py --n 3"
    assert command("-c", SAY, "more", cwd=tmp_path).endswith("more")
    assert command("-", given=SAY, cwd=tmp_path) == command(given=SAY, cwd=tmp_path) == "interactive"
    assert command("run.py", os.fsdecode(b"\xff"), cwd=tmp_path) == r"run.py '\xff'"


def test_a_command_line_of_any_length_is_kept_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["run.py", *map(str, range(100_000))])
    assert len(origin(len, ()).provenance.command) == provenance.MOST_WORDS


def test_words_of_a_command_line_may_be_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [Path("run.py"), 3])
    assert origin(len, ()).provenance.command == "run.py 3"


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A shell of IPython's, as a kernel has it."""
    made = SimpleNamespace(user_ns={})
    module = ModuleType("IPython")
    module.get_ipython = lambda: made  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    return made


def test_the_name_of_the_notebook_where_it_can_be_known(
    shell: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert origin(len, ()).provenance.command == "interactive"
    monkeypatch.setenv("JPY_SESSION_NAME", "work/fit.ipynb")
    assert origin(len, ()).provenance.command == "work/fit.ipynb"
    shell.user_ns["__vsc_ipynb_file__"] = "/home/ada/other.ipynb"
    assert origin(len, ()).provenance.command == "/home/ada/other.ipynb"


def test_a_script_that_has_a_notebooks_variables_is_a_script(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was started from a notebook."""
    monkeypatch.setenv("JPY_SESSION_NAME", "work/fit.ipynb")
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    monkeypatch.setattr(sys, "argv", ["run.py"])
    assert origin(len, ()).provenance.command == "run.py"


def test_the_machine_and_what_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = origin(len, ("numpy",))
    assert (found.provenance.host, found.provenance.folder) == (platform.node(), str(tmp_path))
    assert found.environment.digest == found.provenance.environment
    assert found.environment.packages["numpy"]
    assert found.provenance.imports == ("numpy",)


def test_a_folder_that_was_deleted_keeps_nobody_from_submitting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (gone := tmp_path / "gone").mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert origin(len, ()).provenance.folder == ""


# -- the repository


CODE = """
import functools

def plain(x):
    return x

@functools.wraps(plain)
def wrapped(x):
    return plain(x)

class Experiment:
    def set(self, params): ...
    def run(self): ...
    def method(self, x): ...

class Odd:
    def __getattr__(self, name):
        return self
    def __call__(self, x): ...

partial = functools.partial(plain, x=1)
instance, odd = Experiment(), Odd()
method = instance.method
"""


def loaded(path: Path) -> Any:
    path.write_text(CODE)
    spec = importlib.util.spec_from_file_location("experiments_of_another_repository", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def repository(folder: Path) -> str:
    """A repository with a commit; its hash."""
    folder.mkdir()
    git = ["git", "-c", "user.name=ada", "-c", "user.email=ada@example.org", "-C", str(folder)]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", str(folder)]):
        subprocess.run([*git, *words], check=True)
    done = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
def test_the_repository_is_that_of_the_experiments_own_file(
    tmp_path: Path, patient_git: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, mine = repository(tmp_path / "theirs"), repository(tmp_path / "mine")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # no __pycache__ among what git does not track
    module = loaded(tmp_path / "theirs" / "experiment.py")
    monkeypatch.chdir(tmp_path / "mine")
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(tmp_path / "run.py"), raising=False)
    kinds = ("plain", "wrapped", "Experiment", "partial", "instance", "odd", "method")
    for kind in kinds:
        found = origin(getattr(module, kind), ())
        assert found.provenance.tree is not None
        assert (found.provenance.tree.commit, found.provenance.tree.dirty) == (theirs, True), kind
        assert found.provenance.tree.untracked == ("experiment.py",)
    names: dict[str, Any] = {}
    exec("def cell(x): return x", names)  # as a notebook's cell
    for nowhere in (names["cell"], len, functools.partial(max, 1), 3):
        tree = origin(nowhere, ()).provenance.tree
        assert tree is not None
        assert tree.commit == mine, nowhere
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(tmp_path / "theirs" / "run.py"), raising=False)
    tree = origin(len, ()).provenance.tree
    assert tree is not None
    assert tree.commit == theirs, "the script counts before the working directory"
