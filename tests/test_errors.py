"""The errors: a small tree, each under the builtin a caller would catch anyway, and each crosses processes whole."""

from __future__ import annotations

import ast
import copy
import inspect
import pickle
from pathlib import Path

import pytest

from raylab import errors
from raylab.errors import RaylabError

PARENTS = {
    "DesignError": ValueError,
    "ExperimentError": ValueError,
    "NameRefused": ValueError,
    "SweepExists": ValueError,
    "SweepLocked": ValueError,
    "LabNotFound": LookupError,
    "SweepNotFound": LookupError,
    "LogNotFound": LookupError,
    "LabUnavailable": ConnectionError,
    "LabBusy": RuntimeError,
    "LabFenced": RuntimeError,
    "NotebookDamaged": RuntimeError,
    "VersionMismatch": RuntimeError,
}
ALL = [getattr(errors, name) for name in errors.__all__]


def test_the_tree_is_the_contracts() -> None:
    assert set(errors.__all__) == {"RaylabError", *PARENTS}
    defined = {name for name, thing in vars(errors).items() if inspect.isclass(thing)}
    assert defined == set(errors.__all__)


@pytest.mark.parametrize(("name", "parent"), PARENTS.items())
def test_each_is_a_raylab_error_and_a_builtin_one(name: str, parent: type[Exception]) -> None:
    assert getattr(errors, name).__bases__ == (RaylabError, parent)


def test_one_except_catches_them_all_and_nothing_else() -> None:
    assert all(issubclass(error, RaylabError) for error in ALL)
    assert not issubclass(KeyError, RaylabError)
    assert RaylabError.__bases__ == (Exception,)


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
def test_each_is_its_message_and_comes_through_a_pickle_with_it(error: type[RaylabError]) -> None:
    message = "the sweep 'coarse' is locked; submit under another name"
    for there in (pickle.loads(pickle.dumps(error(message))), copy.copy(error(message))):
        assert type(there) is error
        assert str(there) == message
        assert there.args == (message,)


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
def test_each_says_what_it_means(error: type[RaylabError]) -> None:
    assert error.__doc__
    assert error.__doc__.splitlines()[0].endswith((".", ":"))


def test_the_base_is_never_raised_itself() -> None:
    package = Path(inspect.getfile(errors)).parent
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and node.exc is not None:
                raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
                assert not (isinstance(raised, ast.Name) and raised.id == "RaylabError"), f"{path}:{node.lineno}"


def test_every_error_is_raised_or_handed_on_somewhere() -> None:
    package = Path(inspect.getfile(errors)).parent
    text = "".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py") if path.name != "errors.py")
    assert [name for name in PARENTS if f"{name}(" not in text] == []
