"""Fixtures that the tests of several folders share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from clusters import Cluster


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
