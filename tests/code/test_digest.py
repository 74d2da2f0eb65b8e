"""A value's digest: the same for the same value, in every process and after use; another one for another value."""

from __future__ import annotations

import collections
import datetime
import decimal
import functools
import itertools
import json
import linecache
import os
import pathlib
import re
import subprocess
import sys
import zoneinfo
from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.interpolate
import sklearn.ensemble
import sklearn.linear_model

from raylab.code.digest import steady_digest

try:
    import numba
except ImportError:  # it comes late for a new Python
    numba = None

_cells = itertools.count()

NOTEBOOK = """
import enum
class Own:
    def __init__(self, a): self.a = a
class Slotted:
    __slots__ = ("a",)
    def __init__(self, a): self.a = a
class Stated(Own):
    def __getstate__(self): return {"a": self.a}
class Mapped(dict):
    pass
class Linked:
    def __init__(self, v):
        self.v, self.other, self.around = v, Own(None), []
        self.other.a = self
        self.around += [self, self.other]
Color = enum.Enum("Color", {"RED": 1})
def twice(x): return x * N
"""


def notebook(name: str, **names: Any) -> Any:
    """What a notebook cell defines: its source is in linecache, its module is `__main__`."""
    file = f"<ipython-input-{next(_cells)}>"
    linecache.cache[file] = (len(NOTEBOOK), None, NOTEBOOK.splitlines(keepends=True), file)
    space = {"__name__": "__main__", **names}
    exec(compile(NOTEBOOK, file, "exec"), space)
    return space[name]


def frame(v: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "number": [1.0, v],
            "text": ["a", str(v)],
            "object": [None, {v}],
            "zone": pd.to_datetime(["2020-01-01", f"2020-01-0{v}"]).tz_localize("Europe/Berlin"),
            "kind": pd.Categorical(["a", str(v)]),
            "missing": pd.array([v, None], dtype="Int64"),
            "period": pd.period_range("2020", periods=2),
        }
    )


def table(v: int) -> pl.DataFrame:
    return pl.DataFrame({"a": [1, v], "b": ["x", str(v)], "c": [[1], [v]], "d": [{"q": v}, None]})


def arrow(v: int) -> pa.Table:
    return pa.table({"a": [1, None, v], "b": ["q", None, str(v)], "m": [True, None, v > 1], "l": [[v], None, []]})


def graph(v: int) -> nx.Graph:
    made = nx.path_graph(5)
    made.add_edge(0, 4, w=v)
    return made


def forest(v: int) -> Any:
    x = np.arange(20.0)
    return sklearn.ensemble.RandomForestRegressor(3, random_state=v).fit(x[:, None], x)


