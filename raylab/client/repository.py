"""The git repository that an experiment comes from, as it is at this moment: commit, branch, remote, what was changed.

Promises: no trouble of git's is one of the submission's; what is told is text that any encoding takes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from raylab.client.git import LIMIT_S, Answer, Question, ask, text
from raylab.core.provenance import Tree
from raylab.core.remote_address import without_password

__all__ = ["Found", "look"]

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
    try:
        answers = ask(root, _questions())
    except FileNotFoundError:
        return Found(tree=Tree(trouble=f"there is a repository in {text(str(root))}, and no git here to ask"))
    except OSError as error:
        return Found(tree=Tree(trouble=f"git cannot be run: {error.strerror}"))
    return _read(answers, _inside(root, source))


def _questions() -> dict[str, Question]:
    found = {
        name: Question(words=words, most=DIFF_BYTES if name == "diff" else ANSWER_BYTES)
        for name, words in _QUESTIONS.items()
    }
    if os.environ.get("RAYLAB_DIFF", "").strip().lower() in LEAVE_OUT:
        del found["diff"]
    return found


def _inside(root: Path, source: Path | None) -> str:
    """A file by its name in the working tree; empty if it is none of it."""
    if source is None or not source.absolute().is_relative_to(root):
        return ""
    return text(source.absolute().relative_to(root).as_posix())


# -- reading the answers


def _read(answers: Mapping[str, Answer], own: str) -> Found | None:
    """What git's answers come to.

    Args:
        answers: by the names of the questions; without `diff`, none is kept.
        own: the experiment's file, by its name in the working tree.
    """
    head, remotes, status = (answers[name] for name in ("head", "remotes", "status"))
    if any(words in status.error for words in _NO_REPOSITORY):
        return None
    commit, branch, changed, untracked = _read_status(status)
    if not status.whole and head.whole:
        commit, branch = (*text(head.output).splitlines(), "", "")[:2]
        branch = "" if branch == "HEAD" else branch
    dirty = None if not status.whole else bool(changed) or _holds(untracked, own)
    kept, cut = (None, False) if dirty is False else _read_diff(answers.get("diff", Answer()))
    tree = Tree(
        commit=commit or None,
        branch=branch or None,
        remote=_remote(remotes, branch),
        dirty=True if kept else dirty,
        untracked=tuple(untracked[:MOST_UNTRACKED]),
        more_untracked=len(untracked[MOST_UNTRACKED:]),
        cut=cut,
        trouble=_trouble(answers),
    )
    return Found(tree=tree, diff=kept)


def _read_status(answer: Answer) -> tuple[str, str, list[str], list[str]]:
    """Commit, branch, changed and untracked files."""
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
    return ("" if commit == "(initial)" else commit), ("" if branch == "(detached)" else branch), changed, untracked


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
        return f"git did not answer within {LIMIT_S:g} s (asked for: {', '.join(silent)})"
    error = answers["status"].error
    return f"git says: {' '.join(error.split())[:MOST_WORDS]}" if error else ""
