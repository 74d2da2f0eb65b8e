"""Labelled results put together: what many trials have under one name becomes one variable with its coordinates.

A coordinate that all trials share stands once. Where trials have other labels along a dimension, each value stands at
its own label, and the coordinate is the union of all labels, in order; where that would be mostly empty, or labels
stand twice, values stand by their place, and the labels are a variable beside them, `NAME__label`.
Knows no xarray: what comes out is arrays with the names of their dimensions.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from raylab.core.labelled import load_array, load_attrs
from raylab.core.values import JSON
from raylab.notebook.dense import put

WASTE: Final = 4
"""The labels of all trials may be so many times as many as those of the trial that has most."""


@dataclass(slots=True)
class Variable:
    """An array with the names of its dimensions."""

    dims: tuple[str, ...]
    values: NDArray[Any]
    attrs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Labelling:
    """How the rows of one document are labelled.

    Attributes:
        rows: which these are.
        groups: the document.
        contents: by digest the coordinates.
    """

    rows: NDArray[np.int64]
    groups: list[dict[str, Any]]
    contents: Mapping[str, bytes]

    def coordinate(self, about: Mapping[str, Any]) -> NDArray[Any]:
        """The values of a coordinate."""
        return load_array(self.contents[about["content"]])

    def variables(self) -> Iterable[tuple[dict[str, Any], dict[str, Any]]]:
        """Each variable with its group."""
        return ((each, group) for group in self.groups for each in group["variables"].values())


def labelling(digests: Sequence[str | None], contents: Mapping[str, bytes]) -> list[Labelling]:
    """The rows by their documents. A document that was lost with a damaged file labels nothing: its trials, or those
    that run again, bring it once more.

    Args:
        digests: of each row's document; None where it has none.
        contents: all that there are.
    """
    rows: dict[str, list[int]] = {}
    for row, digest in enumerate(digests):
        if digest is not None:
            rows.setdefault(digest, []).append(row)
    found = []
    for digest, own in rows.items():
        if digest in contents:
            groups = json.loads(contents[digest])
            if all(each["content"] in contents for group in groups for each in group["coords"].values()):
                found.append(Labelling(np.array(own), groups, contents))
    return found


@dataclass(slots=True)
class Dimension:
    """An inner dimension.

    Attributes:
        size: of it.
        values: its coordinate; None without one.
        places: by the digest of a coordinate (None for none) and its size, where its labels stand.
        apart: whether the labels are beside the values instead.
    """

    size: int
    values: NDArray[Any] | None
    places: dict[tuple[str | None, int], NDArray[np.int64]]
    apart: bool = False
    attrs: dict[str, Any] = field(default_factory=dict)


def dimensions(some: Sequence[Labelling]) -> dict[str, Dimension]:
    """All inner dimensions of some labellings, in order of appearance."""
    seen: dict[str, dict[tuple[str | None, int], NDArray[Any] | None]] = {}
    for each in some:
        for group in each.groups:
            for about in (*group["variables"].values(), *group["coords"].values()):
                for name, size in zip(about["dims"], about["shape"], strict=True):
                    key = label_of(group, name), size
                    own = seen.setdefault(name, {})
                    if key not in own:
                        own[key] = each.coordinate(group["coords"][name]) if key[0] is not None else None
    found = {name: _dimension(own) for name, own in seen.items()}
    for name, dimension in found.items():
        dimension.attrs = shared(
            group["coords"][name]["attrs"] for each in some for group in each.groups if label_of(group, name)
        )
    return found


def label_of(group: Mapping[str, Any], name: str) -> str | None:
    """The digest of the coordinate that labels a dimension; None if none does."""
    about = group["coords"].get(name)
    return about["content"] if about is not None and about["dims"] == [name] else None


def _dimension(own: dict[tuple[str | None, int], NDArray[Any] | None]) -> Dimension:
    longest = max(size for _, size in own)
    if len(own) == 1:
        return Dimension(longest, next(iter(own.values())), {key: np.arange(longest) for key in own})
    labels = [values for values in own.values() if values is not None]
    union = _union(labels) if len(labels) == len(own) else None
    if union is None or len(union) > WASTE * longest:
        return Dimension(longest, None, {key: np.arange(key[1]) for key in own}, apart=bool(labels))
    places: dict[Any, int] = {label: at for at, label in enumerate(union.tolist())}
    kind = union.dtype
    return Dimension(
        len(union),
        union,
        {
            key: np.array([places[label] for label in values.astype(kind).tolist()], dtype=np.int64)
            for key, values in own.items()
            if values is not None
        },
    )


def _union(labels: Sequence[NDArray[Any]]) -> NDArray[Any] | None:
    """All labels, in order; None if they have none, or one stands twice."""
    try:
        if any(len(set(each.tolist())) < len(each) or bool((each != each).any()) for each in labels):
            return None
        if len({each.dtype.kind in "US" for each in labels if not each.dtype.hasobject}) > 1:
            return None  # numpy would make texts of numbers
        whole = np.unique(np.concatenate(labels))
        backwards = all(len(each) < 2 or each[0] > each[-1] for each in labels)
        return whole[::-1] if backwards else whole
    except (TypeError, ValueError):  # of several kinds, or of none that has an order
        return None


def shared(some: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The attributes that all of them have, with equal values."""
    each = list(some)
    if not each:
        return {}
    first, *others = each
    return load_attrs({key: value for key, value in first.items() if all(key in o and o[key] == value for o in others)})


