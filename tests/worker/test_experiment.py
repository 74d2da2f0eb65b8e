"""One trial, run: what goes in by name, what comes out as plain data, and nothing that escapes."""

from __future__ import annotations

import collections
import dataclasses
import doctest
import functools
import inspect
import math
import pickle
import subprocess
import sys
import types
from collections import OrderedDict
from types import MappingProxyType
from typing import ClassVar, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import raylab.worker.experiment
import raylab.worker.outcome
from raylab.errors import ExperimentError
from raylab.worker.experiment import Experiment, Outcome, adapt, check_parameters, label

KEY = (7, 3)


def outcome(made):
    return made if isinstance(made, Outcome) else Outcome(status="done", rows=[made])


def run(experiment, params=None, seed=11):
    return outcome(adapt(experiment).attempt(params or {}, seed, KEY))


# functions


def test_a_function_gets_its_parameters_by_name_and_its_row_comes_back():
    assert run(lambda p, size: {"x": p + size}, {"size": 2, "p": 1}).rows == [{"x": 3}]


@pytest.mark.parametrize(
    ("returned", "rows"),
    [
        (None, [{}]),
        ({}, [{}]),
        ([], [{}]),
        ([{"a": 1}, {"a": 2}], [{"a": 1}, {"a": 2}]),
        (({"a": 1},), [{"a": 1}]),
        (OrderedDict(a=1), [{"a": 1}]),
        (MappingProxyType({"a": 1}), [{"a": 1}]),
        ({1: "a", None: "b"}, [{"1": "a", "None": "b"}]),
        ({1: "a", "1": "b"}, [{"1": "a", "1__str": "b"}]),
        ({np.str_("a"): 1}, [{"a": 1}]),
        ({"\udc80": 1}, [{"\\udc80": 1}]),
    ],
)
def test_results_become_rows(returned, rows):
    outcome = run(lambda: returned)

    assert (outcome.status, outcome.rows, outcome.error) == ("done", rows, None)
    assert all(isinstance(name, str) for row in outcome.rows for name in row)


class Walk(NamedTuple):
    steps: int
    end: float


@dataclasses.dataclass(frozen=True, slots=True)
class Fit:
    slope: float
    name: str = "line"
    unknown: ClassVar[int] = 3


GENERATOR = (n for n in [1])
LONE = object()


@pytest.mark.parametrize(
    ("returned", "rows"),
    [
        (3, [{"value": 3}]),
        (True, [{"value": True}]),
        ("text", [{"value": "text"}]),
        (b"bytes", [{"value": b"bytes"}]),
        ([1.5], [{"value": [1.5]}]),
        ((1, "a"), [{"value": (1, "a")}]),
        ([{"a": 1}, None], [{"value": [{"a": 1}, None]}]),
        ([[]], [{"value": [[]]}]),
        (np.float64(2.0), [{"value": np.float64(2.0)}]),
        ({1, 2}, [{"value": {1, 2}}]),
        (1j, [{"value": 1j}]),
        (GENERATOR, [{"value": GENERATOR}]),
        (LONE, [{"value": LONE}]),
        (Fit, [{"value": Fit}]),  # a class, and no instance
        (ZeroDivisionError, [{"value": ZeroDivisionError}]),
    ],
)
def test_a_single_value_is_the_column_value(returned, rows):
    outcome = run(lambda: returned)

    assert (outcome.status, outcome.rows, outcome.error) == ("done", rows, None)


@pytest.mark.parametrize(
    ("returned", "rows"),
    [
        (Walk(3, 0.5), [{"steps": 3, "end": 0.5}]),
        (Fit(2.0), [{"slope": 2.0, "name": "line"}]),
        ([Fit(2.0), Walk(3, 0.5), {"a": 1}], [{"slope": 2.0, "name": "line"}, {"steps": 3, "end": 0.5}, {"a": 1}]),
        ((Fit(1.0, "other"),), [{"slope": 1.0, "name": "other"}]),
        (MappingProxyType({"a": 1}), [{"a": 1}]),
        (collections.Counter("aab"), [{"a": 2, "b": 1}]),
        ((), [{}]),
        ([], [{}]),
    ],
)
def test_what_has_fields_is_a_row(returned, rows):
    outcome = run(lambda: returned)

    assert (outcome.status, outcome.rows) == ("done", rows)


