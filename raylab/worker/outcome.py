"""What came of one execution of a trial, as plain data: rows, or an error and its traceback as text.

Promises: whatever an experiment returns is rows; rows are copies, with names that are proper strings, so an experiment
may return the same dict every time; an exception travels as text, never as an object, whatever the exception's own
methods do. Loads the standard library only, until a result is none of its types. Knows no Ray, no disk, and not how
the experiment was run.
"""

from __future__ import annotations

import hashlib
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import CoroutineType, TracebackType
from typing import Any, Literal, TypeAlias

Row: TypeAlias = dict[str, object]

# What a notebook reader can still look at; a message that embeds an array's repr can have megabytes.
MAX_ERROR_CHARS = 10_000
MAX_TRACEBACK_CHARS = 100_000

MAX_NAME_CHARS = 1_000
"""Of a result; a longer name is cut, and ends in a hash of all of it."""

VALUE = "value"
"""What a result is called that is no row."""

_OTHERS = (str(Path(__file__).parent) + os.sep, "<frozen importlib")
"""Files whose frames are not the user's: ours, and those of an import, which Python leaves out itself by hand."""

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
        ran: of a trial that ran elsewhere, when it began (seconds since the epoch) and how long it took; None for what
            nobody knows.
    """

    status: Literal["done", "failed", "timed_out"]
    rows: list[Row] = field(default_factory=lambda: [{}])
    error: str | None = None
    traceback: str | None = None
    times: dict[str, float] | None = None
    metadata: dict[str, object] | None = None
    ran: tuple[float | None, float | None] | None = None


def failure(error: BaseException, times: dict[str, float] | None = None) -> Outcome:
    """The outcome of a trial that raised `error`; safe whatever the exception's own methods do."""
    return Outcome(status="failed", error=_short(error), traceback=_trace(error), times=times)


class UnfitResultError(Exception):
    """What was returned is none of epyc's dicts where it must be one, or was never run; told without a traceback, which
    would be ours."""


def read(result: object) -> Row | list[Row]:
    """What an experiment returned, as its row or its rows.

    A mapping, a named tuple, a dataclass instance (also of attrs, pydantic, msgspec) is a row, a list or tuple of them
    several, a frame (polars, pandas, pyarrow) its rows. A Dataset of xarray is a row of its variables, a DataArray the
    column of its name. None is an empty result, so is a list or frame without rows. Anything else is the column
    `value`.

    Example:
        >>> read(0.5), read([{"step": 0}, {"step": 1}]), read(None)
        ({'value': 0.5}, [{'step': 0}, {'step': 1}], {})
    """
    kind = type(result)  # what it really is: a mock says that it is what it stands for
    if result is None:
        return {}
    if kind in ATOMS:
        return {VALUE: result}
    if (row := _record(result)) is not None:
        return _row(row)
    if issubclass(kind, list | tuple):
        some = [_record(entry) for entry in _entries(result)]
        rows = [row for row in some if row is not None]
        return _row({VALUE: result}) if len(rows) < len(some) else list(map(_row, rows)) or [{}]
    if kind is CoroutineType:
        raise UnfitResultError("returned a coroutine, which nobody ran; return asyncio.run(...) of it")
    if str(kind.__module__).partition(".")[0] in _OF_NUMPY_ALONE:
        return _row({VALUE: result})
    if _is_labelled(result):  # a DataArray: a Dataset is a mapping
        return _row({VALUE if result.name is None else result.name: result})  # type: ignore[attr-defined]
    from raylab.core.tabular import frame_rows, series_values  # loads numpy

    found = frame_rows(result, labels=True)
    if found is not None:
        return list(map(_row, found)) or [{}]
    series = series_values(result)
    return _row({VALUE: result if series is None else series})


_OF_NUMPY_ALONE = frozenset({"builtins", "numpy"})
"""Modules whose types are no frames."""

_OF_FRAMES = frozenset({"polars", "pandas", "pyarrow"})


def _entries(result: Any) -> Iterable[object]:
    return (list if issubclass(type(result), list) else tuple).__iter__(result)


