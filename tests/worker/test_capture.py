"""What trials print, each its own: by Python, by C, by processes; in the main thread, as in a worker of Ray's."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sweeps import NEVER, leased, packaged, table_of

from raylab.core.design import Factorial
from raylab.core.policy import Policy
from raylab.core.trial_log import LIMIT_BYTES, Log
from raylab.notebook.log_rows import from_rows
from raylab.worker import capture, last_words
from raylab.worker.batch import Batch
from raylab.worker.lease import Header, LeaseOrder, run_lease
from raylab.worker.working_folder import private_folder


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def logs(batches: list[Batch]) -> list[Log]:
    return [each for batch in batches if batch.logs is not None for each in from_rows(batch.logs)]


def said(experiment: Callable[..., Any], count: int = 4, **words: Any) -> dict[int, str]:
    """What each trial of a sweep printed, by the value of x."""
    package = packaged(experiment, Factorial(x=range(count)), order="design")
    return {log.point: log.text for log in logs(leased(package, **{"capture": "all", **words}))}


def printed(batches: list[Batch]) -> list[int | None]:
    table = table_of(batches)
    return table.column("_printed").to_pylist() if "_printed" in table.column_names else [None] * table.num_rows


def loud() -> Any:
    def trial(x: int) -> dict[str, int]:
        import sys

        print("trial", x)
        print("aside", x, file=sys.stderr)
        if x % 2:
            raise ValueError("odd")
        return {"y": x}

    return trial


@pytest.mark.parametrize(("word", "of"), [("all", [0, 1, 2, 3]), ("failed", [1, 3]), ("none", [])])
def test_each_trial_has_its_own_however_short_it_is(word: str, of: list[int]) -> None:
    batches = leased(packaged(loud(), Factorial(x=range(4)), order="design"), capture=word)
    assert [(log.point, log.text) for log in logs(batches)] == [(x, f"trial {x}\naside {x}\n") for x in of]
    assert printed(batches) == [16 if x in of else None for x in range(4)]


def test_who_prints_nothing_has_printed_nothing() -> None:
    def silent(x: int) -> None:
        if x % 2:
            raise ValueError("odd")

    package = packaged(silent, Factorial(x=range(4)), order="design")
    batches = leased(package, capture="all")
    assert printed(batches) == [0, 0, 0, 0]
    assert logs(batches) == []
    assert printed(leased(package)) == [None, 0, None, 0]
    assert printed(leased(package, capture="none")) == [None] * 4


def test_c_and_other_processes_print_into_it_as_well() -> None:
    def everywhere(x: int) -> None:
        import ctypes
        import os
        import subprocess
        import sys
        import time

        time.sleep(0.001)  # what others than Python print within 0.1 ms may be a neighbour's
        ctypes.CDLL(None).printf(b"C %d, " + b"no end of line", x)
        os.write(2, b"descriptor\n")
        subprocess.run(["sh", "-c", f"echo process {x}; echo its error >&2"], check=True)
        sys.stdout.buffer.write(b"bytes\n")

    found = said(everywhere, 2)
    for x in range(2):
        lines = found[x].splitlines()
        assert (
            sorted(lines)[:2] == [f"C {x}, no end of linedescriptor", "bytes"] or f"C {x}, no end of line" in found[x]
        )
        assert {"its error", f"process {x}", "bytes"} <= set("\n".join(lines).split("\n"))


def test_of_a_failed_trial_what_c_has_printed_counts_however_short_it_is() -> None:
    def failing(x: int) -> None:
        import os

        os.write(1, b"by the way\n")
        raise ValueError(x)

    assert said(failing, 3, capture="failed") == dict.fromkeys(range(3), "by the way\n")


def test_each_attempt_has_its_own() -> None:
    def third(x: int, seen: list[int] = []) -> None:  # noqa: B006
        seen.append(x)
        print(f"time {len(seen)}")
        if len(seen) < 3:
            raise ValueError("not yet")

    package = packaged(third, Factorial(x=[7]), order="design")
    batches = leased(package, retries=5)
    assert [(log.attempt, log.text) for log in logs(batches)] == [(1, "time 1\n"), (2, "time 2\n")]
    assert printed(batches) == [None], "the record is of an attempt that is done"
    failing = leased(packaged(loud(), Factorial(x=[1]), order="design"), retries=1)
    assert [(log.attempt, log.printed) for log in logs(failing)] == [(1, 16), (2, 16)]
    assert printed(failing) == [16]


def test_set_up_and_tear_down_belong_to_the_trial() -> None:
    from raylab.worker.experiment import Experiment

    class Loud(Experiment):
        def set_up(self, params: dict[str, Any]) -> None:
            print("up", params["x"])

        def do(self, params: dict[str, Any]) -> None:
            print("do")

        def tear_down(self) -> None:
            print("down")

    assert said(Loud()) == {x: f"up {x}\ndo\ndown\n" for x in range(4)}


@pytest.mark.parametrize("size", [LIMIT_BYTES, LIMIT_BYTES + 1, 10**6])
def test_the_middle_of_what_is_long_is_left_out(size: int) -> None:
    def long(x: int, size: int = size) -> None:
        print("first" + "." * (size - 10) + "last", end="")
        raise ValueError("long")

    package = packaged(long, Factorial(x=[0]))
    (batch,) = leased(package)
    ((log),) = logs([batch])
    assert log.printed == size - 1
    assert log.text.startswith("first..")
    assert log.text.endswith("..last")
    assert len(log.text) <= LIMIT_BYTES
    assert ("are left out here]" in log.text) == (size - 1 > LIMIT_BYTES)


def test_odd_bytes_are_text() -> None:
    def odd(x: int) -> None:
        import sys

        sys.stdout.buffer.write(b"\xff\x00 \xe2\x82")
        print("\udcff ü")

    assert said(odd, 1) == {0: "\\xff\x00 \\xe2\\x82\\udcff ü\n"}


# -- what trials do with their streams


def test_a_trial_that_lays_hands_on_the_streams_does_so_for_itself() -> None:
    def rude(x: int) -> None:
        import io
        import os
        import sys

        print("before", x)
        if x == 0:
            sys.stdout = io.StringIO()
            print("nobody hears it")
        elif x == 1:
            sys.stdout.close()
            sys.stderr.close()
        elif x == 2:
            sys.stdout = io.TextIOWrapper(sys.stdout.detach(), encoding="latin-1")
            print("wrapped ü")
        elif x == 3:
            os.close(1)
        elif x == 4:
            sys.stdout = None  # type: ignore[assignment]

    found = said(rude, 6)
    assert {x: text.partition("\n")[0] for x, text in found.items()} == {x: f"before {x}" for x in range(6)}
    assert found[0] == "before 0\n"
    assert found[2] == "before 2\nwrapped \\xfc\n"


def test_a_handler_that_holds_an_old_stream_is_heard() -> None:
    import logging
    import sys

    handler = logging.StreamHandler(os.fdopen(os.dup(2), "w"))  # made before, as Ray's own
    held = sys.stderr

    def logging_trial(x: int) -> None:
        import logging
        import time

        time.sleep(0.001)
        logging.getLogger("test_capture").error("said %d", x)

    log = logging.getLogger("test_capture")
    log.propagate = False
    inside = logging.StreamHandler()  # holds what sys.stderr is now; a worker's writes to descriptor 2
    inside.setStream(open(2, "w", closefd=False, buffering=1))  # noqa: SIM115
    log.addHandler(inside)
    try:
        assert said(logging_trial, 2) == {0: "said 0\n", 1: "said 1\n"}
    finally:
        log.removeHandler(inside)
        handler.close()
        assert sys.stderr is held


def test_what_a_module_takes_for_the_stream_when_it_is_loaded_serves_all_trials(tmp_path: Path) -> None:
    made = tmp_path / "code"
    made.mkdir()
    (made / "loudmodule.py").write_text(
        "import logging, sys\n"
        "log = logging.getLogger('loudmodule'); log.propagate = False\n"
        "log.addHandler(logging.StreamHandler())\n"
        "class Tee:\n"
        "    def __init__(self, to): self.to = to\n"
        "    def write(self, text): return self.to.write(text.upper())\n"
        "    def flush(self): self.to.flush()\n"
        "sys.stdout = Tee(sys.stdout)\n"
        "def trial(x):\n"
        "    log.error('logged %d', x); print('teed', x)\n"
    )
    script = f"""
