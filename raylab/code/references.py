"""What an object takes along when it is pickled: its globals, closures, defaults, attributes and arguments.

Promises: only what really travels. What cloudpickle names instead of copying (everything an importable module
has under its name) takes nothing along; the worker imports it anew.
"""

from __future__ import annotations

import dis
import enum
import functools
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType, MethodType
from typing import Literal

from raylab.code.value_text import IncomparableError, by_name, value_text
from raylab.worker.experiment import Experiment

Kind = Literal[
    "function", "class", "object", "global", "closure", "default", "argument", "attribute", "member", "item"
]  # fmt: skip

# The last two are of the bodies of inner classes.
_LOADS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})

# What runs leave in an instance: an experiment that somebody tried by hand is still the same.
LEFT_BY_RUNS = frozenset({"seed", "_rng", "_rng_key"})
_LEFT_BY_EPYC_RUNS = frozenset({"_metadata", "_parameters", "_results"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """One thing that an object takes along."""

    kind: Kind
    name: str
    value: object

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".rstrip()


def by_reference(value: object) -> bool:
    """Whether cloudpickle writes only the name of this function or class."""
    named = by_name(value)
    parts = (getattr(value, "__module__", None) or "").split(".")
    # Who registered a module has loaded it; who has not need not pay for Ray.
    cloudpickle = sys.modules.get("ray.cloudpickle")
    registered: set[str] = set() if cloudpickle is None else cloudpickle.list_registry_pickle_by_value()
    return named is not None and not any(".".join(parts[:n]) in registered for n in range(1, len(parts) + 1))


def captured(value: object) -> Iterator[Captured]:
    """What the value takes along, one step deep, in an order that depends on its code only."""
    if isinstance(value, functools.partial):
        yield Captured(kind="function", name="", value=value.func)
        for index, argument in enumerate(value.args):
            yield Captured(kind="argument", name=str(index), value=argument)
        for name, argument in sorted(value.keywords.items()):
            yield Captured(kind="argument", name=name, value=argument)
    elif isinstance(value, MethodType):
        yield Captured(kind="function", name=value.__func__.__name__, value=value.__func__)
        yield Captured(kind="object", name="", value=value.__self__)
    elif isinstance(value, FunctionType | type):
        if not by_reference(value):
            yield from _of_class(value) if isinstance(value, type) else _of_function(value)
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield Captured(kind="item", name=_key(key), value=entry)
    elif isinstance(value, list | tuple | set | frozenset):
        for index, entry in enumerate(value):
            yield Captured(kind="item", name=str(index), value=entry)
    else:
        yield from _of_instance(value)


def body_imports(function: FunctionType) -> Iterator[str]:
    """The modules that a function imports when it runs. From the bytecode, which is always there."""
    package = function.__globals__.get("__package__") or ""
    for code in codes(function.__code__):
        operands: list[object] = []  # an import takes the level and the names from the two loads before it
        for instruction in dis.get_instructions(code):
            if instruction.opname == "IMPORT_NAME" and len(operands) == 2:
                yield from import_names(str(instruction.argval), operands[1], operands[0], package)
            if instruction.opname != "EXTENDED_ARG":
                operands = [*operands[-1:], instruction.argval]


def import_names(module: str, names: object, level: object, package: str) -> Iterator[str]:
    """`from .module import names` in a package, as absolute names; each of the names may be a module too."""
    if isinstance(level, int) and level > 0:
        base = package.rsplit(".", level - 1)[0] if level > 1 else package
        if not base:  # outside of any package: it would fail there too
            return
        module = f"{base}.{module}" if module else base
    yield module
    for name in names if isinstance(names, tuple) else ():
        if name != "*":
            yield f"{module}.{name}"


def _of_function(function: FunctionType) -> Iterator[Captured]:
    for name in _global_names(function.__code__):
        if name in function.__globals__:
            yield Captured(kind="global", name=name, value=function.__globals__[name])
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        if name != "__class__":  # `super()` puts it there; it is the class that has the function
            try:
                yield Captured(kind="closure", name=name, value=cell.cell_contents)
            except ValueError:  # not filled yet
                continue
    for name, value in _defaults(function).items():
        yield Captured(kind="default", name=name, value=value)
    for name, value in sorted(vars(function).items()):
        yield Captured(kind="attribute", name=name, value=value)


def _of_class(cls: type) -> Iterator[Captured]:
    for base in cls.__bases__:
        if base is not object:
            yield Captured(kind="class", name=base.__name__, value=base)
    if issubclass(cls, enum.Enum):  # in its attributes they stand several times, and each with its class
        for name, entry in cls.__members__.items():
            yield Captured(kind="member", name=name, value=entry.value)
    for name, member in sorted(vars(cls).items()):
        if isinstance(member, staticmethod | classmethod):
            member = member.__func__
        if issubclass(cls, enum.Enum) and not isinstance(member, FunctionType | property):
            continue  # the members again, and maps of them in the order of their addresses
        for value in (member.fget, member.fset, member.fdel) if isinstance(member, property) else (member,):
            hidden = name.startswith("__") or name == "_abc_impl" or inspect.isdatadescriptor(value)
            if isinstance(value, FunctionType) or (value is not None and not hidden):
                yield Captured(kind="member", name=name, value=value)


def _key(key: object) -> str:
    try:
        return value_text(key)
    except IncomparableError:
        return type(key).__name__


def _of_instance(value: object) -> Iterator[Captured]:
    yield Captured(kind="class", name=type(value).__name__, value=type(value))
    attributes = dict(getattr(value, "__dict__", {}))
    for cls in type(value).__mro__:
        slots = vars(cls).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if not name.startswith("__") and hasattr(value, name):
                attributes[name] = getattr(value, name)
    is_epyc = hasattr(type(value), "set") and hasattr(type(value), "run")
    left = LEFT_BY_RUNS if isinstance(value, Experiment) else _LEFT_BY_EPYC_RUNS if is_epyc else ()
    for name in sorted(attributes.keys() - left):
        yield Captured(kind="attribute", name=name, value=attributes[name])


def _defaults(function: FunctionType) -> dict[str, object]:
    """What it has itself: a signature may show those of another function."""
    code, values = function.__code__, function.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount][-len(values) :] if values else ()
    return {**dict(zip(names, values, strict=False)), **(function.__kwdefaults__ or {})}


def _global_names(code: CodeType) -> list[str]:
    instructions = (each for part in codes(code) for each in dis.get_instructions(part))
    return sorted({str(each.argval) for each in instructions if each.opname in _LOADS})


def codes(code: CodeType) -> Iterator[CodeType]:
    """A function's code, and that of all functions and classes inside of it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes(constant)
