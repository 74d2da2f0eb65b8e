"""git, asked in short processes: some 5 ms each.

What a person has set for the eye (a pager, colours, programs that show differences) or that runs something (hooks, a
monitor of the file system) has no part in it, but for filters, without which git cannot compare files. Nothing is
written, and nobody waits longer than was said: what did not come by then is not known, and for a while not asked again.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Answer", "Question", "ask", "text"]

ENDS_S = 1.0
"""How long a process may take to end once it has said everything."""

AGAIN_S = 60.0
"""How long git is not asked again what it did not answer: a loop of 100 submissions is to lose 2 s, not 200."""

_SETTINGS = (
    *("core.fsmonitor=", f"core.hooksPath={os.devnull}", "submodule.recurse=false", "status.aheadBehind=false"),
    *("diff.noprefix=false", "diff.mnemonicPrefix=false", "diff.srcPrefix=a/", "diff.dstPrefix=b/"),
    *("diff.relative=false", "diff.submodule=short", "diff.context=3", "diff.interHunkContext=0"),
    *(f"diff.orderFile={os.devnull}", "diff.wsErrorHighlight=none", "diff.renames=true", "diff.algorithm=default"),
    *("diff.autoRefreshIndex=false",),  # git would write what it has seen, whatever GIT_OPTIONAL_LOCKS says
)

_KEPT = ("GIT_CONFIG_", "GIT_EXEC_PATH")
"""How those of git's variables begin that say how git works here; others say that it is about another repository, as
inside a hook, or what a person wants to see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Words of a command of git's, and how many bytes of the answer are taken."""

    words: tuple[str, ...]
    most: int


@dataclass(slots=True)
class Answer:
    """What came of a question."""

    output: bytes = b""
    cut: bool = False
    """Whether there was more."""
    silent: bool = False
    """Whether git did not come to the end."""
    error: str = ""
    """What git said of why it cannot answer."""

    @property
    def whole(self) -> bool:
        """Whether git came to the end, and had an answer."""
        return not (self.silent or self.error)


def text(data: bytes | str) -> str:
    """Text that any encoding takes, with other bytes as escapes.

    Example:
        >>> text(b"caf\\xe9"), text("caf\\udce9")
        ('caf\\\\xe9', 'caf\\\\xe9')
    """
    raw = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    return raw.decode("utf-8", "backslashreplace")


_silent: dict[tuple[Path, str], float] = {}
"""Until when a question is not put again."""


def ask(root: Path, questions: Mapping[str, Question], within: float) -> dict[str, Answer]:
    """Put questions, by any names, all at once.

    Args:
        root: the folder of the working tree that they are about.
        questions: these.
        within: seconds.

    Raises:
        OSError: there is no git, or it cannot be run.
    """
    answers = {name: Answer() for name in questions}
    until = time.monotonic() + within
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, question in questions.items():
            if time.monotonic() < _silent.get((root, name), 0.0):
                answers[name].silent = True
            else:
                running[name] = _started(root, question)
        _listen(running, questions, answers, until)
    finally:
        for process in running.values():
            _end(process)
    for name in running:
        if answers[name].silent:
            _silent[root, name] = time.monotonic() + AGAIN_S
    return answers


def _started(root: Path, question: Question) -> subprocess.Popen[bytes]:
    settings = [word for setting in _SETTINGS for word in ("-c", setting)]
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name.startswith(_KEPT)
    }
    quiet = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"}
    return subprocess.Popen(
        ["git", "--no-pager", *settings, "-C", root, *question.words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=variables | quiet,
        start_new_session=True,  # what it starts itself ends with it
    )


def _listen(
    running: Mapping[str, subprocess.Popen[bytes]],
    questions: Mapping[str, Question],
    answers: Mapping[str, Answer],
    until: float,
) -> None:
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
                elif len(said[name][kind]) > questions[name].most and not answers[name].cut:
                    answers[name].cut = True
                    _kill(running[name])  # its streams end by that
        unfinished = {key.data[0] for key in streams.get_map().values()}
    for name, process in running.items():
        answer = answers[name]
        answer.output = bytes(said[name]["output"][: questions[name].most])
        answer.silent = name in unfinished or (code := _code(process)) is None
        if not (answer.silent or answer.cut) and code:
            answer.error = text(bytes(said[name]["error"])).strip() or f"exit code {code}"


def _code(process: subprocess.Popen[bytes]) -> int | None:
    """How a process ended that has said everything."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.wait(ENDS_S)
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
