"""The seam below a notebook: what it asks of the place where its files lie. A folder fulfils it, see `posix`.

Promises that each place keeps: a file becomes visible whole or not at all, under a name that nobody else got, and
never changes. A place is a text, and so is each path below it, with `/` between its parts. Folders need not be made.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeAlias

__all__ = ["Reader", "Span", "Store"]

Span: TypeAlias = tuple[int, int]
"""Where a piece of a file begins, from its end if negative, and its length at most: (-10, 10) is the last 10 bytes."""


class Reader(Protocol):
    """What reading a notebook takes: of the place itself, or of the lab that reaches it."""

    place: str

    def names(self, folder: str) -> list[str]:
        """What lies in a folder, sorted: files, and folders with a `/` at the end. None if there is no such folder."""
        ...

    def get(self, path: str) -> bytes:
        """A file's bytes; FileNotFoundError if it is not there."""
        ...

    def get_many(self, paths: Iterable[str]) -> Iterable[bytes]:
        """The bytes of several files, one after the other as asked; FileNotFoundError if one is not there."""
        ...

    def pieces(self, path: str, *spans: Span) -> tuple[list[bytes], int]:
        """Pieces of a file, as far as it reaches, and its size; FileNotFoundError if it is not there."""
        ...


class Store(Reader, Protocol):
    """A place to write a notebook."""

    def ready(self, *, new: bool = False, owner: str = "") -> None:
        """Make the place ready to be written, and remove what writers that died left half-written.

        Args:
            new: a notebook is to begin here: what the place lacks for that is said.
            owner: the notebook's id. From then on files are put and removed only as long as nobody has disowned it.

        Raises:
            NameRefused: it has no put-if-absent, or everybody may change its files.
        """
        ...

    def put(self, path: str, data: bytes | memoryview, ident: bytes) -> bool:
        """Create a file, unless one of this name exists.

        Args:
            path: Where.
            data: What, wholly.
            ident: Bytes that occur in this data and in no other. A put whose answer was lost looks for it.

        Returns:
            Whether the file that is there now, durably, is this one.

        Raises:
            OSError: Nobody knows whether it is there. The same call again is safe, and decides it.
        """
        ...

    def remove(self, path: str) -> None:
        """Delete a file; one that is gone already is fine. It may come back after a power loss."""
        ...

    def disown(self, owner: str) -> None:
        """Let nothing of this notebook be put or removed any more, by whoever has it, wherever that one was stopped."""
        ...

    def drop(self, folder: str) -> None:
        """Delete a folder if nothing lies in it."""
        ...

    def settle(self, folder: str) -> None:
        """Let what lies in a folder withstand a power loss, whoever put it there."""
        ...
