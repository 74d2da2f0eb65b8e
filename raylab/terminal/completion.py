"""What may come next on a command line, as shells ask it; the home of argcomplete.

A shell asks at each press of a key, so nothing here loads Ray or polars, reads more than the names of files, or asks a
cluster: labs and sweeps are those that this machine has folders of.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import argcomplete
from argcomplete.completers import FilesCompleter
from argcomplete.shell_integration import shellcode

NEEDS_COMPINIT = "autoload -Uz compinit && (( ! $+functions[compdef] )) && compinit -u"
"""zsh has the words that register a completion only after this; who has it already keeps it."""


def code(shell: str) -> str:
    """What a shell reads to complete the command."""
    found: str = shellcode(["raylab"], shell=shell)
    return f"{NEEDS_COMPINIT}\n{found}" if shell == "zsh" else found


def complete(top: argparse.ArgumentParser) -> None:
    """Answer the shell, and end this process; return if no shell asks."""
    for own in _verbs(top):
        for action in own._actions:
            if action.dest in ("lab", "old"):
                action.completer = _labs_or_files if "FOLDER" in str(action.metavar) else _labs  # type: ignore[attr-defined]
            elif action.dest in ("sweep", "sweeps"):
                action.completer = _sweeps  # type: ignore[attr-defined]
    argcomplete.autocomplete(top, default_completer=FilesCompleter())


def _verbs(top: argparse.ArgumentParser) -> Iterable[argparse.ArgumentParser]:
    choices = (action.choices for action in top._actions if isinstance(action, argparse._SubParsersAction))
    return [own for each in choices for own in each.values()]


def _labs(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    from raylab.server.known_labs import known

    notebook = getattr(parsed_args, "notebook", None)
    if notebook is not None:  # the first name is a sweep's then
        return _names(Path(notebook))
    return [place.name for place in known() if not place.trouble]


def _labs_or_files(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    return [*_labs(parsed_args), *FilesCompleter()(prefix)]


def _sweeps(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    from raylab.server.known_labs import known

    name = getattr(parsed_args, "lab", None) or getattr(parsed_args, "old", None)
    return [sweep for place in known() if place.name == name for sweep in _names(Path(place.notebook))]


def _names(notebook: Path) -> list[str]:
    """The sweeps of a folder that has rows of them. One that was replaced, or removed, may be among them."""
    from raylab.notebook.layout import SWEEPS

    folder = notebook / SWEEPS
    return sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []
