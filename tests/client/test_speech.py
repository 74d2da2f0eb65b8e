"""One way to speak to a person: plain lines on stderr, sentences for reasons, an interrupt without pages of frames."""

from __future__ import annotations

import ast
import errno
import os
import threading
import traceback
from pathlib import Path

import pytest

import raylab
from raylab.client.address import check_address
from raylab.client.calls import Connection
from raylab.client.speech import Interruptible, Meanwhile, say
from raylab.errors import LabUnavailable, told
from raylab.server.joining import differing

ROOT = Path(raylab.__file__).parent

GROUPS = ("start", "read", "rows", "info", "notebook", "pages", "import", "change", "end", "completion")
VERBS = {f"terminal/verbs_{group}.py" for group in GROUPS}
TRIALS = {"compat/epyc/combinators.py"}
COMMAND = {f"terminal/{name}.py" for name in ("export", "meant", "as_json", "words")}
SPEAKERS = {"client/speech.py", "client/querying.py", "server/birth.py", *COMMAND, *VERBS, *TRIALS}
"""Who may print: this one way, a query's own words, the command what was asked for, a child process to its parent, and
what runs in a trial, whose words are kept."""


def test_nobody_else_prints() -> None:
    printing = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert printing == SPEAKERS


def test_what_is_said_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    say("one\n  two")
    assert capsys.readouterr() == ("", "raylab: one two\n")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/x"), "No space left on device (/data/x)"),
        (OSError(errno.EIO, os.strerror(errno.EIO)), "Input/output error"),
        (LabUnavailable("no answer"), "no answer"),
        (ConnectionError("refused\n by it"), "refused by it"),
        (MemoryError(), "there is not enough memory"),
        (KeyError("x"), "KeyError: 'x'"),
        (ValueError(), "an error of the kind ValueError"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_reason_is_a_sentence(error: Exception, sentence: str) -> None:
    assert told(error) == sentence


def test_what_is_quick_says_nothing_and_only_what_takes_long_speaks_of_a_busy_machine(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Meanwhile("a quick thing", after=60) as quick:
        pass
    quick._thread.join(20)
    assert not quick._thread.is_alive(), "it waits for nothing any more"
    assert capsys.readouterr().err == ""
    with Meanwhile("starting a lab", after=0, long=60):
        said = until_said(capsys)
    assert said == "raylab: starting a lab\n"
    with Meanwhile("starting a lab", after=0, long=0.01) as slow:
        slow._thread.join(20)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["raylab: starting a lab", "raylab: still starting a lab; a busy machine takes a while"]
    assert Meanwhile("")._after < 6, "a lab that starts is told of"
    assert Meanwhile("")._long >= 10, "it takes 6 to 7 s on any machine"


def until_said(capsys: pytest.CaptureFixture[str]) -> str:
    """The first that is said."""
    for _ in range(2_000):
        if said := capsys.readouterr().err:
            return said
        threading.Event().wait(0.01)
    raise AssertionError("nothing is said")


def test_an_interrupt_arrives_without_the_frames_that_led_to_it(capsys: pytest.CaptureFixture[str]) -> None:
    def deep(levels: int) -> None:
        if levels:
            deep(levels - 1)
        try:
            raise LookupError("of Ray's")
        except LookupError:
            raise KeyboardInterrupt from None

    def wait() -> None:
        with Interruptible(lambda: "interrupted; nothing was cancelled"):
            deep(20)

    with pytest.raises(KeyboardInterrupt) as caught:
        wait()
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert "deep" not in names
    assert len(names) == 1
    assert caught.value.__context__ is None
    assert capsys.readouterr().err == "raylab: interrupted; nothing was cancelled\n"


def test_of_several_around_each_other_the_outermost_speaks(capsys: pytest.CaptureFixture[str]) -> None:
    """A wait makes many calls; it knows how far it is, the call does not."""

    def call() -> None:
        with Interruptible(lambda: "a call was interrupted"):
            raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), Interruptible(lambda: "a wait was interrupted"):
            call()
        assert capsys.readouterr().err == "raylab: a wait was interrupted\n"
        with pytest.raises(KeyboardInterrupt):
            call()
        assert capsys.readouterr().err == "raylab: a call was interrupted\n"


def test_an_interrupted_wait_for_the_end_of_a_lab_says_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    class Ending(Connection):
        """The lab was told to end; somebody loses patience."""

        def call(self, verb: str, *args: object, within: float = 0) -> None:
            assert verb == "close"

        def find(self) -> bool:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Ending("lab").end(force=True)
    said = capsys.readouterr().err
    assert said.startswith("raylab: interrupted; whether the lab was shut down is not known")
    assert said.count("\n") == 1


@pytest.mark.parametrize("address", ["foo", "head", ":6379", "head:x", "head:0", "head:70000", "ray://head", ""])
def test_what_is_no_address_is_refused_with_what_one_looks_like(address: str) -> None:
    with pytest.raises(ValueError, match=r"HOST:PORT .* ray://HOST:PORT"):
        check_address(address)


@pytest.mark.parametrize("address", ["auto", "local", "head:6379", "[::1]:6379", "ray://head:10001", "anyscale://x"])
def test_an_address_is_none_of_our_business_beyond_that(address: str) -> None:
    check_address(address)


def test_what_ray_says_of_versions_otherwise_is_told_as_it_is() -> None:
    assert "something new" in differing("head:1", "Version mismatch: something\n new")
