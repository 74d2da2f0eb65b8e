"""Requests as rows: read as written, by older and by newer versions."""

from __future__ import annotations

import json
import string
from dataclasses import fields
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from raylab.core.request import Policy, Request, fold
from raylab.notebook.requests import SCHEMA, from_rows, to_rows

SUBMITTED = Request(
    kind="submitted",
    sweep="coarse",
    user="ada",
    time_us=1_767_323_045_000_001,
    folder="sweeps/coarse",
    label="f",
    design="{}",
    shape="Factorial",
    size=3,
    repeats=2,
    seed=2**31 - 1,
    seed_given=True,
    order="random",
    code="c" * 64,
    modules=None,
    ingredients="{}",
    policy=Policy(retries=2).dumps(),
)
KINDS = ("submitted", "policy", "cancelled", "resumed", "paused", "locked", "strike")
TEXTS = st.none() | st.text(string.printable + "é∞", max_size=8)
NUMBERS = st.none() | st.integers(-(2**63), 2**63 - 1)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    words: dict[str, Any] = {}
    for field in fields(Request):
        kind = SCHEMA.field("time" if field.name == "time_us" else field.name).type
        if field.name in ("kind", "sweep", "user", "time_us"):
            continue
        strategy = TEXTS if kind == pa.string() else NUMBERS if kind == pa.int64() else st.none() | st.booleans()
        words[field.name] = draw(strategy)
    return Request(
        kind=draw(st.sampled_from(KINDS)),
        sweep=draw(st.text(min_size=1, max_size=5, alphabet="ab~ é")),
        user=draw(st.text(max_size=3, alphabet="ab")),
        time_us=draw(st.integers(0, 4_000_000_000_000_000)),
        **words,
    )


@given(st.lists(requests(), max_size=4))
def test_requests_are_read_as_they_were_written(some: list[Request]) -> None:
    assert from_rows(to_rows(some)) == some


def test_every_field_of_a_request_has_a_column() -> None:
    assert {"time_us" if name == "time" else name for name in SCHEMA.names} == {field.name for field in fields(Request)}


def test_columns_of_a_later_version_are_left_out() -> None:
    table = to_rows([SUBMITTED])
    table = table.append_column("time_limit", pa.array([3.5])).append_column("_seq", pa.array([0]))
    assert from_rows(table) == [SUBMITTED]


def test_a_table_of_an_earlier_version_lacks_columns_and_is_read_all_the_same() -> None:
    table = to_rows([Request(kind="locked", sweep="coarse")])
    for name in SCHEMA.names:
        if name not in ("kind", "sweep"):
            assert from_rows(table.drop_columns([name])) == [Request(kind="locked", sweep="coarse")]


def test_a_null_is_read_as_if_nobody_had_said_it() -> None:
    table = pa.table({"kind": ["locked"], "sweep": ["coarse"], "user": pa.nulls(1, pa.string()), "time": pa.nulls(1)})
    assert from_rows(table) == [Request(kind="locked", sweep="coarse")]


def test_times_in_another_unit_are_the_same_times() -> None:
    table = to_rows([SUBMITTED])
    at = table.column_names.index("time")
    for unit in ("us", "ns"):
        cast = table.set_column(at, "time", table.column(at).cast(pa.timestamp(unit, tz="UTC")))
        assert from_rows(cast) == [SUBMITTED]


def test_a_kind_of_a_later_version_changes_nothing_for_an_older_reader() -> None:
    later = to_rows([SUBMITTED, SUBMITTED]).to_pylist()
    later[1]["kind"] = "archived"
    elsewhere = {"kind": "archived", "sweep": "never heard of"}
    table = pa.Table.from_pylist([*later, elsewhere], schema=SCHEMA)
    assert fold(from_rows(table)) == fold([SUBMITTED])


def test_a_policy_of_a_later_version_is_read_without_what_it_added() -> None:
    policy = json.dumps(json.loads(Policy(retries=2).dumps()) | {"patience": 60.0})
    later = Request(kind="policy", sweep="coarse", policy=policy)
    assert fold(from_rows(to_rows([SUBMITTED, later])))["coarse"].policy == Policy(retries=2)
