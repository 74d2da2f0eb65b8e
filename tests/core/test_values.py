"""Values: kept exactly, of their very type, read back as they were written; what cannot be kept is refused."""

from __future__ import annotations

import copy
import datetime as dt
import doctest
import enum
import http
import json
import math
import pickle
import signal
import uuid
from collections import namedtuple
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import raylab.core.classes
import raylab.core.kinds
import raylab.core.texts
import raylab.core.values
from raylab.core.classes import MomentOf, SpanOf, TextOf
from raylab.core.kinds import KINDS, MISSING, kind_of
from raylab.core.texts import LONG_BYTES, is_long, texts
from raylab.core.values import JSON, copy_of, decode, encode, exact, exact_levels, key_of, modules_of, weight_of
from raylab.errors import DesignError

BERLIN = ZoneInfo("Europe/Berlin")


class Place(NamedTuple):
    x: int
    tags: list[str]


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Method(enum.StrEnum):
    FAST = "fast"


class Level(enum.IntEnum):
    LOW = 1


OF_CLASSES = [
    http.HTTPStatus.OK,
    signal.Signals.SIGINT,
    Method.FAST,
    Level.LOW,
    Rights.READ,
    Rights.READ | Rights.WRITE,
    Rights(0),
    Place(1, ["a"]),
    [Place(1, []), {"m": Method.FAST}],
]

PANDAS = [
    pd.Timestamp("2024-07-01T00:30"),
    pd.Timestamp("2024-07-01T00:30", tz="Europe/Berlin"),
    pd.Timestamp("2024-10-27T02:30").tz_localize("Europe/Berlin", ambiguous=False),
    pd.Timestamp("2024-07-01T00:30:00.123456789", tz="UTC"),
    pd.Timestamp("2024-07-01T00:30+05:30"),
    pd.Timestamp("2024-07-01").as_unit("s"),
    pd.Timedelta("1s"),
    pd.Timedelta("-1 days 3ns"),
]

PLAIN = [
    None,
    True,
    3,
    2**80,
    0.1,
    -0.0,
    math.inf,
    math.nan,
    1 + 2j,
    complex(math.nan, -0.0),
    "ä",
    b"\x00",
    bytearray(b"a"),
    (1, 2),
    [1, 2],
    (1, [2, ("a",)]),
    {"a": (1, 2)},
    {1: "a", (1, 2): "b"},
    {"$tuple": 1},
    {1, "a", (2, 3)},
    frozenset({1}),
    range(0, 10, 3),
    Decimal("1.50"),
    Decimal("NaN"),
    Fraction(1, 3),
    uuid.UUID(int=7),
    Path("/a/b"),
    PurePosixPath("a"),
    PureWindowsPath("c:/a"),
    dt.date(2024, 7, 1),
    dt.time(1, 2, 3, 4),
    dt.time(1, tzinfo=dt.UTC),
    dt.time(1, fold=1),
    dt.timedelta(1, 2, 3),
    dt.datetime(2024, 7, 1, 0, 30),
    dt.datetime(2024, 7, 1, 0, 30, tzinfo=BERLIN),
    dt.datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN),
    dt.datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1),
    dt.datetime(2024, 7, 1, tzinfo=dt.UTC),
    dt.datetime(2024, 7, 1, tzinfo=dt.timezone(dt.timedelta(hours=-3, minutes=-30))),
    dt.datetime(2024, 7, 1, tzinfo=dt.timezone(dt.timedelta(hours=2), "CEST")),
    dt.datetime.min.replace(tzinfo=ZoneInfo("Asia/Tokyo")),
    dt.timezone(dt.timedelta(hours=2), "CEST"),
    BERLIN,
]

NUMPY = [
    np.array([1.0, 2.0]),
    np.array(3),
    np.array([]),
    np.array([1, 2], dtype=np.uint8),
    np.array([1, 2], dtype=">i4"),
    np.array([0.1], dtype=np.float16),
    np.array([[True, False]]),
    np.array([1j]),
    np.arange(24).reshape(2, 3, 4),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.array(["a", "bcd"]),
    np.array([b"a"]),
    np.array(["2024-07-01T00:30", "NaT"], dtype="M8[ns]"),
    np.array([5], dtype="m8[25s]"),
    np.zeros(2, dtype=[("a", "i4"), ("b", "f8", (2,))]),
    np.array([1, "a", (2, [3])], dtype=object),
    np.array([[Method.FAST, None]], dtype=object),
    np.float32(0.1),
    np.float16(0.5),
    np.int8(3),
    np.uint64(2**64 - 1),
    np.complex64(1j),
    np.str_("a"),
    np.bytes_(b"a"),
    np.datetime64("2024", "Y"),
    np.datetime64("2024-07-01T00:30:00.123456789"),
    np.datetime64("NaT"),
    np.timedelta64(3, "h"),
    np.longdouble(1) / 3,
]


