"""What a process writes when a signal ends it, by way of Python's `faulthandler` and of Ray: what a person needs of it.
Pure.

Of a trial that was ended by a segmentation fault, the log goes on with Ray's words, each line twice, then with
`Fatal Python error: Segmentation fault`, the stack, the innermost frame first, and the names of all extension modules,
some 3 kB in one line. The stack goes from the trial's frames down to the frames of the worker.
"""

from __future__ import annotations

import re

from raylab.core.causes import is_of_library

MOST_FRAMES = 5
"""Of a stack: with the lines around it that is less than a log's last lines (`trial_log.LAST_LINES`)."""

_FATAL = re.compile(r"^Fatal Python error: .*", re.MULTILINE)
_NOISE = re.compile(
    r"^(?:Extension modules: .* \(total: \d+\)|\[[^\]\n]* [A-Z] \d+ \d+\] logging\.cc:\d+: .*)(?:\n|\Z)", re.MULTILINE
)
_STACK = re.compile(r'\n?^(.*\(most recent call first\):\n)((?:  File ".*(?:\n|\Z))+)', re.MULTILINE)
_FILE = re.compile(r'  File "([^"]*)"')
_WORKERS = "/raylab/worker/"


def legible(text: str) -> str:
    """The same without what is noise: Ray's repetitions, the modules, and frames that are not the trial's.

    Example:
        >>> print(legible('''Fatal Python error: Aborted
        ...
        ... Stack (most recent call first):
        ...   File "fit.py", line 15 in fit
        ...   File "/x/raylab/worker/lease.py", line 308 in _work
        ...
        ... Extension modules: numpy.random._pcg64 (total: 1)
        ... '''))
        Fatal Python error: Aborted
        Stack (most recent call first):
          File "fit.py", line 15 in fit
        <BLANKLINE>
        <BLANKLINE>
    """
    return _STACK.sub(lambda match: match[1] + _frames(match[2]), _NOISE.sub("", text))


def fatal_error(text: str) -> str:
    """What `faulthandler` called the end of a process, the last if there are several; empty where it said nothing.

    Example:
        >>> fatal_error("begins\\nFatal Python error: Aborted\\n"), fatal_error("begins")
        ('Fatal Python error: Aborted', '')
    """
    return next(reversed(_FATAL.findall(text)), "")


def _frames(text: str) -> str:
    """The innermost frame, and those below it that are the user's; all of them where none is a trial's."""
    lines = text.splitlines(keepends=True)
    files = [match[1] if (match := _FILE.match(line)) else "" for line in lines]
    end = next((at for at, file in enumerate(files) if _WORKERS in file), len(lines)) or len(lines)
    own = [line for at, line in enumerate(lines[:end]) if at == 0 or not is_of_library(files[at])]
    return "".join(own[:MOST_FRAMES])
