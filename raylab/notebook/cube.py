"""The results of a sweep as arrays over its points: what an xarray Dataset of them holds.

The outer dimensions come first, then those of the values: labelled ones as the experiment called them, those of other
arrays `NAME_dim_0`, `NAME_dim_1` and so on. What a dict holds is variables `NAME.KEY`. Promises: no value is rounded;
names that clash get `__result`, as columns do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from raylab.core.request import SweepRecord
from raylab.core.space import check_cells, space_of
from raylab.core.units import Units, attributes
from raylab.notebook.columns import clean_name, result_name
from raylab.notebook.dense import block, is_pickled, put
from raylab.notebook.file import Loaded
from raylab.notebook.frames import ordered
from raylab.notebook.label_columns import DIGEST, contents
from raylab.notebook.labelled_rows import Join, Variable, labelling
from raylab.notebook.outer import Outer, outer
from raylab.notebook.rows import RESERVED
from raylab.notebook.schema import MORE

ABOUT = ["_point", "_repeat", DIGEST]
"""What is looked at of rows beside their results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cube:
    """The results of a sweep as arrays.

    Attributes:
        variables, coordinates: by name.
        attrs: of all of it.
        multi: the levels of each MultiIndex among the coordinates.
        remark: what to say of it; empty if nothing.
    """

    variables: Mapping[str, Variable]
    coordinates: Mapping[str, Variable]
    attrs: Mapping[str, Any]
    multi: Sequence[Sequence[str]]
    remark: str


def cube_of(record: SweepRecord, files: Sequence[Loaded], parameters: Collection[str]) -> Cube:
    """The results of a sweep that are `done`, as arrays.

    Args:
        record: the sweep.
        files: those of its table.
        parameters: the names of its parameters.

    Raises:
        DesignError: its points, or the cells of a variable, are too many for an array.
    """
    space = space_of(record)
    view, rows = ordered(record, files, "done", ABOUT)
    seen = view.apart(rows)
    frame = pl.DataFrame([series for own in seen.values() for series in own])
    around = outer(record, space, frame, frame.columns)
    check_cells(around.cells, record.name)
    columns = Columns(frame, parameters, {series.name for name in parameters for series in seen[name]})
    join = Join(
        labelling(frame[DIGEST].to_list(), contents(loaded.table for loaded in files)),
        columns.values,
        around.at,
        around.cells,
        lambda cells, name: check_cells(cells, record.name, name),
    )
    variables = {columns.seen(name): each for name, each in join.variables.items()}
    labelled = set(variables)
    used = {*around.dims, *around.coordinates, *frame.columns, *join.dimensions, *join.coordinates}
    for column, series in columns.plain():
        for own, values in _plain(column, series):
            if own in labelled:  # other trials have labelled values of this name, of another kind
                own = f"{own}__plain"
            name = own if own == column else result_name(own, {*used, *variables})
            check_cells(around.cells * int(np.prod(values.shape[1:], dtype=np.int64)), record.name, name)
            inner = [np.arange(size) for size in values.shape[1:]]
            dims = tuple(result_name(f"{name}_dim_{number}", used) for number in range(values.ndim - 1))
            variables[name] = Variable(dims, put([(around.at, inner, values)], around.cells, values.shape[1:]))
    names = _inner_names(join, {*around.dims, *around.coordinates, *variables})
    order = {name: at for at, name in enumerate(frame.columns)}
    found = {
        name: _finished(each, around, names, True)
        for name, each in sorted(variables.items(), key=lambda item: order.get(item[0], len(order)))
    }
    coordinates = around.coordinates | {
        names[name]: _finished(each, around, names, name in join.by_cell) for name, each in join.coordinates.items()
    }
    for name, dimension in join.dimensions.items():
        if dimension.values is not None:
            coordinates[names[name]] = Variable((names[name],), dimension.values, dimension.attrs)
    for name, each in [*found.items(), *coordinates.items()]:
        each.attrs = {**each.attrs, **_attributes(record.policy.units, name, each.values)}
    multi = [[names[level] for level in levels] for levels in join.multi.values() if names.keys() >= set(levels)]
    return Cube(variables=found, coordinates=coordinates, attrs=join.attrs, multi=multi, remark=space.remark)


class Columns:
    """The results of a frame, by the names that the experiment gave.

    Args:
        frame: the rows.
        parameters: the names of the parameters.
        levels: the columns that hold their levels.
    """

    def __init__(self, frame: pl.DataFrame, parameters: Collection[str], levels: Collection[str]) -> None:
        self._frame = frame
        self._others = {*parameters, *RESERVED}
        self._no_results = {*levels, *RESERVED, MORE}
        self._labelled: dict[str, NDArray[np.bool_]] = {}  # by column the rows whose values were asked for

    def seen(self, name: str) -> str:
        """What a result is called in the frame."""
        return result_name(clean_name(name), self._others)

    def values(self, name: str, rows: NDArray[np.int64]) -> NDArray[Any]:
        """What the experiment called `name`, in these rows, of whatever kinds it is there."""
        own = self.seen(name)
        parts = []
        left = np.ones(len(rows), dtype=bool)
        for column in self._frame.columns:
            if column == own or (column.startswith(f"{own}__") and left.any()):
                part = self._frame[column][pl.Series(rows)]
                there = part.is_not_null().to_numpy() & left
                if there.any():
                    parts.append((there, part))
                    left &= ~there
                    self._labelled.setdefault(column, np.zeros(self._frame.height, bool))[rows[there]] = True
        if len(parts) == 1 and not left.any():
            return block(parts[0][1])
        found = np.full(len(rows), None, dtype=object)
        for there, part in parts:
            for at in np.flatnonzero(there):
                found[at] = block(part[[int(at)]])[0]
        return found

    def plain(self) -> Iterator[tuple[str, pl.Series]]:
        """What no labels are known of: each column, or what is left of it as `NAME__plain`."""
        for name in self._frame.columns:
            if name in self._no_results:
                continue
            values = self._frame[name]
            if name in self._labelled:
                values = pl.select(pl.when(~pl.Series(self._labelled[name])).then(values)).to_series()
                if values.null_count() == len(values):
                    continue
                name = result_name(f"{name}__plain", self._frame.columns)
            yield name, values


def _plain(name: str, series: pl.Series) -> Iterator[tuple[str, NDArray[Any]]]:
    """A column without labels as variables: each with its name and a block."""
    if isinstance(series.dtype, pl.Struct) and not is_pickled(series.dtype):
        for field in series.struct.fields:
            yield from _plain(f"{name}.{field}", series.struct.field(field))
        return
    yield name, block(series)


def _inner_names(join: Join, taken: Collection[str]) -> dict[str, str]:
    """What inner dimensions and coordinates are called beside what else there is."""
    return {name: result_name(name, taken) for name in {**join.dimensions, **join.coordinates}}


def _finished(variable: Variable, around: Outer, names: Mapping[str, str], by_cell: bool) -> Variable:
    """A variable over the outer dimensions, the inner ones under the names that they have here."""
    inner = tuple(names.get(name, name) for name in variable.dims)
    if not by_cell:
        return Variable(inner, variable.values, variable.attrs)
    values = variable.values.reshape((*around.shape, *variable.values.shape[1:]))
    return Variable((*around.dims, *inner), values, variable.attrs)


def _attributes(units: Units, name: str, values: NDArray[Any]) -> dict[str, str]:
    """What a person said of a variable; of times no units, which say there how the numbers of a file count them."""
    told = attributes(units, name)
    return {word: text for word, text in told.items() if word != "units" or values.dtype.kind not in "mM"}
