"""Everything in this folder runs a real Ray cluster."""

from __future__ import annotations

from pathlib import Path

import pytest
from clusters import COMMON_LAB

HERE = Path(__file__).parent

LIMIT_S = 400
"""For one test. On a quiet machine none takes more than a tenth of it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.ray)
            item.add_marker(pytest.mark.timeout(LIMIT_S))


@pytest.fixture
def common_lab() -> str:
    """The lab of all tests that look at nothing but sweeps whose names no other test has; some of them kill it. It
    outlives their modules: a lab and the processes of its trials cost five seconds of a core."""
    return COMMON_LAB
