"""Finding a lab by name: what is said where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from sweeps import WHO

from raylab.client.attaching import not_found
from raylab.notebook.writer import Writer


def test_a_notebook_that_lies_here_is_named_where_another_cluster_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYLAB_HOME", str(tmp_path))
    Writer(tmp_path / "mine", WHO).establish("mine", "ada")
    assert f"`raylab status --notebook {tmp_path / 'mine'}` reads it" in str(not_found("mine", []))
    assert "--notebook" not in str(not_found("yours", []))
