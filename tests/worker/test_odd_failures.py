"""Exceptions of every kind, through the worker: each is a failed row in words, and the next trial runs and is right."""

from __future__ import annotations

import gc
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sweeps import NEVER, Bench, leased, packaged, rows_of, table_of

from raylab.code.pack import pack
from raylab.core.design import Factorial
from raylab.offline import Notebook
from raylab.worker import batch as making
from raylab.worker import lease
from raylab.worker.outcome import MAX_ERROR_CHARS, MAX_TRACEBACK_CHARS, UnfitResultError

# -- odd exceptions


class Mute(Exception):
    """Its own methods raise, of what kind its maker says."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __str__(self) -> str:
        raise self.error("no message")

    __repr__ = __str__

    def __reduce__(self) -> Any:
        raise self.error("no pickle")


class Metal(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise RuntimeError("nameless")


class Nameless(Exception, metaclass=Metal):
    pass


class Disguised(Exception):
    @property
    def __class__(self) -> Any:
        raise RuntimeError("not even my class")


class Text(str):
    """What str() of an exception may give back, and no f-string likes."""

    def _raise(self, *_: object) -> Any:
        raise SystemExit("a method of the message")

    __bool__ = __len__ = __format__ = __getitem__ = encode = isascii = _raise


class Wordy(Exception):
    def __str__(self) -> str:
        return Text("words")


class Traceless(Exception):
    """Nothing of it can be looked at."""

    def _raise(self) -> Any:
        raise SystemExit("hands off")

    __traceback__ = __cause__ = __context__ = __notes__ = __suppress_context__ = property(_raise)  # type: ignore


class Unfit(UnfitResultError):
    """As raylab's own, but raised by a trial."""

    def __str__(self) -> str:
        raise KeyboardInterrupt


def strange(name: str) -> type[Exception]:
    return type(name, (Exception,), {})


def noted() -> Exception:
    error = ValueError("noted")
    error.add_note("a note\ud800")
    error.__notes__ += [None, Mute(RuntimeError), "n" * 10**6]
    return error


def circular() -> Exception:
    error, cause = ValueError("round"), TypeError("and round")
    error.__cause__, cause.__cause__ = cause, error
    return error


def syntactic() -> Exception:
    error = SyntaxError("odd")
    error.lineno, error.filename, error.text = "many", 3, ["not a line"]  # type: ignore[assignment]
    return error


def nested(levels: int) -> BaseException:
    error: Exception = ValueError("innermost")
    for _ in range(levels):
        error = ExceptionGroup("group", [error])
    return error