def test_an_instance_of_attrs_pydantic_or_msgspec_is_a_row_by_what_its_class_says():
    """Whether they are installed or not; their classes are marked so."""

    class Attrs:
        __attrs_attrs__ = (types.SimpleNamespace(name="x"), types.SimpleNamespace(name="y"))
        x, y = 1, 2

    class Model:
        __pydantic_fields__: ClassVar[dict] = {"x": ..., "y": ...}
        __pydantic_extra__ = {"z": 3}  # noqa: RUF012
        x, y = 1, 2

    class Struct:
        __struct_fields__ = ("x", "y")
        x, y = 1, 2

    assert run(lambda: Attrs()).rows == [{"x": 1, "y": 2}]
    assert run(lambda: Model()).rows == [{"x": 1, "y": 2, "z": 3}]
    assert run(lambda: Struct()).rows == [{"x": 1, "y": 2}]


FRAMES = {
    "polars": lambda: pl.DataFrame({"a": [1, None], "b": ["x", "y"]}),
    "lazy": lambda: pl.LazyFrame({"a": [1, None], "b": ["x", "y"]}),
    "pandas": lambda: pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": ["x", "y"]}),
    "pyarrow": lambda: pa.table({"a": [1, None], "b": ["x", "y"]}),
    "batch": lambda: pa.RecordBatch.from_pylist([{"a": 1, "b": "x"}, {"a": None, "b": "y"}]),
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_is_its_rows(name):
    frame = FRAMES[name]()

    assert run(lambda: frame).rows == [{"a": 1, "b": "x"}, {"a": None, "b": "y"}]


def test_a_frame_without_rows_is_one_row_of_nulls():
    for frame in (pl.DataFrame({"a": []}), pd.DataFrame({"a": []}), pa.table({"a": pa.nulls(0)})):
        assert run(lambda frame=frame: frame).rows == [{}]


def test_an_index_of_pandas_that_tells_something_is_a_column():
    plain = pd.DataFrame({"a": [1, 2]})
    named = pd.DataFrame({"a": [1]}, index=pd.Index([7], name="step"))
    words = pd.DataFrame({"a": [1]}, index=["x"])

    assert run(lambda: plain[plain["a"] > 1]).rows == [{"a": 2}]  # row numbers of another frame
    assert run(lambda: named).rows == [{"step": 7, "a": 1}]
    assert run(lambda: words).rows == [{"index": "x", "a": 1}]


@pytest.mark.parametrize(
    "make", [lambda: pl.Series([1, None]), lambda: pd.Series([1, None], dtype="Int64"), lambda: pa.array([1, None])]
)
def test_a_series_is_a_list(make):
    series = make()

    assert run(lambda: series).rows == [{"value": [1, None]}]


def test_a_value_is_a_snapshot_too():
    kept = [1]

    def growing():
        kept.append(2)
        return kept

    first = run(growing).rows
    run(growing)
    assert first == [{"value": [1, 2]}]


def test_what_an_experiment_object_returns_is_no_more_refused():
    outcome = run(Recording((), returned=3))

    assert (outcome.status, outcome.rows) == ("done", [{"value": 3}])


def test_rows_are_copies_even_if_the_experiment_keeps_changing_what_it_returned():
    kept = {"n": 0, "trace": [], "array": np.zeros(2), "nested": {"deep": [0]}, "seen": set()}

    def counting():
        kept["n"] += 1
        kept["trace"].append(kept["n"])
        kept["array"] += 1
        kept["seen"].add(kept["n"])
        kept["nested"]["deep"][0] += 1
        return kept

    runner = adapt(counting)
    first, second = (outcome(runner.attempt({}, 1, KEY)).rows[0] for _ in range(2))

    assert (first["n"], first["trace"], first["array"].tolist(), first["nested"]) == (
        1,
        [1],
        [1, 1],
        {"deep": [1]},
    )
    assert first["seen"] == {1}
    assert (second["n"], second["trace"]) == (2, [1, 2])


def test_a_value_that_contains_itself_is_let_through():
    endless: list[object] = []
    endless.append(endless)

    assert run(lambda: {"endless": endless}).status == "done"


def test_seed_and_rng_are_given_only_if_the_function_names_them():
    assert run(lambda seed: {"s": seed}).rows == [{"s": 11}]
    assert run(lambda **rest: {"names": ",".join(rest)}, {"p": 1}).rows == [{"names": "p"}]
    expected = np.random.default_rng(np.random.SeedSequence(7, spawn_key=(3,))).random()
    assert run(lambda rng: {"r": rng.random()}).rows == [{"r": expected}]
    assert run(lambda *, seed=None: {"s": seed}).rows == [{"s": 11}]


def test_an_axis_named_seed_or_rng_wins():
    assert run(lambda seed, rng: {"s": seed, "r": rng}, {"seed": 5, "rng": "mine"}).rows == [{"s": 5, "r": "mine"}]


def test_the_parameters_of_the_point_are_not_changed_by_adding_a_seed():
    params = {"p": 1}
    run(lambda p, seed: None, params)

    assert params == {"p": 1}


class Model:
    def __init__(self, factor):
        self.factor = factor

    def double(self, p):
        return {"x": self.factor * p}

    def __call__(self, p):
        return {"x": -self.factor * p}


def f(p, size=1, *, seed=0):
    return {"x": p * size, "seed": seed}


@pytest.mark.parametrize(
    ("experiment", "params", "row", "name"),
    [
        (functools.partial(f, size=3), {"p": 2}, {"x": 6, "seed": 11}, "f"),
        (functools.partial(f, seed=4), {"p": 2}, {"x": 2, "seed": 4}, "f"),
        (functools.partial(functools.partial(f, 5), size=2), {}, {"x": 10, "seed": 11}, "f"),
        (Model(2).double, {"p": 3}, {"x": 6}, "double"),
        (Model(2), {"p": 3}, {"x": -6}, "Model"),
        (lambda p: {"x": p}, {"p": 3}, {"x": 3}, "lambda"),
        (functools.lru_cache(f), {"p": 3}, {"x": 3, "seed": 11}, "f"),
    ],
)
def test_all_kinds_of_callables_run_and_have_a_name(experiment, params, row, name):
    check_parameters(experiment, list(params))

    assert run(experiment, params).rows == [row]
    assert label(experiment) == name


def test_a_builtin_without_a_signature_gets_every_parameter_by_name():
    with pytest.raises(ValueError, match="no signature"):
        inspect.signature(math.hypot)
    check_parameters(math.hypot, ["x"])

    assert run(math.hypot, {"x": 1}).error.startswith("TypeError")  # it was called, with x


def test_attempt_gives_the_plain_row_where_there_is_nothing_more_to_say():
    runner = adapt(lambda p: {"x": p})

    assert runner.attempt({"p": 1}, 1, KEY) == {"x": 1}
    assert isinstance(runner.attempt({}, 1, KEY), Outcome)
    assert isinstance(adapt(lambda: [{}, {}]).attempt({}, 1, KEY), Outcome)


def by_name_only(*, p, n=3):
    return {"x": p - n}


def with_gap(p, scale=10, n=3):
    return {"x": scale * (p - n)}


def seeded(n, seed, p):
    return {"x": p - n, "seed": seed}


@functools.wraps(seeded)
def wrapped(*args, **words):
    assert not args, "a wrapper gets its parameters by name"
    return seeded(**words)


class Called:
    def __call__(self, p, n):
        return {"x": p - n}


def drawing(n, p, rng):
    return {"x": p - n, "drawn": int(rng.integers(1_000))}


@pytest.mark.parametrize(
    "function",
    [
        lambda n, p: {"x": p - n},
        lambda p, n: {"x": p - n},
        lambda p, n, seed=0: {"x": p - n, "seed": seed},
        by_name_only,
        with_gap,
        seeded,
        wrapped,
        drawing,
        functools.partial(seeded, seed=5),
        lambda **words: dict(words),
        Called(),
    ],
)
def test_trials_in_a_row_come_to_what_each_comes_to_alone(function):
    runner = adapt(function)
    seeds, keys = [11, 12, 13], [(7, 0), (7, 1), (7, 2)]
    for columns in ({"p": [1, 2, 3], "n": [10, 20, 30]}, {"n": [10, 20, 30], "p": [1, 2, 3]}):
        alone = [
            runner.attempt({"p": p, "n": n}, seed, key)
            for p, n, seed, key in zip([1, 2, 3], [10, 20, 30], seeds, keys, strict=True)
        ]
        assert list(runner.attempts(columns, seeds, keys)) == alone


def test_an_axis_called_seed_wins_in_a_row_of_trials_too():
    made = adapt(seeded).attempts({"n": [0, 0], "p": [1, 2], "seed": [5, 6]}, [11, 12], [KEY, KEY])
    assert [row["seed"] for row in made] == [5, 6]


def test_a_trial_that_raises_does_not_end_its_row():
    def raising(n):
        raise [StopIteration, SystemExit, KeyboardInterrupt, GeneratorExit, ValueError][n]

    made = list(adapt(raising).attempts({"n": range(5)}, [1] * 5, [KEY] * 5))
    assert [outcome.status for outcome in made] == ["failed"] * 5
    assert made[0].error == "StopIteration"


def test_trials_in_a_row_run_when_they_are_asked_for_and_keep_their_own_results():
    held = {"n": 0, "more": [0]}

    def reusing(n):
        held["n"], held["more"][0] = n, n
        return held

    made = adapt(reusing).attempts({"n": [1, 2]}, [1, 1], [KEY, KEY])
    first = next(made)
    assert held["n"] == 1
    assert (first, next(made)) == ({"n": 1, "more": [1]}, {"n": 2, "more": [2]})


def test_a_cancelled_trial_ends_its_row():
    def raising(n):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(adapt(raising, is_cancelled=lambda: True).attempts({"n": [1]}, [1], [KEY]))


# failures


class SickError(Exception):
    def __str__(self):
        raise SystemExit(3)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("p is negative"), "ValueError: p is negative"),
        (KeyError(), "KeyError"),
        (SystemExit(2), "SystemExit: 2"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (SickError(), "SickError: its message cannot be read, SystemExit in __str__"),
        (OSError("no \udcff"), "OSError: no \\udcff"),
        (ExceptionGroup("two", [ValueError("a"), TypeError("b")]), "ExceptionGroup: two (2 sub-exceptions)"),
    ],
)
def test_whatever_is_raised_is_a_failed_outcome_in_words(error, text):
    def raising():
        raise error

    outcome = run(raising)

    assert (outcome.status, outcome.rows, outcome.error) == ("failed", [{}], text)
    assert "raising" in outcome.traceback
    outcome.traceback.encode("utf-8")
    assert pickle.loads(pickle.dumps(outcome)) == outcome


