"""Several machines: one loses power without a word, a cable is out for half a minute, one joins and leaves again.

Each machine is a host in namespaces (hosts.py), started by `raylab start` as a person would. A sweep's trials
write down when they ended; the longest time in which none did is how long the sweep stood still.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from clusters import eventually
from hosts import Net, why_not

import raylab
from raylab.server import conductor
from raylab.terminal import settings

REASON = why_not()

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(REASON), reason=REASON),
]

SPARE_S = 4.0
"""A trial that runs, a process that starts, on a machine that may be busy."""

SUBMIT = """
import os, socket, sys, time, raylab
def f(x, log):
    time.sleep(0.2)
    with open(log, "a") as file:
        file.write(f"{x} {socket.gethostname()} {time.time()}\\n")
    return {"y": 2 * x}
log, trials = sys.argv[1], int(sys.argv[2])
raylab.Lab("lab").submit(f, raylab.Factorial(x=range(trials), log=[log]), name="sweep")
"""

ALONE = """
import os, socket, sys, time, raylab
def long(x, log, gate):
    with open(log, "a") as file:
        file.write(f"{x} {socket.gethostname()} {time.time()}\\n")
    while not os.path.exists(gate):
        time.sleep(0.05)
    return {"y": 2 * x}
log, gate = sys.argv[1:]
raylab.Lab("lab").submit(long, raylab.Factorial(x=[7], log=[log], gate=[gate]), name="alone", num_cpus=2)
"""


def bound() -> float:
    """How long a sweep may stand still when a host falls silent, by the settings of `raylab start`."""
    setting = {name.removeprefix("RAY_health_check_"): int(value) / 1_000 for name, value in settings.HEALTH.items()}
    missed = int(settings.HEALTH["RAY_health_check_failure_threshold"]) * (setting["period_ms"] + setting["timeout_ms"])
    assert missed + conductor.LOOK_S <= 15.0, "a dead host is seen within 15 s"
    return missed + conductor.LOOK_S + SPARE_S


class Log:
    """What the trials wrote down: value, host, when it ended."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def runs(self) -> list[tuple[int, str, float]]:
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return [(int(x), host, float(at)) for x, host, at in (line.split() for line in lines)]

    def hosts(self) -> set[str]:
        return {host for _, host, _ in self.runs()}

    def stood_still(self, since: float) -> float:
        """The longest time from `since` on in which no trial ended."""
        times = [since, *sorted(at for _, _, at in self.runs() if at > since)]
        return max(after - before for before, after in pairwise(times))


@pytest.fixture
def net() -> Iterator[Net]:
    """A head with a slot that no trial of two CPUs fits into, and two workers; up, and joined by the printed line."""
    with Net("head", "one", "two") as net:
        said = net["head"].run("raylab", "start", "--num-cpus", "1").stdout
        line = next(line for line in said.splitlines() if "raylab start --address" in line)
        words = line[line.index("raylab") :].split()
        assert words[-1] == f"{net['head'].ip}:6379", "without a default route, too"
        for name in ("one", "two"):
            joined = net[name].run(*words, "--num-cpus", "2").stdout
            assert joined.startswith(f"this machine has joined the Ray cluster at {words[-1]}")
        yield net


def submit(net: Net, trials: int) -> Log:
    """A sweep that runs on all hosts by the time this returns."""
    log = Log(net.shared / "log")
    net["head"].run("python", "-c", SUBMIT, str(log.path), str(trials))
    eventually(lambda: log.hosts() == {"head", "one", "two"}, 60)
    return log


def check_rows(net: Net, trials: int) -> pl.DataFrame:
    """Wait for the sweep; every trial has one row, and nobody was blamed."""
    waited = net["head"].attempt("raylab", "wait", "lab", "sweep", "--timeout", "240", "--quiet", timeout=300)
    status = net["head"].attempt("raylab", "status", "lab").stdout
    assert waited.returncode == 0, f"{waited.stderr}\n{status}"
    rows = raylab.Notebook(net["head"].home / "raylab" / "lab").results("sweep", status="all", metadata=True)
    assert sorted(rows["x"]) == list(range(trials))
    assert (rows["y"] == 2 * rows["x"]).all()
    assert set(rows["_status"]) == {"done"}
    return rows


def test_a_host_that_loses_power_without_a_word_does_not_stop_the_sweep(net: Net) -> None:
    log = submit(net, 600)
    net.unplug("one")
    off = time.time()
    net["one"].power_off()
    rows = check_rows(net, 600)
    still, again = log.stood_still(off), len(log.runs()) - rows.height
    print(f"stood still for {still:.1f} s; {again} trials ran twice")
    assert still <= bound()
    assert max(at for _, _, at in log.runs()) - off > bound(), "the sweep was long enough to show it"


def test_a_cable_that_is_out_for_half_a_minute_costs_no_row_and_blames_nobody(net: Net) -> None:
    log = submit(net, 700)
    net.unplug("one")
    out = time.time()
    eventually(lambda: time.time() > out + 30, 40, every=0.5)
    net.plug("one")
    rows = check_rows(net, 700)
    still, again = log.stood_still(out), len(log.runs()) - rows.height
    print(f"stood still for {still:.1f} s; {again} trials ran twice")
    assert still <= bound()
    # Its raylet hears that it was called dead, and ends itself.
    eventually(lambda: "runs here" in net["one"].run("raylab", "stop").stdout, 60, every=1)
    net["one"].run("raylab", "start", "--address", net["head"].ip, "--num-cpus", "2")
    since = time.time()
    net["head"].run("python", "-c", SUBMIT.replace('"sweep"', '"after"'), str(log.path), "100")
    eventually(lambda: any(host == "one" and at > since for _, host, at in log.runs()), 60)


