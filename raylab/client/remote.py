"""Reading a notebook whose folder is on another machine: through its lab, or, where the lab is at rest, through short
tasks on the head node. Both give the same `Reader`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, TypeVar

from raylab.client.cluster import on_head
from raylab.server.pieces import serve

T = TypeVar("T")


class Answers(Protocol):
    """Whoever answers `names`, `pieces` and `ends`: see `pieces`."""

    def call(self, verb: str, *args: Any) -> Any: ...


class Desk:
    """Answers for a notebook that no lab works on, by a task on the head node for each call.

    Args:
        folder: the notebook's, on the head node.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def call(self, verb: str, *args: Any) -> Any:
        """One of the verbs of `pieces`."""
        return on_head(serve, self._folder, verb, *args)


class RemoteReader:
    """The notebook's files through somebody who reaches them.

    Args:
        source: the connection to the lab, or a desk.
    """

    def __init__(self, source: Answers) -> None:
        self._source = source

    def names(self, folder: str) -> list[str]:
        found: list[str] = self._source.call("names", [folder])[0]
        return found

    def get(self, path: str) -> bytes:
        return next(iter(self.get_many([path])))

    def get_many(self, paths: Iterable[str]) -> Iterator[bytes]:
        wanted = list(paths)
        while wanted:  # the first comes, and others as far as they are small
            for found in self._source.call("pieces", wanted, 0):
                yield self._whole(wanted.pop(0), found)

    def _whole(self, path: str, found: tuple[bytes, int] | None) -> bytes:
        """A file of which the first piece came."""
        piece, size = _there(path, found)
        pieces, have = [piece], len(piece)
        while have < size:
            piece, _ = _there(path, self._source.call("pieces", [path], have)[0])
            pieces.append(piece)
            have += len(piece)
        return b"".join(pieces)

    def ends(self, path: str, count: int) -> tuple[bytes, bytes, int]:
        found: tuple[bytes, bytes, int] | None = self._source.call("ends", path, count)
        return _there(path, found)


def _there(path: str, found: T | None) -> T:
    """What came of a file; None came if it is not there any more."""
    if found is None:
        raise FileNotFoundError(2, "the notebook's file is gone", path)
    return found
