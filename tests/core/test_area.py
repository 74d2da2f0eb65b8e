"""Areas against sets of points that are listed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylab.core import area as areas
from raylab.core import box
from raylab.core.area import cut, minus, overlap
from raylab.core.box import Box
from raylab.core.places import numbers, runs_of
from raylab.errors import DesignError

SIZES = (4, 3, 5)


def runs(size: int) -> st.SearchStrategy[box.Runs]:
    return st.sets(st.integers(0, size - 1), min_size=1).map(lambda some: runs_of(np.array(sorted(some))))


GRIDS = st.tuples(*map(runs, SIZES))
LISTS = runs(60).map(lambda some: (some,))
PIECES = st.one_of(GRIDS, LISTS, st.just(box.whole(SIZES)))


def points(area: list[Box]) -> list[int]:
    return sorted(n for piece in area for n in numbers(piece, SIZES, np.arange(box.size(piece))).tolist())


@pytest.mark.parametrize("listed", [10**6, 0], ids=["listed", "cut"])
@given(PIECES, PIECES)
def test_pieces_of_both_kinds_are_compared_as_sets_of_points(listed: int, a: Any, b: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(areas, "LISTED", listed)
        assert points(overlap([a], b, SIZES)) == sorted({*points([a])} & {*points([b])})
        assert points(minus([a], b, SIZES)) == sorted({*points([a])} - {*points([b])})


@given(runs(60))
def test_numbers_are_cut_into_boxes(some: box.Runs) -> None:
    found = list(cut(some, SIZES))
    assert points(found) == points([(some,)])
    assert len(found) <= 5 * len(some)


def test_large_pieces_are_not_listed() -> None:
    sizes = (10**6, 10**6)
    grid: Box = (((0, 10**6),), ((10, 10**6),))
    many: Box = (((7, 10**12 - 7),),)
    both = overlap([grid], many, sizes)
    assert sum(map(box.size, both)) == 10**12 - 10**7 - 7
    assert sum(map(box.size, minus([grid], many, sizes))) == 7
    assert sum(map(box.size, minus([many], grid, sizes))) == 10**7 - 7


def test_more_than_some_pieces_are_refused() -> None:
    sizes = (10**6, 10**6)
    diagonal = (at * (10**6 + 1) for at in range(1_200))
    scattered: Box = (tuple((at, at + 1) for at in diagonal),)
    grid: Box = (((0, 10**6 - 1),), ((0, 10**6),))
    with pytest.raises(DesignError, match="more than 1,000 grids"):
        minus([grid], scattered, sizes)
