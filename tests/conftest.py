"""Fixtures that the tests of several folders share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from clusters import Cluster


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
def cluster() -> Iterator[Cluster]:
    """One cluster for all tests that kill nothing but their own; each test takes lab names of its own."""
    with Cluster() as shared:
        yield shared


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """A cluster for one test, which may kill it."""
    with Cluster() as own:
        yield own


@pytest.fixture
def lab_name(request: pytest.FixtureRequest) -> str:
    """A lab's name that no other test has."""
    return "".join(letter if letter.isalnum() else "-" for letter in request.node.name)[:60].strip("-")
