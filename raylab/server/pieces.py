"""A notebook's files for somebody who cannot reach its folder: names, pieces, ends. What the lab's verbs of these names
answer, and a task on the head node where no lab runs. Reads only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from raylab.notebook.store import Store

PIECE_BYTES = 8 * 2**20
"""The most that one call hands out of the notebook."""


def names(store: Store, folders: Sequence[str]) -> list[list[str]]:
    """The files in some folders of the notebook."""
    return [store.names(folder) for folder in folders]


def pieces(store: Store, paths: Sequence[str], offset: int) -> list[tuple[bytes, int] | None]:
    """Some files: of each its bytes, of the first from `offset` on, and its size. As many files as PIECE_BYTES
    allow, the first cut if it alone is larger; None for a file that is not there any more."""
    found: list[tuple[bytes, int] | None] = []
    left = PIECE_BYTES
    for path in paths:
        try:
            size = store.path(path).stat().st_size
            if found and size > left:
                break
            with store.open(path) as file:
                file.seek(0 if found else offset)
                piece = file.read(left)
        except FileNotFoundError:
            found.append(None)
            continue
        found.append((piece, size))
        left -= len(piece)
    return found


def ends(store: Store, path: str, count: int) -> tuple[bytes, bytes, int] | None:
    """The first and the last `count` bytes of a file, and its size; None if it is not there any more."""
    try:
        return store.ends(path, min(count, PIECE_BYTES))
    except FileNotFoundError:
        return None


_VERBS: dict[str, Callable[..., Any]] = {"names": names, "pieces": pieces, "ends": ends}


def serve(folder: str, verb: str, *args: Any) -> Any:
    """Answer one of the three for the notebook in a folder of this node."""
    return _VERBS[verb](Store(Path(folder)), *args)
