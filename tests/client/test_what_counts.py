"""What a lab takes a submission for, and what it says of that, in memory: caches, files of packages, generators."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from said import refused, said

import raylab


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path, whose modules are gone after the test."""
    (folder := tmp_path / "project").mkdir()
    monkeypatch.syspath_prepend(folder)
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
            del sys.modules[name]


def test_what_does_not_count_is_named_and_can_be_said(lab: raylab.Lab, project: Path) -> None:
    (project / "counted").mkdir()
    (project / "counted" / "__init__.py").write_text("def run(x):\n    return {'y': 2 * x}\n")
    model = importlib.import_module("counted")
    space: dict[str, Any] = {"__name__": "__main__", "cache": {}}
    exec("def slow(x):\n    return {'y': cache.setdefault(x, x * x)}", space)
    slow = space["slow"]
    axes = {"x": range(4)}
    for experiment in (slow, model.run):
        sweep, told = said(lambda e=experiment: lab.submit(e, axes, name=e.__name__, seed=1))
        assert told == []
        assert sweep.wait(timeout=60, progress=False)
    slow(3)
    (project / "counted" / "figure.png").write_bytes(b"a picture")
    with refused(raylab.SweepExists, "global cache", "if that does not matter: ignore=('cache',)"):
        lab.submit(slow, axes, name="slow")
    with refused(raylab.SweepExists, "file counted/figure.png", "ignore=('counted/figure.png',)"):
        lab.submit(model.run, axes, name="run")
    ignored: list[tuple[Any, Any]] = [(slow, "cache"), (slow, ["cache", "other"]), (model.run, ("counted/*.png",))]
    for experiment, ignore in ignored:
        sweep, told = said(lambda e=experiment, i=ignore: lab.submit(e, axes, name=e.__name__, ignore=i))
        assert (told, sweep.name, sweep.results().height) == ([], experiment.__name__, 4)
    bads: list[Any] = [3, [3], {"a": 1}, "", None, b"cache"]
    for bad in bads:
        with refused(raylab.DesignError, "ignore is what does not count", "'cache'"):
            lab.submit(slow, axes, name="slow", ignore=bad)


def test_generators_are_refused_or_told_before_anything_runs(lab: raylab.Lab, project: Path) -> None:
    (project / "simulator.py").write_text(
        "import numpy as np\ngenerator = np.random.default_rng(1)\n"
        "def walk(x):\n    return {'y': generator.normal(x)}\n"
    )
    simulator = importlib.import_module("simulator")
    space: dict[str, Any] = {"__name__": "__main__"}
    exec("import numpy as np\ngenerator = np.random.default_rng(42)", space)
    exec("def walk(x):\n    return {'y': float(generator.normal(x))}", space)
    with refused(raylab.ExperimentError, "global generator (Generator)", "Take `rng` or `seed`"):
        lab.submit(space["walk"], {"x": [0.0]}, repeats=400)
    sweep, told = said(lambda: lab.submit(simulator.walk, {"x": [0.0]}, repeats=2))
    assert len(told) == 1
    assert "simulator.generator" in told[0]
    assert sweep.wait(timeout=60, progress=False)