def test_the_traceback_shows_the_users_frames_only_also_of_causes():
    def inner():
        raise ValueError("first")

    def outer():
        try:
            inner()
        except ValueError as error:
            raise RuntimeError("second") from error

    trace = run(outer).traceback

    assert "in inner" in trace
    assert "in outer" in trace
    assert "raylab/worker/experiment.py" not in trace
    assert trace.endswith("RuntimeError: second\n")


def test_long_messages_and_tracebacks_are_cut():
    def raising():
        raise ValueError("x" * 300_000 + "end")

    outcome = run(raising)

    assert len(outcome.error) == 10_000
    assert len(outcome.traceback) == 100_000
    assert outcome.traceback.endswith("end\n")


def test_endless_recursion_is_a_failure_like_others():
    def down():
        return down()

    assert run(down).error.startswith("RecursionError")


def test_a_missing_argument_is_the_trials_failure():
    assert run(lambda p: None, {"q": 1}).error.startswith("TypeError")


@pytest.mark.parametrize("kind", ["function", "experiment", "tear_down", "epyc"])
def test_an_exception_goes_through_when_the_trial_was_cancelled(kind):
    def raising(*_):
        raise KeyboardInterrupt

    class Raising(Experiment):
        do = raising

    class RaisingLate(Experiment):
        tear_down = raising

        def do(self, params):
            raise ValueError

    class Epyc:
        set = raising
        run = raising

    experiment = {"function": raising, "experiment": Raising(), "tear_down": RaisingLate(), "epyc": Epyc()}[kind]
    cancelled = adapt(experiment, is_cancelled=lambda: True)
    with pytest.raises(KeyboardInterrupt):
        cancelled.attempt({}, 1, KEY)
    assert outcome(adapt(experiment).attempt({}, 1, KEY)).status == "failed"