def _record(result: Any) -> Mapping[Any, object] | None:
    """What is a row by itself, with its fields by name; None if it is none."""
    kind = type(result)
    if kind is dict or issubclass(kind, Mapping):
        return result  # type: ignore[no-any-return]
    if issubclass(kind, tuple):
        names = getattr(kind, "_fields", None)
        if type(names) is tuple and len(names) == len(result) and all(type(name) is str for name in names):
            return dict(zip(names, tuple.__iter__(result), strict=True))
        return None
    names = _field_names(kind)
    if names is None:
        return None
    extra = getattr(result, "__pydantic_extra__", None) if hasattr(kind, "__pydantic_fields__") else None
    return {name: getattr(result, name, None) for name in names} | (extra or {})


def _field_names(kind: type) -> list[str] | None:
    """The fields of a dataclass, or of a class made by attrs, pydantic or msgspec, which mark theirs likewise."""
    if hasattr(kind, "__dataclass_fields__"):
        return [each.name for each in fields(kind)]
    if hasattr(kind, "__attrs_attrs__"):
        return [each.name for each in kind.__attrs_attrs__]
    for mark in ("__pydantic_fields__", "__struct_fields__"):
        names = kind.__dict__.get(mark) or getattr(kind, mark, None)
        if isinstance(names, tuple | dict):
            return list(names)
    return None


def _row(result: Mapping[Any, object]) -> Row:
    row: Row = {}
    groups: list[Any] = []
    if _is_labelled(result):
        groups.append(_labelled("", result, row))
        result = {}
    for key, value in result.items():
        if type(value) in ATOMS:
            row[_free_name(key, row)] = value
        elif _is_labelled(value):
            groups.append(_labelled(_name(key), value, row))
        else:
            row[_free_name(key, row)] = _snapshot(value)
    if groups:
        from raylab.core.labelled import LABELS, Labels

        row[LABELS] = Labels(groups)
    return row


def _free_name(key: object, row: Row) -> str:
    name = _name(key)
    while name in row:  # 1 and "1" are two results
        name = f"{name}__{_type(key)}"
    return name


def _labelled(name: str, value: object, row: Row) -> dict[str, Any]:
    """The labels of what xarray has; its values are in the row then."""
    from raylab.core.labelled import group_of

    def place(wanted: str, values: object) -> str:
        column = _free_name(wanted, row)
        row[column] = values
        return column

    return group_of(value, name, place)


def _is_labelled(value: object) -> bool:
    """Whether the value is a DataArray or a Dataset of xarray, which is loaded then."""
    if "xarray" not in sys.modules:
        return False
    from raylab.core.labelled import is_labelled  # loads numpy

    return bool(is_labelled(value))


def _name(key: object) -> str:
    if type(key) is str and key in known_names:
        return key
    # What a string is, not what an enum of strings says of itself.
    name = _clean(str.__str__(key) if isinstance(key, str) else str.__str__(str(key)))
    if len(name) > MAX_NAME_CHARS:  # every file of the sweep would carry it
        name = f"{name[:MAX_NAME_CHARS]}…{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    if len(known_names) < _MAX_KNOWN_NAMES:
        known_names.add(name)
    return name


def _snapshot(value: Any) -> object:
    """A copy of what a later trial could still change: rows wait some time before they are written. Of a frame, its
    columns."""
    if str(_class_module(type(value))).partition(".")[0] in _OF_FRAMES:
        from raylab.core.tabular import table_of  # loads numpy

        table = table_of(value)
        if table is not None:
            return table
    try:
        return _copied(value, {})
    except RecursionError:  # too deep to be copied; the notebook will find a way to keep it
        return value


