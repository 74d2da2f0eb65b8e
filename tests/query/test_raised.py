"""Exceptions that travel: the same class where it is known here, else one that names it."""

from __future__ import annotations

import pickle
from typing import Any

import polars as pl
import pytest

from raylab.errors import SweepNotFound
from raylab.query.raised import Raised, told


class Coded(Exception):
    def __init__(self, code: int, hint: str = "none") -> None:
        super().__init__(f"code {code}, hint {hint}")


class Keyed(ValueError):
    """Its arguments are its own."""


def caught(make: Any) -> Raised:
    try:
        make()
    except BaseException as error:
        return pickle.loads(pickle.dumps(told(error)))  # type: ignore[no-any-return]
    raise AssertionError("nothing was raised")


def raising(error: BaseException) -> Any:
    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        KeyError("x"),
        OSError(28, "No space left on device"),
        ZeroDivisionError(),
        Keyed("a", 3),
        SweepNotFound("gone"),
        pl.exceptions.ColumnNotFoundError("y"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_it_is_of_its_class_and_says_the_same(error: Exception) -> None:
    found = caught(raising(error)).restored()
    assert type(found) is type(error)
    assert str(found) == str(error)
    assert found.args == error.args


def test_one_that_is_made_in_another_way_or_is_not_known_here_is_named() -> None:
    class Local(Exception):
        pass

    for error, said in (
        (Coded(3), "Coded: code 3, hint none"),
        (Local("text"), "Local: text"),
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ):
        found = caught(raising(error)).restored()
        assert type(found) is RuntimeError
        assert str(found).endswith(said)
    unknown = Raised(module="nowhere.at.all", name="Unheard", text="of")
    assert str(unknown.restored()) == "Unheard: of"


def test_a_note_has_the_frames_of_the_persons_own() -> None:
    found = caught(raising(ValueError("no"))).restored()
    (note,) = found.__notes__
    assert "in fail\n    raise error" in note
    assert "raised on the lab's node" in note


def test_notes_travel_too() -> None:
    error = ValueError("no")
    error.add_note("look there")
    assert caught(raising(error)).restored().__notes__[0] == "look there"