# Experiment


class Recording(Experiment):
    """Notes what happens to it; fails where it is told to."""

    def __init__(self, fails_in=(), returned=None):
        self.fails_in = fails_in
        self.returned = returned
        self.calls = []

    def _call(self, name):
        self.calls.append(name)
        if name in self.fails_in:
            raise ValueError(name)

    def set_up(self, params):
        self._call("set_up")
        params["added"] = 1

    def do(self, params):
        self._call("do")
        return self.returned if self.returned is not None else {**params, "seed": self.seed}

    def tear_down(self):
        self._call("tear_down")


@pytest.mark.parametrize(
    ("fails_in", "calls", "error"),
    [
        ((), ["set_up", "do", "tear_down"], None),
        (("set_up",), ["set_up"], "ValueError: set_up"),
        (("do",), ["set_up", "do", "tear_down"], "ValueError: do"),
        (("tear_down",), ["set_up", "do", "tear_down"], "ValueError: tear_down"),
        (("do", "tear_down"), ["set_up", "do", "tear_down"], "ValueError: do"),
    ],
)
def test_an_experiment_is_set_up_done_and_torn_down(fails_in, calls, error):
    experiment = Recording(fails_in)
    params = {"p": 1}
    outcome = run(experiment, params)

    assert experiment.calls == calls
    assert outcome.error == error
    assert outcome.rows == ([{}] if error else [{"p": 1, "added": 1, "seed": 11}])
    assert set(outcome.times) == {f"_{name}_s" for name in calls}
    assert params == {"p": 1}