def _copied(value: Any, known: dict[int, object]) -> object:
    """The copy; what stands in it several times, as also what contains itself, is copied once."""
    kind = type(value)
    if kind in ATOMS:
        return value
    if id(value) in known:
        return known[id(value)]
    made: Any = value
    if kind is list:
        made = known[id(value)] = []
        made += value if ATOMS.issuperset(map(type, value)) else [_copied(entry, known) for entry in value]
    elif kind is dict:
        made = known[id(value)] = {}
        made.update({key: _copied(entry, known) for key, entry in value.items()})
    elif kind is tuple:
        made = tuple([_copied(entry, known) for entry in value])
        made = known.get(id(value), made)  # it was met again in itself
    elif kind is set or kind is bytearray:
        made = value.copy()
    else:
        numpy = sys.modules.get("numpy")
        if numpy is not None and issubclass(kind, numpy.ndarray):
            made = value.copy()
        elif numpy is not None and issubclass(kind, numpy.generic) and not issubclass(kind, numpy.void):
            ATOMS.add(kind)
    known[id(value)] = made
    return made


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
    several = issubclass(type(results), list | tuple) and _record(results) is None
    for entry in _entries(results) if several else [results]:
        if not (isinstance(entry, Mapping) and "results" in entry and "metadata" in entry):
            made = read(entry)
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


def reported(record: object) -> BaseException | None:
    """The exception that an epyc result holds; of several repetitions that failed the first one's."""
    if isinstance(record, list):
        return next(filter(None, map(reported, record)), None)
    if not (isinstance(record, Mapping) and "results" in record):
        return None
    metadata = record.get("metadata") or {}
    own = (value for key, value in metadata.items() if str(key).split(".")[-1] == "exception")
    return next((error for error in own if isinstance(error, BaseException)), None) or reported(record["results"])


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
                trace = _cut(_clean(str(value)))
            case _:
                kept[key] = _short(value) if isinstance(value, BaseException) else _snapshot(value)
    if not failed:
        return kept, None, None
    return kept, error or "the experiment reported a failure without an exception", trace


_class_name: Callable[[type], str] = type.__dict__["__name__"].__get__
_class_module: Callable[[type], object] = type.__dict__["__module__"].__get__
_class_traceback: Callable[[BaseException], TracebackType | None] = BaseException.__dict__["__traceback__"].__get__
"""What Python itself knows, whatever a class says instead: nothing of the user's runs here."""


def _type(value: object) -> str:
    return _class_name(type(value))


def _short(error: BaseException) -> str:
    try:
        text = str.__str__(str(error))  # a derived string has methods of its own
    except BaseException as second:
        text = f"its message cannot be read, {_type(second)} in __str__"
    if not issubclass(type(error), UnfitResultError):
        text = f"{_type(error)}: {text}" if text else _type(error)
    return _clean(text[:MAX_ERROR_CHARS])[:MAX_ERROR_CHARS]


def _trace(error: BaseException) -> str | None:
    if issubclass(type(error), UnfitResultError):
        return None
    try:
        summary = traceback.TracebackException.from_exception(error)
        for part in _chain(summary):
            part.stack[:] = _users(part.stack)
        return _cut(_clean("".join(summary.format())))
    except BaseException as second:  # out of memory, out of stack, or an exception class with tricks
        return f"{_frames(error)}the exception itself cannot be shown: {_type(second)}\n"


def _frames(error: BaseException) -> str:
    """Where it was raised at least; without a look at the exception."""
    try:
        stack = _users(traceback.extract_tb(_class_traceback(error)))
        return _cut(_clean("".join(traceback.format_list(stack))))
    except BaseException:
        return ""


def _users(stack: Iterable[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    return [frame for frame in stack if not frame.filename.startswith(_OTHERS)]


def _chain(summary: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    """The exception, what caused it, and the members of groups."""
    waiting = [summary]
    while waiting:
        part = waiting.pop()
        yield part
        waiting += [p for p in (part.__cause__, part.__context__, *(part.exceptions or ())) if p is not None]


def _cut(text: str) -> str:
    """The middle left out: where it began is in the head, the end of a long message in the tail."""
    if len(text) <= MAX_TRACEBACK_CHARS:
        return text
    mark = "\n[the middle is left out]\n"
    half = (MAX_TRACEBACK_CHARS - len(mark)) // 2
    return text[:half] + mark + text[len(mark) + half - MAX_TRACEBACK_CHARS :]


def _clean(text: str) -> str:
    """Lone surrogates (file names that are no UTF-8) written out: Arrow's strings cannot hold them."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
