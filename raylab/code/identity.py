"""What makes an experiment the same as another: its ingredients.

Ingredients are the normalised source of the function or class, of what travels with it by value and of the local
modules it reaches, and the values that travel with it: plain data as a text, anything else as a digest. They are stored
with the sweep, and `raylab.core.difference` tells how two lists of them differ.
Promises: the same experiment has the same ingredients in every process, whatever else the session did; a value whose
pickle is another one each time counts as different each time, and its ingredient says so.
"""

from __future__ import annotations

import functools
import json
import re
import secrets
from collections.abc import Collection, Mapping
from pathlib import Path
from types import FunctionType, MethodType

from raylab.code.digest import CACHED, is_computed, known_parts, steady_digest
from raylab.code.local_modules import Local
from raylab.code.references import Captured, by_reference, captured
from raylab.code.source import as_written, class_text, function_text, module_digest
from raylab.code.value_text import IncomparableError, by_name, digest, value_text
from raylab.worker.experiment import Experiment, label

# Stored with the ingredients. Lists of different rules are not compared: an update of raylab that changes
# what they are would otherwise make every running sweep look edited.
RULE = "2"

# A notebook beside the code is saved at every run; if that counted, no cell could ever be run again.
_NEVER_COUNTED = frozenset({".ipynb", ".pyc"})

# Up to so many entries are named one by one where they are no plain data; above, the whole has one digest.
_MAX_ENTRIES = 50

_DATA_KINDS = frozenset({"global", "closure", "default", "argument", "attribute", "member"})