def test_an_experiments_seed_and_rng_are_the_trials_own():
    class Random(Experiment):
        def do(self, params):
            return {"seed": self.seed, "first": self.rng.random(), "second": self.rng.random()}

    runner = adapt(Random)  # a class without arguments will do
    again, other = runner.attempt({}, 11, KEY), runner.attempt({}, 12, (7, 4))
    expected = np.random.default_rng(np.random.SeedSequence(7, spawn_key=(3,)))

    assert again.rows == [{"seed": 11, "first": expected.random(), "second": expected.random()}]
    assert runner.attempt({}, 11, KEY).rows == again.rows != other.rows
    assert runner.attempt({"seed": 5}, 11, KEY).rows[0]["seed"] == 5


def test_a_frozen_dataclass_may_be_an_experiment():
    @dataclasses.dataclass(frozen=True)
    class Frozen(Experiment):
        beta: float

        def do(self, params):
            return {"x": self.beta, "seed": self.seed, "random": self.rng.random() < 1}

    assert run(Frozen(0.5)).rows == [{"x": 0.5, "seed": 11, "random": True}]


# epyc's protocol


class Epyc:
    """As epyc 1.7.2 does it: run() returns metadata, parameters and results, and never raises."""

    def __init__(self, do, nested=False):
        self._do = do

    def set(self, params):
        self.params = params
        return self

    def run(self):
        metadata = {"epyc.experiment.classname": "Epyc", "epyc.experiment.elapsed_time": 0.5}
        results = {}
        try:
            results = self._do(self.params)
            metadata["epyc.experiment.status"] = True
        except Exception as error:
            metadata["epyc.experiment.status"] = False
            metadata["epyc.experiment.exception"] = error
            metadata["epyc.experiment.traceback"] = "Traceback: here"
        return {"metadata": metadata, "parameters": self.params, "results": results}


class Repeated(Epyc):
    """epyc's RepeatedExperiment: the results are whole results dicts."""

    def __init__(self, experiment, n):
        self.experiment = experiment
        super().__init__(lambda params: [experiment.set(params).run() for _ in range(n)])


def test_an_epyc_experiment_runs_and_its_metadata_comes_along():
    outcome = run(Epyc(lambda params: {"x": params["p"]}), {"p": 2})

    assert (outcome.status, outcome.rows) == ("done", [{"x": 2}])
    assert outcome.metadata["epyc.experiment.elapsed_time"] == 0.5


def test_a_failure_that_epyc_reports_is_a_failure():
    outcome = run(Epyc(lambda params: 1 / 0))

    assert (outcome.status, outcome.rows) == ("failed", [{}])
    assert (outcome.error, outcome.traceback) == ("ZeroDivisionError: division by zero", "Traceback: here")
    assert "epyc.experiment.exception" not in outcome.metadata


def test_repetitions_of_an_epyc_experiment_are_rows():
    values = iter([1, 2, 3])
    outcome = run(Repeated(Epyc(lambda params: {"x": next(values)}), 3))

    assert (outcome.status, outcome.rows) == ("done", [{"x": 1}, {"x": 2}, {"x": 3}])


