"""What came of one execution of a trial, as plain data: rows, or an error and its traceback as text.

Promises: rows are copies, with names that are proper strings, so an experiment may return the same dict every
time; an exception travels as text, never as an object, whatever the exception's own methods do.
Standard library only. Knows no Ray, no disk, and not how the experiment was run.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

__all__ = ["ATOMS", "Outcome", "Row", "UnfitResultError", "failure", "known_names", "read", "read_epyc"]

Row: TypeAlias = dict[str, object]

# What a notebook reader can still look at; a message that embeds an array's repr can have megabytes.
MAX_ERROR_CHARS = 10_000
MAX_TRACEBACK_CHARS = 100_000

_EXPECTED = "a mapping, a list of mappings or None is expected"
_RAYLAB_FOLDER = str(Path(__file__).parent) + os.sep

# Values that cannot change after the trial has returned them. Numpy's scalar types are added when first met.
ATOMS: set[type] = {type(None), bool, int, float, complex, str, bytes}
# Result names seen before, all of them proper strings. It makes the usual row one set comparison; bounded,
# because an experiment may name its results after its data.
known_names: set[str] = set()
_MAX_KNOWN_NAMES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one execution of a trial came to.

    Attributes:
        status: `done`, `failed` or `timed_out`.
        rows: the results, without the parameters; at least one row, `[{}]` for a failure or an empty result.
        error: one line such as `ValueError: p is negative`.
        traceback: the user's part of the traceback; raylab's own frames are left out.
        times: seconds in `set_up`, `do` and `tear_down`, as far as the trial came (`Experiment` only).
        metadata: what an epyc experiment reported about its run.
    """

    status: Literal["done", "failed", "timed_out"]
    rows: list[Row] = field(default_factory=lambda: [{}])
    error: str | None = None
    traceback: str | None = None
    times: dict[str, float] | None = None
    metadata: dict[str, object] | None = None


def failure(error: BaseException, times: dict[str, float] | None = None) -> Outcome:
    """The outcome of a trial that raised `error`; safe whatever the exception's own methods do."""
    return Outcome(status="failed", error=_short(error), traceback=_trace(error), times=times)


class UnfitResultError(Exception):
    """The experiment returned something else than rows; told without a traceback, which would be ours."""


def read(result: object) -> Row | list[Row]:
    """What an experiment returned, as its row or its rows; UnfitResultError if it is neither."""
    if isinstance(result, Mapping):
        return _row(result)
    if result is None:
        return {}
    if not isinstance(result, list | tuple):
        raise UnfitResultError(f"returned {_type(result)}; {_EXPECTED}")
    for entry in result:
        if not isinstance(entry, Mapping):
            raise UnfitResultError(f"returned a {_type(result)} with {_type(entry)} in it; {_EXPECTED}")
    return [_row(entry) for entry in result] or [{}]


def _row(result: Mapping[Any, object]) -> Row:
    row: Row = {}
    for key, value in result.items():
        name = _name(key)
        if name in row:  # 1 and "1" are two results
            name = f"{name}__{_type(key)}"
        row[name] = value if type(value) in ATOMS else _snapshot(value)
    return row


def _name(key: object) -> str:
    if type(key) is str and key in known_names:
        return key
    name = _clean(str(key))
    if len(known_names) < _MAX_KNOWN_NAMES:
        known_names.add(name)
    return name


def _snapshot(value: Any) -> object:
    """A copy of what a later trial could still change: rows wait some time before they are written."""
    kind = type(value)
    if kind in ATOMS:
        return value
    try:
        if kind is dict:
            return {key: _snapshot(entry) for key, entry in value.items()}
        if kind is list or kind is tuple:
            return kind(value if ATOMS.issuperset(map(type, value)) else map(_snapshot, value))
        if kind is set or kind is bytearray:
            return value.copy()
    except RecursionError:  # it contains itself; the notebook will find a way to keep it
        return value
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray):
        return value.copy()
    if numpy is not None and isinstance(value, numpy.generic) and not isinstance(value, numpy.void):
        ATOMS.add(kind)
    return value


