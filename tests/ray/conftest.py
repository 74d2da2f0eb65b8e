"""Everything in this folder runs a real Ray cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent

LIMIT_S = 400
"""For one test. On a quiet machine none takes more than a tenth of it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.ray)
            item.add_marker(pytest.mark.timeout(LIMIT_S))
