"""The rows of several sweeps as one frame: nothing is refused, no value changes."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sweeps import Bench

from raylab import Factorial, Notebook, Points
from raylab.errors import NameRefused, SweepNotFound
from raylab.notebook.union import scanned, together


def kept(bench: Bench, name: str, experiment: Any, design: Any, **words: Any) -> None:
    bench.submit(name, experiment, design, **words)
    bench.run(name)


def test_the_rows_of_some_sweeps_stand_under_their_names_each_in_its_own_order(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    kept(bench, "a", lambda p: {"x": p + 0.5}, Factorial(p=[3, 1, 2]))
    kept(bench, "b", lambda p, q: {"y": q, "x": float(p)}, Factorial(p=[2, 1], q=["u"]), repeats=2)
    kept(bench, "c", lambda p: {"x": 0.0}, Factorial(p=[9]))
    notebook = Notebook(tmp_path)
    frame = notebook.results(["b", "a"])
    assert frame.columns == ["_sweep", "p", "q", "_repeat", "y", "x"]
    assert frame.rows() == [
        ("b", 2, "u", 0, "u", 2.0),
        ("b", 2, "u", 1, "u", 2.0),
        ("b", 1, "u", 0, "u", 1.0),
        ("b", 1, "u", 1, "u", 1.0),
        ("a", 3, None, 0, None, 3.5),
        ("a", 1, None, 0, None, 1.5),
        ("a", 2, None, 0, None, 2.5),
    ]
    lazy = notebook.scan(("b", "a"))
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect_schema() == frame.schema
    assert sorted(lazy.collect().rows(), key=str) == sorted(frame.rows(), key=str)
    assert notebook.results(["a"]).columns == ["_sweep", "p", "x"]
    assert notebook.results(pl.Series(["a", "c"]))["_sweep"].to_list() == ["a", "a", "a", "c"]
    everything = notebook.results(["a", "b"], status="all", metadata=True)
    assert {"_seq", "_status", "_repeat"} < set(everything.columns)
    assert everything["_seq"].null_count() == 0


def test_what_is_no_list_of_sweeps_is_refused_in_words(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for name in "ab":
        kept(bench, name, lambda p: {"x": p}, Factorial(p=[1]))
    notebook = Notebook(tmp_path)
    for verb in (notebook.results, notebook.scan, notebook.progress):
        with pytest.raises(SweepNotFound, match="has no sweep 'z'; its sweeps: 'a', 'b'"):
            verb(["a", "z"])
        for bad in ([], [3], 3, {"a": 1}):
            with pytest.raises(NameRefused):
                verb(bad)  # type: ignore[arg-type]
    with pytest.raises(SweepNotFound, match=r"Several are read with a list of names: results\(\['a', 'b'\]\)"):
        notebook.results()
    with pytest.raises(NameRefused, match="the name of one sweep is wanted here"):
        notebook.warnings(["a", "b"])  # type: ignore[arg-type]
    assert notebook.progress(["a", "b"]).done == 2


def test_kinds_that_clash_stand_beside_each_other(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    kept(bench, "ints", lambda p: {"x": 2**60 + 1 if p else 1}, Factorial(p=[0, 1]))
    kept(bench, "floats", lambda p: {"x": p / 2}, Factorial(p=[0, 1]))
    kept(bench, "mixed", lambda p: {"x": "text" if p else [1]}, Factorial(p=[0, 1]))
    kept(bench, "whole", lambda p: {"x": 7}, Factorial(p=[0]))
    notebook = Notebook(tmp_path)
    for frame in (
        notebook.results(["ints", "floats", "mixed"]),
        notebook.scan(["ints", "floats", "mixed"]).collect().sort("_sweep", "p", maintain_order=True),
    ):
        assert frame.columns == ["_sweep", "p", "x", "x__int", "x__string", "x__list"]
        by = {(row["_sweep"], row["p"]): tuple(row.values())[2:] for row in frame.to_dicts()}
        assert by["ints", 0] == (1.0, None, None, None)
        assert by["ints", 1] == (None, 2**60 + 1, None, None)
        assert by["floats", 1] == (0.5, None, None, None)
        assert by["mixed", 0] == (None, None, None, [1])
        assert by["mixed", 1] == (None, None, "text", None)
    assert notebook.results(["floats", "whole"])["x"].to_list() == [0.0, 0.5, 7.0]


def test_a_parameter_of_several_kinds_is_grouped_by_its_text(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    kept(bench, "number", lambda k: {"x": 1}, Factorial(k=[1, 2]))
    kept(bench, "word", lambda k: {"x": 1}, Factorial(k=["auto", "1"]))
    kept(bench, "both", lambda k: {"x": 1}, Points(k=["auto", 3]))
    notebook = Notebook(tmp_path)
    frame = notebook.results(["number", "word", "both"])
    assert frame["k"].to_list() == ["1", "2", "auto", "'1'", "auto", "3"]
    assert frame["k__int"].to_list() == [1, 2, None, None, None, 3]
    assert frame["k__string"].to_list() == [None, None, "auto", "1", "auto", None]
    assert frame.group_by("k").len().height == 5


def test_a_result_called_as_our_column_is_kept() -> None:
    frames = {"a": pl.DataFrame({"_sweep": [1]}), "b": pl.DataFrame({"p": [2]})}
    for frame in (
        together(frames, []),
        scanned({name: frame.lazy() for name, frame in frames.items()}, []).collect(),
    ):
        assert frame["_sweep"].to_list() == ["a", "b"]
        assert frame["_sweep__result"].to_list() == [1, None]


def test_names_that_are_patterns_to_polars_or_empty_are_columns() -> None:
    frames = {"a": pl.DataFrame({"*": [1], "^x.*$": [2]}), "b": pl.DataFrame({"": ["e"], "*": [3]})}
    lazy = {name: frame.lazy() for name, frame in frames.items()}
    for frame in (together(frames, []), scanned(lazy, []).collect()):
        assert set(frame.columns) == {"_sweep", "*", "^x.*$", ""}
        assert frame["*"].to_list() == [1, 3]


def test_sweeps_without_rows_take_no_part_but_in_the_columns() -> None:
    empty = pl.DataFrame({"p": pl.Series([], dtype=pl.String), "x": pl.Series([], dtype=pl.Null)})
    found = together({"a": empty, "b": pl.DataFrame({"p": [1], "x": [2.5]})}, ["p"])
    assert found.rows() == [("b", 1, 2.5)]
    assert together({"a": empty}, ["p"]).height == 0


NOON = dt.datetime(2024, 5, 6, 12)
KINDS: dict[str, list[Any]] = {
    "int": [0, 1, -(2**63), 2**53 + 1],
    "float": [0.5, 1.0, float("nan"), float("inf"), -0.0],
    "bool": [True, False],
    "string": ["", "a", "1", "True"],
    "bytes": [b"", b"a"],
    "date": [NOON.date()],
    "datetime": [NOON],
    "utc": [NOON.replace(tzinfo=dt.UTC)],
    "duration": [dt.timedelta(seconds=1)],
    "time": [NOON.time()],
    "list": [[], [1, 2]],
    "list of text": [["a"], []],
    "struct": [{"a": 1}],
    "other struct": [{"a": "x", "b": True}],
    "none": [None],
}

COLUMNS = st.sampled_from(sorted(KINDS)).flatmap(lambda kind: st.lists(st.sampled_from(KINDS[kind]), max_size=3))


@settings(deadline=None)
@given(
    st.lists(
        st.dictionaries(st.sampled_from(["x", "y", "x__string", "y__string", "y__float"]), COLUMNS, min_size=1),
        min_size=1,
        max_size=4,
    )
)
def test_nothing_raises_and_no_value_is_lost(sweeps: list[dict[str, list[Any]]]) -> None:
    frames = {}
    for number, columns in enumerate(sweeps):
        height = min(map(len, columns.values()))
        frames[f"s{number}"] = pl.DataFrame({name: values[:height] for name, values in columns.items()})
    found = together(frames, ["y"])
    assert found["_sweep"].to_list() == [name for name, frame in frames.items() for _ in range(frame.height)]
    start = 0
    for frame in frames.values():
        rows = found[start : start + frame.height].to_dicts()
        for row, own in zip(rows, frame.to_dicts(), strict=True):
            held = [value for name, value in row.items() if name != "_sweep"]
            for value in own.values():
                assert value is None or any(is_there(value, each) for each in held), (value, row)
        start += frame.height


def is_there(value: Any, held: Any) -> bool:
    if isinstance(value, dict) and isinstance(held, dict):
        return all(is_there(value[name], held.get(name)) or str(value[name]) in str(held) for name in value)
    if isinstance(value, list) and isinstance(held, list):
        return str(value) == str(held) or len(value) == len(held)
    return value == held or (value != value and held != held)
