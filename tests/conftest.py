"""Fixtures that the tests of several folders share."""

from __future__ import annotations

import compileall
import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import pytest
from clusters import Cluster
from hypothesis import HealthCheck, settings
from rewriting import rewrite

import raylab

# No test has a limit for an example or for making one: on a busy machine either takes seconds.
settings.register_profile("raylab", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("raylab")

os.environ["RAYLAB_DIFF"] = "0"  # tests submit out of a working tree that somebody edits: its diff is none of theirs

QUEUES = {
    "clusters with ray://": "chaos client_deaths connections many remote rerun speech",
    "clusters of their own": "bench command docs examples fence joining memory no_cluster nodes",
    "the shared cluster": "",  # the rest of tests/ray
}
"""The files of tests/ray, and of ELSEWHERE. Each queue takes about as long as another. Five queues were tried on two
cores: their clusters kept each other waiting, and all of it took longer."""

ELSEWHERE = "bench command docs examples"
"""Files beside tests/ray whose tests start clusters."""

LONG_S = 600.0
"""What a test of minutes may take, unless it says so itself: about five times what the longest takes alone."""

CHAOS_SPARE_S = 900.0
"""What a chaos run may take beyond its time: the last round, and a lab that does not go on."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chaos", "random faults on real clusters: pytest -m chaos")
    group.addoption("--chaos-seed", type=int, default=1, help="of the first round; each further one counts up")
    group.addoption("--chaos-rounds", type=int, default=0, help="how many rounds; 0 and no minutes: one short one")
    group.addoption("--chaos-minutes", type=float, default=0.0, help="rounds begin for so long")
    parser.addoption("--rounds", type=int, default=1, help="how many times as far a random test goes as by default")
    group.addoption("--chaos-report", default="", help="a JSON file, written anew after each round")


def pytest_configure(config: pytest.Config) -> None:
    """Whoever told Python to write no bytecode: the tests start some five hundred processes that load raylab, and each
    would compile it, a tenth to a fifth of a second of a core."""
    if not hasattr(config, "workerinput"):  # once, and not in each of xdist's processes
        compileall.compile_dir(Path(raylab.__file__).parent, quiet=2)
        if config.getoption("numprocesses", None):
            rewrite(Path(__file__).parent.rglob("test_*.py"), config)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """On several processes a file's tests stay together, and those with clusters are a few queues, which begin first.

    Two clusters of one machine that are asked for `ray://` connections at the same time may give both the same port:
    so those that use `ray://` are one of the queues. Each queue waits most of the time: for processes to start.
    (xdist's own groups had no effect: with this pytest it cannot write them into the names of the tests.)
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduler(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = PurePosixPath(nodeid.partition("::")[0])
            return _queue(path) or str(path)

    config.option.loadscopereorder = False  # else by the number of tests
    return Scheduler(config, log)


def _queue(path: PurePath) -> str:
    """Which of the queues a file's tests stand in; none if they run no cluster."""
    name = path.stem.removeprefix("test_")
    if path.parent.name != "ray" and name not in ELSEWHERE.split():
        return ""
    return next((queue for queue, files in QUEUES.items() if name in files.split()), "the shared cluster")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of minutes run only where they are asked for; a long chaos run has the time it was given."""
    if "long" not in config.option.markexpr:  # a rule and no `-m` of ours: another -m would take its place
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("long")])
        items[:] = [item for item in items if not item.get_closest_marker("long")]
    queues = [*QUEUES, ""]
    items.sort(key=lambda item: queues.index(_queue(item.path)))
    seconds = 60 * config.getoption("--chaos-minutes") + 600 * config.getoption("--chaos-rounds")
    for item in items:
        if item.get_closest_marker("long") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(LONG_S))
        if seconds and item.get_closest_marker("chaos"):
            item.add_marker(pytest.mark.timeout(seconds + CHAOS_SPARE_S), append=False)
        if config.getoption("--rounds") > 1 and "rounds" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(120 * config.getoption("--rounds")), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """What a failed test's cluster logged belongs to its report."""
    report = yield
    if report.failed:
        for cluster in getattr(item, "funcargs", {}).values():
            if isinstance(cluster, Cluster):
                report.sections.append(("the cluster's logs", cluster.logs()))
    return report


@pytest.fixture(scope="session")
def shared_cluster() -> Iterator[Cluster]:
    """One cluster for all tests that kill nothing but their own."""
    with Cluster() as shared:
        yield shared


@pytest.fixture(scope="module")
def cluster(shared_cluster: Cluster) -> Iterator[Cluster]:
    """The shared cluster, for the labs of a module's tests: each test takes lab names of its own."""
    yield shared_cluster
    shared_cluster.end_labs()


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """A cluster for one test, which may kill it."""
    with Cluster() as own:
        yield own


@pytest.fixture
def lab_name(request: pytest.FixtureRequest) -> str:
    """A lab's name that no other test has."""
    return "".join(letter if letter.isalnum() else "-" for letter in request.node.name)[:60].strip("-")


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """No trial in this process is so long that its memory is measured, however busy the machine: rows of two runs have
    the same then, but for their times."""
    monkeypatch.setattr("raylab.worker.lease.LONG_S", math.inf)


@pytest.fixture
def patient_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """Git, of which a submission awaits no more than a second or two, has the time that it needs on a busy machine."""
    for limit in ("LIMIT_S", "QUICK_S"):
        monkeypatch.setattr(f"raylab.client.repository.{limit}", 100.0)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[raylab.Lab]:
    """A lab in memory, without Ray."""
    import raylab.testing  # here: it brings Ray along

    with raylab.testing.lab(notebook=tmp_path / "lab") as made:
        yield made


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """A file that trials wait for. If the test does not make it, the fixture does: nobody waits for ever."""
    path = tmp_path / "gate"
    yield path
    path.touch()


@pytest.fixture(params=[1, pytest.param(4, marks=pytest.mark.long)], ids=["some", "many"])
def rounds(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> int:
    """How far random tests go: 1 by default, 4 in a long run, more by `--rounds`."""
    return int(request.param * pytestconfig.getoption("--rounds"))
