"""The git repository that an experiment comes from, as it is at this moment: commit, branch, remote, what was changed.

Promises: no trouble of git's is one of the submission's; what is told is text that any encoding takes.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from raylab.client.git import Answer, Question, ask, text
from raylab.core.causes import is_of_library
from raylab.core.provenance import Tree
from raylab.core.remote_address import without_password

__all__ = ["Found", "look"]

LIMIT_S = 1.5
"""What a look may take: a working tree of 100,000 files takes 0.2 s once the system has seen them."""

QUICK_S = 0.5
"""What the commit alone may take, where the working tree takes too long."""

DIFF_BYTES = 10**6
"""Of a diff that is kept: 20,000 lines of 50 characters; what is more is generated or data."""

ANSWER_BYTES = 4 * 10**6
"""Of any other answer: 40,000 names of untracked files."""

MOST_UNTRACKED = 100
MOST_WORDS = 300

LEAVE_OUT = ("0", "no", "false", "off")
"""What RAYLAB_DIFF says where the diff is not to be kept."""

_QUESTIONS = {
    "head": ("rev-parse", "HEAD", "--abbrev-ref", "HEAD"),
    "remotes": ("config", "-z", "--get-regexp", r"^(remote\..*\.url|branch\..*\.remote)$"),
    "status": (
        "status",
        "--porcelain=v2",
        "--branch",
        "-z",
        "--untracked-files=normal",
        "--ignore-submodules=untracked",
    ),
    "diff": ("diff", "--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules=untracked", "HEAD", "--"),
}

_NO_REPOSITORY = ("not a git repository", "invalid gitfile format")
"""What git says where something else is called `.git`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A repository, and the bytes of its diff, if it has any and they are kept."""

    tree: Tree
    diff: bytes | None = None


def look(places: Iterable[Path], source: Path | None = None) -> Found | None:
    """The first repository that one of these files or folders lies in; None if none does.

    Args:
        places: what the experiment comes from, the nearest first.
        source: the experiment's own file.
    """
    roots = dict.fromkeys(root for place in places if (root := _root(place)) is not None)
    for root in roots:
        found = _found(root, source)
        if found is not None:
            return found
    return None


def _root(place: Path) -> Path | None:
    """The folder of a working tree that a file or folder lies in."""
    with contextlib.suppress(OSError, ValueError):
        place = place.absolute()
        return next((folder for folder in (place, *place.parents) if (folder / ".git").exists()), None)
    return None


def _found(root: Path, source: Path | None) -> Found | None:
    """What git says of a repository: of a clean one in one process, since each costs a submission some 5 ms."""
    until = time.monotonic() + LIMIT_S
    config = _changed(root / ".git" / "config")
    answers = {"remotes": _remotes[root, config]} if (root, config) in _remotes else {}
    try:
        answers |= ask(root, _questions({"status", "remotes"} - answers.keys()), LIMIT_S)
        if not answers["status"].whole:
            answers |= ask(root, _questions({"head"}), QUICK_S)
        elif _read_status(answers["status"]).changed and _keeps_diff():
            answers |= ask(root, _questions({"diff"}), until - time.monotonic())
    except FileNotFoundError:
        return Found(tree=Tree(trouble=f"there is a repository in {text(str(root))}, and no git here to ask"))
    except OSError as error:
        return Found(tree=Tree(trouble=f"git cannot be run: {error.strerror}"))
    if config and answers["remotes"].whole:
        _remotes[root, config] = answers["remotes"]
    return _read(answers, _own(root, source))


_remotes: dict[tuple[Path, int], Answer] = {}
"""What git said of the remotes, as long as the repository's settings stay as they are."""