ERRORS: dict[str, Callable[[], BaseException | type[BaseException]]] = {
    "ValueError: usual": lambda: ValueError("usual"),
    "SystemExit": lambda: SystemExit,
    "SystemExit: 3": lambda: SystemExit(3),
    "KeyboardInterrupt": lambda: KeyboardInterrupt,
    "GeneratorExit": lambda: GeneratorExit,
    "StopIteration: 1": lambda: StopIteration(1),
    "StopAsyncIteration": lambda: StopAsyncIteration,
    "RecursionError": lambda: RecursionError,
    "MemoryError": lambda: MemoryError,
    "BaseException": lambda: BaseException,
    "Own": lambda: type("Own", (BaseException,), {}),
    "ExceptionGroup: two (2 sub-exceptions)": lambda: ExceptionGroup("two", [ValueError(1), Mute(SystemExit)]),
    "BaseExceptionGroup: one (1 sub-exception)": lambda: BaseExceptionGroup("one", [KeyboardInterrupt()]),
    "ExceptionGroup: group (1 sub-exception)": lambda: nested(300),
    "ExceptionGroup: many (3000 sub-exceptions)": lambda: ExceptionGroup("many", [ValueError(n) for n in range(3_000)]),
    "Mute: its message cannot be read, ValueError in __str__": lambda: Mute(ValueError),
    "Mute: its message cannot be read, SystemExit in __str__": lambda: Mute(SystemExit),
    "Mute: its message cannot be read, KeyboardInterrupt in __str__": lambda: Mute(KeyboardInterrupt),
    "Nameless: x": lambda: Nameless("x"),
    "Disguised: x": lambda: Disguised("x"),
    "Wordy: words": Wordy,
    "Traceless: x": lambda: Traceless("x"),
    "its message cannot be read, KeyboardInterrupt in __str__": Unfit,
    "no name\n: x": lambda: strange("no name\n")("x"),
    ": x": lambda: strange("")("x"),
    "OSError: no \\udcff\0": lambda: OSError("no \udcff\0"),
    "ValueError: noted": noted,
    "ValueError: round": circular,
    "SyntaxError: odd": syntactic,
    "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0: x": lambda: UnicodeDecodeError(
        "utf-8", b"\xff", 0, 1, "x"
    ),
    "ValueError: " + "é" * (MAX_ERROR_CHARS - 12): lambda: ValueError("é" * 10**6),
    "ValueError: " + "\\ud800" * ((MAX_ERROR_CHARS - 12) // 6) + "\\ud8": lambda: ValueError("\ud800" * 10**6),
    "N" * MAX_ERROR_CHARS: lambda: strange("N" * 10**6)(),
}

BOX = types.ModuleType("odd_failures_of_this_test")
sys.modules[BOX.__name__] = BOX


def doing() -> Any:
    """It looks up what it must do, because half of it cannot travel."""

    def does(p: int) -> Any:
        import sys

        return sys.modules["odd_failures_of_this_test"].do(p)

    return does


DOING = pack(doing())


def raising(error: BaseException | type[BaseException]) -> None:
    raise error


def text(row: dict[str, Any], name: str) -> str:
    found = row[name]
    assert isinstance(found, str)
    found.encode()
    return found


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_whatever_is_raised_is_a_failed_row_and_the_next_trial_is_right(number: int) -> None:
    words, make = list(ERRORS.items())[number]
    BOX.do = lambda p: {"x": 2 * p} if p % 2 else raising(make())  # type: ignore[attr-defined]
    (batch,) = leased(packaged(DOING, Factorial(p=range(4)), order="design"))
    assert batch.by_status == {"done": 2, "failed": 2}
    rows = table_of([batch]).to_pylist()
    assert [(row["p"], row["x"], row["_status"]) for row in rows] == [
        (0, None, "failed"), (1, 2, "done"), (2, None, "failed"), (3, 6, "done")
    ]  # fmt: skip
    for row in rows[::2]:
        assert text(row, "_error") == words
        if make is Unfit:
            continue
        assert len(text(row, "_traceback")) <= MAX_TRACEBACK_CHARS
        assert "in raising" in row["_traceback"], row["_traceback"]
        assert "raylab/experiment" not in row["_traceback"]
    assert batch.error == words


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_is_raised_in_del_is_nobodys_failure() -> None:
    class Dying(Exception):
        def __del__(self) -> None:
            raise SystemExit("in __del__")

    def do(p: int) -> dict[str, int]:
        if p == 0:
            raise Dying("x")
        Dying("and gone at once")
        gc.collect()
        return {"x": 2 * p}

    BOX.do = do  # type: ignore[attr-defined]
    rows = rows_of(DOING, Factorial(p=range(3)))
    assert [(row["_status"], row["_error"], row["x"]) for row in rows] == [
        ("failed", "Dying: x", None), ("done", None, 2), ("done", None, 4)
    ]  # fmt: skip


def test_a_long_message_leaves_the_place_in_sight_and_its_own_end() -> None:
    def shouts() -> None:
        raise ValueError("x" * 10**6 + " the end")

    (row,) = rows_of(shouts, Factorial())
    assert (len(row["_error"]), len(row["_traceback"])) == (MAX_ERROR_CHARS, MAX_TRACEBACK_CHARS)
    assert "in shouts" in row["_traceback"]
    assert "[the middle is left out]" in row["_traceback"]
    assert row["_traceback"].endswith("x the end\n")


def test_an_exception_that_cannot_be_shown_says_at_least_where() -> None:
    BOX.do = lambda p: raising(Traceless("x"))  # type: ignore[attr-defined]
    (row,) = rows_of(DOING, Factorial(p=1))
    assert row["_traceback"].endswith("the exception itself cannot be shown: SystemExit\n")
    assert "in raising" in row["_traceback"]


def test_endless_recursion_and_a_deep_stack_are_failures_of_one_trial() -> None:
    def deep(p: int) -> dict[str, int]:
        return deep(p + 2) if p % 2 else {"x": p}

    rows = rows_of(deep, Factorial(p=range(4)))
    assert [row["_status"] for row in rows] == ["done", "failed", "done", "failed"]
    assert rows[1]["_error"].startswith("RecursionError")
    assert "times]" in rows[1]["_traceback"]  # not a thousand lines


class Unreadable:
    """A key whose name cannot be told."""

    def __str__(self) -> str:
        raise SystemExit("no name")


class Odd(dict):  # type: ignore[type-arg]
    def items(self) -> Any:
        raise KeyboardInterrupt("in the result")


@pytest.mark.parametrize("make", [lambda: {Unreadable(): 1}, lambda: Odd(x=1), lambda: [{"x": 1}, Odd(x=1)]])
def test_a_mapping_that_cannot_be_read_is_the_trials_failure(make: Callable[[], Any]) -> None:
    BOX.do = lambda p: {"x": p} if p else make()  # type: ignore[attr-defined]
    rows = rows_of(DOING, Factorial(p=range(3)))
    assert [row["_status"] for row in rows] == ["failed", "done", "done"]
    assert [row["x"] for row in rows[1:]] == [1, 2]


# -- the law, with retries

ATTEMPTS = st.lists(st.sampled_from([None, *range(len(ERRORS))]), min_size=1, max_size=4)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(plans=st.lists(ATTEMPTS, min_size=1, max_size=6), retries=st.integers(0, 3), data=st.data())
def test_each_trial_has_one_row_of_its_last_attempt(
    tmp_path_factory: pytest.TempPathFactory, plans: list[list[int | None]], retries: int, data: st.DataObject
) -> None:
    """What each attempt does: None for a result, the number of an error; the last goes on for ever."""
    made = list(ERRORS.items())
    tried: list[int] = []

    def do(p: int) -> dict[str, int]:
        tried.append(p)
        which = plans[p][min(tried.count(p), len(plans[p])) - 1]
        if which is not None:
            raise made[which][1]()
        return {"x": 2 * p}

    BOX.do = do  # type: ignore[attr-defined]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(plans)), max_size=3)) | {len(plans)})
    bench = Bench(tmp_path_factory.mktemp("lab"))
    bench.submit("SWEEP", DOING, Factorial(p=range(len(plans))))
    for start, stop in zip([0, *cuts[:-1]], cuts, strict=True):
        bench.run("SWEEP", start, stop, retries=retries, flush_s=data.draw(st.sampled_from([0.0, NEVER])))
    frame = Notebook(bench.root).results("SWEEP", status="all", metadata=True).sort("p")
    assert frame["p"].to_list() == list(range(len(plans)))
    for row, plan in zip(frame.to_dicts(), plans, strict=True):
        attempts = [plan[min(n, len(plan) - 1)] for n in range(retries + 1)]
        count = attempts.index(None) + 1 if None in attempts else len(attempts)
        last = attempts[count - 1]
        assert (row["_attempt"], tried.count(row["p"])) == (count, count)
        assert row["_status"] == ("done" if last is None else "failed")
        assert row.get("x") == (2 * row["p"] if last is None else None)
        assert row["_error"] == (None if last is None else made[last][0])
    assert [p for n, p in enumerate(tried) if n == 0 or tried[n - 1] != p] == list(dict.fromkeys(tried))  # at once


# -- what a trial does to its process

SPOILING = """
import os, sys

from sweeps import leased, packaged, table_of
from raylab.core.design import Factorial


def experiment():
    def cwd():
        import os, tempfile
        folder = tempfile.mkdtemp()
        os.chdir(folder)
        os.rmdir(folder)

    def environment():
        import os
        os.environ.clear()
        os.umask(0o777)

    def output():
        import sys
        sys.stdout.close()
        sys.stderr.close()
        sys.stdout = sys.stderr = sys.stdin = None

    def signals():
        import signal
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_IGN)

    def threads():
        import threading
        for _ in range(3):
            threading.Thread(target=threading.Event().wait, daemon=True).start()

    def collector():
        import gc
        gc.disable()
        gc.set_threshold(1)

    def alarms():
        import warnings
        import numpy
        warnings.simplefilter("error")
        numpy.seterr(all="raise")
        numpy.set_printoptions(threshold=1)

    def decimals():
        import decimal
        context = decimal.getcontext()
        context.prec = context.Emax = 1
        for trap in context.traps:
            context.traps[trap] = True

    def clocks():
        import time
        time.perf_counter = time.monotonic = time.time_ns = None

    def modules():
        import sys
        sys.path.clear()
        for name in ("pickle", "json"):
            sys.modules.pop(name)

    def builtin():
        import builtins
        builtins.print = builtins.open = builtins.input = None

    def hooks():
        import sys, threading
        sys.excepthook = sys.unraisablehook = threading.excepthook = None

    def stack():
        import sys
        sys.setrecursionlimit(150)

    spoilers = [cwd, environment, signals, threads, collector, alarms, decimals, clocks, modules, hooks, stack, builtin]
    spoilers.append(output)

    def spoils(p):
        import datetime, decimal
        import numpy as np
        if p % 2 == 0:
            spoilers[p // 2]()
            raise ValueError(spoilers[p // 2].__name__)
        return {
            "x": 2 * p,
            "decimal": decimal.Decimal("123456789.123"),
            "odd": {1, 2},
            "half": np.array([1.5, np.nan], np.float16),
            "when": datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc),
        }

    return spoils, len(spoilers)


spoils, count = experiment()
target = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT, 0o600)
package = packaged(spoils, Factorial(p=range(2 * count)), order="design")
table = table_of([batch for at in range(0, 2 * count, 2) for batch in leased(package, at, at + 2, flush_s=0.0)])
import pyarrow as pa
sink = pa.BufferOutputStream()
with pa.ipc.new_file(sink, table.schema) as writer:
    writer.write_table(table)
os.write(target, sink.getvalue())
os._exit(0)
"""


def in_a_process(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run in a process of its own, which it may spoil."""
    paths = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1] / 'helpers')!r})\n"
    command = [sys.executable, "-c", paths + code, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_trial_that_spoils_its_process_fails_and_the_next_is_right(tmp_path: Path) -> None:
    done = in_a_process(SPOILING, str(tmp_path / "rows.arrow"))
    assert (done.returncode, done.stderr) == (0, "")
    rows = pl.read_ipc(tmp_path / "rows.arrow").to_dicts()
    assert len(rows) == 26
    for row in rows[::2]:
        assert (row["_status"], row["x"]) == ("failed", None)
    assert {row["_error"].partition(":")[0] for row in rows[::2]} == {"ValueError"}
    right = [row for row in rows if row["_status"] == "done"]
    assert [row["x"] for row in right] == [2 * p for p in range(1, 26, 2)]
    for name in ("decimal", "odd", "half", "when"):
        assert len({repr(row[name]) for row in right}) == 1
    assert all(0 <= row["_elapsed_s"] < 60 for row in rows)


FORKING = """
import os, sys

from sweeps import leased, packaged
from raylab.core.design import Factorial


def experiment(folder):
    def forks(p):
        import os, sys
        with open(os.path.join(folder, f"{p}-{os.getpid()}"), "w"):
            pass
        if p == 0 and (child := os.fork()) == 0:
            sys.exit(0)  # as a child does that has done its work
        return {"x": p}

    return forks


leased(packaged(experiment(sys.argv[1]), Factorial(p=range(3)), order="design"))
"""


def test_a_child_that_a_trial_forks_does_not_go_on_with_the_lease(tmp_path: Path) -> None:
    in_a_process(FORKING, str(tmp_path))
    assert sorted(path.name[0] for path in tmp_path.iterdir()) == ["0", "1", "2"]


def test_a_trial_that_stops_the_clock_spoils_no_other_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    def stops(p: int) -> dict[str, int]:
        import time

        time.time = None  # type: ignore[assignment]
        return {"x": p}

    monkeypatch.setattr("time.time", __import__("time").time)  # put back at the end
    package = packaged(stops, Factorial(p=range(2)))
    rows = table_of(leased(package, 0, 1) + leased(package, 1, 2)).to_pylist()
    assert [row["_status"] for row in rows] == ["done", "done"]


@pytest.mark.parametrize("small", [0, 400])
def test_large_results_do_not_wait_for_each_other(monkeypatch: pytest.MonkeyPatch, small: int) -> None:
    def grows(p: int) -> dict[str, bytes]:
        return {"x": bytes(60_000 if p >= small else 1)}

    monkeypatch.setattr(making, "BATCH_BYTES", 100_000)
    monkeypatch.setattr(lease, "HEAVY_S", 0.0)
    batches = leased(packaged(grows, Factorial(p=range(small + 16)), order="design"))
    assert max(batch.rows.nbytes for batch in batches) < 200_000
