"""Headings: which columns a sweep's rows have for those who read them, in which order, and what each is called.

Promises: what is shown depends on what was asked and on the rows, never on the order in which they came. A name belongs
to what was asked or returned under it; the column on disk may be called otherwise. Reads no rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from raylab.core.closest import did_you_mean, some_of
from raylab.core.names import one_or_several
from raylab.core.summary import Names
from raylab.notebook.arrow_types import STRING, Field
from raylab.notebook.columns import TABLE, clean_name, numbered_name, result_name
from raylab.notebook.label_columns import CONTENTS, DIGEST
from raylab.notebook.rows import METADATA, RESERVED, TIMES
from raylab.notebook.schema import MORE, SEQ, identity, kept_apart

ALWAYS: dict[str, Any] = {SEQ: pa.int64(), **METADATA}
"""The metadata of every sweep, in the order people see."""

SOMETIMES: dict[str, Any] = {**TIMES, "_metadata": pa.null()}
"""The metadata that some experiments add; of no type as long as there is none."""

UNSEEN: dict[str, Any] = {DIGEST: STRING}
"""What is for raylab itself: shown where it is asked for by its name. `_contents`, which is of no row, never is."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A name that people see, and the columns on disk that hold its values, of one kind each."""

    name: str
    fields: tuple[Field, ...]


def headings(
    schema: pa.Schema,
    *,
    parameters: Sequence[Field],
    repeats: bool,
    names: Names,
    metadata: bool | Sequence[str],
    tables: bool = False,
) -> list[Heading]:
    """What is seen of a sweep: parameters, `_repeat` when there are repeats, results, and the metadata asked for.

    Args:
        schema: the columns on disk, with the metadata in force.
        parameters: the design's, in its order; their types count where nothing is on disk yet.
        repeats: whether there are.
        names: of the results, as the experiment gave them.
        metadata: True for all metadata columns, or some of their names.
        tables: also those results that are tables, each in a cell of its row.

    Raises:
        ValueError: there is no such metadata.
    """
    there = _there(schema)
    asked = _asked(metadata, there)
    kinds = {field.name: field.type for field in parameters} | ALWAYS | SOMETIMES | UNSEEN
    head = [*(field.name for field in parameters), *(["_repeat"] if repeats else [])]
    used = set(schema.names)
    seen = (
        Heading(name, tuple(field for field in fields if tables or kept_apart(field) != TABLE))
        for name, fields in results_of(schema, parameters, names).items()
    )
    return [
        *(Heading(name, _fields(name, there, kinds[name], used)) for name in head),
        *(heading for heading in seen if heading.fields),
        *(Heading(name, _fields(name, there, kinds[name], used)) for name in asked if name not in head),
    ]


def results_of(schema: pa.Schema, parameters: Sequence[Field], names: Names) -> dict[str, list[Field]]:
    """The results by the names that people see, in their order; arguments as of `headings`."""
    there, owned = _there(schema), {field.name for field in parameters}
    no_results = {*owned, *ALWAYS, *SOMETIMES, *UNSEEN, CONTENTS}
    found = _results([key for key in there if key not in no_results], names, owned)
    return {name: there[key] for key, name in found.items()}


def _there(schema: pa.Schema) -> dict[str | bytes, list[Field]]:
    found: dict[str | bytes, list[Field]] = {}
    for field in schema:
        found.setdefault(identity(field), []).append(field)
    return found


def _fields(name: str, there: Mapping[str | bytes, list[Field]], kind: Any, used: set[str]) -> tuple[Field, ...]:
    """The columns on disk; of what is not there yet one of that type, under a name that is nobody's."""
    if name in there:
        return tuple(there[name])
    free = name
    while free in used:
        free += "'"
    used.add(free)
    return (pa.field(free, kind),)


def _results(keys: Iterable[str | bytes], names: Names, parameters: AbstractSet[str]) -> dict[str | bytes, str]:
    """The results' names, as the experiment gave them and in its order; NAME__result where a name is another's."""
    place = {name: at for at, name in enumerate(name for _, _, some in names for name in some)}
    called = {key: key.decode() if isinstance(key, bytes) else key for key in keys}
    order = sorted(called, key=lambda key: (key == MORE, place.get(called[key], len(place))))
    used = {*parameters, *RESERVED, *(key for key in order if isinstance(key, str))}
    found: dict[str | bytes, str] = {}
    for key in order:
        name = called[key]
        if isinstance(key, bytes):
            name = result_name(clean_name(name), used)
            used.add(name)
        found[key] = name
    return found


def _asked(metadata: bool | Sequence[str], there: Mapping[str | bytes, list[Field]]) -> list[str]:
    """The metadata that is wanted, each in all its kinds."""
    known = [*ALWAYS, *SOMETIMES]
    had = [name for name in known if name in ALWAYS or name in there]
    if isinstance(metadata, bool):
        return had if metadata else []
    wanted = one_or_several(metadata)
    wanted = [
        next((name for name in SOMETIMES if f"{word}".startswith(f"{name}__") and len(there.get(name, ())) > 1), word)
        for word in wanted
    ]
    unknown = [word for word in wanted if word not in known and word not in UNSEEN]
    if unknown:
        raise ValueError(
            f"metadata is True, or a list of names of columns about the trials; there is no {some_of(unknown)}, there "
            f"are {', '.join(had)}{did_you_mean(unknown[0], known)}"
        )
    return list(dict.fromkeys(wanted))


def labels(seen: Sequence[Heading], words: Sequence[Sequence[str]]) -> list[list[str]]:
    """What the columns of each heading are called: the first by its name, the others `NAME__KIND`.

    Args:
        seen: the headings.
        words: of each the kinds of its columns, in their order.
    """
    used = {*RESERVED, *(heading.name for heading in seen)}
    found = []
    for heading, some in zip(seen, words, strict=True):
        own = [heading.name]
        for word in some[1:]:
            own.append(numbered_name(f"{heading.name}__{word}", used))
            used.add(own[-1])
        found.append(own[: len(some)])
    return found
