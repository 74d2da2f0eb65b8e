"""Results as files of other programs, each whole or not there at all; and on a terminal."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, TypeAlias

import polars as pl

from raylab.core.harmless import harmless
from raylab.errors import RaylabError, told
from raylab.notebook.frame_files import write_arrow, write_parquet
from raylab.terminal.cells import Notes
from raylab.terminal.sheet import write_xlsx
from raylab.terminal.text_files import write_csv, write_json, write_jsonl, write_markdown

Writer: TypeAlias = Callable[[IO[bytes], Iterable[pl.DataFrame], Notes], int]
"""Writes frames of the same columns, notes what it made of values that its format cannot hold; gives the number of
rows."""

WIDE = 200
"""Characters of a table's line where no terminal says how many there are."""


def write_table(sink: IO[bytes], frames: Iterable[pl.DataFrame], notes: Notes) -> int:
    """As a terminal shows rows: the head and the tail of them. Gives the number of rows."""
    frame = pl.concat(list(frames))
    sink.write(f"{picture(frame, WIDE)}\n".encode("utf-8", "backslashreplace"))
    return frame.height


WRITERS: dict[str, Writer] = {
    "parquet": lambda sink, frames, _: write_parquet(sink, frames),
    "csv": write_csv,
    "arrow": lambda sink, frames, _: write_arrow(sink, frames),
    "json": write_json,
    "jsonl": write_jsonl,
    "markdown": write_markdown,
    "table": write_table,
    "xlsx": write_xlsx,
}
"""By the words of `raylab.terminal.formats`."""


def write(frames: Iterable[pl.DataFrame], path: Path, form: str) -> tuple[int, Notes]:
    """Write frames as one file, which is there as a whole or not at all.

    Args:
        frames: of the same columns, one at least.
        path: where.
        form: the word for its format.

    Returns:
        How many rows there are, and what was made of values that the format cannot hold.

    Raises:
        ValueError: there is no such folder, or the format has no room for so much.
        OSError: the file cannot be written; the error names it.
    """
    notes = Notes()
    with placed(path) as file:
        rows = WRITERS[form](file, frames, notes)
    return rows, notes


@contextlib.contextmanager
def placed(path: Path) -> Iterator[IO[bytes]]:
    """A file to be written and read, which takes the place of an earlier one once the block has ended well.

    Raises:
        ValueError: there is no such folder.
        OSError: the file cannot be written; the error names it.
    """
    check_place(path)
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with half.open("w+b") as file:
            yield file
        half.replace(path)
    except RaylabError:  # of what was to be written
        raise
    except OSError as error:  # of the file that was asked for, not of the half one
        raise OSError(error.errno, f"{error.strerror or told(error)}; nothing was written", str(path)) from None
    finally:
        with contextlib.suppress(OSError):
            half.unlink(missing_ok=True)


def check_place(path: Path) -> None:
    """Refuse a place where no file can appear, before anything is read for it.

    Raises:
        ValueError: its folder is not there, or there is a folder of this name.
    """
    folder = path.absolute().parent
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "is not there; make it first, or give another one"
        raise ValueError(f"{path} cannot be written: the folder {folder} {what}")
    if path.is_dir():
        raise ValueError(f"{path} cannot be written: it is a folder; give a file's name")


def picture(frame: pl.DataFrame, columns: int) -> str:
    """The head and tail of a frame, with all the columns that a terminal's width can bear."""
    most = max(4, columns // 12)
    with pl.Config(tbl_width_chars=columns, tbl_rows=20, tbl_cols=most, tbl_hide_column_data_types=columns < 60):
        return harmless(str(frame))


def show(frame: pl.DataFrame, columns: int) -> None:
    """Print that."""
    print(picture(frame, columns))
