"""The digest of any value: of what its pickle would make again, not of the pickle's bytes.

The bytes of a pickle depend on what else the process did: which strings are interned, which objects are shared, how
strings are hashed. So a value is walked through instead: containers by their items, arrays and frames by their
content, functions and classes by their source or name, and everything else by its own reduction. A reduction may say
something else each time. So the data of such a value makes the way through a pickle and back, and the digest must be
the same there.
Promises: the digest is the same in every process, whatever the order of sets and dicts and whoever shares what; a
value that was only looked at keeps it. Nothing of the value is changed, no code of it is run but its reductions.
"""

from __future__ import annotations

import collections
import enum
import functools
import hashlib
import io
import pickle
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
from ray import cloudpickle

from raylab.code.captured_generators import own_name
from raylab.code.frame_digest import content
from raylab.code.references import LEFT_BY_RUNS, by_reference, captured
from raylab.code.source import class_text, code_digest, function_text
from raylab.code.value_text import ATOMS, array_bytes, by_name, plain_repr
from raylab.worker.experiment import Experiment

# What libraries write into an object's state and is none of its value: networkx' cache for its backends, and the
# version that scikit-learn warns by (versions are told, they make nothing another experiment).
_NO_VALUE = frozenset({"__networkx_cache__", "_sklearn_version"})

CACHED = type(functools.cache(len))
"""The type of what `functools.cache` and `lru_cache` make."""

_DEEP = 20_000  # frames; whatever pickle could write within the limit of a thousand is walked through within this one


def steady_digest(value: object, met: Callable[[FunctionType], None] | None = None) -> str | None:
    """The digest of a value; None if it has none that lasts: a clock, an address, a number drawn stands in its pickle.

    Args:
        value: whatever can be pickled.
        met: is told every function that travels by value: its globals are for the caller to look at, by their names.
    """
    try:
        walk = _Walk(met)
        found = walk.digest(value)
        if not walk.reduced:
            return found
        travelled = _travelled(value)
        there = _Walk().digest(travelled)
        # Some values become what they will be only by their first way: what is computed when they are made again.
        return there if there == found or there == _Walk().digest(_travelled(travelled)) else None
    except Exception:  # the user's code; what it cannot do is no value that lasts
        return None


class _Walk:
    """Digests values, each object once.

    Attributes:
        reduced: whether something was taken apart by its own reduction, which may say something else each time.
    """

    def __init__(self, met: Callable[[FunctionType], None] | None = None) -> None:
        self.reduced = False
        self._met = met
        self._done: dict[int, tuple[object, bytes]] = {}  # the objects too, so that no address is used twice
        self._open: dict[int, int] = {}

    def digest(self, value: object) -> str:
        """128 bits. What a reduction raises is raised."""
        with _deep():
            return self._visit(value).hex()

    def _visit(self, value: object) -> bytes:
        if type(value) in ATOMS:
            return _leaf(type(value).__name__, _atom(value))
        known = self._done.get(id(value))
        if known is not None:
            return known[1]
        if id(value) in self._open:  # it contains itself: how far up it stands says where it was met
            return _leaf("above", str(len(self._open) - self._open[id(value)]).encode())
        self._open[id(value)] = len(self._open)
        try:
            made = self._of(value)
        finally:
            del self._open[id(value)]
        self._done[id(value)] = (value, made)
        return made

    def _of(self, value: Any) -> bytes:
        kind = type(value)
        if kind in (list, tuple):
            if ATOMS.issuperset(map(type, value)):
                return _leaf(kind.__name__, b",".join(map(_long_atom, value)))
            return _node(kind.__name__, map(self._visit, value))
        if kind in (set, frozenset):
            return _node(kind.__name__, sorted(map(self._visit, value)))
        if kind in (dict, collections.Counter):
            return _node(kind.__name__, sorted(self._visit(k) + self._visit(v) for k, v in value.items()))
        if kind is np.ndarray or isinstance(value, np.generic):
            return self._of_array(value)
        if isinstance(value, FunctionType | type):
            return self._of_code(value)
        return self._of_object(value)

    def _of_array(self, value: Any) -> bytes:
        if not value.dtype.hasobject:
            return _leaf(f"{type(value).__name__} {value.shape}", array_bytes(value))
        about = f"{type(value).__name__} {value.shape} {value.dtype.str}"
        return _node(about, [self._visit(item) for item in np.asarray(value).ravel().tolist()])

    def _of_code(self, value: FunctionType | type) -> bytes:
        if by_reference(value):
            return _leaf("named", str(by_name(value)).encode())
        if isinstance(value, type):
            about = f"class {value.__qualname__} {class_text(value)}"
        else:
            about = f"function {function_text(value)}"
            if self._met is not None:
                self._met(value)
        parts = [(str(part), part.value) for part in captured(value) if part.kind != "global"]
        return _node(about, [self._visit(part) for part in parts])

    def _of_object(self, value: Any) -> bytes:
        kind = type(value)
        if isinstance(value, ModuleType):
            return _leaf("module", value.__name__.encode())
        if isinstance(value, CodeType):
            return _leaf("code", code_digest(value).encode())
        if isinstance(value, enum.Enum) and value.name is not None:
            return _node(f"member {value.name}", [self._visit(kind)])
        name = own_name(value) or (by_name(value) if callable(value) else None)
        if name is not None:
            return _leaf("named", name.encode())
        parts = known_parts(value)
        return self._visit(parts) if parts is not None else self._of_reduced(value)

    def _of_reduced(self, value: Any) -> bytes:
        """By what the object itself says that pickle should keep of it."""
        self.reduced = True
        reduce = cloudpickle.CloudPickler.dispatch_table.get(type(value))
        # Not 5: arrays would give their buffers, which stand beside a pickle.
        reduced: Any = value.__reduce_ex__(4) if reduce is None else reduce(value)
        if isinstance(reduced, str):
            return _leaf("global", f"{type(value).__module__} {reduced}".encode())
        whole: list[Any] = [*reduced, *[None] * (6 - len(reduced))]
        maker, arguments, state, items, pairs, setter = whole
        parts = [self._visit(maker), self._visit(arguments), self._visit(_stated(type(value), state))]
        parts.append(_node("items", [self._visit(item) for item in items or ()]))
        each = [self._visit(key) + self._visit(item) for key, item in pairs or ()]
        parts.append(_node("pairs", each if isinstance(value, collections.OrderedDict) else sorted(each)))
        return _node("reduced", [*parts, self._visit(setter)])


