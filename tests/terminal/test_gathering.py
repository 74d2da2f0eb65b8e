"""What is written of many rows is what `results` gives of them, and they are never all in memory."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from retried import retried
from sweeps import Bench

from raylab import Lab
from raylab.core.design import Factorial
from raylab.notebook import by_point
from raylab.offline import Notebook, streams
from raylab.terminal import gathering
from raylab.terminal.gathering import Asked, gathered


@pytest.fixture(autouse=True)
def _few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "WHOLE_BYTES", -1)
    monkeypatch.setattr(by_point, "PART_BYTES", 4_000)


def asked(root: Path, name: str | list[str], status: Any = "done", metadata: Any = False) -> tuple[Asked, list[int]]:
    """And how many rows were put together in memory."""
    notebook, calls = Notebook(root), []

    def whole() -> pl.DataFrame:
        found = notebook.results(name, status=status, metadata=metadata)
        calls.append(found.height)
        return found

    of_each = partial(streams, notebook, name, status=status, metadata=metadata)
    return Asked(several=isinstance(name, list), whole=whole, streams=of_each), calls


def check(root: Path, name: str | list[str], **words: Any) -> int:
    """That streams give what `results` gives; in how many frames."""
    rows, calls = asked(root, name, **words)
    room = root / "room"
    room.mkdir(exist_ok=True)
    frames = list(gathered(rows, room))
    assert calls == []
    assert list(room.iterdir()) == []
    assert_frame_equal(pl.concat(frames), Notebook(root).results(name, **words))
    return len(frames)


def noisy(p: int, n: int) -> Any:
    if p == 3:
        raise ValueError("three")
    return [{"y": p * n, "": "é"}, {"y": 0.5}] if p % 2 else {"y": p, "late": [p] if p > 4 else None}


@pytest.mark.parametrize("status", ["done", "failed", "all"])
@pytest.mark.parametrize("metadata", [False, True, ["_seq", "_status"]])
def test_many_rows_are_those_of_results(tmp_path: Path, status: str, metadata: Any) -> None:
    bench = Bench(tmp_path)
    bench.submit("s", noisy, Factorial(p=range(12), n=[1, 2]), repeats=3)
    for start in range(0, 72, 18):
        bench.run("s", start, start + 18)
        if start == 18:
            bench.seal("s")
    assert check(tmp_path, "s", status=status, metadata=metadata) > 3 or status == "failed"


def test_several_sweeps_are_one_table_with_their_names(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.submit("a", lambda p: {"y": p}, Factorial(p=range(40)), repeats=2)
    bench.submit("b", lambda p, q: {"y": p, "z": q}, Factorial(p=range(30), q=["x"]))
    bench.run("a")
    bench.run("b")
    check(tmp_path, ["b", "a"])
    check(tmp_path, ["a"])


def test_a_sweep_without_rows_has_columns(tmp_path: Path) -> None:
    Bench(tmp_path).submit("s", noisy, Factorial(p=range(12), n=[1, 2]))
    assert check(tmp_path, "s") == 1


def test_values_of_several_kinds_are_put_together_in_memory_as_results_does(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.submit("s", lambda p: {"y": p if p % 2 else str(p)}, Factorial(p=range(12)))
    bench.submit("t", lambda p: {"y": p}, Factorial(p=range(12)))
    bench.run("s")
    bench.run("t")
    for name in ("s", ["s", "t"]):
        rows, calls = asked(tmp_path, name)
        (frame,) = gathered(rows, None)
        assert calls == [frame.height]
        assert_frame_equal(frame, Notebook(tmp_path).results(name))


def test_of_trials_that_ran_again_the_newest_records_are_there(lab: Lab, tmp_path: Path) -> None:
    sweep = retried(lab, tmp_path, "s")
    check(tmp_path / "lab", "s", status="all", metadata=True)
    stream = partial(lab._client.streams, "s", status="done", metadata=False)
    frames = gathered(Asked(several=False, whole=sweep.results, streams=stream), None)
    assert_frame_equal(pl.concat(frames), sweep.results())


def test_results_of_several_code_versions_are_told_of(lab: Lab, tmp_path: Path) -> None:
    def submit(y: int, levels: range) -> None:
        def f(x: int) -> int:
            return y

        assert lab.submit(f, {"x": levels}, name="s", if_exists="continue").wait(timeout=60, progress=False)

    submit(1, range(3))
    submit(2, range(6))
    rows, _ = asked(tmp_path / "lab", "s")
    with pytest.warns(UserWarning, match="are of versions 1 and 2 of its code"):
        list(gathered(rows, None))
