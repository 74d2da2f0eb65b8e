"""An exception on its way: by its class's name and arguments, so that whoever asked gets the class that it knows.

A pickle of it would not do: a class of the asker's `__main__` is another one in the process of the query, and one of a
module that the asker has not loaded cannot be made there.
"""

from __future__ import annotations

import pickle
import sys
import traceback
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

OURS = str(Path(__file__).parents[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """An exception as plain data.

    Attributes:
        module, name: of its class.
        text: what it says.
        args: the pickle of its arguments; None where they have none.
        frames: file, line and function of each frame of the person's own, the outermost first.
        notes: what was added to it.
    """

    module: str
    name: str
    text: str
    args: bytes | None = None
    frames: Sequence[tuple[str, int, str]] = ()
    notes: Sequence[str] = ()

    def restored(self) -> Exception:
        """The exception again: of the same class if it is loaded here and is made as usual, else a RuntimeError that
        names the class."""
        error = self._same() or RuntimeError(f"{self.name}: {self.text}" if self.text else self.name)
        for note in self.notes:
            error.add_note(note)
        if self.frames:
            stack = traceback.StackSummary.from_list([(file, line, name, None) for file, line, name in self.frames])
            error.add_note(f"raised on the lab's node, in\n{''.join(stack.format()).rstrip()}")
        return error

    def _same(self) -> Exception | None:
        found: Any = sys.modules.get(self.module)
        for part in self.name.split("."):
            found = getattr(found, part, None)
        if not isinstance(found, type) or not issubclass(found, Exception):
            return None
        try:
            args = (self.text,) if self.args is None else pickle.loads(self.args)
            made = found(*args)
            return made if str(made) == self.text else None
        except Exception:  # its class, or that of an argument, is made in another way
            return None


def told(error: BaseException, hidden: Collection[str] = ()) -> Raised:
    """An exception as plain data.

    Args:
        error: the exception. What would end a process, such as SystemExit, comes out as a RuntimeError.
        hidden: folders whose frames are of no interest, beside our own.
    """
    try:
        args = pickle.dumps(error.args)
    except Exception:
        args = None
    return Raised(
        module=type(error).__module__,
        name=type(error).__qualname__,
        text=str(error),
        args=args,
        frames=_frames(error.__traceback__, (OURS, *hidden)),
        notes=[str(note) for note in getattr(error, "__notes__", ())],
    )


def _frames(trace: TracebackType | None, hidden: tuple[str, ...]) -> list[tuple[str, int, str]]:
    return [
        (each.filename, each.lineno or 0, each.name)
        for each in traceback.extract_tb(trace)
        if not each.filename.startswith(hidden)
    ]
