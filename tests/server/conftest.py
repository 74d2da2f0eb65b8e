"""Fixtures that the server's tests share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A RAYLAB_HOME of the test's own."""
    monkeypatch.setenv("RAYLAB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
