"""Odd values that trials may return: typed ones, those that are kept by their pickle, and those that nothing holds."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
import math
import sys
import threading
import types
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl


class Color(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    HIGH = 3


class Word(str, enum.Enum):  # noqa: UP042  (its str is not its value)
    HELLO = "hello"


class Pair(NamedTuple):
    left: object
    right: object


@dataclasses.dataclass
class Data:
    x: int
    y: list[int]


class Raising:
    """Every method raises; of what kind, its maker says."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def _raise(self, *_: object) -> Any:
        raise self.error("a method of the result")

    __repr__ = __str__ = __eq__ = __hash__ = __bool__ = __len__ = __iter__ = _raise
    __reduce_ex__ = __getitem__ = __float__ = __int__ = __array__ = __call__ = _raise


class Disguised:
    @property
    def __class__(self) -> Any:
        raise RuntimeError("not even my class")


class Rows(list):  # type: ignore[type-arg]
    def __iter__(self) -> Any:
        raise KeyboardInterrupt("in the middle of a list")


class Metal(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise RuntimeError("nameless")


class Nameless(metaclass=Metal):
    def __repr__(self) -> str:
        raise RuntimeError("neither has it a repr")


class Loud(str):
    def __repr__(self) -> str:
        return Loud("loud")

    def encode(self, *_: object, **__: object) -> bytes:
        raise RuntimeError("not encoded")


class Typed(float):
    """Derived, so Arrow may not see it as it is."""


def itself() -> list[Any]:
    made: list[Any] = [1]
    made.append(made)
    made.append(made)
    return made


def deep(levels: int) -> list[Any]:
    made: list[Any] = []
    for _ in range(levels):
        made = [made]
    return made


ROME = ZoneInfo("Europe/Rome")
LATE = dt.timezone(dt.timedelta(hours=-11))

UNHOLDABLE: list[Any] = [  # made afresh for each use, most of them without a pickle
    threading.Lock,
    lambda: (n for n in range(3)),
    lambda: lambda: None,
    lambda: {}.keys(),
    lambda: types.MappingProxyType({"a": 1}),
    lambda: sys,
    lambda: Raising(RuntimeError),
    lambda: Raising(SystemExit),
    lambda: Raising(KeyboardInterrupt),
    lambda: Raising(RecursionError),
    lambda: Raising(MemoryError),
    lambda: [Raising(GeneratorExit)],
    Disguised,
    Nameless,
    lambda: Rows([1]),
    itself,
    lambda: deep(200),
    lambda: deep(3_000),
    lambda: {"a": itself()},
]

HOLDABLE: list[Any] = [  # not typed, but what comes out of the pickle is what went in
    1j,
    2**64,
    -(2**63) - 1,
    10**400,
    {1, 2},
    frozenset("a"),
    set(),
    {},
    {"a": {}},
    [{}],
    {1: 2},
    {"a\0": 1},
    {"\ud800": 1},
    {(1, 2): None},
    {None: 1, 2.5: 2},
    [1, "a"],
    (1, "a", None),
    Pair(1, "a"),
    [1, 2**63],
    [1.5, 2**70],
    "\ud800",
    ["a", "\udcff"],
    {"a": "\ud800"},
    Data(1, [2]),
    [Data(1, [])],
    Color.RED,
    {"a": Color.RED},
    Decimal("NaN"),
    Decimal("-Infinity"),
    Decimal("1e-30"),
    Decimal("1e30"),
    Decimal("0e100"),
    dt.timedelta.max,
    dt.timedelta.min,
    [dt.timedelta.max],
    dt.time(1, 2, tzinfo=dt.UTC),
    dt.datetime.max.replace(tzinfo=LATE),
    dt.datetime.min.replace(tzinfo=ROME),
    np.longdouble(1) / 3,
    np.complex64(1),
    np.array([1j]),
    np.array([1, "a", None], object),
    np.zeros(2, np.longdouble),
    np.datetime64(1, "ns"),
    np.datetime64(2**62, "s"),
    np.datetime64("-0044-03-15"),
    np.timedelta64(1, "ns"),
    np.timedelta64(3),
    np.timedelta64(3, "Y"),
    np.array([0, 1], "M8[ns]"),
    np.ma.masked_array([0, 1], [True, False], "m8[ns]"),
    pl.DataFrame({"a": [1, 2]}),
    pl.Series("a", [1.5]),
    range(3),
    collections.deque([1]),
    ZeroDivisionError("as a value"),
    int,
    ...,
    {f"k{n}": n for n in range(1_001)},
]

TYPED: list[tuple[Any, Any]] = [  # and what readers find of it
    (None, None),
    (np.datetime64("NaT"), None),
    (np.timedelta64("NaT"), None),
    (np.ma.masked, None),
    (np.array(None), None),
    (math.inf, math.inf),
    (-0.0, -0.0),
    (Typed(2.5), 2.5),
    (np.float16(1.5), 1.5),
    (2**63, 2**63),
    (2**53 + 1, 2**53 + 1),
    (np.uint64(2**63), 2**63),
    (Level.HIGH, 3),
    (Word.HELLO, "hello"),
    (Loud("x"), "x"),
    ("a\0b", "a\0b"),
    (np.str_("a"), "a"),
    (bytearray(b"a\0"), b"a\0"),
    (memoryview(b"ab"), b"ab"),
    (memoryview(np.zeros((1, 2))), [[0.0, 0.0]]),
    (np.bytes_(b"a"), b"a"),
    (dt.datetime.min, dt.datetime.min),
    (dt.datetime.max, dt.datetime.max),
    (dt.datetime(1883, 11, 18, 12, 3, 58, 1), dt.datetime(1883, 11, 18, 12, 3, 58, 1)),
    (dt.datetime(2026, 10, 25, 2, 30, tzinfo=ROME), dt.datetime(2026, 10, 25, 2, 30, tzinfo=ROME)),
    (dt.datetime(2026, 10, 25, 2, 30, tzinfo=ROME, fold=1), dt.datetime(2026, 10, 25, 2, 30, tzinfo=ROME, fold=1)),
    (dt.datetime.min.replace(tzinfo=dt.UTC), dt.datetime.min.replace(tzinfo=dt.UTC)),
    (dt.date.min, dt.date.min),
    (dt.date.max, dt.date.max),
    (dt.time.max, dt.time.max),
    (dt.timedelta(days=106_751_991), dt.timedelta(days=106_751_991)),
    (dt.timedelta(microseconds=-1), dt.timedelta(microseconds=-1)),
    (np.datetime64("2026-01-02"), dt.date(2026, 1, 2)),
    (np.datetime64("2026", "Y"), dt.datetime(2026, 1, 1)),
    (np.datetime64(10**18, "ns"), dt.datetime(2001, 9, 9, 1, 46, 40)),
    (np.timedelta64(1_000, "ns"), dt.timedelta(microseconds=1)),
    (Decimal("-1.50"), Decimal("-1.5")),
    (Decimal(10) ** 19, Decimal(10) ** 19),
    ([], []),
    ([[], [[]]], [[], [[]]]),
    ([None], [None]),
    ((1, None, 2.5), [1.0, None, 2.5]),
    (Pair(1, 2), [1, 2]),
    ({"": 1, " ": [], "a.b": None}, {"": 1, " ": [], "a.b": None}),
    ({"a": 1, "A": 2.5, "ä": "x"}, {"a": 1, "A": 2.5, "ä": "x"}),
    ({"a": {"b": [{"c": None}]}}, {"a": {"b": [{"c": None}]}}),
    ({Word.HELLO: 1}, {"hello": 1}),
    ({"repr": "r", "pickle": b"p"}, {"repr": "r", "pickle": b"p"}),
    (np.arange(8).reshape(2, 2, 2), [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]),
    (np.arange(4.0).reshape(2, 2).T, [[0.0, 2.0], [1.0, 3.0]]),
    (np.zeros((0, 3)), []),
    (np.zeros((2, 0, 3), bool), [[], []]),
    (np.array([[True]]), [[True]]),
    (np.array([1.5, math.inf], np.float16), [1.5, math.inf]),
    (np.array([1, 2], ">i4"), [1, 2]),
    (np.array([2**63], np.uint64), [2**63]),
    (np.array(["a\0b", "ä"]), ["a\0b", "ä"]),
    (np.array([{"a": 1}, None], object), [{"a": 1}, None]),
    (np.array(7), 7),
    (np.zeros((1, 2), int).view(np.recarray), [[0, 0]]),
    (np.array(["2026-01-02", "NaT"], "M8[D]"), [dt.date(2026, 1, 2), None]),
    (np.array([(1, 2.5, "x")], [("a", int), ("b", "f4"), ("c", "U1")]), [{"a": 1, "b": 2.5, "c": "x"}]),
    (np.array([(1, [2, 3])], [("a", int), ("b", int, 2)])[0], {"a": 1, "b": [2, 3]}),
    (np.ma.masked_array([[1, 2], [3, 4]], [[0, 1], [0, 0]]), [[1, None], [3, 4]]),
    (np.ma.masked_array([0], dtype="M8[ns]"), [dt.datetime(1970, 1, 1)]),
    (np.ma.masked_array([(1, 2.5)], [(0, 1)], [("a", int), ("b", float)]), [{"a": 1, "b": None}]),
    (np.ma.masked_array([1, 2], [True, True]), [None, None]),
]