def seen(value: Any) -> Any:
    """The value with its type at every depth, so that == tells what an experiment can tell."""
    kind = type(value)
    if isinstance(value, np.ndarray) and value.dtype.kind == "O":
        return kind, value.shape, list(map(seen, value.ravel().tolist()))
    if isinstance(value, np.ndarray):
        return kind, value.dtype, value.shape, value.flags.f_contiguous, value.flags.writeable, value.tobytes()
    if isinstance(value, np.generic):
        return kind, value.dtype, value.tobytes()
    if isinstance(value, dict):
        return kind, [(seen(key), seen(item)) for key, item in value.items()]
    if isinstance(value, set | frozenset):
        return kind, sorted(map(repr, value))
    if isinstance(value, list | tuple):
        return kind, list(map(seen, value))
    return kind, repr(value), getattr(value, "fold", None), getattr(value, "unit", None)


@pytest.mark.parametrize("value", [*PLAIN, *NUMPY, *OF_CLASSES, *PANDAS], ids=lambda value: type(value).__name__)
def test_a_value_is_kept_and_read_back_exactly(value: Any) -> None:
    kept = exact(value, "here")
    written = json.loads(JSON.encode(encode(kept)), parse_constant=pytest.fail)

    assert seen(kept) == seen(value)
    assert seen(decode(written, imports=True)) == seen(value)
    assert JSON.encode(encode(decode(written))) == JSON.encode(encode(decode(written, imports=True)))


@pytest.mark.parametrize("value", [*PLAIN, *NUMPY, *OF_CLASSES, *PANDAS], ids=lambda value: type(value).__name__)
def test_what_can_be_changed_is_a_copy(value: Any) -> None:
    kept = exact(value, "here")
    handed = copy_of(kept)

    assert seen(handed) == seen(value)
    if isinstance(value, list | dict | set | bytearray | np.ndarray):
        assert kept is not value
        assert handed is not kept
    if isinstance(value, np.ndarray):
        assert not np.shares_memory(handed, kept)
        assert not np.shares_memory(kept, value)


def test_each_kind_has_a_value_here() -> None:
    values = [*PLAIN, *NUMPY, *OF_CLASSES, *PANDAS, MISSING, pd.NA, pd.NaT, decode(encode(Level.LOW))]
    assert {kind.tag for kind in KINDS} - {kind_of(type(value)).tag for value in values} == {"$WindowsPath"}


@pytest.mark.parametrize("value", [np.float64(0.1), np.int64(3), np.bool_(True)])
def test_three_of_numpys_scalars_are_pythons(value: Any) -> None:
    assert seen(exact(value, "here")) == seen(value.item())


def test_only_who_asks_imports_the_classes_of_levels() -> None:
    written = [encode(value) for value in OF_CLASSES[:-2]]
    found = [decode(each) for each in written]
    assert {type(each) for each in found} == {TextOf}
    assert found[:4] == ["HTTPStatus.OK", "Signals.SIGINT", "Method.FAST", "Level.LOW"]
    assert str(decode(encode(Place(1, ["a"])))) == "Place(x=1, tags=['a'])"
    assert modules_of([http.HTTPStatus.OK, [Place(1, [])], 3]) == {"http", __name__}
    assert modules_of(JSON.encode(encode([http.HTTPStatus.OK, Place(1, [])]))) == set()
    with pytest.raises(
        DesignError, match=r"the class Gone of raylab\.errors, which cannot be imported here: .* include="
    ):
        decode({"$Enum": ["raylab.errors", "Gone", "A", "Gone.A"]}, imports=True)
    with pytest.raises(DesignError, match="OK of http, and that class has no such member here"):
        decode({"$Enum": ["http", "HTTPMethod", "OK", "OK"]}, imports=True)


def test_a_timestamp_of_pandas_is_a_moment_elsewhere_and_text_where_it_is_finer() -> None:
    moments = [decode(encode(value)) for value in PANDAS]
    assert [type(each) for each in moments] == [
        MomentOf,
        MomentOf,
        MomentOf,
        TextOf,
        MomentOf,
        MomentOf,
        SpanOf,
        TextOf,
    ]
    assert moments[1] == dt.datetime(2024, 7, 1, 0, 30, tzinfo=BERLIN)
    assert (moments[1].hour, str(moments[1].tzinfo)) == (0, "Europe/Berlin")
    assert (moments[2].hour, moments[2].fold) == (2, 1)
    assert moments[3] == "2024-07-01T00:30:00.123456789+00:00"