def object_ingredients(experiment: object, local: Collection[str] = ()) -> dict[str, str]:
    """The ingredients that the object itself brings.

    Args:
        experiment: anything `raylab.worker.experiment.adapt` takes.
        local: the local modules it reaches; objects of their classes are looked into.
    """
    survey = _Survey(local)
    survey.look(experiment, "", is_root=True)
    return {"rule": RULE, **survey.ingredients, **survey.ways()}


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
    """Walks through everything that travels by value, once for each name it is reached by."""

    def __init__(self, local: Collection[str]) -> None:
        self.ingredients: dict[str, str] = {}
        self._local = local
        self._seen: dict[tuple[int, str], tuple[object, str]] = {}  # the objects too: no address is used twice
        self._way = ""  # the global, closure or attribute that led here; none from the experiment's own code
        self._ways: dict[str, set[str]] = {}
        self._walked: dict[tuple[int, str], object] = {}

    def ways(self) -> dict[str, str]:
        """Which names lead to an ingredient, where nothing else does: with the name, that is ignored too."""
        return {
            f"via {key}": json.dumps(sorted(ways))
            for key, ways in self._ways.items()
            if "" not in ways and ways != {_head(key)}
        }

    def look(self, value: object, name: str, *, is_root: bool = False) -> None:
        """Note a value that is called `name`, and what it takes along."""
        if by_name(value) is None:
            value = _unwrapped(value)
        is_code = isinstance(value, FunctionType | type)
        text = None if is_root or (is_code and not by_reference(value)) else _plain_text(value)
        if text is not None:
            self._note(name, text)
        elif is_code:
            self._look_at_code(value, name, is_root)
        elif is_root and by_name(value) is not None:  # compiled code, or a decorator's object
            inner = getattr(value, "__wrapped__", None)
            text = function_text(inner) if isinstance(inner, FunctionType) else f"named {by_name(value)}"
            self._note(f"function {label(value)}", text)
        elif self._is_transparent(value):
            self._look_inside(value, name, is_root)
        else:
            self._note_digest(value, name or f"object {type(value).__name__}")

    def _look_at_code(self, value: object, name: str, is_root: bool) -> None:
        assert isinstance(value, FunctionType | type)
        seen = self._seen.get((id(value), self._way))
        if seen is None:
            kind = "class" if isinstance(value, type) else "function"
            text = class_text(value) if isinstance(value, type) else function_text(value)
            key = self._note(f"{kind} {label(value)}" if is_root else f"helper {kind} {label(value)}", text)
            self._seen[id(value), self._way] = value, key
            if not by_reference(value) and (written := as_written(value)) is not None:
                self.ingredients[f"text {key}"] = written
            for part in captured(value):
                self._look_at_part(part, str(part) if is_root or part.kind == "member" else f"{part} of {label(value)}")
        else:
            key = seen[1]
        if name and name.rpartition(" ")[2] != label(value):
            self._note(name, key.removeprefix("helper "))

    def _look_at_part(self, part: Captured, name: str) -> None:
        if part.kind == "class" and isinstance(part.value, type) and by_reference(part.value):
            return  # a base that is imported: its module counts, or its package is installed
        if part.kind == "member" and isinstance(part.value, FunctionType):
            self._look_at_method(part.value)
            return
        name = "" if part.kind == "class" else f"global {part.name}" if part.kind == "global" else name
        before = self._way
        if not before and part.kind in _DATA_KINDS and not isinstance(_unwrapped(part.value), FunctionType | type):
            self._way = _head(name)
        try:
            self.look(part.value, name)
        finally:
            self._way = before

    def _look_at_method(self, method: FunctionType) -> None:
        """Its source is a part of the class's; what it takes along is not."""
        if (id(method), self._way) in self._seen:
            return
        self._seen[id(method), self._way] = method, ""
        for part in captured(method):
            self._look_at_part(part, f"{part} of {label(method)}")

    def _look_at_globals(self, function: FunctionType) -> None:
        """Of a function inside of something that has one digest: each is an ingredient of its own."""
        if (id(function), self._way) not in self._seen and (id(function), self._way) not in self._walked:
            self._walked[id(function), self._way] = function
            for part in captured(function):
                if part.kind == "global":
                    self._look_at_part(part, str(part))

    def _look_inside(self, value: object, name: str, is_root: bool) -> None:
        seen = self._seen.get((id(value), self._way))
        if seen is not None:
            self._note(name, f"as {seen[1]}")
            return
        self._seen[id(value), self._way] = value, name
        wrapped = getattr(value, "__wrapped__", None) if known_parts(value) is not None else None
        if isinstance(wrapped, FunctionType):
            self._look_at_compiled(value, wrapped, name, is_root)
            return
        if name and isinstance(value, dict | list | tuple):
            self._note(name, type(value).__name__)
        for part in captured(value):
            if part.kind == "class" and not is_root:
                self._note(name, f"an object of {by_name(part.value) or part.name}")
                self._look_at_part(part, part.name)
            elif part.kind in ("function", "object", "class"):
                self.look(part.value, name, is_root=is_root)
            elif part.kind != "attribute" or not is_computed(type(value), part.name):
                self._look_at_part(part, _part_name(name, part))

    def _is_transparent(self, value: object) -> bool:
        """Whether the parts say all: of containers, and of objects whose class is the user's own."""
        cls = type(value)
        if cls in (list, tuple, dict):
            assert isinstance(value, list | tuple | dict)
            return len(value) <= _MAX_ENTRIES and (cls is not dict or None not in map(_plain_text, value))
        if cls in (functools.partial, MethodType):
            return True
        if known_parts(value) is not None:
            return isinstance(getattr(value, "__wrapped__", None), FunctionType)
        if callable(getattr(cls, "set", None)) and callable(getattr(cls, "run", None)):
            return True  # epyc's combinators keep the experiment they repeat
        # What says itself what of it counts, or holds something that no attribute shows, is taken as a whole.
        own = all(_is_plain_class(c) for c in cls.__mro__[:-1]) and cls.__reduce_ex__ is object.__reduce_ex__
        return own and (isinstance(value, Experiment) or not by_reference(cls) or cls.__module__ in self._local)

    def _look_at_compiled(self, value: object, function: FunctionType, name: str, is_root: bool) -> None:
        """The function, and with what it was compiled."""
        self.look(function, name, is_root=is_root)
        options = [
            {key: each for key, each in part.items() if each is not function} if isinstance(part, dict) else part
            for part in known_parts(value) or ()
        ]
        found = steady_digest(options, self._look_at_globals)
        self._note(f"compilation of {label(function)}", f"{type(value).__name__}, sha256:{found}")

    def _note_digest(self, value: object, name: str) -> None:
        found = steady_digest(value, self._look_at_globals)
        ending = f" unsteady:{secrets.token_hex(8)}" if found is None else f", sha256:{found}"
        self._note(name, type(value).__name__ + ending)

    def _note(self, name: str, text: str) -> str:
        key, count = name, 1
        while self.ingredients.get(key, text) != text:  # two modules may each have a global N
            count += 1
            key = f"{name} ({count})"
        self.ingredients[key] = text
        self._ways.setdefault(key, set()).add(self._way)
        return key


def _is_plain_class(cls: type) -> bool:
    """Made by a class statement, and pickled as Python does by itself."""
    special = ("__getstate__", "__reduce__", "__reduce_ex__", "__getnewargs__", "__getnewargs_ex__")
    found = [vars(cls)[name] for name in special if name in vars(cls)]
    # `dataclass(slots=True, frozen=True)` writes one that gives the fields.
    return bool(cls.__flags__ & (1 << 9)) and all(getattr(f, "__module__", "") == "dataclasses" for f in found)


def _plain_text(value: object) -> str | None:
    try:
        return value_text(value)
    except IncomparableError:
        return None


def _unwrapped(value: object) -> object:
    """The function inside a functools.cache; what has more to it than the function stays as it is."""
    wrapped = getattr(value, "__wrapped__", None) if type(value) is CACHED else None
    return wrapped if isinstance(wrapped, FunctionType) else value


def _head(name: str) -> str:
    """The name that a person would write for what is inside of it: `cache` of `global cache[3]`."""
    return re.split(r"[.\[]", name.partition(" ")[2].partition(" of ")[0], maxsplit=1)[0]


def _part_name(owner: str, part: Captured) -> str:
    if not owner:
        return str(part)
    return f"{owner}[{part.name}]" if part.kind == "item" else f"{owner}.{part.name}"


def _file_digest(path: Path) -> str:
    data = path.read_bytes()
    said = module_digest(data) if path.suffix == ".py" else None
    return f"source {said}" if said is not None else f"content {digest(data)}"
