"""The rows that are to be written: together in memory where they are few, a stream of frames where they are many."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from raylab.core.design import Design
from raylab.notebook.by_point import by_point
from raylab.notebook.row_stream import WHOLE_BYTES, RowStream
from raylab.notebook.union import SWEEP, common, told
from raylab.terminal.narrowing import Narrowing


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The rows that were asked for, read when it is known how.

    Attributes:
        whole: gives all of them.
        streams: gives a stream of each sweep; None where there is none.
        several: whether streams are to be told apart, by a column `_sweep` in front.
        narrowing: which of the rows and columns are wanted.
    """

    whole: Callable[[], pl.DataFrame]
    streams: Callable[[], list[RowStream]] | None = None
    several: bool = False
    narrowing: Narrowing = field(default_factory=Narrowing)


def gathered(asked: Asked, room: Path | None) -> Iterator[pl.DataFrame]:
    """The rows in the order and with the columns of `results`, as one frame or as many; there is one at least.

    Where values of one name are of several kinds, it takes all rows to tell what the columns are called, however many
    they are.

    Args:
        asked: which rows.
        room: the folder in which rows that are many are parted into files; that for temporary files if None.
    """
    if asked.streams is None:
        yield asked.narrowing.of(asked.whole())
        return
    streams = asked.streams()
    known = _known(streams)
    kinds = common([stream.schema for stream in streams]) if asked.several else {}
    is_plain = kinds is not None and asked.narrowing.is_by_row and all(stream.view.is_plain for stream in streams)
    if sum(stream.size for stream in streams) <= WHOLE_BYTES or not is_plain:
        yield asked.narrowing.of(asked.whole(), known)
        return
    for stream in streams:
        with TemporaryDirectory(prefix=".raylab-", dir=room) as folder:
            for frame in by_point(stream, Path(folder)):
                rows = told(frame, stream.record.name, kinds) if asked.several and kinds is not None else frame
                yield asked.narrowing.of(rows, known)
        stream.tell_mixed()


def together(asked: Asked) -> pl.DataFrame:
    """All the rows as one frame, for a person who looks at some of them."""
    known = () if asked.streams is None or asked.narrowing.columns is None else _known(asked.streams())
    return asked.narrowing.of(asked.whole(), known)


def _known(streams: Sequence[RowStream]) -> set[str]:
    """The names that are no results."""
    designs = [Design.loads(text) for stream in streams for text in {each.design for each in stream.record.segments}]
    return {name for design in designs for name in design.parameters} | {SWEEP}
