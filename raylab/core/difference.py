"""How two experiments differ, in words, by the ingredients they were packed with.

Ingredients are names with digests or short values; `raylab.code.identity` makes them and they are stored with the
sweep. Some tell of others and make no difference themselves: `package NAME` is a version, `via INGREDIENT` lists the
names that alone lead to it, `text INGREDIENT` is a source as it was written, for those who read it.
Promises: no sentence means the same experiment; what cannot be compared counts as different, and its sentence says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase

__all__ = ["RECORDS", "SOURCE", "VALUE", "VARIABLE", "changes", "differences", "updates", "words_to_ignore"]

SOURCE, VALUE = "source", "value"

RECORDS = "records"
"""The only ingredient of what is no code, but the records of trials that ran elsewhere: their digest."""

VARIABLE = "environment env_vars "
"""How the ingredient of an environment variable begins, which has a digest of its text."""

_CODE = ("function ", "class ", "helper ")
_FILES = ("module ", "file ")
_NEVER_IGNORED = (*_CODE, "compilation ", "environment ")
_ABOUT_OTHERS = ("package ", "via ", "text ")

# Above so many files beside each other a pattern is proposed instead of their names.
_FEW_FILES = 3


def differences(old: Mapping[str, str], new: Mapping[str, str], ignore: Collection[str] = ()) -> list[str]:
    """What differs, one sentence each; empty if the two are the same experiment.

    Args:
        old: the ingredients of the one that is there.
        new: those of the other.
        ignore: names and patterns of what does not count; see `raylab.Lab.submit`.

    Example:
        >>> differences({"global N": "2", "module a": "source 1"}, {"global N": "3", "module b": "source 2"})
        ['global N: 3, was 2', 'module a: no longer reached', 'module b: newly reached']
        >>> differences({"global cache[0]": "2"}, {"global cache[0]": "3"}, ignore=["cache"])
        []
    """
    return list(_told(old, new, ignore).values())


def words_to_ignore(old: Mapping[str, str], new: Mapping[str, str], ignore: Collection[str] = ()) -> tuple[str, ...]:
    """What `ignore` has to say for the two to be the same; nothing where no word makes them that.

    Example:
        >>> words_to_ignore({"global cache[0]": "2"}, {"global cache[0]": "3", "file a/b.png": "content 1"})
        ('a/b.png', 'cache')
    """
    words: set[str] = set()
    for name in _told(old, new, ignore):
        ways = _ways(old, new, name)
        if not ways and name.startswith(_NEVER_IGNORED):
            return ()
        words |= ways or {_word(name)}
    asked = [*ignore, *_gathered(words)]
    return tuple(dict.fromkeys(asked)) if words and not _told(old, new, asked) else ()


def changes(old: Mapping[str, str], new: Mapping[str, str], ignore: Collection[str] = ()) -> set[str]:
    """What was changed: SOURCE, if code differs (also by what is newly used, or no longer), VALUE, if something that is
    captured on both sides does. A value that only one side has came or went with its source.

    Example:
        >>> sorted(changes({"function f": "source 1", "global N": "2"}, {"function f": "source 2", "global N": "3"}))
        ['source', 'value']
        >>> changes({"function f": "source 1"}, {"function f": "source 2", "global N": "3"})
        {'source'}
    """
    told = _told(old, new, ignore)
    found = {SOURCE for name in told if _is_source(name, (old.get(name, ""), new.get(name, "")))}
    both = (name for name in told if name in old and name in new)
    return found | {VALUE for name in both if not _is_source(name, (old[name], new[name]))}


def _is_source(name: str, values: Collection[str]) -> bool:
    """Of the files that are included, those of Python are code; any other is a value."""
    is_code_file = name.startswith("file ") and any(value.startswith("source ") for value in values)
    return name.startswith((*_CODE, "module ")) or is_code_file


def updates(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Of which installed packages the version differs.

    Example:
        >>> updates({"package numpy": "2.3.0"}, {"package numpy": "2.4.6"})
        ['numpy is 2.4.6 here, was 2.3.0']
    """
    return [
        f"{name.partition(' ')[2]} is {new[name]} here, was {version}"
        for name, version in sorted(old.items())
        if name.startswith("package ") and new.get(name, version) != version
    ]


