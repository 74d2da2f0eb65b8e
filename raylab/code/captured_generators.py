"""Random generators in what travels: the process's own go by reference, any other is refused or told.

A generator that travels is a copy in every process, so trials of different processes get the same numbers, and a
trial's numbers depend on what ran before it. The generators that every process has anyway (`random`, `numpy.random`,
`torch`) are named instead: the worker's own, which is seeded before each trial, stands in their place.
Promises: nothing is imported, no number is drawn. Knows no pickler.
"""

from __future__ import annotations

import ast
import random
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import BuiltinMethodType, FunctionType, MethodType, ModuleType
from typing import Any

from raylab.code.source import REMEMBERED, parse

ADVICE = (
    "Take `rng` or `seed` as an argument, which is each trial's own; or make the generator inside the experiment, "
    "from its seed."
)

# Where a process keeps its own ones: module, attribute, attribute of that.
_OWN = (
    ("random", "_inst", None),
    ("secrets", "_sysrand", None),
    ("numpy.random.mtrand", "_rand", None),
    ("numpy.random.mtrand", "_rand", "_bit_generator"),
    ("torch", "default_generator", None),
)

_KINDS = (
    ("numpy.random", "Generator"),
    ("numpy.random", "RandomState"),
    ("numpy.random", "BitGenerator"),
    ("torch", "Generator"),
)

_METHODS = (MethodType, BuiltinMethodType)

_MAKERS = frozenset({"default_rng", "RandomState", "Random", "SystemRandom", "Generator"})


class GeneratorMetError(Exception):
    """A generator that would travel as a copy; the message is its type's name."""


def is_generator(kind: type) -> bool:
    """Whether objects of this class draw random numbers from a state of their own."""
    return issubclass(kind, _kinds())


def own_name(value: object) -> str | None:
    """What a generator is called that every process has as its own; None for any other object."""
    found = _own(value)
    return None if found is None else ".".join(part for part in found if part is not None)


def own_reference(value: object) -> tuple[Any, tuple[Any, ...]] | None:
    """How pickle writes such a generator by name; None for any other object."""
    found = _own(value)
    if found is None:
        return None
    module, name, inner = found
    # Not only the name, as pickle has it: a module of the worker's is asked, so nothing of raylab's is needed there.
    holder = sys.modules[module] if inner is None else getattr(sys.modules[module], name)
    return getattr, (holder, inner or name)


def in_module(module: ModuleType) -> list[str]:
    """The generators that a module makes when it is imported: its names, as a person would write them.

    Looked at are its globals, what stands in its containers and objects, and the attributes and defaults of the
    classes and functions it defines.
    """
    found: dict[int, str] = {}
    for name, value in list(vars(module).items()):
        if isinstance(value, ModuleType) or name.startswith("__"):
            continue
        for path, part in [(name, value), *_inside(name, value, module.__name__)]:
            drawn = part.__self__ if isinstance(part, _METHODS) else part
            if is_generator(type(drawn)) and _own(drawn) is None:
                found.setdefault(id(drawn), f"{module.__name__}.{path}")
    return list(found.values())


def in_source(file: Path, name: str) -> list[str]:
    """As `in_module`, of a module that is not loaded: what the assignments at its top make."""
    return [f"{name}.{target}" for target in _made(file.read_bytes())] if file.suffix == ".py" else []


@lru_cache(maxsize=REMEMBERED)
def _made(source: bytes) -> tuple[str, ...]:
    tree = parse(source)
    found: list[str] = []
    for node in tree.body if tree is not None else ():
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and _makes(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found += map(ast.unparse, targets)
    return tuple(found)


def _own(value: object) -> tuple[str, str, str | None] | None:
    if not is_generator(type(value)):
        return None
    for module, name, inner in _OWN:
        found = vars(sys.modules[module]).get(name) if module in sys.modules else None
        if found is not None and value is (found if inner is None else getattr(found, inner, None)):
            return module, name, inner
    return None


def _kinds() -> tuple[type, ...]:
    """Asked anew each time: a library may have been loaded since."""
    modules = ((sys.modules.get(module), name) for module, name in _KINDS)
    found = (vars(module).get(name) for module, name in modules if module is not None)
    return (random.Random, *(kind for kind in found if isinstance(kind, type)))


def _inside(name: str, value: object, module: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        yield from ((f"{name}[{key!r}]", part) for key, part in _drawing(list(value.items())))
    elif isinstance(value, list | tuple):
        yield from ((f"{name}[{index}]", part) for index, part in _drawing(list(enumerate(value))))
    elif isinstance(value, FunctionType):
        defaults: Iterable[object] = (*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values())
        yield from ((f"{name}(a default)", part) for part in defaults if value.__module__ == module)
    elif isinstance(value, type):
        if value.__module__ == module:
            for inner, part in list(vars(value).items()):
                yield f"{name}.{inner}", part
                if isinstance(part, FunctionType):
                    yield from _inside(f"{name}.{inner}", part, module)
    else:
        try:
            attributes = object.__getattribute__(value, "__dict__")
        except AttributeError:
            return
        if isinstance(attributes, Mapping):
            yield from ((f"{name}.{inner}", part) for inner, part in list(attributes.items()))


def _drawing(entries: list[tuple[Any, object]]) -> Iterator[tuple[Any, object]]:
    """Those of a container's entries that may be generators: it may have millions of others."""
    kinds = {type(part) for _, part in entries}
    wanted = {kind for kind in kinds if issubclass(kind, _METHODS) or is_generator(kind)}
    return ((key, part) for key, part in entries if type(part) in wanted) if wanted else iter(())


def _makes(value: ast.expr) -> bool:
    for node in ast.walk(value):
        if isinstance(node, ast.Lambda):
            return False
        if isinstance(node, ast.Call):
            called = node.func
            word = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", None)
            if word in _MAKERS:
                return True
    return False
