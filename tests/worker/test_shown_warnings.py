"""Warnings of trials, through the worker and the notebook: each trial's own, counted and grouped."""

from __future__ import annotations

import itertools
import sys
import warnings
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sweeps import Bench, leased, packaged, rows_of, sweep

from raylab.code.pack import pack
from raylab.core.alike import LIMIT, MAX_TEXT
from raylab.core.design import Factorial
from raylab.core.trial_warnings import MORE
from raylab.notebook.frames import WARNINGS_SCHEMA
from raylab.offline import Notebook
from raylab.worker import lease, shown_warnings
from raylab.worker.experiment import Experiment


@pytest.fixture(autouse=True)
def as_in_a_worker() -> Any:
    """pytest shows every warning; a worker shows what Python shows by default."""
    with warnings.catch_warnings(record=True):
        warnings.resetwarnings()
        warnings.simplefilter("default")
        yield


def counts(experiment: Any, levels: Any = range(4), **words: Any) -> list[int]:
    return [row["_warnings"] for row in rows_of(experiment, Factorial(x=levels), **words)]


def warns(x: int) -> dict[str, int]:
    import warnings

    for _ in range(3):
        warnings.warn("does not converge", RuntimeWarning, stacklevel=1)  # one place: shown once by a process
    if x % 2:
        warnings.warn(f"step {x} is bad", UserWarning, stacklevel=1)
    return {"y": x}


def by_value(function: Any) -> Any:
    """As a function of a notebook travels."""
    function.__module__ = "__main__"
    return function


warns = by_value(warns)


def test_each_trial_shows_its_own_and_the_count_is_that_of_a_fresh_process() -> None:
    assert counts(warns) == [1, 2, 1, 2]
    assert counts(warns, order="design", flush_s=0.0) == [1, 2, 1, 2]


def test_the_column_stands_after_the_status(tmp_path: Path) -> None:
    bench = sweep(tmp_path / "n", warns, Factorial(x=range(4)))
    frame = Notebook(bench.root).results(status="all", metadata=True)
    at = frame.columns.index("_status")
    assert frame.columns[at : at + 2] == ["_status", "_warnings"]
    assert frame.schema["_warnings"] == pl.Int64
    assert "_warnings" in (bench.root / "README.md").read_text()


def test_numpys_warnings_count_and_what_is_filtered_or_caught_was_not_shown() -> None:
    def acts(x: str) -> dict[str, Any]:
        import warnings

        import numpy as np

        if x == "numpy":
            np.float64(1) / np.float64(0)
        elif x == "ignored":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                warnings.warn("hush", stacklevel=1)
        elif x == "caught":
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                warnings.warn("mine", stacklevel=1)
            return {"y": [str(each.message) for each in caught]}
        elif x == "always":
            with warnings.catch_warnings():
                warnings.simplefilter("always")
                for _ in range(5):
                    warnings.warn("again", stacklevel=1)
        elif x == "once":
            with warnings.catch_warnings():
                warnings.simplefilter("once")
                for _ in range(5):
                    warnings.warn("once", stacklevel=1)
        elif x == "explicit":
            with warnings.catch_warnings():
                warnings.simplefilter("once")
                for _ in range(5):
                    warnings.warn_explicit("of a file", UserWarning, "file", 1)
        elif x == "error":
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                warnings.warn("raised", stacklevel=1)
        return {"y": []}

    kinds = ["numpy", "ignored", "caught", "always", "once", "explicit", "error", "none"]
    for order in ("design", "random"):
        rows = {row["x"]: row for row in rows_of(acts, Factorial(x=kinds), repeats=2, order=order)}
        found = [rows[kind]["_warnings"] for kind in kinds]
        assert found == [1, 0, 0, 5, 1, 1, 0, 0]
        assert rows["caught"]["y"] == ["mine"]
        assert rows["error"]["_error"] == "UserWarning: raised"


