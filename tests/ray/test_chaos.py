"""Sweeps of known results under random faults: a short round here; `pytest -m chaos --chaos-minutes 60` for long."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
from chaos.arena import Arena, small_disk
from chaos.plan import CLUSTER, DISK, FREEZE, KINDS, draw_plan, short_plan
from chaos.play import play
from chaos.report import Report
from clusters import Cluster


@pytest.fixture
def ends_cleanly() -> Iterator[None]:
    """SIGTERM ends the run as Ctrl-C does, so that clusters and mounts go with it."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.chaos
@pytest.mark.usefixtures("ends_cleanly")
@pytest.mark.parametrize(
    "dear",  # without: what tests/ray/test_fence.py shows by itself
    [pytest.param({CLUSTER, FREEZE}, id="short"), pytest.param({CLUSTER}, id="with a rival", marks=pytest.mark.long)],
)
def test_whatever_breaks_the_notebook_holds_what_it_must(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], dear: set[int]
) -> None:
    option = request.config.getoption
    seed, rounds, minutes = option("--chaos-seed"), option("--chaos-rounds"), option("--chaos-minutes")
    path = Path(option("--chaos-report")) if option("--chaos-report") else None
    if not rounds and not minutes:
        shared: Cluster = request.getfixturevalue("cluster")
        with small_disk() as disk, Arena(shared) as arena:
            kinds = frozenset(KINDS) - dear - ({DISK} if disk is None else set())
            if FREEZE in kinds:
                arena.prepare_spare()
            result = play(short_plan(seed, kinds), arena, disk)
        assert not result.mismatches, "\n".join(result.mismatches)
        assert result.faults.keys() == kinds
        return
    with capsys.disabled():
        report = _run(seed, rounds, minutes, path)
        print(report.table())
    assert not report.data()["mismatches"], report.table()


def _run(seed: int, rounds: int, minutes: float, path: Path | None) -> Report:
    """Rounds until there were as many as asked for, or the time is over; a cluster after a failure is a fresh one."""
    until = time.monotonic() + 60 * minutes
    with small_disk() as disk:
        kinds = frozenset(KINDS) - ({DISK} if disk is None else set())
        report = Report(seed, [] if disk else [KINDS[DISK]], path)
        arena: Arena | None = None
        try:
            while len(report.results) < rounds or time.monotonic() < until:
                plan = draw_plan(seed + len(report.results), kinds)
                if arena is not None and (plan.fresh or report.results[-1].mismatches):
                    arena.close()
                    arena = None
                arena = arena or Arena()
                print(f"\nround {len(report.results) + 1}, seed {plan.seed}: {plan.sweeps}", flush=True)
                result = play(plan, arena, disk)
                report.add(result)
                print(f"{result.seconds} s, faults {dict(result.faults)}, rows {result.rows}, again {result.again}, "
                      f"states {sorted(result.states)}, mismatches {result.mismatches}", flush=True)  # fmt: skip
        finally:
            if arena is not None:
                arena.close()
    return report
