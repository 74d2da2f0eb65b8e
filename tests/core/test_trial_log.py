"""Logs as text: bounded whatever was printed, both ends of it; and what of them a sweep has room for."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylab.core import trial_log
from raylab.core.fatal import fatal_error
from raylab.core.trial_log import END_BYTES, LIMIT_BYTES, Log, Tally, admitted, last_lines, sum_of, text_of

pieces = st.sampled_from([b"plain text\n", "naïve \U0001f600\n".encode(), b"\xff\xfe", b"\x00", b"\r\n", b"10%\r20%\r"])


def shown(data: bytes) -> str:
    """As whoever reads it from a file gives it."""
    if len(data) <= LIMIT_BYTES:
        return text_of(data, b"", len(data))
    return text_of(data[:END_BYTES], data[-END_BYTES:], len(data))


@given(st.lists(pieces, max_size=20), st.integers(1, 5_000))
def test_a_log_is_bounded_and_text_whatever_was_printed(some: list[bytes], times: int) -> None:
    data = b"".join(some) * times
    text = shown(data)
    assert len(text.encode()) <= LIMIT_BYTES
    if len(data) <= LIMIT_BYTES // 4:
        assert text == data.decode("utf-8", "backslashreplace")
    last = last_lines(text)
    assert len(last.encode()) <= trial_log.LAST_BYTES
    assert last.count("\n") < trial_log.LAST_LINES
    assert "\r" not in last


@given(st.integers(LIMIT_BYTES + 1, 4 * LIMIT_BYTES), st.sampled_from(["a", "é", "\U0001f600"]))
def test_of_what_is_longer_both_ends_are_there_and_the_line_says_how_much_is_not(size: int, letter: str) -> None:
    data = ("first\n" + letter * (size // len(letter.encode())) + "\nlast").encode()
    text = shown(data)
    assert text.startswith("first\n")
    assert text.endswith("\nlast")
    (mark,) = re.findall(r"\n\[raylab: [\d,]+ of [\d,]+ bytes are left out here\]\n", text)
    left_out, printed = (int(number.replace(",", "")) for number in re.findall(r"[\d,]+(?= )", mark))
    assert printed == len(data)
    assert left_out == len(data) - len(text.encode()) + len(mark.encode())
    assert len(text.encode()) > LIMIT_BYTES - 200
    assert "\\x" not in text, "no character was cut"


def test_exactly_as_much_as_fits_is_left_whole() -> None:
    assert shown(b"x" * LIMIT_BYTES) == "x" * LIMIT_BYTES
    assert "left out" in shown(b"x" * (LIMIT_BYTES + 1))


def log(size: int, printed: int | None = None) -> Log:
    return Log(point=0, repeat=0, attempt=1, printed=size if printed is None else printed, text="x" * size)


@given(st.lists(st.lists(st.integers(0, 400), max_size=5), max_size=8))
def test_a_sweep_has_so_much_of_logs_at_most_and_counts_the_rest(commits: list[list[int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trial_log, "SWEEP_BYTES", 1_000)
        kept: list[Log] = []
        known = Tally()
        for sizes in commits:
            some, more = admitted([log(size) for size in sizes], known)
            kept += some
            known = known.plus(more)
        sizes = [size for some in commits for size in some]
        assert known.kept == sum(each.cost for each in kept) <= 1_000
        assert [each.printed for each in kept] == sizes[: len(kept)], "from the first that has no room on, none"
        assert known.left_out == (len(sizes) - len(kept), sum(sizes[len(kept) :]))
        assert known.is_full == (len(kept) < len(sizes))
        assert Tally.of(known.plain()) == known == sum_of([known, Tally()])


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("", ""),
        ("one\n\n\n", "one"),
        ("0%\r50%\r100%\nready\n", "100%\nready"),
        ("a\r\nb\r\n", "a\nb"),
        ("50%\r", "50%"),
        ("x" * 5_000, "x" * trial_log.LAST_BYTES),
        ("é" * 5_000, "é" * (trial_log.LAST_BYTES // 2)),
    ],
)
def test_the_last_lines_are_what_a_terminal_shows(text: str, last: str) -> None:
    assert last_lines(text) == last


CRASH = """begins
the end*** {signal} received at time=1796078442 on cpu 1 ***
PC: @     0x7f1168aa8eec  (unknown)  (unknown)
    @     0x7f1168a5a050   66729744  (unknown)
[2026-11-30 22:40:42,391 E 14050 14050] logging.cc:474: *** {signal} received at time=1796078442 on cpu 1 ***
[2026-11-30 22:40:42,441 E 14050 14050] logging.cc:474: PC: @     0x7f1168aa8eec  (unknown)  (unknown)
[2026-11-30 22:40:42,443 E 14050 14050] logging.cc:474:     @     0x7f1168a5a050   66729744  (unknown)
Fatal Python error: {name}

Stack (most recent call first):
{frames}
  File "/opt/lib/python3.11/site-packages/raylab/worker/experiment.py", line 247 in _seeded
  File "/opt/lib/python3.11/site-packages/raylab/server/ray_pool.py", line 60 in _lease
  File "/opt/lib/python3.11/site-packages/ray/_private/workers/default_worker.py", line 323 in <module>

Extension modules: {modules} (total: 68)
"""
"""As Ray 2.60 and Python 3.11 write it."""


def crash(frames: list[str], signal: str = "SIGABRT", name: str = "Aborted") -> str:
    modules = ", ".join(f"pandas._libs.module{at}" for at in range(68))
    return CRASH.format(signal=signal, name=name, frames="\n".join(frames), modules=modules)


def frame(file: str, line: int = 7) -> str:
    return f'  File "{file}", line {line} in f'


LIBRARY = frame("/opt/lib/python3.11/ctypes/__init__.py")


@pytest.mark.parametrize(
    ("frames", "seen"),
    [
        ([frame("fit.py")], [frame("fit.py")]),
        ([LIBRARY] * 30 + [frame("/home/ada/fit.py")], [LIBRARY, frame("/home/ada/fit.py")]),
        ([frame("fit.py", at) for at in range(90)], [frame("fit.py", at) for at in range(5)]),
    ],
)
def test_the_last_lines_of_a_crash_are_what_ended_it_and_where(frames: list[str], seen: list[str]) -> None:
    lines = last_lines(crash(frames)).split("\n")
    title = lines.index("Fatal Python error: Aborted")
    assert lines[title + 1 :] == ["Stack (most recent call first):", *seen]
    assert not [line for line in lines if "logging.cc" in line]
    assert fatal_error(crash(frames, name="Segmentation fault")) == "Fatal Python error: Segmentation fault"


def test_what_only_reads_like_a_crash_stays() -> None:
    text = 'Extension modules: none\nmy logging.cc:3: all is well\n  File "a", line 3 in f\n'
    assert last_lines(text) == text.rstrip()