import sys, tempfile
from dataclasses import replace
tempfile.tempdir = {str(tmp_path)!r}
sys.path[:0] = {[str(made), *__import__("sys").path]!r}
import loudmodule
from raylab.code.pack import pack
from sweeps import packaged, leased
from test_capture import logs
from raylab.core.design import Factorial
code = pack(loudmodule.trial)
package = replace(packaged(code, Factorial(x=range(3)), order="design"), modules=code.modules)
sys.stdout = sys.__stdout__
del sys.modules["loudmodule"], sys.path[0]  # a worker has not loaded it yet
loudmodule.log.handlers.clear()
for at in range(3):
    found = logs(leased(package, at, at + 1, capture="all"))
    assert [each.text for each in found] == [f"logged {{at}}\\nTEED {{at}}\\n"], found
"""
    import subprocess
    import sys

    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60, env=env)


def test_the_process_has_its_own_streams_back_whenever_somebody_else_drives_it() -> None:
    import sys

    before = [os.fstat(number).st_ino for number in (1, 2)], sys.stdout, sys.stderr
    order = LeaseOrder(lease=1, start=0, stop=3, flush_s=0.0, policy=Policy(capture="all"))
    for _ in run_lease(order, packaged(loud(), Factorial(x=range(3)))):
        assert ([os.fstat(number).st_ino for number in (1, 2)], sys.stdout, sys.stderr) == before
    assert ([os.fstat(number).st_ino for number in (1, 2)], sys.stdout, sys.stderr) == before


def test_a_thread_and_a_process_that_outlive_their_trial_harm_nobody() -> None:
    def leaving(x: int) -> None:
        import subprocess
        import threading

        threading.Timer(0.0, lambda: print("late")).start()
        subprocess.Popen(["sh", "-c", "sleep 0.05; echo later"])
        print("trial", x)

    found = said(leaving, 4, flush_s=0.0)
    assert all(f"trial {x}\n" in text for x, text in found.items())
    assert len(found) == 4


# -- the file


def files() -> list[Path]:
    return sorted(private_folder(capture.FOLDER).iterdir())


def test_the_file_has_what_no_batch_has_brought_and_goes_with_the_lease() -> None:
    order = LeaseOrder(lease=1, start=0, stop=3, flush_s=0.0, policy=Policy())
    items = run_lease(order, packaged(loud(), Factorial(x=range(3)), order="design"))
    header = next(items)
    assert isinstance(header, Header)
    assert files() == [Path(header.log)]
    for item in items:
        assert isinstance(item, Batch)
        assert Path(header.log).read_bytes() == b""
    assert files() == []


def test_a_lease_that_is_given_up_leaves_no_file() -> None:
    items = run_lease(LeaseOrder(lease=1, start=0, stop=3, flush_s=0.0), packaged(loud(), Factorial(x=range(3))))
    next(items)
    next(items)
    items.close()  # type: ignore[attr-defined]
    assert files() == []


def test_without_the_file_trials_run_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(capture, "private_folder", full)
    batches = leased(packaged(loud(), Factorial(x=range(4))))
    assert sum(batch.count for batch in batches) == 4
    assert printed(batches) == [None] * 4


def test_a_full_disk_fails_no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    from raylab.worker import voices

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(voices.os, "write", full)
        (batch,) = leased(packaged(loud(), Factorial(x=[0, 2])))
    assert batch.by_status == {"done": 2}


def test_what_a_dead_process_has_left_is_read_once() -> None:
    def dying(x: int) -> None:
        import os

        print("last words", end="")
        os._exit(1)

    order = LeaseOrder(lease=1, start=0, stop=1, flush_s=NEVER)
    package = packaged(dying, Factorial(x=[0]))
    pid = os.fork()
    if pid == 0:
        with suppress(BaseException):
            list(run_lease(order, package))
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    (left,) = files()
    assert last_words.last_words(str(left)) == (10, "last words")
    with pytest.raises(FileNotFoundError):
        last_words.last_words(str(left))


def test_no_other_file_is_read_nor_taken_away(tmp_path: Path) -> None:
    own = tmp_path / "12-0123456789abcdef.log"
    own.write_text("mine")
    with pytest.raises(FileNotFoundError):
        last_words.last_words(str(own))
    assert own.read_text() == "mine"


def test_files_of_processes_that_are_long_gone_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = private_folder(capture.FOLDER)
    old, new = folder / "1-0000000000000000.log", folder / "1-0000000000000001.log"
    held = capture.Capture("failed")
    for path in (old, new):
        path.write_text("left")
    long_ago = time.time() - 2 * last_words.KEPT_S
    for path in (old, held.path):
        os.utime(path, (long_ago, long_ago))
    last_words.clean(folder)
    assert files() == sorted([new, held.path])
    held.close()


@pytest.fixture(autouse=True)
def _none_left() -> Iterator[None]:
    yield
    capture._clean_once.cache_clear()