def test_a_filter_that_a_trial_sets_holds() -> None:
    def acts(x: int) -> None:
        import warnings

        if x == 0:
            warnings.filterwarnings("ignore", message="known")
        warnings.warn("known and unknown", stacklevel=1)
        warnings.warn("only unknown", stacklevel=1)

    assert counts(acts, order="design") == [1, 1, 1, 1]


def test_of_several_executions_the_last_counts() -> None:
    def fails(x: int) -> dict[str, int]:
        import warnings

        import raylab

        vars(raylab)["tries"] = vars(raylab).get("tries", 0) + 1
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            for _ in range(vars(raylab)["tries"]):
                warnings.warn("again", stacklevel=1)
        if vars(raylab)["tries"] < 3:
            raise ValueError
        return {}

    import raylab

    vars(raylab).pop("tries", None)
    (batch,) = leased(packaged(fails, Factorial(x=[0])), retries=5)
    assert batch.rows.column("_warnings").to_pylist() == [3]
    assert [(kind.count, kind.trials) for kind in batch.warnings] == [(3, 1)]


def test_failed_trials_and_classes_and_several_rows_have_theirs() -> None:
    class Two(Experiment):
        def set_up(self, params: dict[str, Any]) -> None:
            warnings.warn("in set_up", stacklevel=1)

        def do(self, params: dict[str, Any]) -> list[dict[str, int]]:
            warnings.warn("in do", stacklevel=1)
            if params["x"] == 1:
                raise ValueError
            return [{"y": 1}, {"y": 2}]

    rows = rows_of(Two(), Factorial(x=[0, 1]))
    assert [(row["_status"], row["_warnings"]) for row in rows] == [("done", 2), ("done", 2), ("failed", 2)]


def test_a_trial_that_replaces_what_shows_is_heard_like_any_other() -> None:
    def acts(x: int) -> dict[str, int]:
        import logging
        import warnings

        said: list[str] = []
        if x == 1:
            warnings.showwarning = lambda message, *_: said.append(str(message))
        if x == 2:
            logging.captureWarnings(True)
        warnings.warn("heard", stacklevel=1)
        return {"said": len(said)}

    before = warnings.showwarning
    try:
        rows = rows_of(acts, Factorial(x=range(4)), order="design")
    finally:
        import logging

        logging.captureWarnings(False)
        warnings.showwarning = before
    assert [(row["_warnings"], row["said"]) for row in rows] == [(1, 0), (1, 1), (1, 0), (1, 0)]


def test_a_warning_that_is_only_odd_does_not_harm() -> None:
    def acts(x: int) -> dict[str, int]:
        import warnings

        class Odd(UserWarning):
            def __str__(self) -> str:
                if x == 1:
                    raise ValueError
                return "\ud800 odd"

        try:
            warnings.warn(Odd(), stacklevel=1)
        except ValueError:  # Python itself asks for the text to show it
            return {"y": 0}
        return {"y": 1}

    rows = rows_of(acts, Factorial(x=range(3)))
    assert [(row["_warnings"], row["y"]) for row in rows] == [(1, 1), (0, 0), (1, 1)]
    (batch,) = leased(packaged(acts, Factorial(x=range(3))))
    assert [(kind.text, kind.count) for kind in batch.warnings] == [("\\ud800 odd", 2)]


def test_what_is_said_while_the_experiment_is_loaded_or_a_module_imported_counts_for_nobody(tmp_path: Path) -> None:
    (tmp_path / "warns_when_imported.py").write_text("import warnings\nwarnings.warn('old', DeprecationWarning)\n")
    sys.path.insert(0, str(tmp_path))

    class Loud:
        def __reduce__(self) -> Any:
            return warnings.warn, ("while loading",)

    loud = Loud()

    def acts(x: int) -> dict[str, bool]:
        import warns_when_imported  # type: ignore[import-not-found]

        return {"y": bool(warns_when_imported), "z": loud is None}

    code = pack(acts)
    try:
        with warnings.catch_warnings(record=True) as said:
            assert counts(code, repeats=3) == [0] * 12
        assert [str(each.message) for each in said] == ["while loading", "old"]
    finally:
        sys.path.remove(str(tmp_path))


