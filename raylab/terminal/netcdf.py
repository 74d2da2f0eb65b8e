"""A labelled Dataset as a NetCDF file. The home of h5netcdf.

NetCDF has numbers, times and text: whatever else there is becomes text that says it, and no integer becomes a float.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

from raylab.extras import needed
from raylab.terminal.cells import Notes, jsonable

TEXT = "what is no number, time or text is JSON"
MISSING = "text that is missing is empty"


def write_netcdf(sink: IO[bytes], dataset: Any, notes: Notes) -> None:
    """Write a Dataset.

    Args:
        sink: to be read and written.
        dataset: as `to_xarray()` gives it.
        notes: takes what was made of values that NetCDF cannot hold.

    Raises:
        ValueError: a name is none in NetCDF.
        ModuleNotFoundError: h5netcdf is not installed.
    """
    with needed("h5netcdf", extra="xarray", purpose="a NetCDF file"):
        import h5netcdf  # noqa: F401  # xarray looks for it
    for name in dataset.variables:
        if name in ("", ".", "..") or "/" in name:
            raise ValueError(
                f"NetCDF has no variable of the name {name!r}: write another format, or in Python "
                f"to_xarray().rename({{{name!r}: ...}}).to_netcdf(...)"
            )
    levels = [name for name, index in dataset.indexes.items() if index.nlevels > 1]
    flat = dataset.reset_index(levels) if levels else dataset.copy()
    flat.attrs = _attributes(flat.attrs)
    for name in flat.variables:
        if flat[name].dtype == object:
            flat[name] = flat[name].copy(data=_texts(flat[name].values, name, notes))
        flat[name].attrs = _attributes(flat[name].attrs)
    flat.to_netcdf(sink, engine="h5netcdf")


def _texts(values: Any, name: str, notes: Notes) -> Any:
    """An array of objects as one of texts; xarray would make floats of integers, where some are missing."""
    found = np.empty(values.shape, dtype=object)
    for at, value in np.ndenumerate(values):
        is_missing = value is None or (isinstance(value, float) and value != value)  # xarray takes either for it
        told = "" if is_missing else jsonable(value.tolist() if isinstance(value, np.ndarray) else value)
        if is_missing:
            notes.add(MISSING, name)
        elif not isinstance(told, str):
            notes.add(TEXT, name)
            told = json.dumps(told, ensure_ascii=False)
        found[at] = told
    return found


def _attributes(given: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes that NetCDF has: numbers, texts, lists of these; the others as JSON."""
    return {
        name: value if isinstance(value, str | np.ndarray | np.generic) or type(value) in (int, float) else _told(value)
        for name, value in given.items()
    }


def _told(value: Any) -> Any:
    plain = isinstance(value, list | tuple) and value and {type(each) for each in value} in ({str}, {int}, {float})
    return list(value) if plain else json.dumps(jsonable(value), ensure_ascii=False)
