"""The command `raylab`: start a cluster, see how far a lab is, wait for it, take its results out.

For people at a terminal and for scripts: what is asked for goes to stdout, everything else to stderr, an error is one
line, and the exit code says what a script wants to know. No verb but `start` and `import` makes anything new, and
looking starts no lab: the verbs that read leave one that somebody ended at rest, and read its notebook.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from raylab.client.speech import say
from raylab.errors import LabBusy, RaylabError, told
from raylab.terminal.verbs_change import cancel, pause, resume, retry
from raylab.terminal.verbs_completion import completion
from raylab.terminal.verbs_end import archive, rm, shutdown
from raylab.terminal.verbs_import import import_
from raylab.terminal.verbs_info import info
from raylab.terminal.verbs_log import log
from raylab.terminal.verbs_notebook import copy, verify
from raylab.terminal.verbs_pages import board, report
from raylab.terminal.verbs_read import ls, status
from raylab.terminal.verbs_rows import failures, results
from raylab.terminal.verbs_start import start, stop
from raylab.terminal.verbs_watch import wait, watch
from raylab.terminal.words import BAD_INPUT, DONE, INTERRUPTED, NOT_FOUND, NOT_READY, UNAVAILABLE, Misuse, parser

ABOUT = "Labs on a Ray cluster: submit a sweep from Python, close the laptop, come back to the results."

VERBS = (
    *(start, stop, ls, status, watch, wait, results, failures, log, info, report, board, verify, copy, import_),
    *(retry, pause, resume, cancel, archive, rm, shutdown, completion),
)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code.

    Args:
        words: the command line without the program's name; that of this process if None.

    Raises:
        SystemExit: for `--help` and `--version`, and with code 2 for what cannot be understood.
    """
    top = parser(VERBS, ABOUT)
    if "_ARGCOMPLETE" in os.environ:  # a shell asks what may come next
        from raylab.terminal.completion import complete

        complete(top)
    asked = sys.argv[1:] if words is None else words
    if not asked:  # who types the name alone wants to know what there is
        top.print_help(sys.stderr)
        return BAD_INPUT
    found, unknown = top.parse_known_args(asked)
    given = vars(found)
    verb, own = given.pop("verb"), given.pop("parser")
    if unknown:
        own.error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        code: int = verb.run(**given)
        sys.stdout.flush()
    except Misuse as error:
        own.error(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `raylab results ... | head`: nobody reads any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (RaylabError, ValueError, OSError, ModuleNotFoundError) as error:
        say(told(error) if isinstance(error, OSError) else str(error))
        return exit_code(error)
    return code


def exit_code(error: Exception) -> int:
    """What an error means to a script: the groups of `raylab.errors`.

    Example:
        >>> exit_code(LookupError("there is no lab 'x'"))
        3
    """
    if isinstance(error, LabBusy):
        return NOT_READY
    if isinstance(error, LookupError):
        return NOT_FOUND
    if isinstance(error, ConnectionError | RuntimeError):
        return UNAVAILABLE
    return BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())
