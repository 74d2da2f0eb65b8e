"""The most memory that a process had since it was asked last."""

from __future__ import annotations

from pathlib import Path

import pytest

from raylab.worker import peak_memory
from raylab.worker.peak_memory import PeakMemory

LARGE = 2**27


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="another system than Linux")
def test_the_peak_is_of_what_came_since_the_last_reset() -> None:
    memory = PeakMemory()
    memory.reset()
    before = memory.peak()
    assert before is not None
    held = bytearray(b"x") * LARGE
    with_it = memory.peak()
    del held
    assert with_it is not None
    assert with_it - before > LARGE * 0.9
    still = memory.peak()
    assert still is not None
    assert still - before > LARGE * 0.9, "it is gone, and the mark stays"
    memory.reset()
    after = memory.peak()
    assert after is not None
    assert with_it - after > LARGE * 0.5


def test_where_nobody_tells_it_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = PeakMemory()
    assert memory.peak() is None, "the peak of the whole life of the process is no trial's"
    monkeypatch.setattr(peak_memory, "_MARK", tmp_path / "none" / "clear_refs")
    memory.reset()
    assert memory.peak() is None
