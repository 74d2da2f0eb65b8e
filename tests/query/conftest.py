"""Queries of these tests run like any other process: at their own priority a busy machine starves them."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def no_lower_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raylab.query.host.NICE", 0)