def test_afterwards_everything_is_as_before() -> None:
    private: Any = warnings
    before = private._showwarnmsg, warnings.showwarning, warnings.filters[:]
    counts(warns)
    assert (private._showwarnmsg, warnings.showwarning, warnings.filters[:]) == before


def test_a_process_prints_a_kind_a_hundred_times(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    def acts(x: int) -> None:
        import warnings

        warnings.warn(f"never the same: {x}", stacklevel=1)

    monkeypatch.setattr(lease, "PRINTED", 10)
    shown_warnings._printed.clear()
    private: Any = warnings
    with monkeypatch.context() as patch:
        patch.setattr(private, "_showwarnmsg_impl", lambda message: print(message.message, file=sys.stderr))
        assert counts(acts, range(30), capture="none") == [1] * 30
        assert capsys.readouterr().err.count("never the same") == 10
        batches = leased(packaged(acts, Factorial(x=range(30))), capture="all")
        logs = [batch.logs.num_rows for batch in batches if batch.logs is not None]
        assert sum(logs) == 30, "each trial's own log has it"


# -- grouped


def converges(x: int) -> dict[str, int]:
    import warnings

    class ConvergenceWarning(UserWarning):
        pass

    if x >= 3:
        warnings.warn(f"no convergence after {x} steps, in <M at 0x{x:x}>", ConvergenceWarning, stacklevel=1)
    if x == 5:
        warnings.warn("something else", DeprecationWarning, stacklevel=1)
    return {"y": x}


converges = by_value(converges)


def test_the_texts_are_grouped_with_the_lowest_trial_as_example(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "n")
    bench.submit("a", converges, Factorial(x=range(10)), repeats=2)
    notebook = Notebook(bench.root)
    assert notebook.warnings("a").schema == WARNINGS_SCHEMA
    assert notebook.warnings("a").is_empty()
    for start in range(0, 20, 5):
        bench.run("a", start, start + 5)
        if start == 10:
            bench.seal("a")
    expected = [
        (
            "ConvergenceWarning",
            "no convergence after # steps, in <M at #>",
            14,
            14,
            "no convergence after 3 steps, in <M at 0x3>",
            3,
            0,
        ),
        ("DeprecationWarning", "something else", 2, 2, "something else", 5, 0),
    ]
    assert notebook.warnings().rows() == expected
    bench.seal("a")
    assert Notebook(bench.root).warnings("a").rows() == expected
    assert Notebook(bench.root).warnings("a").schema == WARNINGS_SCHEMA


def test_many_kinds_and_long_texts_are_bounded(tmp_path: Path) -> None:
    def acts(x: int) -> None:
        import warnings

        for number in range(80):
            name = "".join(chr(97 + int(digit)) for digit in str(1000 * x + number))
            warnings.warn(name + "z" * 5_000, stacklevel=1)

    bench = sweep(tmp_path / "n", acts, Factorial(x=range(5)))
    frame = Notebook(bench.root).warnings()
    assert frame.height == LIMIT + 1
    assert frame["count"].sum() == 400
    assert frame.filter(text=MORE[1])["count"].item() == 300
    assert frame["example"].str.len_chars().max() == MAX_TEXT == frame["text"].str.len_chars().max()
    assert Notebook(bench.root).results(status="all", metadata=["_warnings"])["_warnings"].to_list() == [80] * 5


def test_in_one_trial_kinds_without_end_are_bounded(tmp_path: Path) -> None:
    def acts(x: int) -> None:
        import warnings

        for letters in itertools.product("abcdefghij", repeat=4):
            warnings.warn("".join(letters), stacklevel=1)

    (batch,) = leased(packaged(acts, Factorial(x=[1])))
    assert batch.rows.column("_warnings").to_pylist() == [10_000]
    assert len(batch.warnings) == LIMIT + 1
    assert sum(kind.count for kind in batch.warnings) == 10_000
