"""Reading a notebook whose folder is on another machine: through its lab, or, where the lab is at rest, through short
tasks on the head node. Both give the same `Reader`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

from raylab.client.cluster import on_head
from raylab.notebook.store import Span
from raylab.server import pieces

T = TypeVar("T")


def at_rest(place: str) -> RemoteReader:
    """A notebook on the head node that no lab works on: each call is a task there."""
    return RemoteReader(partial(on_head, pieces.serve, place), place)


class RemoteReader:
    """The notebook's files through somebody who reaches them.

    Args:
        call: asks somebody who knows the verbs of `server.pieces`, as a connection's `call`.
        place: the notebook's, as that one knows it.
    """

    def __init__(self, call: Callable[..., Any], place: str) -> None:
        self._call = call
        self.place = place

    def names(self, folder: str) -> list[str]:
        found: list[str] = self._call("names", folder)
        return found

    def get(self, path: str) -> bytes:
        return next(iter(self.get_many([path])))

    def get_many(self, paths: Iterable[str]) -> Iterator[bytes]:
        wanted = list(paths)
        while wanted:  # the first comes, and others as far as they are small
            for found in self._call("files", wanted):
                yield self._whole(wanted.pop(0), found)

    def _whole(self, path: str, found: tuple[bytes, int] | None) -> bytes:
        """A file of which the beginning came."""
        data, size = _there(path, found)
        while len(data) < size:
            (piece,), _ = self.pieces(path, (len(data), pieces.PIECE_BYTES))
            data += piece
        return data

    def pieces(self, path: str, *spans: Span) -> tuple[list[bytes], int]:
        found: tuple[list[bytes], int] | None = self._call("pieces", path, spans)
        return _there(path, found)


def _there(path: str, found: T | None) -> T:
    """What came of a file; None came if it is not there any more."""
    if found is None:
        raise FileNotFoundError(2, "the notebook's file is gone", path)
    return found
