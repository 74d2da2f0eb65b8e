"""Requests as rows: read as written."""

from __future__ import annotations

from typing import get_args

import pyarrow as pa
from asked import noted, ran_alone, submitted
from hypothesis import given, settings
from hypothesis import strategies as st

from raylab.core.history import fold
from raylab.core.policy import Policy
from raylab.core.request import Kind, Request
from raylab.notebook.requests import SCHEMA, from_rows, to_rows

TEXTS = st.text(max_size=8)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
REQUESTS = st.builds(
    Request,
    kind=st.sampled_from(get_args(Kind)),
    sweep=TEXTS,
    folder=TEXTS,
    user=TEXTS,
    time_us=st.integers(0, 4_000_000_000_000_000),
    body=st.dictionaries(TEXTS, PLAIN, max_size=4),
)


@settings(deadline=None)
@given(st.lists(REQUESTS, max_size=4))
def test_requests_are_read_as_they_were_written(some: list[Request]) -> None:
    assert from_rows(to_rows(some)) == some


def test_what_is_read_makes_the_same_sweep_as_what_was_written() -> None:
    rows = [
        submitted(seed=2**31 - 1, policy=Policy(retries=2, resources={"GPU": 0.5})),
        ran_alone(position=2**40),
        noted("policy", **Policy(time_limit=0.1, runtime_env={"pip": ["a"]}).plain()),
        noted("code", code="bb", modules=None),
        noted("paused", reason="é∞"),
    ]
    assert fold(from_rows(to_rows(rows))) == fold(rows)


def test_columns_that_are_not_of_a_request_are_left_out() -> None:
    table = to_rows([noted("locked")])
    for column in ("_seq", "patience"):
        table = table.append_column(column, pa.array([0]))
    assert from_rows(table) == [noted("locked")]


def test_a_row_has_the_columns_of_the_schema_and_no_others() -> None:
    assert to_rows([]).schema == to_rows([submitted()]).schema == SCHEMA
