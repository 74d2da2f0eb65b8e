"""What a sweep's table holds, by what its files say of themselves: no row is read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from raylab.core.summary import Summary, together
from raylab.notebook.file import OPENING, FileInfo, damaged
from raylab.notebook.store import Reader
from raylab.notebook.table_files import infos


def survey(reader: Reader, folder: str) -> Summary:
    """What the files in force of a sweep's table hold together.

    Raises:
        NotebookDamaged: a file is not what was written, or numbers are missing.
    """
    return together(summaries(infos(reader, folder)))


def summaries(files: Iterable[FileInfo]) -> list[Summary]:
    """What each of these files holds, of those that are there for their rows."""
    return [_said(info) for info in files if info.kind != OPENING]


def combined(metas: list[dict[str, Any]]) -> dict[str, Any]:
    """What a part says of itself: all that its commits said."""
    return together([Summary.loads(meta) for meta in metas]).dumps()


def _said(info: FileInfo) -> Summary:
    try:
        return Summary.loads(info.meta)
    except KeyError as error:
        raise damaged(info.path, f"its metadata lack {error}") from error