VALUES: dict[str, Callable[[int], Any]] = {
    "pandas frame": frame,
    "pandas levels": lambda v: pd.Series([v], index=pd.MultiIndex.from_tuples([("a", v)])),
    "pandas sparse": lambda v: pd.Series(pd.arrays.SparseArray([0, 0, v])),
    "pandas index": lambda v: pd.Index([1, v]),
    "polars frame": table,
    "polars series": lambda v: pl.Series("n", [1, None, v]),
    "polars categories": lambda v: pl.Series("n", ["a", str(v)], dtype=pl.Categorical),
    "polars lazy": lambda v: table(v).lazy().filter(pl.col("a") > 1),
    "polars expression": lambda v: pl.col("a") * v,
    "arrow table": arrow,
    "arrow array": lambda v: pa.array([1.0, None, v]),
    "objects": lambda v: np.array([1, "a", {"x": v}, {"s", "t", str(v)}], dtype=object),
    "record": lambda v: np.array([(1, v)], dtype=np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "masked": lambda v: np.ma.array([1, 2], mask=[0, v == 1]),
    "unfitted": lambda v: sklearn.linear_model.Ridge(alpha=v),
    "fitted": lambda v: sklearn.linear_model.Ridge().fit([[0.0], [1.0]], [0.0, v]),
    "forest": forest,
    "graph": graph,
    "interp1d": lambda v: scipy.interpolate.interp1d([0, 1, 2], [0, v, 2]),
    "spline": lambda v: scipy.interpolate.CubicSpline([0, 1, 2], [0, v, 2]),
    "smoothed": lambda v: scipy.interpolate.UnivariateSpline([0, 1, 2, 3, 4], [0, v, 2, 5, 1]),
    "interpolated": lambda v: scipy.interpolate.InterpolatedUnivariateSpline([0, 1, 2, 3, 4], [0, v, 2, 5, 1]),
    "knots": lambda v: scipy.interpolate.splrep([0, 1, 2, 3, 4], [0, v, 2, 5, 1]),
    "b-spline": lambda v: scipy.interpolate.make_interp_spline([0, 1, 2, 3], [0, v, 2, 5]),
    "akima": lambda v: scipy.interpolate.Akima1DInterpolator([0, 1, 2, 3], [0, v, 2, 5]),
    "surface": lambda v: scipy.interpolate.RectBivariateSpline(range(5), range(5), np.outer(range(5), range(v, v + 5))),
    "scattered": lambda v: scipy.interpolate.LinearNDInterpolator([[0, 0], [0, 1], [1, 0], [1, 1 + v]], [1, 2, 3, 4]),
    "radial": lambda v: scipy.interpolate.RBFInterpolator([[0.0], [1.0]], [0.0, v]),
    "krogh": lambda v: scipy.interpolate.KroghInterpolator([0, 1, 2], [0, v, 2]),
    "nearest": lambda v: scipy.interpolate.NearestNDInterpolator([[0, 0], [0, 1], [1, 0]], [1, 2, v]),
    "grid": lambda v: scipy.interpolate.RegularGridInterpolator(([0, 1], [0, 1]), [[0, 1], [1, v]]),
    "vectorize": lambda v: np.vectorize(functools.partial(max, v)),
    "vectorize's types": lambda v: np.vectorize(notebook("twice", N=2), otypes=[float if v == 1 else int]),
    "partial": lambda v: functools.partial(max, v),
    "partial of a frame": lambda v: functools.partial(max, key=frame(v)),
    "dict of frames": lambda v: {"a": frame(v), "b": table(v), ("c", 1): arrow(v)},
    "own": lambda v: notebook("Own")({"array": np.arange(v), "frame": frame(v)}),
    "slots": lambda v: notebook("Slotted")({"array": np.arange(v), "frame": frame(v)}),
    "state": lambda v: notebook("Stated")([frame(v)]),
    "own dict": lambda v: notebook("Mapped")(a=frame(v)),
    "links": lambda v: notebook("Linked")(v),
    "strings": lambda v: {"a", "b", "c", str(v)},
    "tuples": lambda v: {("a", 1), ("b", v), ("c", 3)},
    "sets of sets": lambda v: {frozenset({"a", "b", str(v)}), frozenset({"c"})},
    "members": lambda v: [notebook("Color").RED, v],
    "expression": lambda v: re.compile(f"a+{v}"),
    "path": lambda v: pathlib.Path(f"a/{v}"),
    "local time": lambda v: datetime.datetime(2024, 7, v, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
    "decimal": lambda v: decimal.Decimal(v),
    "ordered": lambda v: collections.OrderedDict(a=1, b=v),
    "default": lambda v: collections.defaultdict(list, {"a": [v]}),
    "deque": lambda v: collections.deque([1, v], maxlen=3),
    "polynomial": lambda v: np.poly1d([1, v]),
    "exception": lambda v: ValueError("a", v),
    "cached": lambda v: functools.cache(functools.partial(max, v)),
}
if numba is not None:
    VALUES |= {
        "numba": lambda v: numba.njit(notebook("twice", N=2), fastmath=v > 1),
        "numba's loop": lambda v: numba.vectorize(["f8(f8)" if v == 1 else "f4(f4)"])(notebook("twice", N=2)),
        "numba's array": lambda v: numba.guvectorize(["(f8[:],f8[:])"], "(n)->(n)", target_fast=v > 1)(
            lambda x, y: None
        ),
    }
    del VALUES["numba's array"]


def digests(v: int) -> dict[str, str | None]:
    return {name: steady_digest(make(v)) for name, make in VALUES.items()}


SCRIPT = "import json, runpy; print(json.dumps(runpy.run_path({file!r})['digests'](1)))"


@pytest.fixture(scope="module")
def elsewhere() -> list[dict[str, str]]:
    """The digests in two other processes, which hash strings in their own ways."""
    found = []
    for seed in ("1", "2"):
        command = [sys.executable, "-c", SCRIPT.format(file=__file__)]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found.append(json.loads(done.stdout))
    return found


@pytest.mark.parametrize("name", VALUES)
def test_the_same_value_has_the_same_digest_in_every_process_and_another_one_another(name, elsewhere):
    made = steady_digest(VALUES[name](1))

    assert made is not None
    assert made == steady_digest(VALUES[name](1))
    assert [there[name] for there in elsewhere] == [made, made]
    assert made != steady_digest(VALUES[name](2))


def _look_at(value: nx.Graph) -> nx.Graph:
    _ = value.nodes, value.edges, value.adj, value.degree
    nx.pagerank(value)
    return value


def _use(function: Any) -> Any:
    function(1.0)
    return function


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("pandas frame", lambda f: [f.describe(), repr(f), f["number"].mean(), f][-1]),
        ("pandas frame", lambda f: pd.concat([f, f], ignore_index=True).iloc[:2]),
        ("pandas frame", lambda f: pd.concat([f.iloc[:1], f.iloc[1:]])[list(f.columns)]),
        ("pandas index", lambda i: [i.get_loc(1), i.is_unique, i][-1]),
        ("polars frame", lambda f: pl.concat([f, f], rechunk=False)[:2]),
        ("polars frame", lambda f: f.sort("a").lazy().collect()),
        ("polars series", lambda s: pl.concat([s, s], rechunk=False)[3:]),
        ("polars categories", lambda s: pl.Series("n", ["z", *s], dtype=pl.Categorical)[1:]),
        ("arrow table", lambda t: pa.concat_tables([t.slice(0, 1), t.slice(1)])),
        ("arrow table", lambda t: pa.concat_tables([t, t]).slice(3)),
        ("arrow array", lambda a: pa.concat_arrays([pa.array([9.0]), a])[1:]),
        ("graph", _look_at),
        ("interp1d", _use),
        ("spline", _use),
        ("vectorize's types", _use),
        ("cached", lambda c: [c(3), c][-1]),
        ("fitted", lambda m: [m.predict([[1.0]]), m][-1]),
        *([("numba", _use)] if numba is not None else []),
    ],
)
def test_use_leaves_the_digest_alone(name, use):
    value = VALUES[name](1)
    before = steady_digest(value)

    assert steady_digest(use(value)) == before


