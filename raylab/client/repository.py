"""The git repository that an experiment comes from, as it is at this moment: commit, branch, remote, what was changed.

git is asked in short processes, all at once: some 5 ms. What a person has set for the eye (a pager, colours, programs
that show differences) or that runs something (hooks, a monitor of the file system) has no part in it, nothing is
written, and nobody waits longer than LIMIT_S: what did not come by then is not known.
Promises: no trouble of git's is one of the submission's; what is told is text that any encoding takes.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from raylab.core.provenance import Tree
from raylab.core.remote_address import without_password

__all__ = ["Found", "look", "text"]

LIMIT_S = 2.0
"""What all of git may take: a working tree of 100,000 files takes 0.2 s once the system has seen them."""

AGAIN_S = 60.0
"""How long git is not asked again what it did not answer: a loop of 100 submissions is to lose 2 s, not 200."""

DIFF_BYTES = 10**6
"""Of a diff that is kept: 20,000 lines of 50 characters; what is more is generated or data."""

ANSWER_BYTES = 4 * 10**6
"""Of any other answer: 40,000 names of untracked files."""

MOST_UNTRACKED = 100
MOST_WORDS = 300

LEAVE_OUT = ("0", "no", "false", "off")
"""What RAYLAB_DIFF says where the diff is not to be kept."""

_SETTINGS = (
    *("core.fsmonitor=", f"core.hooksPath={os.devnull}", "submodule.recurse=false", "status.aheadBehind=false"),
    *("diff.noprefix=false", "diff.mnemonicPrefix=false", "diff.srcPrefix=a/", "diff.dstPrefix=b/"),
    *("diff.relative=false", "diff.submodule=short", "diff.context=3", "diff.interHunkContext=0"),
    *(f"diff.orderFile={os.devnull}", "diff.wsErrorHighlight=none", "diff.renames=true", "diff.algorithm=default"),
    *("diff.autoRefreshIndex=false",),  # git would write what it has seen, whatever GIT_OPTIONAL_LOCKS says
)
_STATUS = ("status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal", "--ignore-submodules=untracked")
_DIFF = ("diff", "--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules=untracked", "HEAD", "--")
_HEAD = ("rev-parse", "HEAD", "--abbrev-ref", "HEAD")
_REMOTES = ("config", "-z", "--get-regexp", r"^(remote\..*\.url|branch\..*\.remote)$")

_NO_REPOSITORY = ("not a git repository", "invalid gitfile format")
"""What git says where something else is called `.git`."""

_KEPT = ("GIT_CONFIG_", "GIT_EXEC_PATH")
"""How those of git's variables begin that say how git works here; others say that it is about another repository, as
inside a hook, or what a person wants to see."""


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


def text(data: bytes | str) -> str:
    """Text that any encoding takes, with other bytes as escapes.

    Example:
        >>> text(b"caf\\xe9"), text("caf\\udce9")
        ('caf\\\\xe9', 'caf\\\\xe9')
    """
    raw = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    return raw.decode("utf-8", "backslashreplace")


def _root(place: Path) -> Path | None:
    """The folder of a working tree that a file or folder lies in."""
    with contextlib.suppress(OSError, ValueError):
        place = place.absolute()
        return next((folder for folder in (place, *place.parents) if (folder / ".git").exists()), None)
    return None


def _found(root: Path, source: Path | None) -> Found | None:
    questions = {"head": _HEAD, "remotes": _REMOTES, "status": _STATUS}
    if os.environ.get("RAYLAB_DIFF", "").strip().lower() not in LEAVE_OUT:
        questions["diff"] = _DIFF
    try:
        answers = _ask(root, questions)
    except FileNotFoundError:
        return Found(tree=Tree(trouble=f"there is a repository in {text(str(root))}, and no git here to ask"))
    except OSError as error:
        return Found(tree=Tree(trouble=f"git cannot be run: {error.strerror}"))
    head, remotes, status = (answers[name] for name in ("head", "remotes", "status"))
    if any(words in status.error for words in _NO_REPOSITORY):
        return None
    commit, branch, changed, untracked = _read_status(status)
    if not status.whole and head.whole:
        commit, branch = (*text(head.output).splitlines(), "", "")[:2]
        branch = "" if branch == "HEAD" else branch
    dirty = None if not status.whole else bool(changed) or _holds(untracked, _inside(root, source))
    diff = answers.get("diff", _Answer())
    kept = None if dirty is False else _kept(diff) or None
    tree = Tree(
        commit=commit or None,
        branch=branch or None,
        remote=_remote(remotes, branch),
        dirty=True if kept else dirty,
        untracked=tuple(untracked[:MOST_UNTRACKED]),
        more_untracked=len(untracked[MOST_UNTRACKED:]),
        cut=diff.cut if kept else False,
        trouble=_trouble(answers),
    )
    return Found(tree=tree, diff=kept)


# -- reading the answers


def _read_status(answer: _Answer) -> tuple[str, str, list[str], list[str]]:
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


def _inside(root: Path, source: Path | None) -> str:
    """A file by its name in the working tree; empty if it is none of it."""
    if source is None or not source.absolute().is_relative_to(root):
        return ""
    return text(source.absolute().relative_to(root).as_posix())


def _holds(untracked: Sequence[str], name: str) -> bool:
    return any(name == each or (each.endswith("/") and name.startswith(each)) for each in untracked) if name else False


def _remote(answer: _Answer, branch: str) -> str | None:
    """The address of the remote that the branch follows; else of `origin`, else of the first one."""
    pairs = (text(record).partition("\n") for record in answer.output.split(b"\0")[:-1])
    said: dict[str, str] = {}
    for name, _, value in pairs:
        said.setdefault(name, value)
    names = [f"remote.{said.get(f'branch.{branch}.remote', '')}.url", "remote.origin.url"]
    found = next((said[name] for name in (*names, *said) if name in said and name.startswith("remote.")), None)
    return None if found is None else without_password(found)


def _kept(answer: _Answer) -> bytes:
    """A diff, up to its last whole line."""
    return answer.output[: answer.output.rfind(b"\n") + 1] or answer.output if answer.cut else answer.output


def _trouble(answers: Mapping[str, _Answer]) -> str:
    """Why something is not known."""
    if silent := [name for name, answer in answers.items() if answer.silent]:
        return f"git did not answer within {LIMIT_S:g} s (asked for: {', '.join(silent)})"
    error = answers["status"].error
    return f"git says: {' '.join(error.split())[:MOST_WORDS]}" if error else ""


# -- asking


@dataclass(slots=True)
class _Answer:
    """What came of a question."""

    most: int = ANSWER_BYTES
    """Of its bytes are taken."""
    output: bytes = b""
    cut: bool = False
    """Whether there was more."""
    silent: bool = False
    """Whether git did not come to the end."""
    error: str = ""
    """What git said of why it cannot answer."""

    @property
    def whole(self) -> bool:
        return not (self.silent or self.error)


_silent: dict[tuple[Path, str], float] = {}
"""Until when a question is not put again."""


def _ask(root: Path, questions: Mapping[str, Sequence[str]]) -> dict[str, _Answer]:
    """Put all questions at once.

    Raises:
        OSError: there is no git, or it cannot be run.
    """
    answers = {name: _Answer(most=DIFF_BYTES if name == "diff" else ANSWER_BYTES) for name in questions}
    until = time.monotonic() + LIMIT_S
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, words in questions.items():
            if time.monotonic() < _silent.get((root, name), 0.0):
                answers[name].silent = True
            else:
                running[name] = _started(root, words)
        _listen(running, answers, until)
    finally:
        for process in running.values():
            _end(process)
    for name in running:
        if answers[name].silent:
            _silent[root, name] = time.monotonic() + AGAIN_S
    return answers


def _started(root: Path, words: Sequence[str]) -> subprocess.Popen[bytes]:
    settings = [word for setting in _SETTINGS for word in ("-c", setting)]
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name.startswith(_KEPT)
    }
    quiet = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"}
    return subprocess.Popen(
        ["git", "--no-pager", *settings, "-C", root, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=variables | quiet,
        start_new_session=True,  # what it starts itself ends with it
    )


def _listen(running: Mapping[str, subprocess.Popen[bytes]], answers: Mapping[str, _Answer], until: float) -> None:
    """Take what comes, until all have said everything or enough, or the time is over."""
    said = {name: {"output": bytearray(), "error": bytearray()} for name in running}
    with selectors.DefaultSelector() as streams:
        for name, process in running.items():
            for stream, kind in ((process.stdout, "output"), (process.stderr, "error")):
                assert stream is not None
                streams.register(stream, selectors.EVENT_READ, (name, kind))
        while streams.get_map() and (left := until - time.monotonic()) > 0:
            for key, _ in streams.select(left):
                name, kind = key.data
                data = os.read(key.fd, 1 << 16)
                said[name][kind] += data
                if not data:
                    streams.unregister(key.fileobj)
                elif len(said[name][kind]) > answers[name].most and not answers[name].cut:
                    answers[name].cut = True
                    _kill(running[name])  # its streams end by that
        unfinished = {key.data[0] for key in streams.get_map().values()}
    for name, process in running.items():
        answer = answers[name]
        answer.output = bytes(said[name]["output"][: answer.most])
        answer.silent = name in unfinished or (code := _code(process)) is None
        if not (answer.silent or answer.cut) and code and name != "remotes":  # those without a remote have no answer
            answer.error = text(bytes(said[name]["error"])).strip() or f"exit code {code}"


def _code(process: subprocess.Popen[bytes]) -> int | None:
    """How a process ended that has said everything."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.wait(LIMIT_S)
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Whatever it is still doing; one that the disk holds is left to the system."""
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    if process.poll() is None:
        _kill(process)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
