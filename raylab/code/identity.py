"""What makes an experiment the same as another: its ingredients.

Ingredients are the normalised source of the function or class, of what travels with it by value and of the
local modules it reaches, and the plain data that travels with it. They are stored with the sweep, and
`raylab.core.difference` tells how two lists of them differ.
Promises: the same experiment has the same ingredients in every process, whatever else the session did; what
cannot be compared is no ingredient (it counts as the same) but a warning.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from types import FunctionType

from raylab.code.captured import Captured, by_reference, captured
from raylab.code.plain import IncomparableError, by_name, value_text
from raylab.code.reach import Local
from raylab.code.source import class_source, code_digest, digest, function_source, parse, source_digest
from raylab.experiment import label

__all__ = ["file_ingredients", "object_ingredients"]

# Stored with the ingredients. Lists of different rules are not compared: an update of raylab that changes
# what they are would otherwise make every running sweep look edited.
RULE = "1"

# A notebook beside the code is saved at every run; if that counted, no cell could ever be run again.
_NEVER_COUNTED = frozenset({".ipynb", ".pyc"})


def object_ingredients(experiment: object, local: Collection[str] = ()) -> tuple[dict[str, str], list[str]]:
    """The ingredients that the object itself brings, and warnings on what cannot be compared.

    Args:
        experiment: anything `raylab.experiment.adapt` takes.
        local: the local modules it reaches; objects of their classes are looked into.
    """
    survey = _Survey(local)
    survey.look(experiment, "", is_root=True)
    return {"rule": RULE, **survey.ingredients}, survey.warnings


def file_ingredients(modules: Mapping[str, Local], files: Mapping[str, Path], extra: set[str]) -> dict[str, str]:
    """The ingredients that the files bring.

    Args:
        modules: the local modules that are reached. Others of the same package travel, but do not count.
        files: all that travels, by name. What is no Python counts, as nobody can tell who reads it.
        extra: names in `files` that were asked for by `include=`; they all count.
    """
    found = {f"module {name}": _file_digest(m.file) for name, m in modules.items() if m.file is not None}
    counted = {m.file for m in modules.values()}
    for name, path in files.items():
        if path in counted or path.suffix in _NEVER_COUNTED or (path.suffix == ".py" and name not in extra):
            continue
        found[f"file {name}"] = _file_digest(path)
    return dict(sorted(found.items()))


class _Survey:
    """Walks through everything that travels by value, once."""

    def __init__(self, local: Collection[str]) -> None:
        self.ingredients: dict[str, str] = {}
        self.warnings: list[str] = []
        self._local = local
        self._seen: dict[int, object] = {}  # the objects too, so that no address is used twice

    def look(self, value: object, name: str, *, is_root: bool = False) -> None:
        """Note a value that is called `name`, and what it takes along."""
        if by_name(value) is None:
            value = _unwrapped(value)
        is_code = isinstance(value, FunctionType | type)
        if not is_root and not (is_code and not by_reference(value)):
            try:
                self._note(name, value_text(value))
                return
            except IncomparableError:
                pass
        if id(value) in self._seen:
            return
        self._seen[id(value)] = value
        if is_code:
            self._look_at_code(value, is_root)
        else:
            self._look_inside(value, name, is_root)

    def _look_at_code(self, value: object, is_root: bool) -> None:
        assert isinstance(value, FunctionType | type)
        kind = "class" if isinstance(value, type) else "function"
        found = _class_text(value) if isinstance(value, type) else _function_text(value)
        if is_root or not by_reference(value):
            self._note(f"{kind} {label(value)}" if is_root else f"helper {kind} {label(value)}", found)
        for part in captured(value):
            if part.kind in ("global", "class"):
                self._look_at_part(part, part.name)
            elif is_root or part.kind == "member":
                self._look_at_part(part, str(part))
            else:
                self._look_at_part(part, f"{part} of {label(value)}")

    def _look_at_part(self, part: Captured, name: str) -> None:
        if part.kind == "global":
            name = f"global {part.name}"
        if part.kind == "class" and isinstance(part.value, type) and by_reference(part.value):
            return  # a base that is imported: its module counts, or its package is installed
        if part.kind == "member" and isinstance(part.value, FunctionType):
            self._look_at_method(part.value)
            return
        self.look(part.value, name)

    def _look_at_method(self, method: FunctionType) -> None:
        """Its source is a part of the class's; what it takes along is not."""
        if id(method) in self._seen:
            return
        self._seen[id(method)] = method
        for part in captured(method):
            self._look_at_part(part, f"{part} of {label(method)}")

    def _look_inside(self, value: object, name: str, is_root: bool) -> None:
        if is_root and by_name(value) is not None:  # compiled code, or a decorator's object
            inner = _unwrapped(value)
            text = _function_text(inner) if isinstance(inner, FunctionType) else f"named {by_name(value)}"
            self._note(f"function {label(value)}", text)
            return
        parts = list(captured(value))
        if not self._is_transparent(value, parts, is_root):
            self.warnings.append(f"cannot compare {name} ({type(value).__name__}): counts as the same")
            return
        for part in parts:
            if part.kind == "class" and not is_root:
                self._note(name, f"an object of {by_name(part.value) or part.name}")
                self._look_at_part(part, part.name)
            elif part.kind in ("function", "object", "class"):
                self.look(part.value, name or str(part), is_root=is_root)
            else:
                self._look_at_part(part, _part_name(name, part))

    def _is_transparent(self, value: object, parts: list[Captured], is_root: bool) -> bool:
        """Whether the parts say all: of containers, and of objects whose class is the user's own."""
        cls = type(value)
        if not any(part.kind == "class" for part in parts) or is_root:
            return True
        if any("__getstate__" in vars(c) or "__reduce__" in vars(c) for c in cls.__mro__[:-1]):
            return False  # it says itself what of it counts
        if callable(getattr(cls, "set", None)) and callable(getattr(cls, "run", None)):
            return True  # epyc's combinators keep the experiment they repeat
        return not by_reference(cls) or cls.__module__ in self._local

    def _note(self, name: str, text: str | None) -> None:
        if text is None:
            self.warnings.append(f"cannot compare {name} (no source): counts as the same")
            return
        key, count = name, 1
        while self.ingredients.get(key, text) != text:  # two modules may each have a global N
            count += 1
            key = f"{name} ({count})"
        self.ingredients[key] = text


