"""A sweep of which four trials failed, and ran again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import raylab


def _fragile(x: int, bad: str) -> dict[str, int]:
    if x % 3 == 0 and os.path.exists(bad):  # noqa: PTH110
        raise ValueError(f"bad {x}")
    return {"y": x}


def retried(lab: raylab.Lab, folder: Path, name: str, **words: Any) -> raylab.Sweep:
    """Submitted as `submit` has it by these words; a file in the folder says whether trials fail."""
    bad = folder / "bad"
    bad.touch()
    sweep = lab.submit(_fragile, {"x": range(10), "bad": [str(bad)]}, name=name, **words)
    assert sweep.wait(timeout=60, progress=False)
    bad.unlink()
    assert sweep.retry() == 4
    assert sweep.wait(timeout=60, progress=False)
    return sweep
