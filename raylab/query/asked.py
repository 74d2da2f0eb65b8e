"""What a query asks for, and what comes of it, as plain data that travels. Nothing of a person's is loaded here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from raylab.core.handle import Handle
from raylab.query.raised import Raised

ANSWER_BYTES = 2**30
"""The most that an answer may have. Over a line of 100 MB/s it travels for 10 s; what is larger are rows, and `scan()`
reads rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A query.

    Attributes:
        place: of the notebook, on the node that runs the query.
        ident: the notebook's id: another one may lie there by now.
        sweeps: those that are meant, by their folders; a list where the rows of several are wanted as one frame.
        status, metadata, table, columns: which rows, and what of them, as `scan` takes it.
        function: the pickle of the function.
        modules: a zip of the local modules that it reaches; None if there are none.
        memory: how many bytes it may take; None for a share of the node's.
        timeout: for how many seconds it may run; None for as long as it takes.
        python, polars: the versions that it comes from.
    """

    place: str
    ident: str
    sweeps: Handle | list[Handle]
    status: str | Sequence[str]
    metadata: bool | Sequence[str]
    table: str | None
    columns: str | Sequence[str] | None
    function: bytes
    modules: bytes | None
    memory: int | None
    timeout: float | None
    python: tuple[int, int]
    polars: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a query.

    Attributes:
        kind: what the answer is: a frame, a series, a plain value; or why there is none.
        size: the bytes of the answer, which are fetched piece by piece.
        raised: why there is none.
        warned: the warnings that it showed: the names of their classes, and their texts.
        out, err: what it printed, as far as it is kept.
    """

    kind: Literal["frame", "series", "value", "raised"]
    size: int = 0
    raised: Raised | None = None
    warned: Sequence[tuple[str, str]] = ()
    out: str = ""
    err: str = ""
