"""Results as files of other programs: the frame is written as it is where the format can hold it, as JSON where not."""

from __future__ import annotations

import base64
import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import polars as pl

from raylab.client.speech import harmless
from raylab.errors import told


def write(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame as the suffix says: .parquet .csv .arrow .feather .ipc .ndjson. The whole file appears, or nothing.

    Raises:
        ValueError: the suffix is another one, or there is no such folder.
        OSError: the file cannot be written; the error names it.
    """
    writers: dict[str, Callable[[IO[bytes]], object]] = {
        ".parquet": frame.write_parquet,
        ".csv": lambda file: plain(frame).write_csv(file),
        ".ndjson": lambda file: plain(frame, nested=True).write_ndjson(file),
        **dict.fromkeys((".arrow", ".feather", ".ipc"), frame.write_ipc),
    }
    if path.suffix not in writers:
        raise ValueError(f"{path} must end in one of {' '.join(writers)}")
    check_place(path)
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with half.open("wb") as file:
            writers[path.suffix](file)
        half.replace(path)
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


def show(frame: pl.DataFrame, columns: int) -> None:
    """Print the head and tail of a frame, with all the columns that the terminal's width can bear."""
    most = max(4, columns // 12)
    with pl.Config(tbl_width_chars=columns, tbl_rows=20, tbl_cols=most, tbl_hide_column_data_types=columns < 60):
        print(harmless(str(frame)))


def plain(frame: pl.DataFrame, *, nested: bool = False) -> pl.DataFrame:
    """The frame with what text cannot hold (lists, structs, bytes) as JSON, bytes in base64, durations in seconds.

    Args:
        frame: any.
        nested: leave lists and structs without bytes as they are.

    Example:
        >>> plain(pl.DataFrame({"a": [[1, 2]], "b": [b"x"]})).row(0)
        ('[1, 2]', 'eA==')
    """
    odd = [name for name, kind in frame.schema.items() if _odd(kind, nested)]
    spans = pl.selectors.duration().dt.total_microseconds() / 1e6
    return frame.with_columns(spans).with_columns(
        pl.Series(name, [_text(value) for value in frame[name].to_list()], dtype=pl.String) for name in odd
    )


def _odd(kind: pl.DataType, nested: bool) -> bool:
    if kind == pl.Binary:
        return True
    return kind.is_nested() and not (nested and "Binary" not in str(kind))


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return _bytes(value) if isinstance(value, bytes) else json.dumps(value, default=_bytes)


def _bytes(value: Any) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
