"""What trials print, as text: of whom it is kept, cut where it is long, its last lines, how much of a sweep. Pure.

A log is the output of one attempt at a trial, whoever wrote it. What is kept is bounded: LIMIT_BYTES of each, from both
ends, and SWEEP_BYTES of a sweep; what is beyond is counted.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from raylab.core.fatal import legible

Capture = Literal["failed", "all", "none"]
"""Of which trials a log is kept: those that came to nothing, all of them, or none."""

CAPTURES: tuple[str, ...] = get_args(Capture)

LIMIT_BYTES = 64 * 2**10
"""Of one log, the line that tells of the rest included."""

END_BYTES = LIMIT_BYTES // 2
"""As much is looked at from either end of a longer one."""

MARK_BYTES = 50
"""Of these the half of the line that tells what is left out: two numbers of 20 digits and its words have 96."""

SWEEP_BYTES = 64 * 2**20
"""Of all logs of a sweep: a thousand long ones, or half a million short ones."""

ROW_BYTES = 64
"""What a log takes beside its text, so that short ones are bounded as well."""

LAST_LINES, LAST_BYTES = 10, 1_000
"""How much of a log stands beside a failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What one attempt at a trial printed.

    Attributes:
        point, repeat, attempt: which.
        printed: how many bytes it printed; None where nobody knows.
        text: as much of it as is kept, or a sentence that says why there is none.
    """

    point: int
    repeat: int
    attempt: int
    printed: int | None
    text: str

    @property
    def cost(self) -> int:
        """What it takes of SWEEP_BYTES."""
        return ROW_BYTES + len(self.text.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How much a sweep has of logs.

    Attributes:
        kept: what its logs take, as `Log.cost` has it.
        left_out: how many logs came when there was no room for them, and how many bytes these trials printed.
    """

    kept: int = 0
    left_out: tuple[int, int] = (0, 0)

    @property
    def is_full(self) -> bool:
        """Whether there was no room for a log: none is kept any more then, however short."""
        return self.left_out[0] > 0

    def plain(self) -> dict[str, Any]:
        """As a file's metadata have it."""
        return {"kept": self.kept, "left_out": list(self.left_out)}

    @staticmethod
    def of(meta: Mapping[str, Any]) -> Tally:
        """What `plain` gave."""
        trials, nbytes = meta["left_out"]
        return Tally(kept=meta["kept"], left_out=(trials, nbytes))

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        (trials, nbytes), (more, more_bytes) = self.left_out, other.left_out
        return Tally(kept=self.kept + other.kept, left_out=(trials + more, nbytes + more_bytes))


def sum_of(tallies: Iterable[Tally]) -> Tally:
    """All of them together."""
    found = Tally()
    for each in tallies:
        found = found.plus(each)
    return found


def admitted(logs: Iterable[Log], known: Tally) -> tuple[list[Log], Tally]:
    """Those of these logs that a sweep has room for, and what they come to.

    Args:
        logs: as they came.
        known: what the sweep has already.

    Example:
        >>> some = [Log(point=at, repeat=0, attempt=1, printed=3, text="abc") for at in range(2)]
        >>> admitted(some, Tally(kept=SWEEP_BYTES - 100))[1]
        Tally(kept=67, left_out=(1, 3))
    """
    kept, taken, trials, nbytes = [], 0, 0, 0
    for log in logs:
        if not (known.is_full or trials) and known.kept + taken + log.cost <= SWEEP_BYTES:
            kept.append(log)
            taken += log.cost
        else:
            trials, nbytes = trials + 1, nbytes + (log.printed or 0)
    return kept, Tally(kept=taken, left_out=(trials, nbytes))


def keeps(capture: str, failed: bool) -> bool:
    """Whether the log of a trial is kept.

    Example:
        >>> keeps("failed", failed=True), keeps("failed", failed=False), keeps("none", failed=True)
        (True, False, False)
    """
    return capture == "all" or (capture == "failed" and failed)


def text_of(head: bytes, tail: bytes, printed: int) -> str:
    """What was printed, as text; of more than LIMIT_BYTES both ends, and a line on what is left out.

    Args:
        head: its first bytes: all of them, if they are no more than LIMIT_BYTES; else END_BYTES at least.
        tail: its last END_BYTES; not looked at where `head` is all.
        printed: how many bytes it is.

    Example:
        >>> text_of("naïve".encode(), b"", 6), text_of(b"\\xff\\x00", b"", 2)
        ('naïve', '\\\\xff\\x00')
    """
    if printed <= LIMIT_BYTES:
        whole = _utf8(head, final=True)
        if len(whole) <= LIMIT_BYTES:  # what is no UTF-8 takes four times the room
            return whole.decode()
        head, tail, printed = whole, whole, len(whole)
    room = END_BYTES - MARK_BYTES
    first = _utf8(_utf8(head)[:room])
    last = _utf8(_begun(_utf8(_begun(tail), final=True)[-room:]))
    left_out = printed - len(first) - len(last)
    return f"{first.decode()}\n[raylab: {left_out:,} of {printed:,} bytes are left out here]\n{last.decode()}"


def _utf8(data: bytes, final: bool = False) -> bytes:
    """The same in UTF-8, what is none written out; without the character that is cut at its end, unless it is final."""
    text, _ = codecs.utf_8_decode(data, "backslashreplace", final)
    return text.encode()


def _begun(data: bytes) -> bytes:
    """The same without the end of a character that was cut at the beginning."""
    rest = data[:3].lstrip(bytes(range(0x80, 0xC0)))
    return rest + data[3:]


_DRAWN_OVER = re.compile(r"[^\n]*\r(?=[^\r\n])")
"""What a terminal does not show any more: a bar that was drawn again."""


def last_lines(text: str) -> str:
    """The last lines of a log, as a terminal shows them, without the noise of a crash; LAST_BYTES of them at most.

    Example:
        >>> last_lines("\\n".join(map(str, range(100))) + "\\n")
        '90\\n91\\n92\\n93\\n94\\n95\\n96\\n97\\n98\\n99'
        >>> last_lines("loading\\n 10%|#\\r100%|##########\\r\\n")
        'loading\\n100%|##########'
    """
    shown = _DRAWN_OVER.sub("", text[-LIMIT_BYTES:].replace("\r\n", "\n")).replace("\r", "").rstrip()
    lines = "\n".join(legible(shown).rstrip().split("\n")[-LAST_LINES:])
    return lines.encode()[-LAST_BYTES:].decode("utf-8", "ignore")
