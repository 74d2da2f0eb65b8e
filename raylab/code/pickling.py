"""The pickle of an experiment, the modules it names, and what stands in the way if there is none.

Promises: every module that loading the pickle will import is named, however deep it is hidden; an error names
the one thing that cannot be pickled and the way to it; no generator of random numbers travels as a copy.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

from ray import cloudpickle

from raylab.code.captured_generators import ADVICE, GeneratorMetError, is_generator, own_reference
from raylab.code.digest import CACHED
from raylab.code.drawing import DYNAMIC, is_dynamic, runs_text
from raylab.code.references import Captured, body_imports, by_reference, captured, codes
from raylab.code.value_text import ATOMS, by_name
from raylab.errors import ExperimentError
from raylab.worker.experiment import Experiment, label

_OBJECT_REFS = frozenset({"ObjectRef", "ClientObjectRef", "ObjectRefGenerator"})

# How deep the search for the thing to blame goes; what is deeper is blamed as a whole.
_MAX_DEPTH = 8


class _ObjectRefError(Exception):
    """A ref was met; it would be worthless as soon as the client is gone."""


def pickled(experiment: object) -> tuple[bytes, set[str]]:
    """The pickle and the names of all modules it leads to.

    Raises:
        ExperimentError: it cannot be pickled; says what stands in the way.
    """
    try:
        data, met = _dump(experiment)
    except Exception as error:
        raise ExperimentError(_explanation(experiment, error)) from error
    return data, met


def _dump(value: object) -> tuple[bytes, set[str]]:
    with io.BytesIO() as file:
        pickler = _Pickler(file)
        pickler.dump(value)  # type: ignore[no-untyped-call]
        return file.getvalue(), pickler.met


class _Pickler(cloudpickle.CloudPickler):
    """Notes the module of every function, class and module that it meets."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)  # type: ignore[no-untyped-call]
        self.met: set[str] = set()
        self._types: set[type] = set()
        self._generators: set[type] = set()
        self._hidden: dict[int, object] = {}

    def persistent_id(self, value: Any) -> None:
        """Called by pickle for every object, before anything else; None means: go on as usual."""
        kind = type(value)
        if kind in ATOMS:
            return
        if kind not in self._types:
            self._types.add(kind)
            if kind.__name__ in _OBJECT_REFS and kind.__module__.partition(".")[0] == "ray":
                raise _ObjectRefError(kind.__name__)
            self._note(kind.__module__)
            if is_generator(kind):
                self._generators.add(kind)
        if kind in self._generators and own_reference(value) is None:
            raise GeneratorMetError(kind.__name__)
        if kind is ModuleType:
            self._note(value.__name__)
        elif kind is FunctionType:
            self._note(value.__module__)
            if not by_reference(value):
                self.met.update(body_imports(value))
                if any(map(is_dynamic, codes(value.__code__))):
                    self.met.add(DYNAMIC)
        elif isinstance(value, type):
            self.met.update(cls.__module__ for cls in value.__mro__)
        elif callable(value):  # compiled functions; an instance says only what its class has said
            self._note(getattr(value, "__module__", None))
            if runs_text(value):
                self.met.add(DYNAMIC)
            if kind is not CACHED:
                self._look_through(getattr(value, "__wrapped__", None))

    def _look_through(self, wrapped: object) -> None:
        """The function inside of a compiled one: numba writes it into a pickle of its own, where nothing is met."""
        if isinstance(wrapped, FunctionType) and id(wrapped) not in self._hidden:
            self._hidden[id(wrapped)] = wrapped
            with io.BytesIO() as file:
                inner = _Pickler(file)
                inner.met, inner._hidden = self.met, self._hidden
                inner.dump(wrapped)  # type: ignore[no-untyped-call]

    def reducer_override(self, value: Any) -> Any:
        """Called by pickle for every object that is no plain data."""
        # cloudpickle writes `__main__.name` for what functools.cache makes, and no worker has that.
        if type(value) is CACHED and by_name(value) is None:
            return _cached, (value.__wrapped__, value.cache_parameters())
        if type(value) in self._generators:
            return own_reference(value)
        if isinstance(value, Experiment):
            return _without(value, {"_rng", "_rng_key"})  # each trial sets them afresh
        if type(value).__name__ == "vectorize" and type(value).__module__ == "numpy":
            return _without(value, {"_ufunc"}, _ufunc={})  # made at the first call, and nothing can pickle it
        return super().reducer_override(value)  # type: ignore[no-untyped-call]

    def _note(self, module: object) -> None:
        if isinstance(module, str):
            self.met.add(module)


def _cached(function: Callable[..., object], parameters: dict[str, Any]) -> object:
    """What a worker makes of a cached function of `__main__`: the same, with an empty cache."""
    return functools.lru_cache(**parameters)(function)


def _without(value: object, left: set[str], **instead: object) -> Any:
    """How pickle writes an object, but for some attributes."""
    reduced = value.__reduce_ex__(4)
    if isinstance(reduced, tuple) and len(reduced) > 2 and isinstance(reduced[2], dict) and left & reduced[2].keys():
        state = {name: part for name, part in reduced[2].items() if name not in left} | instead
        return (*reduced[:2], state, *reduced[3:])
    return reduced


def _explanation(experiment: object, error: Exception) -> str:
    name = label(experiment)
    path, culprit, cause = _blame(experiment, error)
    what = f"{path.pop()} ({type(culprit).__name__})" if path else f"{name} itself ({type(culprit).__name__})"
    where = "".join(f", of {part}" for part in path[::-1])
    if isinstance(cause, GeneratorMetError):
        holds = "" if type(culprit).__name__ == str(cause) else f", which holds a {cause}"
        return (
            f"{name} takes a generator of random numbers along: {what}{where}{holds}. Every process would start from "
            f"a copy of it, so trials would get the same numbers. {ADVICE}"
        )
    if isinstance(cause, _ObjectRefError):
        advice = "It dies with this client: give the value itself, or the path of a file."
    else:
        advice = f"Open files, locks, connections and generators cannot travel: make it inside of {name}."
    text = str(cause).splitlines()[0] if str(cause) else ""
    return f"{name} cannot be pickled, because of {what}{where}: {type(cause).__name__}: {text}. {advice}"


def _blame(value: object, error: Exception) -> tuple[list[str], object, Exception]:
    """Follow what cannot be pickled down to its smallest part, trying one by one."""
    path: list[str] = []
    above: list[object] = []
    while len(path) < _MAX_DEPTH:
        above.append(value)  # a function that calls itself leads nowhere
        parts = (part for part in captured(value) if all(part.value is not each for each in above))
        found = next(filter(None, map(_trial, parts)), None)
        if found is None:
            break
        part, error = found
        path.append(str(part))
        value = part.value
    return path, value, error


def _trial(part: Captured) -> tuple[Captured, Exception] | None:
    try:
        _dump(part.value)
    except Exception as error:
        return part, error
    return None
