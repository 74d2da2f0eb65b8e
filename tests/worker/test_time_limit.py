"""A trial that takes too long is ended, wherever it hangs; nobody else is."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import textwrap
import time
from typing import Any

import pytest
from sweeps import leased, packaged, rows_of

from raylab import Experiment, Factorial
from raylab.core.schedule import GRACE_S
from raylab.worker.time_limit import Alarm, rang


def statuses(experiment: Any, limit: float, **words: Any) -> list[str]:
    return [row["_status"] for row in rows_of(experiment, Factorial(x=range(4)), time_limit=limit, **words)]


LIMIT_S = 60.0
"""So long that a busy machine times no trial out by itself: what takes too long here makes its own limit short."""


def all_but_over() -> None:
    """Of the limit of the trial that calls this, a hundredth of a second is left."""
    signal.setitimer(signal.ITIMER_REAL, 0.01)


def at_two(act: Any) -> Any:
    """An experiment that does something at x = 2, and is done at once elsewhere."""

    def experiment(x: int) -> dict[str, int]:
        if x == 2:
            act()
        return {"y": x}

    return experiment


def computes() -> None:
    all_but_over()
    until = time.monotonic() + 30
    while time.monotonic() < until:
        pass


def swallows() -> None:
    all_but_over()
    with contextlib.suppress(BaseException):
        time.sleep(30)


def wraps() -> None:
    all_but_over()
    try:
        time.sleep(30)
    except BaseException as error:
        raise RuntimeError("not me") from error


def sleeps() -> None:
    all_but_over()
    time.sleep(30)


@pytest.mark.parametrize("act", [computes, sleeps, swallows, wraps])
def test_a_trial_that_takes_too_long_is_timed_out_and_its_neighbours_are_done(act: Any) -> None:
    rows = rows_of(at_two(act), Factorial(x=range(4)), time_limit=LIMIT_S)
    assert [row["_status"] for row in rows] == ["done", "done", "timed_out", "done"]
    assert rows[2]["_error"] == "it took longer than its time limit of 60 s"
    assert [row["y"] for row in rows] == [0, 1, None, 3]


def test_the_traceback_says_where_it_was() -> None:
    row = rows_of(at_two(computes), Factorial(x=range(4)), time_limit=LIMIT_S)[2]
    assert "in computes" in row["_traceback"]


def test_an_experiment_tears_down_when_its_time_is_over() -> None:
    class Slow(Experiment):
        def do(self, params: dict[str, Any]) -> dict[str, Any]:
            if params["x"] == 2:
                sleeps()
            return {"torn": list(torn)}

        def tear_down(self) -> None:
            torn.append(1)

    torn: list[int] = []
    rows = rows_of(Slow(), Factorial(x=range(4)), time_limit=LIMIT_S, order="design")
    assert [row["_status"] for row in rows] == ["done", "done", "timed_out", "done"]
    assert len(rows[3]["torn"]) == 3


def test_a_trial_may_use_the_alarm_itself() -> None:
    def steals() -> None:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)

    assert statuses(at_two(steals), LIMIT_S) == ["done"] * 4
    assert statuses(at_two(sleeps), LIMIT_S)[2] == "timed_out", "taken back for the next trial"


def test_what_a_trial_raises_in_time_is_its_own_failure() -> None:
    def fails() -> None:
        raise ValueError("mine")

    assert statuses(at_two(fails), LIMIT_S) == ["done", "done", "failed", "done"]


def test_a_trial_that_timed_out_is_not_tried_again() -> None:
    rows = rows_of(at_two(sleeps), Factorial(x=range(4)), time_limit=LIMIT_S, retries=3)
    assert rows[2]["_attempt"] == 1


def test_short_trials_are_never_timed_out() -> None:
    (batch,) = leased(packaged(lambda x: None, Factorial(x=range(1_000)), order="design"), time_limit=LIMIT_S)[-1:]
    assert set(batch.by_status) == {"done"}
    assert not rang()


def test_without_a_limit_nothing_is_watched() -> None:
    assert Alarm(None).around(len) is len


C_CODE = {
    "a loop in C": "import itertools; sum(itertools.repeat(1))",
    "a call that gave up the interpreter's lock": "import hashlib; hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)",
    "a loop that swallows everything": """
        import time
        while True:
            try:
                time.sleep(60)
            except BaseException:
                pass""",
}


@pytest.mark.parametrize("code", C_CODE.values(), ids=C_CODE.keys())
def test_a_trial_that_cannot_be_interrupted_ends_its_process(code: str) -> None:
    script = f"""
    import textwrap, time
    from raylab.worker.time_limit import Alarm
    alarm = Alarm(0.2)
    print(time.monotonic(), flush=True)
    alarm.around(lambda: exec(textwrap.dedent({code!r})))()
    print("still here", flush=True)
    time.sleep(60)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        began = float(child.stdout.readline())  # by its clock, which is the machine's
        assert child.wait(100) == 1
        assert time.monotonic() - began >= 0.2 + GRACE_S / 2, "the ledger tells by the time it took"
        assert child.stdout.read() == ""


def test_nothing_ends_a_process_that_rests() -> None:
    script = f"""
    import time
    from raylab.worker.time_limit import Alarm
    alarm = Alarm(0.5)
    for _ in range(3):
        assert alarm.around(len)("in time") == 7
    alarm.rest()
    time.sleep({0.6 + GRACE_S})
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=100)
