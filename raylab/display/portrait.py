"""What a page says of a lab and of a sweep beside how far it is. Plain records: they ask nobody."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from raylab.display.cells import is_number, short

LONGEST_TABLE = 50
"""Rows of a table on a page: two printed pages. What is beyond is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table: what stands above it, and whether its cells are numbers, which stand at the right."""

    name: str
    about: str = ""
    is_number: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows as text.

    Attributes:
        title: what they are, as a heading.
        columns: in order.
        rows: a text for each column.
        more: how many rows there are beside these.
        notes: what else there is to say, in sentences.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    more: int = 0
    notes: Sequence[str] = ()

    @staticmethod
    def of(
        title: str,
        rows: Sequence[Mapping[str, Any]],
        names: Sequence[str],
        *,
        total: int,
        about: Mapping[str, str] = {},
        notes: Sequence[str] = (),
        numbers: Collection[str] = (),
    ) -> Table:
        """The first rows of a frame as a table.

        Args:
            title: what they are.
            rows: each by the names of its columns.
            names: the columns that are shown.
            total: how many rows there are in all.
            about: units and descriptions of columns.
            notes: what else there is to say.
            numbers: columns whose texts are numbers.

        Example:
            >>> table = Table.of("Squares", [{"x": 2, "y": 4.0}], ["x", "y"], total=10)
            >>> table.rows, table.more
            ([['2', '4']], 9)
        """
        shown = rows[:LONGEST_TABLE]
        aligned = {name for name in names if name in numbers or all(is_number(row[name]) for row in shown)}
        columns = [Column(name=name, about=about.get(name, ""), is_number=name in aligned) for name in names]
        cells = [[short(row[name]) for name in names] for row in shown]
        return Table(title=title, columns=columns, rows=cells, more=total - len(shown), notes=notes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A picture: an SVG document, and what it shows."""

    title: str
    svg: str

    @property
    def address(self) -> str:
        """The document as an address: an image, in which nothing is run and nothing is loaded."""
        return f"data:image/svg+xml;base64,{b64encode(self.svg.encode()).decode()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabFacts:
    """What a page says of a lab.

    Attributes:
        name: its name.
        user: whose it is.
        notebook: where that lies.
        remark: what there is to know of who tells it, in a sentence; empty where the lab is at work.
        trouble: what keeps anybody from telling more, in sentences.
    """

    name: str
    user: str
    notebook: str
    remark: str = ""
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """What a page says of one sweep beside its status.

    Attributes:
        account: `info()` of it.
        tables: of its results.
        figures: of its results.
        course: figures of how it went.
        causes: why trials failed: rows of `failures(by="cause")`.
        warnings: what trials showed: rows of `warnings()`.
        remarks: why something of this is not there, in sentences.
    """

    account: Mapping[str, Any]
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()
    course: Sequence[Figure] = ()
    causes: Sequence[Mapping[str, Any]] = ()
    warnings: Sequence[Mapping[str, Any]] = ()
    remarks: Sequence[str] = field(default_factory=tuple)
