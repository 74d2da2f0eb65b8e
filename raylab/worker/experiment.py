"""How one trial is run: an experiment of any kind, one point, one seed; what comes out is plain data.

An experiment is a function of its parameters, a subclass of `Experiment`, or any object that speaks epyc's
protocol (`set(params)`, then `run()`). `adapt` makes a `Runner` of it, with all work on signatures done once.

An axis called `seed` or `rng` wins over the trial's own, and what is made of a seed follows it: with integers on such
an axis the global generators, `rng` and `seed` are the same wherever that value stands (common random numbers).
With anything else on it they are the trial's own.

Promises: nothing that user code does or raises leaves a runner, except what a cancellation raised.
Standard library only (numpy is imported when a trial asks for `rng`). Knows no Ray, no disk.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from time import perf_counter
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal

from raylab.core.names import as_read
from raylab.errors import ExperimentError, repr_of
from raylab.worker.generators import common, seeder
from raylab.worker.outcome import ATOMS, Outcome, Row, UnfitResultError, failure, known_names, read, read_epyc
from raylab.worker.recorded import Recorded
from raylab.worker.signature import check_takes, takes

if TYPE_CHECKING:
    from numpy.random import Generator


class Experiment:
    """An experiment that wants to prepare and to clean up. Subclass it and write at least `do`.

    One instance serves many trials, one after the other. Before each, `seed` (an int) and `rng` (a numpy
    Generator, made at its first use) are set to the trial's own. An axis called `seed` or `rng` wins, and with
    integers on it the other one follows.

    Example:
        >>> class Coin(Experiment):
        ...     def do(self, params):
        ...         return {"heads": int(self.rng.binomial(params["tosses"], 0.5)) <= params["tosses"]}
        >>> adapt(Coin()).attempt({"tosses": 10}, seed=7, rng_key=(1, 0)).rows
        [{'heads': True}]
    """

    seed: int = 0
    _rng_key: tuple[int, ...] | None = None
    _rng: Generator | None = None

    @property
    def rng(self) -> Generator:
        """The trial's own random numbers, the same whatever the order or the machine."""
        if self._rng is None:
            # Not `self._rng = ...`: subclasses may be frozen dataclasses.
            object.__setattr__(self, "_rng", _generator(self._rng_key))
        assert self._rng is not None
        return self._rng

    @rng.setter
    def rng(self, generator: Generator) -> None:
        object.__setattr__(self, "_rng", generator)

    def set_up(self, params: dict[str, Any]) -> None:
        """Prepare the trial. If this raises, neither `do` nor `tear_down` runs."""

    def do(self, params: dict[str, Any]) -> object:
        """Run the trial and return its results.

        A mapping, a named tuple or a dataclass instance is a row; a list of them is several; a frame (polars, pandas,
        pyarrow) its rows. None is an empty result, anything else the column `value`.
        """
        raise NotImplementedError

    def tear_down(self) -> None:
        """Clean up; runs also after a `do` that raised."""