Block: TypeAlias = Callable[[str, NDArray[np.int64]], NDArray[Any]]
"""Gives of the column that an experiment calls so the values in these rows."""


class Join:
    """Labelled rows put together; the cells are the first dimension of what differs from trial to trial.

    Args:
        some: the labellings.
        block: reads columns.
        at: the cell of each row.
        cells: how many there are.
        check: refuses so many cells of a variable of this name.

    Attributes:
        dimensions: the inner ones.
        variables, coordinates: by name; the names of those that have cells are in `by_cell`.
        attrs: what all Datasets say of themselves.
        multi: by dimension the levels of a MultiIndex that all share.
    """

    def __init__(
        self,
        some: Sequence[Labelling],
        block: Block,
        at: NDArray[np.int64],
        cells: int,
        check: Callable[[int, str], None],
    ) -> None:
        self._at, self._cells, self._check = at, cells, check
        self.dimensions = dimensions(some)
        groups = [group for each in some for group in each.groups]
        self.attrs = shared(group["attrs"] for group in groups if group["kind"] == "Dataset")
        multi = {JSON.encode(group["multi"]): group["multi"] for group in groups}
        self.multi: dict[str, list[str]] = next(iter(multi.values())) if len(multi) == 1 else {}
        self.by_cell: set[str] = set()
        self.variables = self._variables(some, block)
        self.coordinates = self._coordinates(some)

    def _variables(self, some: Sequence[Labelling], block: Block) -> dict[str, Variable]:
        found: dict[tuple[str, tuple[str, ...]], list[_Piece]] = {}
        for each in some:
            for about, group in each.variables():
                values = shaped(block(about["column"], each.rows), about)
                piece = _Piece(each.rows, about, group, values)
                found.setdefault((about["column"], tuple(about["dims"])), []).append(piece)
        first = dict(reversed(found))
        return {
            name if first[name] == dims else f"{name}__{'_'.join(dims) or 'scalar'}": self._whole(name, dims, pieces)
            for (name, dims), pieces in found.items()
        }

    def _coordinates(self, some: Sequence[Labelling]) -> dict[str, Variable]:
        found: dict[tuple[str, tuple[str, ...]], list[_Piece]] = {}
        for each in some:
            for group in each.groups:
                for name, about in group["coords"].items():
                    if name not in self.dimensions or label_of(group, name) is None or self.dimensions[name].apart:
                        piece = _Piece(each.rows, about, group, each.coordinate(about)[None])
                        found.setdefault((name, tuple(about["dims"])), []).append(piece)
        made = {}
        for (name, dims), pieces in found.items():
            own = f"{name}__label" if name in self.dimensions else name
            if own != name or len({piece.about["content"] for piece in pieces}) > 1:
                made[own] = self._whole(own, dims, pieces)
                self.by_cell.add(own)
            else:
                one = pieces[0]
                values = put([(np.arange(1), self._places(one), one.values)], 1, self._sizes(dims))
                made[own] = Variable(dims, values[0], shared(piece.about["attrs"] for piece in pieces))
        return made

    def _whole(self, name: str, dims: tuple[str, ...], pieces: Sequence[_Piece]) -> Variable:
        self._check(self._cells * math.prod(self._sizes(dims)), name)
        parts = []
        for piece in pieces:
            values = np.broadcast_to(piece.values, (len(piece.rows), *piece.values.shape[1:]))
            parts.append((self._at[piece.rows], self._places(piece), values))
        values = put(parts, self._cells, self._sizes(dims))
        return Variable(dims, values, shared(piece.about["attrs"] for piece in pieces))

    def _places(self, piece: _Piece) -> list[NDArray[np.int64]]:
        return [
            self.dimensions[name].places[label_of(piece.group, name), size]
            for name, size in zip(piece.about["dims"], piece.about["shape"], strict=True)
        ]

    def _sizes(self, dims: Sequence[str]) -> list[int]:
        return [self.dimensions[name].size for name in dims]


@dataclass(frozen=True, slots=True)
class _Piece:
    """Of one variable or coordinate what the rows of one document have."""

    rows: NDArray[np.int64]
    about: dict[str, Any]
    group: dict[str, Any]
    values: NDArray[Any]


def shaped(values: NDArray[Any], about: Mapping[str, Any]) -> NDArray[Any]:
    """A block in the type and the shape that its rows had."""
    kind = np.dtype(about["dtype"])
    if kind.hasobject or kind.kind == "V":
        kind = values.dtype
    return values.reshape((len(values), *about["shape"])).astype(kind, copy=False)
