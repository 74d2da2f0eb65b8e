"""A notebook's files for somebody who cannot reach its place: what the lab's verbs of these names answer, and a task on
the head node where no lab runs. Reads only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from raylab.notebook.place import store_at
from raylab.notebook.store import Reader, Span

PIECE_BYTES = 8 * 2**20
"""The most that one call hands out of the notebook, or asks for."""


def names(reader: Reader, folder: str) -> list[str]:
    """What lies in a folder of the notebook."""
    return reader.names(folder)


def files(reader: Reader, paths: Sequence[str]) -> list[tuple[bytes, int] | None]:
    """The beginnings of some files, and their sizes: as many as PIECE_BYTES allow, the last cut if it is larger than
    what is left. None for a file that is not there any more."""
    found: list[tuple[bytes, int] | None] = []
    left = PIECE_BYTES
    for path in paths:
        piece = pieces(reader, path, [(0, left)])
        found.append(None if piece is None else (piece[0][0], piece[1]))
        left -= 0 if piece is None else len(piece[0][0])
        if left <= 0:
            break
    return found


def pieces(reader: Reader, path: str, spans: Sequence[Span]) -> tuple[list[bytes], int] | None:
    """Pieces of a file, and its size; None if it is not there any more."""
    try:
        return reader.pieces(path, *spans)
    except FileNotFoundError:
        return None


_VERBS: dict[str, Callable[..., Any]] = {"names": names, "files": files, "pieces": pieces}


def serve(place: str, verb: str, *args: Any) -> Any:
    """Answer one of the three for a notebook that this node reaches."""
    return _VERBS[verb](store_at(place), *args)
