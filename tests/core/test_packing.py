"""Sets as JSON has them: what comes back is what was given, and what is on disk already can be read for ever."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylab.core.box import Runs
from raylab.core.packed_pairs import packed_pairs, unpacked_pairs
from raylab.core.packing import FEW, packed, unpacked

GAPS = st.one_of(st.integers(1, 3), st.integers(1, 2**61))


@given(st.lists(st.tuples(GAPS, GAPS), max_size=300), st.integers(0, 3))
def test_a_set_comes_back_from_json(gaps: list[tuple[int, int]], first: int) -> None:
    runs, at = [], first
    for length, gap in gaps:
        if at + length >= 2**62:
            break
        runs.append((at, at + length))
        at += length + gap
    data = json.loads(json.dumps(packed(runs)))
    assert unpacked(data) == tuple(runs)
    assert isinstance(data, str) == (len(runs) > FEW)
    if runs:
        rows = np.array(runs)
        assert packed_pairs(rows) == data
        assert unpacked_pairs(data).tolist() == rows.tolist()


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (2, "BAAEBAQEB"),
        (300, "HAAABACsB"),
        (2**17, "IAAAAAAEAAAD//wEA"),
        (2**33, "QAAAAAAAAAAABAAAAAAAAAP////8BAAAA"),
    ],
)
def test_the_text_of_many_stays_as_it_is(step: int, text: str) -> None:
    runs: Runs = tuple((at * step, at * step + 1) for at in range(FEW + 1))
    assert packed(runs).startswith(text), packed(runs)[:40]
    assert unpacked(packed(runs)) == runs
