"""The words of the command line: what a verb is, what it takes, what its exit code means.

A verb is a function whose arguments are its words; it loads what is heavy only when it runs.
"""

from __future__ import annotations

import argparse
import platform
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any, NoReturn, TypeAlias

from raylab import __version__

DONE, NOT_READY, BAD_INPUT, NOT_FOUND, UNAVAILABLE, INTERRUPTED = 0, 1, 2, 3, 4, 130
DAMAGED = NOT_READY

CODES = """\
exit codes:
  0  done; with `wait`, everything is in
  1  not ready: the timeout is over, what is left stands still or its lab is at
     rest, or a lab still has trials to run; with `verify` and `copy`:
     something is damaged
  2  bad usage or bad input
  3  there is no such lab, sweep or notebook
  4  the cluster or the lab does not answer, or cannot go on
  130  Ctrl-C; it cancels nothing, and of a change that was under way a line
     says what is known
"""

Word: TypeAlias = tuple[tuple[str, ...], dict[str, Any]]
"""An argument or an option, as argparse's `add_argument` takes it."""


HELP_COLUMNS = 79
"""Of the texts of `--help`, which argparse leaves as they are."""


class Misuse(Exception):
    """Each word is one, and together they make no sense."""


@dataclass(frozen=True, slots=True)
class Verb:
    """One command of the command; `run` gets its words and returns the exit code."""

    run: Callable[..., int]
    what: str
    more: str
    words: tuple[Word, ...]
    example: str

    @property
    def name(self) -> str:
        """As it is typed: of `import_` without what Python needs there."""
        return self.run.__name__.rstrip("_")


def verb(what: str, *words: Word, more: str = "", example: str) -> Callable[[Callable[..., int]], Verb]:
    """Makes a verb of a function: what it does in a few words, what it takes, more to know of it, an example."""
    return lambda run: Verb(run, what, more, words, example)


def word(*names: str, type: Callable[[str], Any] = str, **about: Any) -> Word:
    """A word whose value `type` reads; what that raises as a ValueError is said to the person."""

    def read(text: str) -> Any:
        try:
            return type(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return names, about if "action" in about else {"type": read, **about}


def number(kind: Callable[[str], float], least: float, most: float, what: str) -> Callable[[str], Any]:
    """Reads a number in these limits."""

    def read(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise ValueError(f"{what}, not {text!r}")
        return value

    return read


ADDRESS = word(
    "--address",
    metavar="A",
    help="of the Ray cluster: HOST:PORT or ray://HOST:PORT (default: RAY_ADDRESS, or the one on this machine)",
)
JSON = word("--json", action="store_true", help="as JSON: a list with an object for each")


def versions() -> str:
    """Of all that a question about raylab depends on. Loads none of it."""
    return f"raylab {__version__} (Python {platform.python_version()}, Ray {metadata.version('ray')})"


class Version(argparse.Action):
    """Prints the versions, which it looks up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        print(versions())
        parser.exit()


class Parser(argparse.ArgumentParser):
    """argparse's, whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {message}; see {self.prog} --help\n")


def parser(verbs: Sequence[Verb], about: str) -> Parser:
    """Reads a command line; the result's `verb` and `parser` are those of the verb, the rest is its words."""
    shape = argparse.RawDescriptionHelpFormatter
    top = Parser(prog="raylab", description=about, epilog=CODES, formatter_class=shape)
    top.add_argument(
        "--version",
        action=Version,
        nargs=0,
        default=argparse.SUPPRESS,
        help="print the versions of raylab, Python and Ray, and exit",
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for verb in verbs:
        text = f"{verb.what[0].upper()}{verb.what[1:]}. {' '.join(verb.more.split())}".strip()
        end = f"example:\n  {verb.example}\n\n{CODES}"
        about = textwrap.fill(text, HELP_COLUMNS)
        own = commands.add_parser(verb.name, help=verb.what, description=about, epilog=end, formatter_class=shape)
        own.set_defaults(verb=verb, parser=own)
        for names, more in verb.words:
            own.add_argument(*names, **more)
    return top