def test_a_trial_that_ran_alone_on_a_lost_host_is_not_to_blame(net: Net) -> None:
    log, gate = Log(net.shared / "log"), net.shared / "gate"
    net["head"].run("python", "-c", ALONE, str(log.path), str(gate))
    eventually(log.runs, 60)
    at = log.runs()[-1][1]
    net.unplug(at)
    net[at].power_off()
    eventually(lambda: len(log.runs()) == 2, bound() + 10)
    gate.touch()
    assert rows_of_alone(net) == [("done", 1)], "it ran once, as far as anybody counts"


def test_a_cable_that_is_out_for_a_moment_costs_nothing(net: Net) -> None:
    """Less than the time in which a host is called dead: connections wait, and go on."""
    log, gate = Log(net.shared / "log"), net.shared / "gate"
    net["head"].run("python", "-c", ALONE, str(log.path), str(gate))
    eventually(log.runs, 60)
    at = log.runs()[-1][1]
    net.unplug(at)
    out = time.time()
    eventually(lambda: time.time() > out + 8, 20)
    net.plug(at)
    gate.touch()
    assert rows_of_alone(net) == [("done", 1)]
    assert len(log.runs()) == 1


def test_in_the_foreground_it_ends_what_it_started_and_says_when_it_was_taken_out() -> None:
    with Net("head", "one") as net:
        head, one = net["head"], net["one"]
        begun = head.begin("raylab", "start", "--num-cpus", "1", "--block", out=net.shared / "head")
        eventually(lambda: "Ctrl-C" in (net.shared / "head").read_text(), 60)
        begun_there = one.begin("raylab", "start", "--address", head.ip, "--block", out=net.shared / "one")
        eventually(lambda: "has joined" in (net.shared / "one").read_text(), 60)
        net.unplug("one")
        eventually(lambda: alive(net) == 1, 60)
        net.plug("one")
        assert begun_there.wait(90) == 4
        assert "ended by itself" in (net.shared / "one").read_text()
        assert "raylet" not in one.run("ps", "-eo", "comm").stdout

        begun_there = one.begin("raylab", "start", "--address", head.ip, "--block", out=net.shared / "one")
        eventually(lambda: "has joined" in (net.shared / "one").read_text(), 60)
        one.run("pkill", "-TERM", "-f", "raylab.terminal.command start")
        assert begun_there.wait(60) == 0
        assert "has left" in (net.shared / "one").read_text()
        assert begun.poll() is None
        head.run("pkill", "-INT", "-f", "raylab.terminal.command start")
        assert begun.wait(60) == 0
        assert "nothing is lost" in (net.shared / "head").read_text()
        assert "raylet" not in head.run("ps", "-eo", "comm").stdout


def test_a_machine_without_the_token_is_told_what_to_copy_where() -> None:
    with Net("head", "one") as net:
        head, one = net["head"], net["one"]
        token = head.home / ".ray" / "auth_token"
        token.parent.mkdir()
        token.write_text("a-token-that-only-the-head-has-until-somebody-copies-it-to-the-other")
        assert "auth_token" in head.run("raylab", "start", "--num-cpus", "1").stdout
        refused = one.attempt("raylab", "start", "--address", head.ip)
        assert refused.returncode == 4
        assert "there is none here; copy the file ~/.ray/auth_token" in refused.stderr
        assert refused.stderr.count("\n") == 1
        (one.home / ".ray").mkdir()
        (one.home / ".ray" / "auth_token").write_text("another-token-" * 5)
        refused = one.attempt("raylab", "start", "--address", head.ip)
        assert f"does not take the one in {one.home}/.ray/auth_token" in refused.stderr
        (one.home / ".ray" / "auth_token").write_text(token.read_text())
        one.run("raylab", "start", "--address", head.ip, "--num-cpus", "2")
        log, gate = Log(net.shared / "log"), net.shared / "gate"
        gate.touch()
        head.run("python", "-c", ALONE, str(log.path), str(gate))
        eventually(lambda: log.hosts() == {"one"}, 60)


def rows_of_alone(net: Net) -> list[tuple[str, int]]:
    """Wait for the sweep of one trial; status and attempt of its rows."""
    net["head"].run("raylab", "wait", "lab", "--timeout", "60", "--quiet")
    rows = raylab.Notebook(net["head"].home / "raylab" / "lab").results("alone", status="all", metadata=True)
    return [(status, attempt) for status, attempt in rows.select("_status", "_attempt").rows()]


def alive(net: Net) -> int:
    """How many nodes the head believes to be there."""
    code = (
        "import ray; ray.init('auto', logging_level='ERROR', log_to_driver=False);"
        "print('alive:', sum(node['Alive'] for node in ray.nodes()))"
    )
    done: subprocess.CompletedProcess[str] = net["head"].run("python", "-c", code)
    line = next(line for line in done.stdout.splitlines() if line.startswith("alive:"))  # Ray writes there, too
    return int(line.removeprefix("alive:"))