def test_keys_tell_types_apart() -> None:
    values = [*PLAIN, *NUMPY, *OF_CLASSES, *PANDAS, 1, 1.0, "1", b"1", [1], [1.0], 0.0, MISSING, 0.5, np.float64]
    values = [value for value in values if value is not np.float64]
    assert len({key_of(value) for value in values}) == len(values)
    assert key_of(math.nan) == key_of(float("nan"))
    one, other = {0, 8}, {8, 0}
    assert list(one) != list(other)
    assert key_of(one) == key_of(other)
    assert key_of(frozenset([0, 8])) == key_of(frozenset([8, 0]))


LEVELS = st.lists(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec="utf-8")) | st.binary(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.lists(inner, max_size=3).map(tuple)
            | st.dictionaries(st.sampled_from(["a", "$b"]), inner, max_size=2)
        ),
        max_leaves=5,
    )
    | st.just(MISSING),
    max_size=5,
).map(tuple)


@given(LEVELS)
def test_levels_are_read_back_as_they_were_written(levels: tuple[Any, ...]) -> None:
    written = json.loads(JSON.encode(list(map(encode, levels))), parse_constant=pytest.fail)
    back = tuple(map(decode, written))

    assert list(map(key_of, back)) == list(map(key_of, levels))
    assert repr(back) == repr(levels)
    assert repr(exact_levels(levels, "here")) == repr(levels)


@given(LEVELS)
def test_no_two_levels_have_one_text(levels: tuple[Any, ...]) -> None:
    shown = dict(zip(map(key_of, levels), texts(levels), strict=True))
    assert len(set(shown.values())) == len(shown)
    assert all((text is None) == (key == key_of(MISSING)) for key, text in shown.items())


def test_texts_of_mixed_levels_are_what_a_person_writes() -> None:
    assert texts(["sqrt", 0.5, 3, None, True]) == ["sqrt", "0.5", "3", "None", "True"]
    assert texts(["None", None, "a"]) == ["'None'", "None", "a"]
    assert texts([Decimal("1.5"), 1.5, np.float32(1.5), "1.5"]) == ["Decimal(1.5)", "1.5", "float32(1.5)", "'1.5'"]
    assert texts([np.array([1, 2]), [1, 2], (1, 2)]) == ["array([1, 2], int64)", "[1, 2]", "(1, 2)"]
    assert texts([http.HTTPStatus.OK, dt.date(2024, 7, 1), uuid.UUID(int=7), {"a": (1,)}]) == [
        "HTTPStatus.OK", "2024-07-01", "00000000-0000-0000-0000-000000000007", "{'a': (1,)}",
    ]  # fmt: skip


@pytest.mark.parametrize("value", [*OF_CLASSES, *PANDAS], ids=lambda value: type(value).__name__)
def test_a_text_is_the_same_where_the_class_is_not_imported(value: Any) -> None:
    for more in ([], ["x", 3], [str(decode(encode(value)))]):
        assert texts([value, *more]) == texts([decode(encode(value)), *more])


def test_a_long_level_is_its_beginning_and_a_digest() -> None:
    one, other = np.zeros(250_000), np.zeros(250_000)
    other[-1] = 1
    first, second, third = texts([one, other, "a" * (LONG_BYTES + 1)])  # type: ignore[misc]
    assert first is not None
    assert first.startswith("array 250000 of float64: [0.0, 0.0")
    assert first != second
    assert len(first) < 120
    assert third is not None
    assert third.startswith("aaa")
    short = ["a" * LONG_BYTES, [0.5] * 50, 3, None]
    long = ["ä" * LONG_BYTES, [0.5] * 500, b"a" * 2000, np.zeros(500), {"a": "b" * 2000}]
    assert [is_long(value) for value in [*short, *long]] == [False] * len(short) + [True] * len(long)


def test_the_weight_counts_what_can_be_large() -> None:
    assert weight_of((np.zeros(100), "abc", [b"12", {"a": "b"}])) == 800 + 3 + 2 + 1


def test_what_cannot_be_kept_is_refused_saying_where() -> None:
    with pytest.raises(DesignError, match=r"^the third: a value of type object cannot be kept exactly"):
        exact([1, object()], "the third")
    local = namedtuple("local", "a")
    with pytest.raises(DesignError, match=r"^the third: workers cannot import the class local"):
        exact({"a": (local(1),)}, "the third")


def test_missing_is_one_object_in_every_process() -> None:
    assert pickle.loads(pickle.dumps(MISSING)) is MISSING
    assert copy.deepcopy(MISSING) is MISSING
    assert repr(MISSING) == "MISSING"


@pytest.mark.parametrize("module", ["classes", "kinds", "texts", "values"])
def test_the_examples_in_the_docstrings_are_true(module: str) -> None:
    assert doctest.testmod(getattr(raylab.core, module)).failed == 0
