"""The outer dimensions of a sweep's results, and in which cell each row lies: axes or points, `_repeat`, `row`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from raylab.core.design import Design
from raylab.core.request import SweepRecord
from raylab.core.space import Space
from raylab.core.texts import texts
from raylab.notebook.dense import block
from raylab.notebook.labelled_rows import Variable
from raylab.notebook.parameters import Parameters, stand


@dataclass(frozen=True, slots=True)
class Outer:
    """The outer dimensions.

    Attributes:
        dims: their names.
        shape: their sizes.
        coordinates: by name, each along one of them.
        at: the cell of each row, the last dimension counted fastest.
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    coordinates: dict[str, Variable]
    at: NDArray[np.int64]

    @property
    def cells(self) -> int:
        """How many there are."""
        return int(np.prod(self.shape, dtype=np.int64))


def outer(record: SweepRecord, space: Space, frame: pl.DataFrame, used: Collection[str]) -> Outer:
    """The outer dimensions.

    Args:
        record: the sweep.
        space: where its points lie.
        frame: its rows by point, then by repeat, with `_point` and `_repeat`.
        used: names of columns, which no dimension of ours may have.
    """
    if space.is_grid:
        coordinates = {name: Variable((name,), _levels(name, levels)) for name, levels in space.levels.items()}
        dims = list(space.levels)
    else:
        dims = [_free("point", used)]
        coordinates = {dims[0]: Variable((dims[0],), space.points)} | _along(dims[0], record, space.points)
    shape = list(space.sizes)
    at = space.cells(frame["_point"].to_numpy())
    for name, size, own in (
        ("_repeat", record.repeats, frame["_repeat"].to_numpy()),
        (_free("row", used), *_rows(at * record.repeats + frame["_repeat"].to_numpy())),
    ):
        if size > 1:
            at = at * size + own
            dims.append(name)
            shape.append(size)
            coordinates[name] = Variable((name,), np.arange(size))
    return Outer(tuple(dims), tuple(shape), coordinates, at)


def _free(name: str, used: Collection[str]) -> str:
    while name in used:
        name = f"_{name}"
    return name


def _rows(trials: NDArray[np.int64]) -> tuple[int, NDArray[np.int64]]:
    """How many rows a trial has at most, and which of them each row is; those of a trial stand together."""
    starts = np.flatnonzero(np.diff(trials, prepend=-1))
    lengths = np.diff(starts, append=len(trials))
    return int(lengths.max(initial=1)), np.arange(len(trials)) - np.repeat(starts, lengths)


def _levels(name: str, levels: list[object]) -> NDArray[np.generic]:
    """The levels of an axis as a coordinate: as rows have them, what is no single value there as text."""
    made = stand(name, levels)
    values = block(pl.Series(made[0][1])) if made else np.array(texts(levels))
    has_none = values.dtype.hasobject and None in values.tolist()
    is_label = values.ndim == 1 and not _has_structs(values) and not has_none
    return _tidy(values if is_label else np.array(texts(levels)))


def _along(dim: str, record: SweepRecord, points: NDArray[np.int64]) -> dict[str, Variable]:
    """The parameters of points."""
    designs = dict(sorted((segment.first_point, segment.design) for segment in record.segments))
    earlier: list[Design] = []
    pieces: dict[str, list[NDArray[np.generic]]] = {}
    for first, text in designs.items():
        design = Design.loads(text)
        own = points[(points >= first) & (points < first + design.size)] - first
        seen = set[str]()
        for column, array in Parameters(design, earlier).columns(own):
            if column.name not in seen:
                seen.add(column.name)
                values = block(pl.Series(array))
                if values.ndim > 1 or _has_structs(values):
                    values = np.array(texts(design.column(column.name, own)), dtype=object)
                pieces.setdefault(column.name, []).append(values)
        earlier.append(design)
    return {name: Variable((dim,), _tidy(np.concatenate(some))) for name, some in pieces.items()}


def _has_structs(values: NDArray[np.generic]) -> bool:
    return values.dtype.hasobject and any(isinstance(value, dict) for value in values.ravel().tolist())


def _tidy(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Texts as numpy's, where there is one in each place."""
    plain = values.dtype.hasobject and all(type(value) is str for value in values.tolist())
    return values.astype(str) if plain else values