def test_a_repetition_that_failed_keeps_its_place_and_all_of_them_fail_the_trial():
    values = iter([1, 0])
    some = run(Repeated(Epyc(lambda params: {"x": 1 // next(values)}), 2))
    all_of_them = run(Repeated(Epyc(lambda params: 1 / 0), 2))

    failed = "ZeroDivisionError: integer division or modulo by zero"
    assert some.rows == [{"x": 1}, {"epyc.experiment.exception": failed}]
    assert (all_of_them.status, all_of_them.error) == ("failed", "ZeroDivisionError: division by zero")


def test_an_epyc_run_that_returns_no_results_dict_is_a_failure():
    class Odd(Epyc):
        def run(self):
            return {"x": 1}

    assert run(Odd(None)).error == "run() returned dict without 'results'; epyc's results dict is expected"


# refused before anything is stored


async def later(p):
    return {}


def yielding(p):
    yield {}


class NoExperiment:
    def do(self, params):
        return {}


class NeedsArguments(Experiment):
    def __init__(self, beta):
        self.beta = beta

    def do(self, params):
        return {}


class WithoutDo(Experiment):
    pass


class Lazy(Experiment):
    async def do(self, params):
        return {}


@pytest.mark.parametrize(
    ("experiment", "text"),
    [
        (3, "cannot be run"),
        (None, "cannot be run"),
        (later, "is async"),
        (functools.partial(later, 1), "is async"),
        (yielding, "is a generator"),
        (Lazy(), "Lazy.do is async"),
        (NoExperiment, "no raylab.Experiment"),
        (NoExperiment(), "cannot be run"),
        (NeedsArguments, "Give an instance: NeedsArguments"),
        (WithoutDo(), "has no do"),
        (Experiment, "has no do"),
    ],
)
def test_what_cannot_be_run_is_refused(experiment, text):
    with pytest.raises(ExperimentError, match=text):
        check_parameters(experiment, [])
    with pytest.raises(ExperimentError, match=text):
        adapt(experiment)


@pytest.mark.parametrize(
    ("experiment", "parameters", "optional", "text"),
    [
        (lambda p, length: None, ["p", "lenght"], (), "does not take 'lenght'.*Did you mean 'length'"),
        (lambda p, size: None, ["p"], (), "needs 'size'.*gives 'p'"),
        (lambda p, size: None, ["p", "size"], ["size"], "'size', which some points"),
        (math.sin, ["x"], (), "by position only"),
        (lambda: None, ["p"], (), "it takes nothing"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(experiment, parameters, optional, text):
    with pytest.raises(ExperimentError, match=text):
        check_parameters(experiment, parameters, optional)


def test_parameters_that_fit_are_not_refused():
    check_parameters(lambda p, seed, rng, size=1: None, ["p"])
    check_parameters(lambda p, size=1: None, ["p", "size"], ["size"])
    check_parameters(lambda **all_of_them: None, ["p", "L"], ["L"])
    check_parameters(functools.partial(f, size=3), ["p"])
    check_parameters(Recording(), ["anything"], ["anything"])
    check_parameters(Epyc(None), ["anything"])


def test_a_ray_remote_function_is_refused_with_the_way_out():
    ray = pytest.importorskip("ray")

    with pytest.raises(ExperimentError, match=r"without @ray\.remote"):
        check_parameters(ray.remote(f), ["p"])


def test_nothing_heavy_is_imported():
    heavy = {"numpy", "ray", "polars", "pyarrow"}
    code = f"import sys, raylab.worker.experiment; sys.exit(bool({heavy} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_examples_in_the_docstrings_are_true():
    assert doctest.testmod(raylab.worker.experiment).failed == 0
    assert doctest.testmod(raylab.worker.outcome).failed == 0


@pytest.mark.parametrize("kind", ["function", "experiment", "epyc"])
def test_what_is_run_by_hand_raises_what_it_raises_and_is_called_by_whom_one_says(kind):
    class Failing(Experiment):
        ended = False

        def do(self, params):
            raise KeyError("do")

        def tear_down(self):
            self.ended = True
            raise ValueError("tear_down")

    class FailingEpyc:
        def set(self, params):
            self.params = params

        def run(self):
            raise KeyError("do")

    def failing(x):
        raise KeyError("do")

    made = {"function": failing, "experiment": Failing(), "epyc": FailingEpyc()}[kind]
    called = []

    def by(function, /, *args, **words):
        called.append(function.__name__)
        return function(*args, **words)

    runner = adapt(made, by=by)
    with pytest.raises(KeyError, match="do"):
        runner.run({"x": 1}, 11, KEY)
    assert called == [{"function": "failing", "experiment": "do", "epyc": "run"}[kind]]
    assert outcome(runner.attempt({"x": 1}, 11, KEY)).error == "KeyError: 'do'"


def test_a_parameter_may_be_called_like_anything_in_between():
    names = {"self": 1, "function": 2, "args": 3}
    assert adapt(lambda **words: words, by=lambda call, /, *a, **w: call(*a, **w)).run(names, 11, KEY) == names
    assert run(lambda **words: words, names).rows == [names]


def test_a_coroutine_that_slips_through_is_a_failure():
    coroutine = later(1)
    outcome = run(lambda: coroutine)
    coroutine.close()

    assert outcome.error.startswith("returned a coroutine, which nobody ran;")
