"""The examples run, at toy size, and leave what they promise. Each story starts and ends a cluster of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from clusters import clean_environment, processes_of

pytestmark = [pytest.mark.ray, pytest.mark.timeout(400)]  # two clusters, two labs: half a minute on a quiet machine

PERCOLATION = Path(__file__).parents[1] / "examples" / "percolation.py"
TOY = ["--sizes", "16", "32", "256", "--levels", "26", "--repeats", "12", "--away", "0"]
"""When the second process looks, some are in; on a quiet machine all."""


def run(folder: Path, *words: str) -> str:
    """Run the example as a newcomer would: an empty home, no cluster, the current folder for the pictures."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    env = {**clean_environment(), "HOME": str(home), "MPLCONFIGDIR": str(folder / "matplotlib")}
    done = subprocess.run(
        [sys.executable, str(PERCOLATION), *TOY, *words],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=350,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("again", [False, pytest.param(True, marks=pytest.mark.long)], ids=["once", "twice"])
def test_percolation_tells_its_story_and_leaves_nothing_running(tmp_path: Path, again: bool) -> None:
    """The first run computes; a second one finds the sweep in the notebook, on another cluster, and shows it."""
    first = run(tmp_path)
    for name in ("percolation-so-far.png", "percolation.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    found = re.search(r"^estimated p_c = (0\.\d+) ± (0\.\d+)", first, re.M)
    assert found is not None, first
    assert float(found[1]) == pytest.approx(0.5927, abs=0.03)
    assert "known     p_c = 0.59275" in first
    assert (tmp_path / "home" / "raylab" / "percolation" / "notebook.json").is_file()
    assert not processes_of(tmp_path / "home")

    if again:
        second = run(tmp_path)
        assert "100% ready, 936 results so far" in second
        assert f"estimated p_c = {found[1]} ± {found[2]}" in second
        assert not processes_of(tmp_path / "home")