class Runner:
    """Runs trials of one experiment; made by `adapt`.

    `attempt` is for tight loops: a trial that is done and has one row and nothing else to tell is that row, a
    plain dict; everything else is an `Outcome`.
    """

    __slots__ = ("_by", "_enter", "_experiment", "_is_cancelled", "_seed_globals")

    def __init__(
        self,
        experiment: Any,
        is_cancelled: Callable[[], bool],
        seed_globals: Callable[[int], None] | None,
        enter: Callable[[], None] | None,
        by: Callable[..., Any] | None,
    ) -> None:
        self._experiment = experiment
        self._is_cancelled = is_cancelled
        self._seed_globals = seed_globals
        self._enter = enter
        self._by = by

    def attempt(self, params: dict[str, Any], seed: int, rng_key: tuple[int, ...]) -> Row | Outcome:
        """Run one trial; the row itself if there is nothing more to say.

        Args:
            params: the point; it is not changed.
            seed: the trial's seed.
            rng_key: the sweep's seed and the trial's number; `rng` is made of them if it is asked for.
        """
        times: dict[str, float] = {}
        try:
            return self.run(params, seed, rng_key, times)
        except BaseException as error:
            if self._is_cancelled():
                raise
            return failure(error, times or None)

    def run(
        self, params: dict[str, Any], seed: int, rng_key: tuple[int, ...], times: dict[str, float] | None = None
    ) -> Row | Outcome:
        """Run one trial as `attempt` does, and let pass what the experiment raises.

        Args:
            params, seed, rng_key: as of `attempt`.
            times: is given the seconds of the parts of an `Experiment`, also where it raises.
        """
        if self._enter is not None:
            self._enter()
        given = common(params)
        if given is not None:
            seed, rng_key = given, (given,)
        if self._seed_globals is not None:
            self._seed_globals(seed)
        return self._execute(params, seed, rng_key, {} if times is None else times)

    def attempts(
        self, columns: Mapping[str, Iterable[Any]], seeds: Sequence[int], rng_keys: Iterable[tuple[int, ...]]
    ) -> Iterator[Row | Outcome]:
        """Run trials one after the other, each when it is asked for; as `attempt`, of columns with a value for each."""
        params = (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
        return map(self.attempt, params, seeds, rng_keys)

    def _execute(
        self, params: dict[str, Any], seed: int, rng_key: tuple[int, ...], times: dict[str, float]
    ) -> Row | Outcome:
        raise NotImplementedError

    def _called(self, function: Callable[..., Any], /, *args: Any, **words: Any) -> Any:
        """What the experiment's own function returns."""
        return function(*args, **words) if self._by is None else self._by(function, *args, **words)


def adapt(
    experiment: object,
    *,
    is_cancelled: Callable[[], bool] = lambda: False,
    seeds: Sequence[str] = (),
    enter: Callable[[], None] | None = None,
    by: Callable[..., Any] | None = None,
) -> Runner:
    """Make a runner of whatever an experiment may be.

    Args:
        experiment: a callable, an `Experiment` (instance or class), or an object with epyc's `set` and `run`.
        is_cancelled: asked after every exception; True lets that exception through (a cancelled task, a time limit).
        seeds: the global generators that it may draw from; see `generators.seeder`. They are seeded before each
            execution.
        enter: called before each execution; what it raises is the trial's failure.
        by: calls the experiment's own function (of an `Experiment` `do`, of epyc's `run`), which it gets with the
            arguments, and returns what that returned. `attempts` does without.

    Raises:
        ExperimentError: it is nothing that can be run.

    Example:
        >>> adapt(lambda p, seed: {"x": p + seed}).attempt({"p": 1}, seed=41, rng_key=(0, 0))
        {'x': 42}
    """
    runner = _RUNNERS[_kind(experiment)]
    made = experiment() if isinstance(experiment, type) else experiment
    return runner(made, is_cancelled, seeder(seeds), enter, by)


def check_parameters(experiment: object, parameters: Sequence[str], optional: Collection[str] = ()) -> None:
    """Refuse what cannot be run, and a function that the design's parameters do not fit; see `check_takes`.

    Raises:
        ExperimentError: as `adapt` and `check_takes`.
    """
    if _kind(experiment) == "function":
        assert callable(experiment)
        check_takes(label(experiment), takes(experiment), parameters, optional)


def label(experiment: object) -> str:
    """What an experiment is called where nobody named it.

    Example:
        >>> label(lambda p: p), label(functools.partial(max, 3)), label(Experiment)
        ('lambda', 'max', 'Experiment')
    """
    while isinstance(experiment, functools.partial):
        experiment = experiment.func
    name = getattr(experiment, "__name__", None)
    if not isinstance(name, str):
        name = type(experiment).__name__
    return "lambda" if name == "<lambda>" else name


class _FunctionRunner(Runner):
    __slots__ = ("_names", "_rng", "_seed")

    def __init__(self, function: Callable[..., object], *words: Any) -> None:
        super().__init__(function, *words)
        names = takes(function)
        self._seed = names is not None and "seed" in names.named - names.bound
        self._rng = names is not None and "rng" in names.named - names.bound
        # In the order of a plain function's arguments; a wrapper's own may be other ones than it says.
        code = function.__code__ if type(function) is FunctionType else None
        self._names = code.co_varnames[: code.co_argcount] if code else ()

    def _execute(
        self, params: dict[str, Any], seed: int, rng_key: tuple[int, ...], times: dict[str, float]
    ) -> Row | Outcome:
        if self._seed and "seed" not in params:
            params = {**params, "seed": seed}
        if self._rng and "rng" not in params:
            params = {**params, "rng": _generator(rng_key)}
        return _told(self._called(self._experiment, **params))

    def attempts(
        self, columns: Mapping[str, Iterable[Any]], seeds: Sequence[int], rng_keys: Iterable[tuple[int, ...]]
    ) -> Iterator[Row | Outcome]:
        given = {"seed": seeds, **columns} if self._seed else columns
        names = self._names[: len(given)]
        needs_params = self._enter is not None or "rng" in columns or ("seed" in columns and self._seed_globals)
        if needs_params or given.keys() != set(names) or (self._rng and "rng" not in given):
            return super().attempts(columns, seeds, rng_keys)
        values = [given[name] for name in names]
        calls = map(self._experiment, *values) if self._seed_globals is None else map(self._seeded, seeds, *values)
        return self._in_turn(calls, len(seeds))

    def _seeded(self, seed: int, *values: object) -> object:
        assert self._seed_globals is not None
        self._seed_globals(seed)
        return self._experiment(*values)

    def _in_turn(self, calls: Iterator[object], count: int) -> Iterator[Row | Outcome]:
        """Without a dict for the parameters, and with no call but the function's own: half the cost of `attempt`,
        which is what shows at a microsecond a trial."""
        for _ in range(count):  # not until it ends: a function may raise StopIteration
            try:
                result = next(calls)
                if (
                    type(result) is dict
                    and known_names.issuperset(result)
                    and ATOMS.issuperset(map(type, result.values()))
                ):
                    made: Row | Outcome = result.copy()
                else:
                    made = _told(result)
            except BaseException as error:
                if self._is_cancelled():
                    raise
                made = failure(error)
            yield made


def _told(result: object) -> Row | Outcome:
    made = read(result)
    return made if isinstance(made, dict) else Outcome(status="done", rows=made)


class _ExperimentRunner(Runner):
    __slots__ = ()

    def _execute(self, params: dict[str, Any], seed: int, rng_key: tuple[int, ...], times: dict[str, float]) -> Outcome:
        params = as_read(params)
        # An axis of either name wins, whatever is on it. Set past a frozen dataclass's own __setattr__.
        object.__setattr__(self._experiment, "seed", params.get("seed", seed))
        object.__setattr__(self._experiment, "_rng_key", rng_key)
        object.__setattr__(self._experiment, "_rng", params.get("rng"))
        _timed(times, "_set_up_s", self._experiment.set_up, params)
        made = self._do_and_tear_down(params, times)
        return Outcome(status="done", rows=made if isinstance(made, list) else [made], times=times)

    def _do_and_tear_down(self, params: dict[str, Any], times: dict[str, float]) -> Row | list[Row]:
        try:
            made: Row | list[Row] = _timed(times, "_do_s", lambda: read(self._called(self._experiment.do, params)))
        except BaseException:
            try:
                _timed(times, "_tear_down_s", self._experiment.tear_down)
            except BaseException:
                # do's error is the one that explains the trial; but a cancellation must not be lost here.
                if self._is_cancelled():
                    raise
            raise
        _timed(times, "_tear_down_s", self._experiment.tear_down)
        return made


class _EpycRunner(Runner):
    __slots__ = ()

    def _execute(self, params: dict[str, Any], seed: int, rng_key: tuple[int, ...], times: dict[str, float]) -> Outcome:
        self._experiment.set(as_read(params))
        record = self._called(self._experiment.run)
        if isinstance(record, list):
            record = {"metadata": {}, "results": record}
        if not isinstance(record, Mapping) or "results" not in record:
            without = " without 'results'" if isinstance(record, Mapping) else ""
            raise UnfitResultError(f"run() returned {type(record).__name__}{without}; epyc's results dict is expected")
        return read_epyc(record)


class _RecordedRunner(Runner):
    """Hands records back. A trial is known by its number, which is the second part of what `rng` is made of."""

    __slots__ = ()

    def attempt(self, params: dict[str, Any], seed: int, rng_key: tuple[int, ...]) -> Row | Outcome:
        found: Outcome = self._experiment[rng_key[1]]
        return found


_RUNNERS: dict[str, type[Runner]] = {
    "recorded": _RecordedRunner,
    "experiment": _ExperimentRunner,
    "epyc": _EpycRunner,
    "function": _FunctionRunner,
}


def _timed(times: dict[str, float], name: str, call: Callable[..., Any], *args: Any) -> Any:
    """Call something, and note its seconds, however it ends."""
    started = perf_counter()
    try:
        return call(*args)
    finally:
        times[name] = perf_counter() - started


def _kind(experiment: object) -> Literal["recorded", "experiment", "epyc", "function"]:
    if isinstance(experiment, Recorded):
        return "recorded"
    name = label(experiment)
    if isinstance(experiment, type):
        _check_class(experiment)
        return "experiment"
    if isinstance(experiment, Experiment):
        _check_do(type(experiment))
        return "experiment"
    if callable(getattr(experiment, "set", None)) and callable(getattr(experiment, "run", None)):
        return "epyc"
    if not callable(experiment):
        raise ExperimentError(
            f"the experiment is {repr_of(experiment, 60)} ({type(experiment).__name__}), which cannot be run: a "
            "function itself is expected, without calling it (f, and not f(...)), a raylab.Experiment, or an object "
            "with epyc's set() and run(). The experiment comes first, the design second."
        )
    if type(experiment).__module__.startswith("ray.") and hasattr(experiment, "remote"):
        raise ExperimentError(f"{name} is a Ray remote function; give the plain one, without @ray.remote.")
    _refuse_lazy(experiment, name)
    return "function"


def _check_class(experiment: type) -> None:
    name = experiment.__name__
    if not issubclass(experiment, Experiment):
        raise ExperimentError(
            f"{name} is a class and no raylab.Experiment. Give an instance of it, or a function that uses it."
        )
    _check_do(experiment)
    try:
        inspect.signature(experiment).bind()
    except TypeError as error:
        raise ExperimentError(
            f"{name}() cannot be made without arguments ({error}). Give an instance: {name}(...)."
        ) from None


def _check_do(experiment: type[Experiment]) -> None:
    if experiment.do is Experiment.do:
        raise ExperimentError(f"{experiment.__name__} has no do(self, params); write it, it returns the results.")
    _refuse_lazy(experiment.do, f"{experiment.__name__}.do")


def _refuse_lazy(function: Any, name: str) -> None:
    # A callable object is judged by its __call__; inspect looks through partials itself.
    plain = inspect.isroutine(function) or isinstance(function, functools.partial)
    called = function if plain else type(function).__call__
    if inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called):
        raise ExperimentError(f"{name} is async; a plain function is expected. Wrap it: asyncio.run({name}(...)).")
    if inspect.isgeneratorfunction(called):
        raise ExperimentError(f"{name} is a generator; return a list of rows instead of yielding them.")


def _generator(key: tuple[int, ...] | None) -> Generator:
    import numpy as np  # here: a worker whose experiments never ask for rng does not pay for it

    if key is None:  # outside a lab, when somebody tries an experiment by hand
        return np.random.default_rng()
    # numpy takes no negative number; a trial's own key has one more, so no trial has the numbers of an axis's -5.
    more = (0, 1) if key[0] < 0 else ()
    return np.random.default_rng(np.random.SeedSequence(abs(key[0]), spawn_key=(*key[1:], *more)))
