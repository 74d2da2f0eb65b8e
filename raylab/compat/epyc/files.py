"""The files of epyc's notebooks: what is in them, as results dicts. Both formats of JSON, and HDF5.

Promises: types are kept as far as the file has them; a moment is a datetime; the results of a run that failed are left
out, since epyc fills them with zeros. Writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from raylab.compat.epyc.experiment import Experiment, ResultsDict
from raylab.extras import needed

DEFAULT_RESULTSET = "epyc.resultset.default"

_HDF5 = b"\x89HDF\r\n\x1a\n"
_PARTS = (Experiment.METADATA, Experiment.PARAMETERS, Experiment.RESULTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSet:
    """A result set in a file.

    Attributes:
        tag: by which the notebook has it.
        description: in words.
        results: a results dict each.
        pending: how many runs had not ended when the file was written.
        is_current: whether it is the one that the notebook has as its current one.
    """

    tag: str
    description: str
    results: list[ResultsDict]
    pending: int
    is_current: bool


def read_notebook(path: Path) -> list[StoredSet]:
    """The result sets of a file, in its order.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no notebook of epyc, or one of a later format.
        ModuleNotFoundError: it is HDF5, and h5py is not installed.
    """
    with path.open("rb") as file:
        begins = file.read(len(_HDF5))
    try:
        if begins == _HDF5:
            return list(_of_hdf5(path))
        with path.open(encoding="utf-8") as text:
            found = json.load(text)
        return list(_of_json(found, path))
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is no notebook of epyc, in JSON or HDF5 ({type(error).__name__}: {error})") from error


# JSON ---------------------------------------------------------------------------------------------------------------


def _of_json(found: Mapping[str, Any], path: Path) -> Iterator[StoredSet]:
    if "version" not in found:
        yield _of_first_format(found)
        return
    _check_version(found["version"], "2", path)
    for tag, stored in found["resultsets"].items():
        yield StoredSet(
            tag=tag,
            description=stored.get("description", ""),
            results=list(_flat(stored["results"])),
            pending=len(stored["pending-results"]),
            is_current=tag == found.get("current"),
        )


def _of_first_format(found: Mapping[str, Any]) -> StoredSet:
    """That of epyc before 1.0, which had no result sets, but a list of results for each point."""
    return StoredSet(
        tag=DEFAULT_RESULTSET,
        description=found.get("description", ""),
        results=list(_flat(list(found["results"].values()))),
        pending=len(found.get("pending", ())),
        is_current=True,
    )


def _check_version(version: Any, known: str, path: Path) -> None:
    if version != known:
        raise ValueError(f"{path} has format {version!r} of epyc's notebooks, and {known!r} is the last one known here")


def _flat(results: Any) -> Iterator[ResultsDict]:
    """Results dicts that stand in lists, or in results dicts, at any depth."""
    if isinstance(results, list):
        for each in results:
            yield from _flat(each)
    elif isinstance(results[Experiment.RESULTS], list):
        yield from _flat(results[Experiment.RESULTS])
    else:
        yield _result(results[Experiment.METADATA], results[Experiment.PARAMETERS], results[Experiment.RESULTS])


def _result(metadata: Mapping[str, Any], parameters: Mapping[str, Any], results: Mapping[str, Any]) -> ResultsDict:
    about = dict(metadata)
    for name in (Experiment.START_TIME, Experiment.END_TIME):
        about[name] = _moment(about.get(name))
    failure, trace = about.get(Experiment.EXCEPTION), str(about.get(Experiment.TRACEBACK) or "").rstrip()
    if failure and trace.endswith(f": {failure}"):  # there the exception has its class
        about[Experiment.EXCEPTION] = trace.splitlines()[-1] if "\n" not in str(failure) else failure
    good = bool(about.setdefault(Experiment.STATUS, not failure))
    return {
        Experiment.METADATA: about,
        Experiment.PARAMETERS: dict(parameters),
        Experiment.RESULTS: dict(results) if good else {},
    }


def _moment(text: Any) -> datetime | None:
    """When; None where nobody knows, as of a run that was cancelled."""
    with suppress(TypeError, ValueError):
        return datetime.fromisoformat(text)
    return None


# HDF5 ---------------------------------------------------------------------------------------------------------------


def _of_hdf5(path: Path) -> Iterator[StoredSet]:
    with needed("h5py", extra="epyc", purpose=f"{path}, an HDF5 file,"):
        import h5py
    with h5py.File(path, "r") as file:
        _check_version(str(file.attrs["version"]), "1", path)
        for tag, group in file.items():
            yield StoredSet(
                tag=tag,
                description=str(group.attrs.get("description", "")),
                results=list(_rows(group["results"])) if "results" in group else [],
                pending=len(group["pending"]) if "pending" in group else 0,
                is_current=tag == str(file.attrs.get("current-resultset", "")),
            )


def _rows(table: Any) -> Iterator[ResultsDict]:
    names = {part: [str(name) for name in table.attrs.get(part, ())] for part in _PARTS}
    rows = table[...]
    columns = {name: [_value(each) for each in rows[name]] for part in _PARTS for name in names[part]}
    for at in range(len(rows)):
        yield _result(*({name: columns[name][at] for name in names[part]} for part in _PARTS))


def _value(value: Any) -> Any:
    """A value of HDF5's as Python's own: text is bytes there, and a number one of numpy's. An array stays one."""
    if isinstance(value, bytes):
        return value.decode()
    if not hasattr(value, "dtype"):
        return value
    if not value.ndim:
        return value.item()
    return [_value(each) for each in value] if value.dtype == object else value
