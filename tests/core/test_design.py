"""Designs: the points they promise, of the types they were given, from memory and from JSON alike."""

from __future__ import annotations

import array
import datetime as dt
import itertools
import json
import math
import pickle
import tracemalloc
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from costs import calls
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from raylab.core.design import Design, Factorial, Points, as_design
from raylab.core.kinds import MISSING
from raylab.core.names import read_name
from raylab.errors import DesignError


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Pair(NamedTuple):
    a: int
    b: int


TEXT = st.text(st.characters(codec="utf-8"), max_size=5)
KEYS = TEXT | st.sampled_from(["$date", "$", "$dict", "plain"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats()
    | TEXT
    | st.binary(max_size=5)
    | st.datetimes()
    | st.datetimes(
        timezones=st.sampled_from([dt.UTC, dt.timezone(dt.timedelta(hours=2), "X"), ZoneInfo("Europe/Paris")])
    )
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.decimals()
    | st.complex_numbers()
    | st.uuids()
    | st.fractions()
    | arrays(st.sampled_from([np.bool_, np.int8, np.float32, np.complex128, "M8[ns]", "U3"]), array_shapes(min_dims=0))
    | st.sampled_from([np.float32(0.1), np.datetime64("2020", "Y"), Path("a"), PurePosixPath("a"), range(3)])
    | st.sampled_from(list(Colour))
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3) | st.lists(inner, max_size=3).map(tuple)
    ),
    max_leaves=6,
)
NAMES = TEXT.map(read_name).filter(lambda name: name and not name.startswith("_"))
RANGES = st.builds(range, st.integers(-9, 9), st.integers(-9, 9), st.sampled_from([-3, -1, 1, 2])).filter(len)
AXES = st.dictionaries(NAMES, st.lists(VALUES, min_size=1, max_size=4) | RANGES, max_size=3)
ROWS = st.lists(st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3), min_size=1, max_size=6)