def known_parts(value: Any) -> tuple[object, ...] | None:
    """What counts of objects whose reduction tells more, or other things, than their value; None of any other."""
    kind = type(value)
    if kind is CACHED:
        return ("cached", value.__wrapped__)
    if kind.__module__.startswith("numba.") and hasattr(kind, "_reduce_states"):
        return (by_name(kind), _numba_states(value))
    if kind.__module__ == "numpy" and kind.__name__ == "vectorize":  # it also keeps what its first call made
        return (by_name(kind), value.pyfunc, value.otypes, value.signature, value.excluded, value.cache)
    if any(cls.__name__ == "UnivariateSpline" and cls.__module__.startswith("scipy.") for cls in kind.__mro__):
        return (by_name(kind), _spline_parts(vars(value)))
    return content(value)


def _spline_parts(attributes: dict[str, Any]) -> dict[str, Any]:
    """Of FITPACK's data what was asked for and what came of it; behind that it keeps memory that was never written."""
    parts = dict(attributes)
    data = parts.get("_data")
    if isinstance(data, tuple) and len(data) == 14:
        asked, (count, knots, coefficients, residual) = data[:7], data[7:11]
        parts["_data"] = (asked, knots[:count], coefficients[:count], residual)
    return parts


def _stated(kind: type, state: Any) -> Any:
    """A state without what its class computes again when it is asked for, and what is no value."""
    if isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], dict):  # with slots
        return (_stated(kind, state[0]), _stated(kind, state[1]))
    if type(state) is not dict:
        return state
    left = _NO_VALUE | LEFT_BY_RUNS if issubclass(kind, Experiment) else _NO_VALUE
    return {name: part for name, part in state.items() if name not in left and not is_computed(kind, name)}


def is_computed(kind: type, name: object) -> bool:
    """Whether it is a `cached_property` that keeps its value in the object; networkx' views are."""
    found = next((vars(cls)[name] for cls in kind.__mro__ if name in vars(cls)), None) if type(name) is str else None
    return isinstance(found, functools.cached_property) or type(found).__name__ == "cached_property"


def _numba_states(value: Any) -> dict[str, object]:
    """What numba compiles and how. Not what it has compiled so far: that is asked for by use, unless it was given."""
    states = {name: part for name, part in value._reduce_states().items() if name != "uuid"}
    given = states.get("frozen") or not states.get("can_compile", True) or not states.get("is_dynamic", True)
    for name in ("sigs", "siglist", "typesigs", "frozen", "cache"):
        found = states.pop(name, None)
        if given and isinstance(found, list):
            states[name] = sorted(map(str, found))
    return states


def _atom(value: Any) -> bytes:
    if type(value) is bytes:
        return value
    if type(value) is str:
        return value.encode("utf-8", "surrogatepass")
    return plain_repr(value).encode()


def _long_atom(value: Any) -> bytes:
    """With its type and length, so that it can stand beside others."""
    text = _atom(value)
    return b"%s %d:%s" % (type(value).__name__.encode(), len(text), text)


def _leaf(tag: str, data: bytes) -> bytes:
    return hashlib.sha256(b"%d:%s%s" % (len(tag), tag.encode("utf-8", "surrogatepass"), data)).digest()[:16]


def _node(tag: str, parts: Iterable[bytes]) -> bytes:
    return _leaf(f"{tag} of", b"".join(parts))


@contextmanager
def _deep() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _DEEP))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


class _Pickler(cloudpickle.CloudPickler):
    """Keeps functions, classes and modules as they are: made again in this process, cloudpickle would change the very
    classes that a person's session uses."""

    def __init__(self, file: io.BytesIO, kept: list[object]) -> None:
        super().__init__(file)  # type: ignore[no-untyped-call]
        self._kept = kept

    def persistent_id(self, value: Any) -> int | None:
        is_code = isinstance(value, FunctionType | type | ModuleType)
        if is_code or own_name(value) is not None or known_parts(value) is not None:
            self._kept.append(value)
            return len(self._kept) - 1
        return None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, kept: list[object]) -> None:
        super().__init__(file)
        self._kept = kept

    def persistent_load(self, number: int) -> object:
        return self._kept[number]


def _travelled(value: object) -> object:
    kept: list[object] = []
    with io.BytesIO() as file:
        _Pickler(file, kept).dump(value)  # type: ignore[no-untyped-call]
        file.seek(0)
        made: object = _Unpickler(file, kept).load()
        return made
