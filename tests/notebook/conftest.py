"""What the stories of a notebook share."""

from __future__ import annotations

import pytest

from raylab.notebook import listing as listing_module
from raylab.notebook import table as table_module


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three commits are a long journal, and a listing that was overtaken is made again at once."""
    monkeypatch.setattr(table_module, "SEAL_COMMITS", 3)
    monkeypatch.setattr(listing_module, "PAUSE_S", 0.0)
