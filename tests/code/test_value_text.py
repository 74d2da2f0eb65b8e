"""Plain values have a text, the same in every process, and different values have different texts."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import doctest
import enum
import pathlib
import re
from fractions import Fraction

import numpy as np
import pytest

import raylab.code.value_text
from raylab.code.value_text import IncomparableError, value_text


class Color(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Config:
    beta: float
    names: tuple[str, ...] = ()


@pytest.mark.parametrize(
    "value",
    [
        None, 10**5000, float("nan"), 1j, "é\udc80", bytearray(b"a"), range(3), ..., Color.RED,
        Config(1.0, ("a",)), np.array([{"a": 1}], dtype=object), {1: {2: [3, (4,)]}}, {(1, 2): {3}},
        datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), decimal.Decimal("1.10"), Fraction(1, 3),
        pathlib.PurePosixPath("a/b"), re.compile("a+"), np.datetime64("2020-01-01"),
        np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]), np.arange(6).reshape(2, 3),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_plain_values_have_a_text(value):
    assert value_text(value) == value_text(value)
    assert "0x7f" not in value_text(value)


def test_the_text_tells_shapes_types_and_nesting_apart():
    values = [
        1, 1.0, True, "1", b"1", [1], (1,), {1}, {1: 1}, [[1]], np.int64(1), np.array([1]), np.array([[1]]),
        np.array([1.0]), -0.0, 0.0, frozenset({1}), Config(1.0), Config(1), [1, 2], [2, 1],
        np.array([1, 0], "i4"), "[1]", [None], [], (), {}, set(),
    ]  # fmt: skip
    texts = [value_text(value) for value in values]

    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize(
    "value",
    [object(), [object()], {"a": lambda: 1}, iter([]), [10**5000]],
    ids=["an object", "a list", "a dict", "an iterator", "a number too long to be written"],
)
def test_what_is_no_plain_data_has_no_text(value):
    with pytest.raises(IncomparableError):
        value_text(value)


def test_a_value_that_contains_itself_has_no_text():
    endless: list[object] = []
    endless.append(endless)

    with pytest.raises(IncomparableError):
        value_text(endless)


def test_the_examples_in_the_docstrings_are_true():
    assert doctest.testmod(raylab.code.value_text).failed == 0
