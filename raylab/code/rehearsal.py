"""Whether an experiment can travel, found without Ray: for those who try one where no lab is.

A rehearsal goes where the pickle would go, and keeps nothing of what it would write. Where it meets what it takes for
an obstacle, the real pickle is made, which loads Ray: so it never refuses what travels, and what is refused is said as
`submit` says it.
"""

from __future__ import annotations

import functools
import io
import pickle
import types
import typing
import weakref
from types import FunctionType, ModuleType
from typing import Any

from raylab.code.captured_generators import GeneratorMetError, is_generator, own_reference
from raylab.code.references import by_reference, captured
from raylab.code.value_text import by_name
from raylab.worker.experiment import Experiment

_CACHED = type(functools.lru_cache(len))

_CARRIED: tuple[Any, ...] = (
    *(ModuleType, types.CodeType, types.CellType, types.MappingProxyType, classmethod, staticmethod, property),
    *(memoryview, weakref.WeakSet, type({}.keys()), type({}.values()), type({}.items()), typing.TypeVar),
)
"""What cloudpickle carries and pickle does not; the functions in it are met elsewhere, or not at all."""


def rehearse(experiment: object) -> None:
    """Refuse an experiment that cannot be pickled, or would take a generator of random numbers along.

    Raises:
        ExperimentError: as `pack`.

    Example:
        >>> rehearse(lambda p: p * 2)
    """
    try:
        _Rehearsal().dump(experiment)
    except Exception:
        # Here: it loads Ray.
        from raylab.code.pickling import pickled

        pickled(experiment)


class _Nowhere(io.RawIOBase):
    """Takes what is written, and keeps nothing."""

    def write(self, data: Any) -> int:
        return len(data)


class _Rehearsal(pickle.Pickler):
    def __init__(self) -> None:
        super().__init__(_Nowhere(), protocol=5)

    def reducer_override(self, value: Any) -> Any:
        """Called by pickle for every object that is no plain data. What is given as a state is met after the object
        is known, so that a function that calls itself ends somewhere."""
        if isinstance(value, FunctionType | type):
            return NotImplemented if by_reference(value) else (_nothing, (), [each.value for each in captured(value)])
        if isinstance(value, _CARRIED):
            return _nothing, ()
        if type(value) is _CACHED and by_name(value) is None:
            return _nothing, (), value.__wrapped__
        if is_generator(type(value)):
            own = own_reference(value)
            if own is None:
                raise GeneratorMetError(type(value).__name__)
            return own
        if type(value).__module__.partition(".")[0] == "ray":
            raise pickle.PicklingError("what Ray has of its own, the real pickle judges: Ray is loaded then")
        if isinstance(value, Experiment) and "_rng" in vars(value):
            return _nothing, (), {name: part for name, part in vars(value).items() if name != "_rng"}
        return NotImplemented


def _nothing() -> None:
    """Stands for what would be made; a rehearsal makes nothing."""
