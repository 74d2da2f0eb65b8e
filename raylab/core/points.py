"""Points: the rows of a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raylab.core.axes import Places, repeated
from raylab.core.design_base import Design, Point, read_axes
from raylab.core.given import by_name, of_columns, of_rows
from raylab.core.kinds import MISSING, type_name
from raylab.errors import DesignError

__all__ = ["Points"]


class Points(Design):
    """The points of a list. A name that a row lacks is a parameter that is not passed at that point.

    Args:
        rows: a list of mappings; a polars or pandas frame or pyarrow Table; or a mapping of columns, for
            names that are not Python identifiers.
        **columns: the columns by name, all of one length. A scalar beside them holds for every row.

    Raises:
        DesignError: no rows, columns of unequal length, a name or a value that cannot be used.

    Example:
        >>> Points([{"n": 10}, {"n": 20, "warm": True}]).head()
        [{'n': 10}, {'n': 20, 'warm': True}]
        >>> Points(n=range(10, 30, 10), warm=False)[1]
        {'n': 20, 'warm': False}
    """

    def __init__(self, rows: Any = None, /, **columns: Any) -> None:
        if rows is None or isinstance(rows, Mapping):
            super().__init__(*of_columns(by_name("Points", rows, columns)))
        elif columns:
            raise DesignError(f"Points takes rows or columns; got {type_name(rows)} and {', '.join(columns)}")
        else:
            super().__init__(*of_rows(rows))

    def places(self, name: str, points: Places) -> Places:
        self.axis(name)  # says so if there is no such column
        return self._within(points)

    def repeated(self) -> list[str]:
        if any(axis.is_computed for axis in self.axes.values()):  # no two of its levels are equal
            return []
        at = repeated(list(zip(*self.axes.values(), strict=True)) or [()] * self.size)
        if at is None:
            return []
        return [", ".join(f"{name}={axis[at]!r}" for name, axis in self.axes.items()) or "the empty row"]

    def _point(self, at: int) -> Point:
        cells = ((name, axis[at]) for name, axis in self.axes.items())
        return {name: value for name, value in cells if value is not MISSING}

    def _document(self) -> dict[str, Any]:
        return {"kind": "points", "size": self.size, "columns": self._written()}

    @classmethod
    def _from_document(cls, document: dict[str, Any], imports: bool) -> Design:
        columns, size = read_axes(document["columns"], imports), document["size"]
        design = cls(columns) if columns else cls([{}] * size)
        if design.size != size:
            raise ValueError(f"{size} points announced, {design.size} there")
        return design