def _changed(file: Path) -> int:
    """When a file was changed last; 0 if there is none."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


def _questions(names: Iterable[str]) -> dict[str, Question]:
    most = {"diff": DIFF_BYTES}
    return {name: Question(words=_QUESTIONS[name], most=most.get(name, ANSWER_BYTES)) for name in names}


def _keeps_diff() -> bool:
    return os.environ.get("RAYLAB_DIFF", "").strip().lower() not in LEAVE_OUT


def _own(root: Path, source: Path | None) -> str | None:
    """The experiment's file by its name in the working tree; empty if it has none, or one of a library; None if that
    lies elsewhere."""
    if source is None:
        return ""
    file = source.absolute()
    if file.is_relative_to(root):
        return text(file.relative_to(root).as_posix())
    return "" if is_of_library(str(file)) else None


# -- reading the answers


def _read(answers: Mapping[str, Answer], own: str | None) -> Found | None:
    """What git's answers come to.

    Args:
        answers: by the names of the questions.
        own: the experiment's file, as of `_own`.
    """
    status, remotes, diff = answers["status"], answers["remotes"], answers.get("diff", Answer())
    if any(words in status.error for words in _NO_REPOSITORY):
        return None
    found = _read_status(status) if status.whole else _read_head(answers["head"])
    kept, cut = _read_diff(diff)
    tree = Tree(
        commit=found.commit or None,
        branch=found.branch or None,
        remote=_remote(remotes, found.branch),
        dirty=bool(found.changed) or own is None or _holds(found.untracked, own) if status.whole else None,
        untracked=tuple(found.untracked[:MOST_UNTRACKED]),
        more_untracked=len(found.untracked[MOST_UNTRACKED:]),
        cut=cut,
        trouble=_trouble(answers),
    )
    return Found(tree=tree, diff=kept)


class _Status(NamedTuple):
    """Commit and branch, empty where there is none, and files."""

    commit: str
    branch: str
    changed: Sequence[str] = ()
    untracked: Sequence[str] = ()


def _read_status(answer: Answer) -> _Status:
    said, changed, untracked = dict[str, str](), list[str](), list[str]()
    records = iter(answer.output.split(b"\0")[:-1])  # what comes after the last mark is cut, or nothing
    for record in map(text, records):
        kind, _, rest = record.partition(" ")
        if kind == "#":
            name, _, value = rest.partition(" ")
            said[name] = value
        elif kind == "?":
            untracked.append(rest)
        elif kind in ("1", "2", "u"):
            changed.append(rest)
            if kind == "2":
                next(records, None)  # by which name it was known
    commit, branch = said.get("branch.oid", ""), said.get("branch.head", "")
    return _Status(commit.replace("(initial)", ""), branch.replace("(detached)", ""), changed, untracked)


def _read_head(answer: Answer) -> _Status:
    commit, branch = (*text(answer.output).splitlines(), "", "")[:2] if answer.whole else ("", "")
    return _Status(commit, "" if branch == "HEAD" else branch)


def _holds(untracked: Sequence[str], name: str) -> bool:
    return any(name == each or (each.endswith("/") and name.startswith(each)) for each in untracked) if name else False


def _remote(answer: Answer, branch: str) -> str | None:
    """The address of the remote that the branch follows; else of `origin`, else of the first one."""
    pairs = (text(record).partition("\n") for record in answer.output.split(b"\0")[:-1])
    said: dict[str, str] = {}
    for name, _, value in pairs:
        said.setdefault(name, value)
    names = [f"remote.{said.get(f'branch.{branch}.remote', '')}.url", "remote.origin.url"]
    found = next((said[name] for name in (*names, *said) if name in said and name.startswith("remote.")), None)
    return None if found is None else without_password(found)


def _read_diff(answer: Answer) -> tuple[bytes | None, bool]:
    """A diff, up to its last whole line, and whether there was more of it."""
    if answer.error or not answer.output:
        return None, False
    if not (answer.cut or answer.silent):
        return answer.output, False
    return answer.output[: answer.output.rfind(b"\n") + 1] or answer.output, True


def _trouble(answers: Mapping[str, Answer]) -> str:
    """Why something is not known."""
    if silent := [name for name, answer in answers.items() if answer.silent]:
        return f"git did not answer in time (asked for: {', '.join(sorted(silent))})"
    error = answers["status"].error
    return f"git says: {' '.join(error.split())[:MOST_WORDS]}" if error else ""