def read_epyc(record: Mapping[str, Any]) -> Outcome:
    """What epyc's `run()` returned: results, and metadata that says whether it succeeded."""
    metadata, error, trace = _epyc_metadata(record)
    rows, failures = _epyc_rows(record["results"])
    if error is None and failures and len(failures) == len(rows):  # every repetition failed
        error, trace = failures[0]
    if error is not None:
        return Outcome(status="failed", error=error, traceback=trace, metadata=metadata)
    return Outcome(status="done", rows=rows or [{}], metadata=metadata)


def _epyc_rows(results: object) -> tuple[list[Row], list[tuple[str, str | None]]]:
    """The rows of an epyc result. epyc's combinators nest whole results dicts in a list of results."""
    rows: list[Row] = []
    failures: list[tuple[str, str | None]] = []
    for entry in results if isinstance(results, list | tuple) else [results]:
        if not (isinstance(entry, Mapping) and "results" in entry and "metadata" in entry):
            made = read([entry] if isinstance(entry, Mapping) else entry)
            rows += made if isinstance(made, list) else [made]
            continue
        _, error, trace = _epyc_metadata(entry)
        if error is not None:
            # One repetition of several: it keeps its place, and epyc's own word for why it is empty.
            rows.append({"epyc.experiment.exception": error})
            failures.append((error, trace))
            continue
        inner, inner_failures = _epyc_rows(entry["results"])
        rows += inner
        failures += inner_failures
    return rows, failures


def _epyc_metadata(record: Mapping[str, Any]) -> tuple[dict[str, object], str | None, str | None]:
    """The metadata without its failure; the failure's error and traceback, None if there was none."""
    found = {_clean(str(key)): value for key, value in (record.get("metadata") or {}).items()}
    failed = any(key.split(".")[-1] == "status" and not value for key, value in found.items())
    kept: dict[str, object] = {}
    error: str | None = None
    trace: str | None = None
    for key, value in found.items():
        match key.split(".")[-1]:
            case "exception":
                error = _short(value) if isinstance(value, BaseException) else _clean(str(value))[:MAX_ERROR_CHARS]
            case "traceback":
                trace = _cut_head(_clean(str(value)))
            case _:
                kept[key] = _short(value) if isinstance(value, BaseException) else _snapshot(value)
    if not failed:
        return kept, None, None
    return kept, error or "the experiment reported a failure without an exception", trace


def _type(value: object) -> str:
    return type(value).__name__


def _short(error: BaseException) -> str:
    if isinstance(error, UnfitResultError):
        return str(error)[:MAX_ERROR_CHARS]
    name = type(error).__name__
    try:
        text = str(error)
    except BaseException as second:
        text = f"its message cannot be read, {type(second).__name__} in __str__"
    return _clean(f"{name}: {text}" if text else name)[:MAX_ERROR_CHARS]


def _trace(error: BaseException) -> str | None:
    if isinstance(error, UnfitResultError):
        return None
    try:
        summary = traceback.TracebackException.from_exception(error)
        for part in _chain(summary):
            part.stack[:] = [frame for frame in part.stack if not frame.filename.startswith(_RAYLAB_FOLDER)]
        return _cut_head(_clean("".join(summary.format())))
    except BaseException as second:  # out of memory, out of stack, or an exception class with tricks
        return f"the traceback cannot be shown: {type(second).__name__}"


def _chain(summary: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    """The exception, what caused it, and the members of groups."""
    waiting = [summary]
    while waiting:
        part = waiting.pop()
        yield part
        waiting += [p for p in (part.__cause__, part.__context__, *(part.exceptions or ())) if p is not None]


def _cut_head(text: str) -> str:
    if len(text) <= MAX_TRACEBACK_CHARS:
        return text
    mark = "[the beginning is left out]\n"
    return mark + text[len(mark) - MAX_TRACEBACK_CHARS :]


def _clean(text: str) -> str:
    """Lone surrogates (file names that are no UTF-8) written out: Arrow's strings cannot hold them."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
