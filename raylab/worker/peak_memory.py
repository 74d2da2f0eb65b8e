"""The most memory that a trial's process had while it ran, as far as Linux tells it.

The system keeps the peak of a process's resident memory, and takes the mark back when it is asked to. Both together
cost some 30 microseconds, so that only trials of at least LONG_S are measured; the mark of one counts from the end of
the last one that was, so that short trials between them are in it. What child processes have is not.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

LONG_S = 0.01
"""Measuring takes 0.3 % of such a trial."""

_MARK = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_PEAK = re.compile(rb"^VmHWM:\s*(\d+) kB", re.MULTILINE)


class PeakMemory:
    """The mark of this process.

    Example:
        >>> memory = PeakMemory()
        >>> memory.reset()
        >>> memory.peak() is None or memory.peak() > 10**6
        True
    """

    def __init__(self) -> None:
        self._known = False  # whether the mark tells of anything but the whole life of the process

    def reset(self) -> None:
        """Count from here on."""
        self._known = False
        with suppress(OSError):  # another system than Linux, or a container that may not
            _MARK.write_bytes(b"5")
            self._known = True

    def peak(self) -> int | None:
        """Bytes since then; None where that cannot be told."""
        if not self._known:
            return None
        with suppress(OSError):
            found = _PEAK.search(_STATUS.read_bytes())
            return int(found[1]) * 1024 if found else None
        return None
