"""Reading a notebook whose folder is on another machine: through its lab, or, where the lab is at rest, through short
tasks on the head node. Both give the same `Reader`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, TypeVar

from raylab.client.cluster import on_head
from raylab.notebook.store import Span
from raylab.server import pieces

T = TypeVar("T")


class Answers(Protocol):
    """Whoever answers `names`, `files` and `pieces`: see `server.pieces`."""

    def call(self, verb: str, *args: Any) -> Any: ...


class Desk:
    """Answers for a notebook that no lab works on, by a task on the head node for each call.

    Args:
        place: the notebook's, on the head node.
    """

    def __init__(self, place: str) -> None:
        self._place = place

    def call(self, verb: str, *args: Any) -> Any:
        """One of the verbs of `server.pieces`."""
        return on_head(pieces.serve, self._place, verb, *args)


class RemoteReader:
    """The notebook's files through somebody who reaches them.

    Args:
        source: the connection to the lab, or a desk.
        place: the notebook's, as the source knows it.
    """

    def __init__(self, source: Answers, place: str) -> None:
        self._source = source
        self.place = place

    def names(self, folder: str) -> list[str]:
        found: list[str] = self._source.call("names", folder)
        return found

    def get(self, path: str) -> bytes:
        return next(iter(self.get_many([path])))

    def get_many(self, paths: Iterable[str]) -> Iterator[bytes]:
        wanted = list(paths)
        while wanted:  # the first comes, and others as far as they are small
            for found in self._source.call("files", wanted):
                yield self._whole(wanted.pop(0), found)

    def _whole(self, path: str, found: tuple[bytes, int] | None) -> bytes:
        """A file of which the beginning came."""
        data, size = _there(path, found)
        while len(data) < size:
            (piece,), _ = self.pieces(path, (len(data), pieces.PIECE_BYTES))
            data += piece
        return data

    def pieces(self, path: str, *spans: Span) -> tuple[list[bytes], int]:
        found: tuple[list[bytes], int] | None = self._source.call("pieces", path, spans)
        return _there(path, found)


def _there(path: str, found: T | None) -> T:
    """What came of a file; None came if it is not there any more."""
    if found is None:
        raise FileNotFoundError(2, "the notebook's file is gone", path)
    return found
