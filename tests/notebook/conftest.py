"""What the stories of a notebook share."""

from __future__ import annotations

from pathlib import Path

import pytest
from harm import Truth, notebook

from raylab.notebook import removal as removal_module
from raylab.notebook import table as table_module
from raylab.notebook import table_files as listing_module
from raylab.notebook import verify as verify_module


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three commits are a long journal, and a listing that was overtaken is made again at once."""
    monkeypatch.setattr(table_module, "SEAL_COMMITS", 3)
    monkeypatch.setattr(listing_module, "PAUSE_S", 0.0)


@pytest.fixture
def in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two files that are deleted at once are many."""
    monkeypatch.setattr(removal_module, "AT_ONCE", 2)


@pytest.fixture
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks again at a folder does so at once."""
    monkeypatch.setattr(listing_module, "PAUSE_S", 0.0)
    monkeypatch.setattr(verify_module, "PAUSE_S", 0.0)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    """A whole notebook that nobody may change, and what is true of it."""
    root = tmp_path_factory.mktemp("whole") / "lab"
    return root, notebook(root)