def _told(old: Mapping[str, str], new: Mapping[str, str], ignore: Collection[str]) -> dict[str, str]:
    """The sentences, by the names of the ingredients."""
    if RECORDS in old or RECORDS in new:
        return {} if old.get(RECORDS) == new.get(RECORDS) else {RECORDS: _of_records(RECORDS in old, RECORDS in new)}
    if old.get("rule") != new.get("rule"):
        return {}
    told = {}
    for name in sorted({*old, *new}):
        if old.get(name) == new.get(name) or name.startswith(_ABOUT_OTHERS):
            continue
        # What is on both sides and differs is told, whatever leads to it: a source is never ignored.
        ways = set() if name in old and name in new else _ways(old, new, name)
        led_to = bool(ways) and all(any(_covers(word, way) for word in ignore) for way in ways)
        if not led_to and not _is_ignored(name, ignore):
            sentence = _difference(name, old.get(name), new.get(name))
            if sentence is not None:
                told[name] = sentence
    return told


def _of_records(before: bool, now: bool) -> str:
    if before and now:
        return "the records that are imported"
    return "records that were imported, now code" if before else "records that are imported, was code"


def _ways(old: Mapping[str, str], new: Mapping[str, str], name: str) -> set[str]:
    """The names that alone lead to an ingredient, on each side that has it; none where its own code does."""
    ways: set[str] = set()
    for side in (old, new):
        if name in side:
            found = json.loads(side.get(f"via {name}", "[]"))
            if not found:
                return set()
            ways.update(found)
    return ways


def _is_ignored(ingredient: str, ignore: Collection[str]) -> bool:
    kind, _, name = ingredient.partition(" ")
    if not ignore or ingredient.startswith(_NEVER_IGNORED):
        return False
    if kind == "module":
        path = name.replace(".", "/")
        names = [name, f"{path}.py", f"{path}/__init__.py"]
    elif kind == "file":
        names = [name]
    else:
        names = [_inner(ingredient), ingredient]
    return any(_covers(word, each) for word in ignore for each in names)


def _covers(word: str, name: str) -> bool:
    """Whether a word stands for a name, or for what it is inside of: of an object, a container, a folder."""
    start = word.rstrip("/")
    inside = name.startswith(start) and name[len(start) : len(start) + 1] in (".", "[", "/")
    return bool(word) and (name == word or inside or fnmatchcase(name, word))


def _inner(ingredient: str) -> str:
    """`cache[3]` of `global cache[3] of f (2)`."""
    name = re.sub(r" \(\d+\)$", "", ingredient.partition(" ")[2] or ingredient)
    return re.sub(r" of [^ ]*$", "", name)


def _word(ingredient: str) -> str:
    """What a person would write for an ingredient: all of a container, one attribute of an object."""
    kind, _, name = ingredient.partition(" ")
    return name if kind in ("module", "file") else _inner(ingredient).partition("[")[0]


def _gathered(words: Collection[str]) -> list[str]:
    """Many files of a kind in a folder as a pattern."""
    groups: dict[str, list[str]] = {}
    for word in sorted(words):
        folder, slash, file = word.rpartition("/")
        dot = file.rpartition(".")
        groups.setdefault(f"{folder}{slash}*{''.join(dot[1:])}" if slash and dot[1] else word, []).append(word)
    return [word for key, found in groups.items() for word in (found if len(found) < _FEW_FILES else [key])]


def _difference(name: str, old: str | None, new: str | None) -> str | None:
    is_file = name.startswith(_FILES)
    is_code = is_file or name.startswith(_CODE)
    if old is None:
        return f"{name}: newly reached" if is_file else f"{name}: newly used" if is_code else f"{name}: {new}, is new"
    if new is None:
        return f"{name}: no longer {'reached' if is_file else 'used'}"
    if is_code:
        if is_file:
            return f"{name}: changed"
        # Source and bytecode, or the bytecode of two Pythons, say nothing about each other: it may have changed.
        comparable = old.rpartition(" ")[0] == new.rpartition(" ")[0]
        why = "its source has changed" if comparable else "without its source on both sides it counts as changed"
        return f"{name}: {why}"
    if "unsteady:" in new:
        return f"{name}: a {new.partition(' ')[0]} has another pickle each time, so it counts as different"
    if "sha256:" in old and "sha256:" in new:
        return f"{name}: its value has changed"
    return f"{name}: {new}, was {old}"
