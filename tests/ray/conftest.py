"""Everything in this folder runs a real Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent

LIMIT_S = 240
"""For one test. On a quiet machine none takes more than a tenth of it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.ray)
            item.add_marker(pytest.mark.timeout(LIMIT_S))


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """A file that trials wait for. If the test does not make it, the fixture does: nobody waits for ever."""
    path = tmp_path / "gate"
    yield path
    path.touch()
