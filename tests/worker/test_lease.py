"""Leases, worked through for real: each position once and in order, rows that say what happened to which trial."""

from __future__ import annotations

import datetime as dt
import importlib
import math
import pickle
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sweeps import NEVER, leased, packaged, rows_of, table_of

from raylab.code.pack import pack
from raylab.core.design import Design, Factorial, Points
from raylab.core.kinds import text_of
from raylab.core.order import MAX_SEED, Order
from raylab.notebook.columns import KIND
from raylab.notebook.parameters import TEXT
from raylab.notebook.schema import NAME
from raylab.worker import batch as making
from raylab.worker import lease
from raylab.worker.batch import Batch
from raylab.worker.experiment import Experiment
from raylab.worker.lease import Header, LeaseOrder, Segments, run_lease

# Experiments are made inside functions: those travel by value, and the worker needs no module of the tests.


def doubling() -> Any:
    def doubled(p: int) -> dict[str, int]:
        return {"x": 2 * p}

    return doubled


def columns(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row.get(name) for name in names) for row in rows]


class Clock:
    """Stands still, unless a trial says how long it took."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(lease, "perf_counter", made)
    return made


def lasting() -> Any:
    def lasts(s: float) -> dict[str, float]:
        from raylab.worker import lease as here

        here.perf_counter.now += s  # type: ignore[attr-defined]
        return {"x": s}

    return lasts


# -- which trials, in which order, in which batches


DOUBLING = pack(doubling())


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_lease_holds_each_of_its_positions_once_and_in_order(data: st.DataObject, clock: Clock) -> None:
    levels, repeats = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 3))
    kind = data.draw(st.sampled_from(["random", "design"]))
    seed = data.draw(st.integers(1, 9))
    package = packaged(DOUBLING, Factorial(p=range(levels)), repeats=repeats, seed=seed, order=kind)
    total = levels * repeats
    start = data.draw(st.integers(0, total - 1))
    stop = data.draw(st.integers(start + 1, total))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lease, "BLOCK", data.draw(st.sampled_from([1, 2, 7, 4096])))
        patch.setattr(lease, "FIRST_ROWS", data.draw(st.sampled_from([1, 3, 16])))
        patch.setattr(making, "MAX_ROWS", data.draw(st.sampled_from([1, 5, 64])))
        batches = leased(package, start, stop, flush_s=data.draw(st.sampled_from([0.0, NEVER])))
    at = start
    for batch in batches:
        assert (batch.first, batch.rows.num_rows) == (at, batch.count)
        assert batch.by_status == {"done": batch.count}
        at += batch.count
    assert at == stop
    trials = Order(kind, total, package.segments.load()[0].key).trials(start, stop)
    rows = table_of(batches).to_pylist()
    assert columns(rows, "_point", "_repeat") == [divmod(int(trial), repeats) for trial in trials]
    assert columns(rows, "p", "x") == [(int(t) // repeats, 2 * (int(t) // repeats)) for t in trials]


def test_a_lease_works_in_one_segment_of_several_by_the_positions_trials_and_points_of_the_sweep() -> None:
    """Two axes, more repeats of the first, and a selection: what is recorded follows the trial, not the position."""
    first, second = (packaged(seeing(), Factorial(p=axis), repeats=2) for axis in (range(3), [7, 8]))
    base, other = first.segments.load()[0], second.segments.load()[0]
    segments = (
        base,
        replace(other, first_position=6, first_trial=6, first_point=3),
        replace(base, repeats=1, first_position=10, first_trial=10, first_repeat=2),
        replace(other, first_position=13, first_trial=6, first_point=3, selection=((7, 9),), attempt=4),
    )
    package = replace(first, key="grown", segments=Segments(segments))
    names = ("_point", "_repeat", "p", "_seed", "seed", "drawn")
    rows = [
        set(columns(table_of(leased(package, segment.first_position, segment=at)).to_pylist(), *names))
        for at, segment in enumerate(segments)
    ]
    assert [{row[:3] for row in part} for part in rows] == [
        {(p, repeat, p) for p in range(3) for repeat in range(2)},
        {(3 + at, repeat, p) for at, p in enumerate((7, 8)) for repeat in range(2)},
        {(p, 2, p) for p in range(3)},
        {(3, 1, 7), (4, 0, 8)},
    ]
    assert rows[0] == set(columns(table_of(leased(first)).to_pylist(), *names)), "growing changes no trial"
    assert rows[3] < rows[1], "a trial that is run again is the same trial"
    assert len({row[3] for part in rows[:3] for row in part}) == 13


def test_the_header_comes_before_any_trial_has_run() -> None:
    def failing() -> dict[str, int]:
        raise SystemExit("not before the header")

    items = run_lease(LeaseOrder(lease=1, start=0, stop=1, flush_s=0.0), packaged(failing, Factorial()))
    header = next(items)
    assert isinstance(header, Header)
    assert header.pid > 0
    assert header.node


def test_a_batch_is_sent_at_the_end_of_the_trial_that_goes_over_the_interval(clock: Clock) -> None:
    package = packaged(lasting(), Factorial(s=[0.25, 0.25, 0.25, 3.0, 0.25]), order="design")
    batches = leased(package, flush_s=0.5)
    assert [batch.count for batch in batches] == [2, 2, 1]
    rows = table_of(batches).to_pylist()
    assert columns(rows, "_elapsed_s") == [(0.25,), (0.25,), (0.25,), (3.0,), (0.25,)]
    started = [row["_started"] for row in rows]
    assert [(each - started[0]).total_seconds() for each in started] == [0.0, 0.25, 0.5, 0.75, 3.75]


def test_the_time_a_batch_waits_to_be_taken_is_no_trials_time(clock: Clock) -> None:
    package = packaged(lasting(), Factorial(s=[1.0, 1.0]), order="design")
    batches: list[Batch] = []
    for item in run_lease(LeaseOrder(lease=1, start=0, stop=2, flush_s=0.0), package):
        clock.now += 50.0  # the lab takes nothing
        batches += [item] if isinstance(item, Batch) else []
    assert columns(table_of(batches).to_pylist(), "_elapsed_s") == [(1.0,), (1.0,)]
    assert [batch.busy_s for batch in batches] == [1.0, 1.0]


def test_batches_grow_from_a_few_rows_as_far_as_their_bytes_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    package = packaged(doubling(), Factorial(p=range(20_000)))
    assert [batch.count for batch in leased(package, 0, 3_000)] == [16, 128, 1_024, 1_832]
    monkeypatch.setattr(making, "BATCH_BYTES", 100_000)
    first, *others = leased(package, 3_000, 8_000) + leased(package, 8_000, 20_000)
    assert first.count > 2_000  # by the estimate from before
    assert others
    assert all(batch.count < 2_000 for batch in others)

    def large(p: int) -> dict[str, bytes]:
        return {"x": bytes(10_000)}

    assert max(batch.count for batch in leased(packaged(large, Factorial(p=range(100))))[1:]) <= 10


def test_the_experiment_is_loaded_once_per_process_and_few_are_kept() -> None:
    class Counts:
        def __init__(self) -> None:
            self.runs = 0

        def __call__(self) -> dict[str, int]:
            self.runs += 1
            return {"runs": self.runs}

    package = packaged(Counts(), Factorial(), repeats=4)
    first = leased(package, 0, 2) + leased(package, 2, 3)
    assert columns(table_of(first).to_pylist(), "runs") == [(1,), (2,), (3,)]
    for _ in range(8):
        leased(packaged(doubling(), Factorial(p=1)))
    assert columns(table_of(leased(package, 3, 4)).to_pylist(), "runs") == [(1,)]
    assert len(lease._jobs) <= 8


def test_what_keeps_the_experiment_from_being_loaded_is_raised_before_the_header() -> None:
    package = packaged(doubling(), Factorial(p=1))
    order = LeaseOrder(lease=1, start=0, stop=1, flush_s=0.0)
    with pytest.raises(Exception, match="unpickling"):
        next(run_lease(order, replace(package, key="broken", pickle=b"broken")))
    with pytest.raises(RuntimeError, match="install the same raylab on all nodes"):
        next(run_lease(order, replace(package, key="later", wire=lease.WIRE + 1)))


# -- failures and retries


def test_a_failed_trial_is_a_row_and_the_others_go_on() -> None:
    def picky(p: int) -> dict[str, int]:
        if p == 1:
            raise ValueError(f"{p} is bad")
        return {"x": p}

    package = packaged(picky, Factorial(p=range(3)), order="design")
    (batch,) = leased(package)
    assert (batch.by_status, batch.error) == ({"done": 2, "failed": 1}, "ValueError: 1 is bad")
    rows = table_of([batch]).to_pylist()
    assert columns(rows, "p", "x", "_status", "_error") == [
        (0, 0, "done", None),
        (1, None, "failed", "ValueError: 1 is bad"),
        (2, 2, "done", None),
    ]
    assert rows[0]["_traceback"] is None
    assert 'raise ValueError(f"{p} is bad")' in rows[1]["_traceback"]
    assert "raylab/worker" not in rows[1]["_traceback"]


def test_modules_that_travel_are_there_for_the_experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "beside_the_script.py").write_text("def run(p):\n    return {'x': p + 40}\n")
    monkeypatch.syspath_prepend(tmp_path)
    run = importlib.import_module("beside_the_script").run
    code = pack(run)
    package = replace(packaged(code, Factorial(p=2)), modules=code.modules)
    (tmp_path / "beside_the_script.py").unlink()
    monkeypatch.delitem(sys.modules, "beside_the_script")
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(tmp_path)])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert table_of(leased(package))["x"].to_pylist() == [42]


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, MemoryError, RecursionError])
def test_nothing_that_an_experiment_raises_ends_the_lease(error: type[BaseException]) -> None:
    def bad(p: int) -> None:
        raise error

    rows = rows_of(bad, Factorial(p=range(3)))
    assert columns(rows, "_status", "_error") == [("failed", error.__name__)] * 3


@pytest.mark.parametrize("result", [3, "text", [1], object])
def test_a_single_value_is_the_column_value(result: object) -> None:
    (row,) = rows_of(lambda: result, Factorial())
    assert row["_status"] == "done"
    assert row["value"] == (result if result is not object else {"repr": "<class 'object'>", "pickle": ANY})


def flaky(bad: int) -> Any:
    runs: dict[int, int] = {}

    def tries(p: int, seed: int) -> dict[str, int]:
        runs[p] = runs.get(p, 0) + 1
        if p % 2 and runs[p] <= bad:
            raise ValueError(f"try {runs[p]}")
        return {"run": runs[p], "seen": seed}

    return tries


def test_a_retry_is_another_attempt_in_the_same_lease_and_only_the_last_is_recorded() -> None:
    rows = rows_of(flaky(2), Factorial(p=range(4)), retries=2)
    assert columns(rows, "_status", "_attempt", "run") == [("done", 1, 1), ("done", 3, 3)] * 2
    assert all(row["seen"] == row["_seed"] for row in rows)  # the seed is the trial's, not the attempt's
    rows = rows_of(flaky(9), Factorial(p=range(4)), retries=2)
    assert columns(rows, "_status", "_attempt", "_error")[1] == ("failed", 3, "ValueError: try 3")
    assert columns(rows_of(flaky(1), Factorial(p=[1])), "_status", "_attempt") == [("failed", 1)]


def test_attempts_count_on_from_the_one_that_the_lease_is_told() -> None:
    assert columns(rows_of(doubling(), Factorial(p=[1]), attempt=3), "_attempt") == [(3,)]
    assert columns(rows_of(flaky(1), Factorial(p=[1]), attempt=3, retries=1), "_attempt") == [(4,)]


def test_the_recorded_time_is_the_last_attempts(clock: Clock) -> None:
    def slow_then_quick() -> dict[str, int]:
        from raylab.worker import lease as here

        runs.append(1)
        here.perf_counter.now += 10.0 if len(runs) == 1 else 2.0  # type: ignore[attr-defined]
        if len(runs) == 1:
            raise ValueError
        return {}

    runs: list[int] = []
    (row,) = rows_of(slow_then_quick, Factorial(), retries=1)
    assert row["_elapsed_s"] == 2.0


def test_an_attempt_sees_nothing_of_what_the_one_before_did_to_its_parameters() -> None:
    def spoils(p: list[int]) -> dict[str, list[int]]:
        seen = list(p)
        p.append(99)
        if not tried:
            tried.append(1)
            raise ValueError
        return {"seen": seen}

    tried: list[int] = []
    rows = rows_of(spoils, Factorial(p=[[1, 2]]), repeats=3, retries=1)
    assert columns(rows, "p", "seen") == [([1, 2], [1, 2])] * 3


# -- seeds


def seeing() -> Any:
    def sees(p: int, seed: int, rng: Any) -> dict[str, int]:
        return {"seed": seed, "drawn": int(rng.integers(2**60))}

    return sees


def test_seeds_and_random_numbers_are_a_trials_own_whatever_the_order_or_the_lease() -> None:
    design = Factorial(p=range(10))

    def seen(order: str, *cuts: int) -> list[tuple[Any, ...]]:
        package = packaged(seeing(), design, repeats=3, seed=7, order=order)
        batches = [b for a, z in zip((0, *cuts), (*cuts, 30), strict=True) for b in leased(package, a, z)]
        rows = sorted(table_of(batches).to_pylist(), key=lambda row: (row["_point"], row["_repeat"]))
        return columns(rows, "_point", "_repeat", "_seed", "seed", "drawn")

    whole = seen("random")
    assert seen("random", 1, 2, 17) == seen("design") == seen("design", 29) == whole
    assert all(kept == given for _, _, kept, given, _ in whole)
    assert all(1 <= kept <= MAX_SEED for _, _, kept, _, _ in whole)
    assert len({kept for _, _, kept, _, _ in whole}) == len({drawn for *_, drawn in whole}) == 30


def test_an_axis_called_seed_wins() -> None:
    rows = rows_of(lambda seed: {"x": seed}, Factorial(seed=[5, 6]))
    assert columns(rows, "seed", "x") == [(5, 5), (6, 6)]
    assert {row["_seed"] for row in rows}.isdisjoint({5, 6})


# -- experiments of other kinds


def test_the_three_times_of_an_experiment_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    class Careful(Experiment):
        def set_up(self, params: dict[str, Any]) -> None:
            if params["p"] == 1:
                raise ValueError("no set-up")

        def do(self, params: dict[str, Any]) -> dict[str, int]:
            return {"x": params["p"], "own": self.seed}

    rows = rows_of(Careful(), Factorial(p=range(2)))
    assert rows[0]["own"] == rows[0]["_seed"]
    for name in ("_set_up_s", "_do_s", "_tear_down_s"):
        assert 0 <= rows[0][name] <= rows[0]["_elapsed_s"]
    assert rows[1]["_set_up_s"] >= 0
    assert (rows[1]["_do_s"], rows[1]["_tear_down_s"], rows[1]["_status"]) == (None, None, "failed")
    assert "_do_s" not in rows_of(doubling(), Factorial(p=[1]))[0]


def test_epycs_records_of_several_rows_with_metadata() -> None:
    class Epyc:
        def set(self, params: dict[str, Any]) -> Any:
            self.params = params
            return self

        def run(self) -> dict[str, Any]:
            n = self.params["n"]
            failed = n == 3
            about = {"epyc.experiment.status": not failed, "steps": n}
            if failed:
                about["epyc.experiment.exception"] = ValueError("n is three")
            return {"parameters": self.params, "metadata": about, "results": [{"i": i} for i in range(n)]}

    package = packaged(Epyc(), Factorial(n=[1, 2, 0, 3]), order="design")
    (batch,) = leased(package)
    assert (batch.count, batch.rows.num_rows, batch.by_status) == (4, 5, {"done": 3, "failed": 1})
    rows = table_of([batch]).to_pylist()
    assert columns(rows, "n", "_point", "i", "_status") == [
        (1, 0, 0, "done"),
        (2, 1, 0, "done"),
        (2, 1, 1, "done"),
        (0, 2, None, "done"),
        (3, 3, None, "failed"),
    ]
    assert [row["_metadata"]["steps"] for row in rows] == [1, 2, 2, 0, 3]
    assert rows[4]["_error"] == "ValueError: n is three"


def test_a_list_of_mappings_is_a_row_each_and_one_record() -> None:
    def walk(n: int, seed: int) -> list[dict[str, int]]:
        return [{"step": i, "own": seed} for i in range(n)]

    rows = rows_of(walk, Factorial(n=[3, 1, 0]), repeats=2)
    assert columns(rows, "n", "_repeat", "step") == [
        (3, 0, 0), (3, 0, 1), (3, 0, 2), (3, 1, 0), (3, 1, 1), (3, 1, 2),
        (1, 0, 0), (1, 1, 0), (0, 0, None), (0, 1, None),
    ]  # fmt: skip
    assert all(row["own"] in (row["_seed"], None) for row in rows)
    assert len({(row["_started"], row["_elapsed_s"]) for row in rows}) <= 6


def test_none_is_an_empty_result() -> None:
    (row,) = rows_of(lambda: None, Factorial())
    assert (row["_status"], row.get("_error")) == ("done", None)


# -- names


def test_a_result_named_like_a_parameter_or_metadata_is_kept_beside_it() -> None:
    rows = rows_of(lambda p: {"p": -p, "_seed": "s", "_seq": 7, "_more": 8, "x": 1}, Factorial(p=[1, 2]))
    assert columns(rows, "p", "p__result", "_seed__result", "_seq__result", "_more__result", "x") == [
        (1, -1, "s", 7, 8, 1),
        (2, -2, "s", 7, 8, 1),
    ]
    assert all(isinstance(row["_seed"], int) for row in rows)


def test_a_result_may_be_called_p__result_and_loses_nothing() -> None:
    assert rows_of(lambda p: {"p__result": 5}, Factorial(p=1))[0]["p__result"] == 5
    (row,) = rows_of(lambda p: {"p": 4, "p__result": 5}, Factorial(p=1))
    assert (row["p"], row["p__result"], row["p__result__result"]) == (1, 5, 4)
    (row,) = rows_of(lambda **all_of_it: {"p": 4}, Factorial({"p": 1, "p__result": 2}))
    assert (row["p"], row["p__result"], row["p__result__result"]) == (1, 2, 4)


def test_a_result_named_like_a_parameter_without_values_is_kept_beside_it() -> None:
    (row,) = rows_of(lambda p: {"p": 4}, Factorial(p=[None]))
    assert (row.get("p"), row["p__result"]) == (None, 4)


def test_results_whose_names_only_a_reader_confuses_are_both_kept() -> None:
    (row,) = rows_of(lambda: {"a\0": 1, "a\\x00": 2}, Factorial())
    assert sorted(value for name, value in row.items() if name.startswith("a\\")) == [1, 2]


def test_metadata_has_its_columns_whatever_the_number_of_results() -> None:
    (row,) = rows_of(lambda: {f"x{i}": i for i in range(1_200)}, Factorial())
    assert (row["_status"], row["_point"]) == ("done", 0)
    assert len(pickle.loads(row["_more"])) > 200


# -- parameters


def test_an_axis_of_several_kinds() -> None:
    rows = rows_of(lambda p: {"kind": type(p).__name__}, Factorial(p=[1, "a", None, 2.5, True]))
    assert [row["kind"] for row in rows] == ["int", "str", "NoneType", "float", "bool"]
    assert [row["p"] for row in rows] == ["1", "a", "None", "2.5", "True"]
    table = table_of(leased(packaged(lambda p: {}, Factorial(p=[1, "a", None, 2.5, True]))))
    assert found(table, "p") == {0: 1.0, 1: "a", 3: 2.5, 4: True}


def test_a_trial_may_change_the_lists_and_dicts_it_is_given() -> None:
    def spoils(p: Any) -> dict[str, str]:
        seen = repr(p)
        p.clear()
        return {"seen": seen}

    rows = rows_of(spoils, Factorial(p=[[1, [2]], [3]]), repeats=2)
    assert [row["seen"] for row in rows] == ["[1, [2]]"] * 2 + ["[3]"] * 2
    rows = rows_of(spoils, Factorial(p=[{"a": [1]}, {"a": [2]}]), repeats=2)
    assert columns(rows, "p", "seen") == [({"a": [n]}, f"{{'a': [{n}]}}") for n in (1, 1, 2, 2)]


def test_a_parameter_that_a_point_lacks_is_not_passed_and_null() -> None:
    rows = rows_of(lambda n, **rest: {"got": sorted(rest)}, Points([{"n": 1}, {"n": 2, "warm": True}]))
    assert columns(rows, "n", "warm", "got") == [(1, None, []), (2, True, ["warm"])]


def test_a_design_without_parameters() -> None:
    assert columns(rows_of(lambda: {"x": 1}, Factorial(), repeats=3), "_point", "_repeat", "x") == [
        (0, 0, 1), (0, 1, 1), (0, 2, 1)
    ]  # fmt: skip


def test_a_range_of_a_thousand_million_costs_nothing() -> None:
    package = packaged(lambda p, q: {"x": p - q}, Factorial(p=range(10**9), q=range(5, -5, -2)))
    batches = leased(package, 4 * 10**9, 4 * 10**9 + 50)
    assert all(row["x"] == row["p"] - row["q"] for row in table_of(batches).to_pylist())


@pytest.mark.parametrize("axis", [range(2**63 - 1, 2**63 + 2), range(2**64, 2**64 + 3), range(0, 10**30, 10**29)])
def test_a_range_beyond_64_bits_is_kept(axis: range) -> None:
    table = table_of(leased(packaged(lambda p: {"got": str(p)}, Factorial(p=axis))))
    got = dict(zip(table["_point"].to_pylist(), table["got"].to_pylist(), strict=True))
    assert {point: str(value) for point, value in found(table, "p").items()} == got


PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=True),
    st.text(max_size=4),
    st.binary(max_size=4),
    st.dates(),
    st.datetimes(timezones=st.sampled_from([None, dt.UTC])),
    st.timedeltas(dt.timedelta(-1000), dt.timedelta(1000)),
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**6), max_value=10**6),
)
LEVELS = st.one_of(PLAIN, st.lists(PLAIN, max_size=3), st.dictionaries(st.sampled_from("ab"), PLAIN, max_size=2))
AXES = st.one_of(
    st.lists(LEVELS, min_size=1, max_size=4),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=4),
    st.builds(range, st.integers(-5, 5), st.integers(6, 12), st.integers(1, 4)),
)


@st.composite
def designs(draw: st.DrawFn) -> Design:
    names = draw(st.lists(st.sampled_from(["p", "p__string", "p__x", "q", "two words"]), max_size=3, unique=True))
    if names and draw(st.booleans()):
        row = st.fixed_dictionaries({}, optional=dict.fromkeys(names, LEVELS))
        return Points(draw(st.lists(row, min_size=1, max_size=4)))
    return Factorial({name: draw(AXES) for name in names})


def telling() -> Any:
    def tells(**params: Any) -> dict[str, bytes]:
        import pickle

        return {"told": pickle.dumps(params)}

    return tells


TELLING = pack(telling())


@settings(deadline=None, max_examples=60)
@given(design=designs(), repeats=st.integers(1, 2))
def test_the_rows_hold_the_parameters_that_the_trials_got(design: Design, repeats: int) -> None:
    table = table_of(leased(packaged(TELLING, design, repeats=repeats)))
    columns_of = {name: found(table, name) for name in design.parameters}
    for row in table.select(["_point", "told"]).to_pylist():
        point, told = row["_point"], pickle.loads(row["told"])
        assert repr(told) == repr(design[point])
        for name in design.parameters:
            assert same(columns_of[name].get(point), told.get(name)), (name, columns_of, told)


def test_what_no_column_holds_typed_stands_as_text() -> None:
    table = table_of(leased(packaged(lambda p: {}, Factorial(p=[2**70, 1]))))
    assert found(table, "p") == {1: 1}
    assert sorted(table["p"].to_pylist()) == ["1", str(2**70)]


def found(table: pa.Table, name: str) -> dict[int, Any]:
    """By point the value of a parameter, in whichever of its columns it is; a trial has it in one only."""
    values: dict[int, Any] = {}
    for field in table.schema:
        about = field.metadata or {}
        if about.get(NAME) != name.encode() or about.get(KIND) == TEXT:
            continue
        cells = dict(zip(table["_point"].to_pylist(), table[field.name].to_pylist(), strict=True))
        for point, value in cells.items():
            if value is not None:
                assert point not in values, (name, point)
                values[point] = pickle.loads(value["pickle"]) if about.get(KIND) == b"pickle" else value
    return values


def same(kept: Any, got: Any) -> bool:
    """Equal, as far as Arrow goes: a struct has all fields, ints among floats are floats; what has no type is text."""
    if isinstance(got, list | dict) and isinstance(kept, str | None):
        return kept is None or kept == text_of(got)
    if isinstance(got, dict) and isinstance(kept, dict):
        return all(same(kept[key], got.get(key)) for key in kept) and got.keys() <= kept.keys()
    if isinstance(got, list) and isinstance(kept, list):
        return len(got) == len(kept) and all(map(same, kept, got))
    if isinstance(got, float) and isinstance(kept, float) and math.isnan(got):
        return math.isnan(kept)
    return bool(kept == got)


# -- what is too large


@pytest.fixture
def small_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "RECORD_BYTES", 100_000)


@pytest.mark.usefixtures("small_records")
@pytest.mark.parametrize("kind", ["bytes", "text", "array", "lists", "dicts", "object", "rows"])
def test_a_record_that_is_too_large_is_a_failure_that_says_so(kind: str) -> None:
    def makes(n: int) -> Any:
        import numpy as np

        made = {
            "bytes": lambda: {"x": bytes(n)},
            "text": lambda: {"x": "é" * n},
            "array": lambda: {"x": np.zeros(n // 8)},
            "lists": lambda: {"x": [[float(i)] for i in range(n // 8)]},
            "dicts": lambda: {"x": [{"a": "b" * 8} for _ in range(n // 8)]},
            "object": lambda: {"x": {frozenset(range(3)): bytes(n)}},
            "rows": lambda: [{"x": i} for i in range(n // 8)],
        }
        return made[kind]()

    package = packaged(makes, Factorial(n=[16, 400_000, 24, 800_000, 0]), order="design")
    batches = leased(package)
    assert sum(batch.count for batch in batches) == 5
    rows = [row for row in table_of(batches).to_pylist() if row["_status"] != "done"]
    assert columns(rows, "n", "x") == [(400_000, None), (800_000, None)]
    assert all("MB, and can have 0.1 MB at most; write large results to a file" in row["_error"] for row in rows)
    assert sum(batch.by_status["failed"] for batch in batches if "failed" in batch.by_status) == 2
    assert all(batch.rows.nbytes < 100_000 for batch in batches)


@pytest.mark.usefixtures("small_records")
def test_many_records_that_are_together_too_large_are_fine() -> None:
    def half(p: int) -> dict[str, bytes]:
        return {"x": bytes(60_000)}

    assert {row["_status"] for row in rows_of(half, Factorial(p=range(10)))} == {"done"}


@pytest.mark.usefixtures("small_records")
def test_the_large_record_is_found_among_records_of_many_rows() -> None:
    def mixed(p: int) -> list[dict[str, Any]]:
        return [{"x": bytes(300_000)}] if p == 2 else [{"x": bytes(3)} for _ in range(20)]

    rows = rows_of(mixed, Factorial(p=range(4)))
    assert [row["p"] for row in rows if row["_status"] == "failed"] == [2]
    assert len(rows) == 61


@pytest.mark.usefixtures("small_records")
def test_metadata_that_is_too_large_goes_too() -> None:
    class Epyc:
        def set(self, params: dict[str, Any]) -> Any:
            return self

        def run(self) -> dict[str, Any]:
            return {"metadata": {"log": "x" * 200_000}, "results": {"y": 1}}

    (batch,) = leased(packaged(Epyc(), Factorial()))
    assert batch.by_status == {"failed": 1}
    assert batch.rows.nbytes < 10_000


def test_a_result_that_arrow_cannot_take_is_the_failure_of_its_trial_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a text of more than 2 GB, which is no array any more but chunks; a trial alone is blamed, many are not."""
    from raylab.notebook.rows import wire as real

    def refuses(trials: Any, *rest: Any) -> pa.RecordBatch:
        if any(result.get("x") == "huge" for result in trials.results):
            raise pa.ArrowCapacityError("too much for one array")
        return real(trials, *rest)

    monkeypatch.setattr(making, "wire", refuses)
    package = packaged(lambda p: {"x": "huge" if p else "fine"}, Factorial(p=range(2)), order="design")
    with pytest.raises(pa.ArrowCapacityError):
        leased(package)
    (batch,) = leased(package, 1, 2)
    (row,) = table_of([batch]).to_pylist()
    assert (row["_status"], batch.by_status) == ("failed", {"failed": 1})
    assert "its result cannot be kept (ArrowCapacityError: too much for one array)" in row["_error"]


def test_numpys_values_are_results() -> None:
    (row,) = rows_of(lambda: {"a": np.float32(1.5), "b": np.arange(3), "c": np.bool_(True)}, Factorial())
    assert (row["a"], row["b"], row["c"]) == (1.5, [0, 1, 2], True)
