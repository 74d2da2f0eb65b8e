"""The benchmarks can be run; what they find is not judged here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parent / "bench"
sys.path.append(str(BENCH))

from figures import Figure, in_turns, ratio, table  # noqa: E402


@pytest.mark.timeout(240)
@pytest.mark.parametrize("names", [["journal"], pytest.param(["scale", "throughput"], marks=pytest.mark.long)])
def test_the_benchmarks_run_by_one_command(names: list[str], tmp_path: Path) -> None:
    into = tmp_path / "figures.json"
    command = [sys.executable, str(BENCH), *names, "--quick", "--rounds", "1", "--json", str(into)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert "not measured" not in done.stdout, done.stdout + done.stderr
    figures = [Figure(**each) for each in json.loads(into.read_text())]
    assert figures
    assert table(figures) in done.stdout
    assert done.returncode == (0 if all(figure.reached for figure in figures) else 1)


def test_a_benchmark_that_is_not_there_is_said() -> None:
    done = subprocess.run(
        [sys.executable, str(BENCH), "speed"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert "there is no speed; there are throughput" in done.stderr


def test_a_figure_is_the_median_of_its_pairs() -> None:
    found = ratio("1", "it", [4.0, 9.0, 6.0], [2.0, 3.0, 6.0], than="that", unit="points/s", least=2, most=2.5)
    assert (found.value, list(found.rounds), found.reached) == (2.0, [2.0, 3.0, 1.0], True)
    assert found.target == "≥ 2 and ≤ 2.5 ×"
    assert found.beside == "6 points/s beside 3 points/s: that"
    assert not ratio("1", "it", [1.0], [1.0], than="that", unit="s", least=2).reached
    assert (
        table([found]).splitlines()[-1]
        == "| 1 | it | 2 × | ≥ 2 and ≤ 2.5 × | yes | 6 points/s beside 3 points/s: that |"
    )


def test_two_sides_are_measured_in_turns() -> None:
    order: list[str] = []

    def side(name: str) -> float:
        order.append(name)
        return float(len(order))

    assert in_turns(lambda: side("ours"), lambda: side("theirs"), 3) == ([1.0, 4.0, 5.0], [2.0, 3.0, 6.0])
    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]