def exact(value: Any) -> Any:
    """The value with its type at every depth, so that == tells 1 from 1.0 from True, and nan is nan."""
    if isinstance(value, dict):
        return "dict", [(key, exact(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [exact(item) for item in value]
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, value.tobytes()
    return type(value), repr(value)


def same(left: Design, right: Design) -> bool:
    return left.parameters == right.parameters and [exact(p) for p in left] == [exact(p) for p in right]


# factorials


def test_a_factorial_is_the_product_of_its_axes_the_last_fastest() -> None:
    design = Factorial(p=[0.1, 0.2], L=range(3), kind="x")
    expected = [{"p": p, "L": n, "kind": "x"} for p, n, _ in itertools.product([0.1, 0.2], range(3), "x")]
    assert list(design) == expected
    assert (design.size, len(design), design.parameters) == (6, 6, ("p", "L", "kind"))
    assert design[-1] == expected[-1]
    assert design[np.int64(2)] == expected[2]
    assert (design.head(2), design.head()) == (expected[:2], expected[:5])


@given(AXES)
def test_every_factorial_is_the_product(axes: dict[str, Any]) -> None:
    design = Factorial(axes)
    assert design.size == math.prod(map(len, axes.values()))
    points = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    assert [exact(p) for p in design] == [exact(p) for p in points]


def test_without_axes_there_is_one_point_without_parameters() -> None:
    assert (list(Factorial()), Factorial().size, Factorial().parameters) == ([{}], 1, ())
    assert Factorial({}) == Factorial() == Design.loads(Factorial().dumps())
    assert repr(Factorial()) == "Factorial() of 1 point"


@pytest.mark.parametrize(
    "scalar",
    [
        3,
        0.5,
        True,
        None,
        "text",
        b"bytes",
        {"a": 1},
        dt.date(2020, 1, 2),
        Decimal("1.5"),
        np.float32(0.5),
        "",
        {},
    ],
)
def test_a_scalar_a_string_or_a_dict_is_one_level(scalar: Any) -> None:
    assert Factorial(x=scalar, y=[1, 2]).size == 2
    assert Factorial(x=scalar)[0] == {"x": scalar}
    assert Factorial(x=np.array(4)).head() == [{"x": np.array(4)}]
    assert Factorial(x=bytearray(b"z")).head() == [{"x": bytearray(b"z")}]


@pytest.mark.parametrize(
    ("given_levels", "expected"),
    [
        ((1, "a", None), [1, "a", None]),
        (np.array([1, 2]), [1, 2]),
        (np.array([1, 2], dtype=np.int8), [np.int8(1), np.int8(2)]),
        (np.linspace(0, 1, 3), [0.0, 0.5, 1.0]),
        (np.array([0.5], dtype=np.float16), [np.float16(0.5)]),
        (np.array([True]), [True]),
        (np.array(["a", "bc"]), [np.str_("a"), np.str_("bc")]),
        (np.array([b"a"]), [np.bytes_(b"a")]),
        (np.array([1, "x", None], dtype=object), [1, "x", None]),
        (np.arange(4).reshape(2, 2), [np.array([0, 1]), np.array([2, 3])]),
        (np.ma.masked_array([1, 2], mask=[False, True]), [1, None]),
        ([np.int64(3), np.float64(0.1), np.str_("s"), np.bool_(False)], [3, 0.1, np.str_("s"), False]),
        ([np.arange(2), (3, np.int8(4))], [np.arange(2), (3, np.int8(4))]),
        (np.array(["2020-01-02"], dtype="M8[D]"), [np.datetime64("2020-01-02")]),
        (np.array([1500], dtype="m8[ms]"), [np.timedelta64(1500, "ms")]),
        (pd.Series([1.5, None]), [1.5, math.nan]),
        (pd.Series(["a", None]), ["a", None]),
        (pd.Categorical(["a", None]), ["a", None]),
        (pd.date_range("2020-01-02", periods=1, tz="Europe/Paris"), [pd.Timestamp("2020-01-02", tz="Europe/Paris")]),
        (Colour, [Colour.RED, Colour.BLUE]),
        (Pair(1, 2), [Pair(1, 2)]),
        (pl.Series([1, None]), [1, None]),
        (pl.Series([dt.date(2020, 1, 2)]), [dt.date(2020, 1, 2)]),
        (pa.array([{"a": 1}]), [{"a": 1}]),
        (pa.chunked_array([[1.5], [2.5]]), [1.5, 2.5]),
        (array.array("d", [1.5]), [1.5]),
        ((n * n for n in range(3)), [0, 1, 4]),
        ({"k": 1}.keys(), ["k"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_levels_of_a_collection_are_what_a_loop_over_it_gives(given_levels: Any, expected: list[Any]) -> None:
    levels = list(Factorial(x=given_levels).axis("x"))
    assert exact(levels) == exact(expected)


def test_a_huge_design_costs_neither_memory_nor_steps() -> None:
    def work() -> Design:
        design = Factorial(p=range(10**9), L=range(1, 10**9, 2), method=["a", "b"])
        assert design.size == 10**18
        assert design[10**18 - 1] == {"p": 10**9 - 1, "L": 10**9 - 1, "method": "b"}
        assert design == Design.loads(design.dumps())
        assert design.axis("p").size == 10**9
        assert design.places("L", np.array([10**18 - 1])).tolist() == [5 * 10**8 - 1]
        return design

    work()  # what Python and numpy set up once is not the design's
    tracemalloc.start()
    design = work()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000
    assert calls(work) < 2_000
    assert len(design.dumps()) < 300


def test_at_most_2_to_the_62_points() -> None:
    assert Factorial(a=range(2**31), b=range(2**31)).size == 2**62
    for axes in ({"a": range(2**62 + 1)}, {"a": range(2**31), "b": range(2**31 + 1)}, {"a": range(10**30)}):
        with pytest.raises(DesignError, match=r"2\*\*62"):
            Factorial(axes)


# points


def test_points_from_rows_leave_out_what_a_row_lacks() -> None:
    design = Points([{"b": 1}, {"a": 2, "b": None}, {}])
    assert list(design) == [{"b": 1}, {"b": None, "a": 2}, {}]
    assert (design.parameters, design.size) == (("b", "a"), 3)
    assert list(design.axis("a")) == [MISSING, 2, MISSING]
    assert Points([{}, {}]).size == Design.loads(Points([{}, {}]).dumps()).size == 2


@given(ROWS)
def test_every_list_of_rows_is_its_points(rows: list[dict[str, Any]]) -> None:
    ordered = list(dict.fromkeys(itertools.chain(*rows)))
    design = Points(rows)
    assert design.parameters == tuple(ordered)
    assert [exact(p) for p in design] == [exact({n: row[n] for n in ordered if n in row}) for row in rows]


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame({"n": [1, 2], "s": ["a", None]}),
        pa.table({"n": [1, 2], "s": ["a", None]}),
        pa.record_batch({"n": [1, 2], "s": ["a", None]}),
        ({"n": n, "s": s} for n, s in [(1, "a"), (2, None)]),
        Points(n=[1, 2], s=["a", None]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_frames_tables_and_whatever_yields_mappings_are_rows(frame: Any) -> None:
    assert list(Points(frame)) == [{"n": 1, "s": "a"}, {"n": 2, "s": None}]


def test_what_a_frame_calls_missing_is_none_and_nan_among_floats_stays() -> None:
    frame = pd.DataFrame(
        {
            "c": pd.Categorical(["a", None]),
            "f": [math.nan, 1.0],
            "i": pd.array([None, 1], dtype="Int64"),
            "o": [None, "x"],
        }
    )
    for design in (Points(frame), as_design(frame)):
        assert exact(list(design)) == exact(
            [{"c": "a", "f": math.nan, "i": None, "o": None}, {"c": None, "f": 1.0, "i": 1, "o": "x"}]
        )
    assert Factorial(x=[pd.NA, pd.NaT]).head() == [{"x": None}, {"x": None}]


def test_a_name_is_read_as_python_reads_it_wherever_it_is_looked_up() -> None:
    typed, read = "\u03f5", "\u03b5"
    for design in (Factorial({typed: [1, 2]}), Points({typed: [1, 2]})):
        assert design.parameters == (read,)
        assert list(design.axis(typed)) == list(design.axis(read)) == [1, 2]
        assert design.places(typed, np.array([1])).tolist() == [1]
    with pytest.raises(DesignError, match=r"was given 'ε' twice, .* typed with another letter"):
        Factorial({typed: [1], read: [2]})


def test_what_stands_twice_is_told() -> None:
    assert Factorial(x=[1, 1, 2], y=["a", "b"], z=["c", "c"]).repeated() == ["x=1", "z='c'"]
    assert Factorial(x=[(1, 2), [1, 2], (1, 2)]).repeated() == ["x=(1, 2)"]
    assert Factorial(x=[1, 1.0, True], y=range(3)).repeated() == []
    assert Points([{"a": 1, "b": [2]}, {"a": 1}, {"a": 1, "b": [2]}]).repeated() == ["a=1, b=[2]"]
    assert Points([{"a": 1}, {"a": None}, {}]).repeated() == []
    assert Points(a=range(10**12)).repeated() == []
    assert Points([{}, {}]).repeated() == ["the empty row"]


def test_points_from_columns_broadcast_scalars() -> None:
    assert list(Points(x=[1, 2], y=range(5, 7), z="a")) == [
        {"x": 1, "y": 5, "z": "a"},
        {"x": 2, "y": 6, "z": "a"},
    ]
    assert list(Points({"any name": [1, 2]}, z=3)) == [{"any name": 1, "z": 3}, {"any name": 2, "z": 3}]
    assert list(Points(x=1, y="b")) == [{"x": 1, "y": "b"}]
    assert Points(x=range(10**12)).size == 10**12


# what all designs do


@settings(max_examples=200)
@given(AXES.map(Factorial) | ROWS.map(Points))
def test_what_is_written_down_is_read_back_with_the_same_types(design: Design) -> None:
    text = design.dumps()
    back = Design.loads(text, imports=True)
    assert same(back, design)
    assert back.dumps() == text
    assert back == design
    assert hash(back) == hash(design)
    assert type(back) is type(design)
    json.loads(text, parse_constant=pytest.fail)  # strict JSON: no NaN, no Infinity


@given(AXES.map(Factorial) | ROWS.map(Points))
def test_a_column_is_the_levels_that_the_points_have(design: Design) -> None:
    points = np.arange(design.size)[::-1]
    for name in design.parameters:
        assert exact(design.column(name, points)) == exact([design[int(i)].get(name, MISSING) for i in points])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Factorial(x=range(0, 10, 3)), Factorial(x=range(0, 12, 3))),
        (Factorial(x=[0, 1, 2, 3]), Factorial(x=range(4))),
        (Factorial(x=range(2)), Factorial(x=[0, 1])),
        (Factorial(x=[5, 3, 1]), Factorial({"x": np.arange(5, 0, -2)})),
        (Factorial(x=7), Factorial(x=[7])),
        (Factorial(x=np.linspace(0, 1, 11)), Factorial(x=np.linspace(0, 1, 11).tolist())),
        (Points([{"x": 1, "y": 2}, {"y": 2, "x": 2}]), Points(x=[1, 2], y=2)),
    ],
)
def test_the_same_design_written_another_way_is_equal(one: Design, other: Design) -> None:
    assert one == other
    assert one.dumps() == other.dumps()
    assert hash(one) == hash(other)


def test_designs_that_differ_in_anything_are_unequal() -> None:
    designs = [
        Factorial(x=[0, 1, 2]),
        Factorial(x=[0.0, 1.0, 2.0]),
        Factorial(x=[False, True, 2]),
        Factorial(x=[0, True, 2]),
        Factorial(x=[0, 1, 2.0]),
        Factorial(x=[0, 2, 1]),
        Factorial(x=["0", "1", "2"]),
        Factorial(y=[0, 1, 2]),
        Points(x=[0, 1, 2]),
        Factorial(x=[0, 1, 2], y=1),
        Factorial(y=1, x=[0, 1, 2]),
        Factorial(x=[-1.0, 0.0, 1.0]),
        Factorial(x=[-1.0, -0.0, 1.0]),
        Factorial(x=[0.0]),
        Factorial(x=[-0.0]),
        Factorial(x=[[0]]),
        Factorial(x={"a": 1, "b": 2}),
        Factorial(x={"b": 2, "a": 1}),
        Points([{"x": None}]),
        Points([{"x": MISSING}]),
        Points([{}]),
        Points([{}, {}]),
    ]
    assert len({design.dumps() for design in designs}) == len(designs)
    assert all((a == b) == (a is b) for a in designs for b in designs)
    assert Factorial() != {}


def test_the_json_is_what_the_notebook_s_format_says() -> None:
    design = Factorial(
        L=range(10), r=np.linspace(0, 1, 5), p=[0.1, float("nan")], d=dt.timedelta(1, 2, 3), b=b"\x00", m={"$x": 1}
    )
    assert json.loads(design.dumps()) == {
        "kind": "factorial",
        "axes": [
            {"name": "L", "range": [0, 10, 1]},
            {"name": "r", "linspace": [0.0, 1.0, 5]},
            {"name": "p", "levels": [0.1, {"$float": ["nan"]}]},
            {"name": "d", "levels": [{"$timedelta": [1, 2, 3]}]},
            {"name": "b", "levels": [{"$bytes": ["AA=="]}]},
            {"name": "m", "levels": [{"$dict": [["$x", 1]]}]},
        ],
    }
    rows = Points([{"t": dt.datetime(2020, 1, 2, tzinfo=dt.UTC)}, {"t": dt.date(2020, 1, 2)}, {"n": Decimal("1.50")}])
    assert json.loads(rows.dumps()) == {
        "kind": "points",
        "size": 3,
        "columns": [
            {
                "name": "t",
                "levels": [
                    {"$datetime": ["2020-01-02T00:00:00", {"$timezone": [{"$timedelta": [0, 0, 0]}]}, 0]},
                    {"$date": ["2020-01-02"]},
                    {"$Missing": []},
                ],
            },
            {"name": "n", "levels": [{"$Missing": []}, {"$Missing": []}, {"$Decimal": ["1.50"]}]},
        ],
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "3",
        "{}",
        '{"kind":"lattice"}',
        '{"kind":"factorial"}',
        '{"kind":"factorial","axes":[{"name":"x"}]}',
        '{"kind":"factorial","axes":[{"name":"x","range":[0,1]}]}',
        '{"kind":"factorial","axes":[{"name":"x","range":[0,9,0]}]}',
        '{"kind":"factorial","axes":[{"name":"x","linspace":[0.0,1.0]}]}',
        '{"kind":"factorial","axes":[{"name":"x","levels":[{"$date":["soon"]}]}]}',
        '{"kind":"factorial","axes":[{"name":"x","levels":[{"$Decimal":["soon"]}]}]}',
        '{"kind":"factorial","axes":[{"name":"x","levels":[{"$quaternion":[1,2,3,4]}]}]}',
        '{"kind":"points","size":3,"columns":[{"name":"x","levels":[1]}]}',
    ],
)
def test_a_text_that_is_no_design_is_a_design_error(text: str) -> None:
    with pytest.raises(DesignError, match="design"):
        Design.loads(text)


def test_a_point_s_lists_and_dicts_can_be_changed_without_changing_the_design() -> None:
    layers = [[64, 32]]
    for design in (
        Factorial(layers=layers, opt={"a": [1]}),
        Points([{"layers": [64, 32], "opt": {"a": [1]}}]),
    ):
        point = design[0]
        point["layers"].append(1)
        point["opt"]["a"].append(2)
        layers[0].append(3)
        assert design[0] == {"layers": [64, 32], "opt": {"a": [1]}}
        layers[0].pop()


def test_slices_and_numbers_outside_are_refused() -> None:
    design = Factorial(x=range(3))
    for wrong in (3, -4):
        with pytest.raises(IndexError, match="3 points"):
            design[wrong]
    for wrong_type in (slice(0, 2), "x", 1.0):
        with pytest.raises(TypeError, match=r"head\(n\)"):
            design[wrong_type]  # type: ignore[index]
    for points in ([3], [-1, 0]):
        with pytest.raises(IndexError, match="3 points"):
            design.places("x", np.array(points))
    assert design.places("x", np.array([], dtype=np.int64)).tolist() == []
    with pytest.raises(TypeError):
        design.places("x", np.array([0.5]))
    for ask in (design.axis, lambda name: design.places(name, np.array([0]))):
        with pytest.raises(DesignError, match="no parameter 'y'; its parameters are 'x'"):
            ask("y")


def test_the_repr_is_short() -> None:
    assert repr(Factorial(p=np.linspace(0, 1, 101), L=[64, 128])) == (
        "Factorial(p=0 to 1 (101 levels), L=64 to 128 (2 levels)) of 202 points"
    )
    assert repr(Points(x=[1, 2], y=3)) == "Points(x=1 to 2, y=3) of 2 points"
    assert repr(Points(x=list("abcd"), y=[None, "a", "b" * 99, None])) == (
        f"Points(x, y=None or 'a' or '{'b' * 22}…) of 4 points"
    )
    assert repr(Points({f"x{n}": 1 for n in range(9)})) == "Points(x0=1, x1=1, x2=1, x3=1, x4=1, x5=1, ...) of 1 point"


@pytest.mark.parametrize("design", [Factorial(x=range(3), y=[[1], None]), Points([{"x": 1}, {"y": 2}])])
def test_a_design_can_be_pickled(design: Design) -> None:
    assert pickle.loads(pickle.dumps(design)) == design
    assert pickle.loads(pickle.dumps(MISSING)) is MISSING


def test_a_design_tells_what_can_be_changed_what_may_be_lacking_and_what_is_large() -> None:
    def told(*levels: Any) -> tuple[bool, list[str], dict[str, int]]:
        design = Points([{} if level is MISSING else {"x": level} for level in levels])
        return design.is_plain, design.optional, design.weights()

    assert told(1, "ab", None) == (True, [], {"x": 2})
    assert told((1, "a"), MISSING) == (False, ["x"], {"x": 17})
    assert told((1, "a")) == (True, [], {"x": 9})
    assert told((1, ["a"])) == (False, [], {"x": 9})
    assert told(np.zeros(10)) == (False, [], {"x": 80})
    assert Factorial(x=range(10**9), c=list(Colour)).modules() == {__name__}


def test_a_row_is_written_down_in_a_few_steps() -> None:
    """So a million take about a second."""
    rows = 10_000
    design = Points(x=np.random.default_rng(0).random(rows), n=np.arange(rows) ** 2, s="a")
    design.dumps()  # what is looked up once does not count
    assert calls(design.dumps) < 3 * rows


# what is accepted as a design, and what is refused


def test_as_design_takes_designs_mappings_frames_and_lists() -> None:
    design = Factorial(x=[1])
    assert as_design(design) is design
    assert as_design({"x": [1, 2]}) == Factorial(x=[1, 2])
    assert as_design([{"x": 1}, {"x": 2}]) == as_design(pl.DataFrame({"x": [1, 2]})) == Points(x=[1, 2])
    assert as_design(pa.table({"x": [1, 2]})) == Points(x=[1, 2])


@pytest.mark.parametrize(
    "value", [None, 3, "x", range(3), {1, 2}, object(), np.arange(3)], ids=lambda v: type(v).__name__
)
def test_as_design_says_what_it_accepts(value: Any) -> None:
    with pytest.raises(DesignError, match="a design is a Factorial, a Points, a mapping of axes, a frame, or a list"):
        as_design(value)


class Moment(dt.datetime):
    pass


class Zone(dt.tzinfo):
    pass


def local_enum() -> Any:
    class Local(Enum):
        A = 1

    return Local


def local_pair() -> Any:
    return namedtuple("Pair", "a b")


def knot() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Factorial(x=[]), "axis 'x' has no levels"),
        (lambda: Factorial(x=range(0)), "axis 'x' has no levels"),
        (lambda: Factorial(x=np.array([])), "axis 'x' has no levels"),
        (lambda: Factorial(x={1, 2}), r"axis 'x': a set has no order; give a list, as sorted\(...\)"),
        (lambda: Factorial(x=pl.DataFrame({"a": [1]})), "axis 'x': a frame"),
        (lambda: Factorial(x=[1, object()]), "axis 'x': a value of type object .* name or a path"),
        (lambda: Factorial(x=len), "axis 'x': a value of type builtin_function_or_method"),
        (lambda: Factorial(x=int), "axis 'x': a value of type type"),
        (lambda: Factorial(x=OrderedDict(a=1)), "OrderedDict cannot be kept exactly. Give it as a plain dict"),
        (lambda: Factorial(x=[Moment(2020, 1, 2)]), "Moment cannot be kept exactly. Give it as a plain datetime"),
        (lambda: Factorial(x=[np.ma.masked_array([1])]), "Give it as a plain numpy.ndarray"),
        (lambda: Factorial(x=[pd.Series([1])]), "pandas.Series cannot be kept exactly"),
        (lambda: Factorial(x=[pd.Period("2020-01")]), "pandas.Period cannot be kept exactly"),
        (lambda: Factorial(x=[np.array([len])]), "builtin_function_or_method cannot be kept exactly"),
        (lambda: Factorial(x=[np.random.default_rng(1)]), "Generator cannot be kept exactly"),
        (
            lambda: Factorial(x=[local_enum().A]),
            r"workers cannot import the class local_enum\.<locals>\.Local .* Put the class into a module",
        ),
        (lambda: Factorial(x=[local_pair()(1, 2)]), r"workers cannot import the class Pair"),
        (
            lambda: Factorial(x=[dt.datetime(2020, 1, 1, tzinfo=Zone())]),
            "time zone of type .*Zone, which cannot be kept",
        ),
        (lambda: Factorial(x=[knot()]), "contains itself, or is too deep"),
        (lambda: Factorial(x=MISSING), "axis 'x' has the level MISSING"),
        (lambda: Factorial(x=[[MISSING]]), "axis 'x': MISSING is no value"),
        (lambda: Factorial(x="\ud800"), "axis 'x': .* not valid Unicode"),
        (lambda: Factorial(x=10**5000), "axis 'x': an integer has at most"),
        (lambda: Factorial({1: [1]}), r"a string; got 1 \(int\)"),
        (lambda: Factorial({"": [1]}), "neither empty nor"),
        (lambda: Factorial(_seed=[1]), "begins with '_'"),
        (lambda: Factorial({"x": 1}, x=2), "'x' twice"),
        (lambda: Factorial([1, 2]), "by name, or as a mapping; got list"),
        (lambda: Points(), "no points"),
        (lambda: Points([]), "no rows"),
        (lambda: Points(x=[]), "axis 'x' has no levels"),
        (lambda: Points(x=[1, 2], y=[1, 2, 3]), "differ in length: x has 2, y has 3"),
        (lambda: Points(x=[1, 2], y=[1]), "differ in length: x has 2, y has 1"),
        (lambda: Points([{"x": 1}, 3]), "row 1 of Points must map names to values; got int"),
        (lambda: Points([{"_x": 1}]), "begins with '_'"),
        (lambda: Points([{1: 1}]), r"a string; got 1 \(int\)"),
        (lambda: Points([{"x": {len}}]), "column 'x': a value of type builtin_function_or_method"),
        (lambda: Points([{"x": 1}], y=1), "rows or columns; got list and y"),
        (lambda: Points("abc"), "a list of mappings, a frame, or columns by name; got str"),
        (lambda: Points(3), "a list of mappings, a frame, or columns by name; got int"),
    ],
)
def test_bad_designs_are_refused_saying_what_and_what_to_do(build: Callable[[], Design], message: str) -> None:
    with pytest.raises(DesignError, match=message):
        build()
