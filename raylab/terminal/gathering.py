"""The rows that are to be written: together in memory where they are few, a stream of frames where they are many."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from raylab.notebook.by_point import by_point
from raylab.notebook.row_stream import WHOLE_BYTES, RowStream
from raylab.notebook.union import common, told


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The rows that were asked for, read when it is known how.

    Attributes:
        whole: gives all of them.
        streams: gives a stream of each sweep; None where there is none.
        several: whether streams are to be told apart, by a column `_sweep` in front.
    """

    whole: Callable[[], pl.DataFrame]
    streams: Callable[[], list[RowStream]] | None = None
    several: bool = False


def gathered(asked: Asked, room: Path | None) -> Iterator[pl.DataFrame]:
    """The rows in the order and with the columns of `results`, as one frame or as many; there is one at least.

    Where values of one name are of several kinds, it takes all rows to tell what the columns are called, however many
    they are.

    Args:
        asked: which rows.
        room: the folder in which rows that are many are parted into files; that for temporary files if None.
    """
    if asked.streams is None:
        yield asked.whole()
        return
    streams = asked.streams()
    kinds = common([stream.schema for stream in streams]) if asked.several else {}
    is_plain = kinds is not None and all(stream.view.is_plain for stream in streams)
    if sum(stream.size for stream in streams) <= WHOLE_BYTES or not is_plain:
        yield asked.whole()
        return
    for stream in streams:
        with TemporaryDirectory(prefix=".raylab-", dir=room) as folder:
            for frame in by_point(stream, Path(folder)):
                yield told(frame, stream.record.name, kinds) if asked.several and kinds is not None else frame
        stream.tell_mixed()
