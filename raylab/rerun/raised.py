"""What a trial raises when it is run once more: as it is, its own frames last, with a note on its record."""

from __future__ import annotations

import bdb
import os
import pdb
from contextlib import suppress
from pathlib import Path
from types import TracebackType

_OURS = (str(Path(__file__).parents[1]) + os.sep, bdb.__file__)
"""Files whose frames are not the experiment's."""

_NOT_THE_TRIALS = (KeyboardInterrupt, bdb.BdbQuit)


def explain(error: BaseException, note: str, debugger: bool) -> None:
    """Prepare what was raised for being raised on.

    Our own frames before those of the experiment are left out. The last frame, in which a debugger begins, is where it
    was raised in any case.

    Args:
        error: what was raised.
        note: is added to it.
        debugger: open the debugger there first.
    """
    if isinstance(error, _NOT_THE_TRIALS):
        return
    frames = _users(error.__traceback__)
    BaseException.with_traceback(error, frames)  # Python's own, past what the class says of its attributes
    with suppress(Exception):  # it may forbid notes
        BaseException.add_note(error, f"raylab: {note}")
    if debugger:
        pdb.post_mortem(frames)


def _users(trace: TracebackType | None) -> TracebackType | None:
    """From the first frame of the experiment on; all where there is none."""
    found = trace
    while found is not None and found.tb_frame.f_code.co_filename.startswith(_OURS):
        found = found.tb_next
    return found or trace