@pytest.mark.parametrize("value", [[1, 2], "ab", {"a": (1,)}, np.arange(3)], ids=str)
def test_who_shares_a_value_does_not_count(value):
    other = (
        json.loads(json.dumps(value))
        if isinstance(value, list)
        else value * 1
        if not isinstance(value, dict)
        else {**value}
    )

    assert steady_digest([[value, len], value]) == steady_digest([[value, len], other])


def test_deep_and_endless_values_have_a_digest():
    deep: list[object] = []
    for _ in range(300):
        deep = [deep, len]
    endless: list[object] = [len]
    endless.append(endless)
    other: list[object] = [max]
    other.append(other)

    assert steady_digest(deep) is not None
    assert steady_digest(endless) not in (None, steady_digest(other))
    assert sys.getrecursionlimit() < 20_000


def test_what_lies_between_fields_and_under_nulls_does_not_count():
    dtype = np.dtype([("a", "i1"), ("b", "f8")], align=True)
    one, other = np.zeros(2, dtype), np.frombuffer(bytearray(b"\xff" * 32), dtype)
    for each in (one, other):
        each["a"], each["b"] = 1, 2
    masked = pa.Array.from_buffers(
        pa.int64(), 2, [pa.py_buffer(b"\x01"), pa.py_buffer(b"\x01" + b"\x00" * 7 + b"\x07" * 8)]
    )

    assert one.tobytes() != other.tobytes()
    assert steady_digest([one, len]) == steady_digest([other, len])
    assert steady_digest(masked) == steady_digest(pa.array([1, None]))