def _unwrapped(value: object) -> object:
    """The function inside a functools.cache and its like."""
    wrapped = None if isinstance(value, FunctionType | type) else getattr(value, "__wrapped__", None)
    return wrapped if isinstance(wrapped, FunctionType) else value


def _part_name(owner: str, part: Captured) -> str:
    if not owner:
        return str(part)
    return f"{owner}[{part.name}]" if part.kind == "item" else f"{owner}.{part.name}"


def _function_text(function: FunctionType) -> str | None:
    node = function_source(function)
    if node is not None:
        return f"source {source_digest(node)}"
    if by_reference(function):  # its module counts, with the file that travels
        return f"named {by_name(function)}"
    return f"code-{sys.version_info[0]}.{sys.version_info[1]} {code_digest(function.__code__, function.__doc__)}"


def _class_text(cls: type) -> str | None:
    node = class_source(cls)
    if node is not None:
        return f"source {source_digest(node)}"
    names = [str(part) for part in captured(cls)] + sorted(inspect.get_annotations(cls))
    methods = [part.value for part in captured(cls) if isinstance(part.value, FunctionType)]
    texts = [_function_text(method) for method in methods if _is_written(cls, method)]
    if not texts:
        return f"members {digest(repr(names).encode())}"
    kinds = sorted({str(text).partition(" ")[0] for text in texts})
    return f"members-{'-'.join(kinds)} {digest(repr([names, texts]).encode())}"


def _is_written(cls: type, method: FunctionType) -> bool:
    """Not one that `dataclass` made."""
    return not (method.__code__.co_filename == "<string>" and hasattr(cls, "__dataclass_fields__"))


def _file_digest(path: Path | None) -> str:
    assert path is not None
    data = path.read_bytes()
    tree = parse(data) if path.suffix == ".py" else None
    return f"source {source_digest(tree)}" if tree is not None else f"content {digest(data)}"
