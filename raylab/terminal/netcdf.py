"""A labelled Dataset as a NetCDF file. The home of h5netcdf.

NetCDF has numbers, times and text: whatever else there is becomes text that says it, and no integer becomes a float.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

from raylab.extras import needed
from raylab.terminal.cells import BYTES, Notes, jsonable

TEXT = "what is no number, time or text is JSON or text that shows it, and text with a NUL in it is JSON"
DIGITS = "integers that some cells are missing of, or that 64 bits do not hold, are text of their digits"
MISSING = "text that is missing is empty"
RENAMED = "attributes called as those of NetCDF itself have a _ at their end"

OWN = {
    *("", "CLASS", "DIMENSION_LIST", "NAME", "REFERENCE_LIST"),
    *("_NCProperties", "_Netcdf4Coordinates", "_Netcdf4Dimid", "_nc3_strict"),
}
"""Names of attributes that nobody else can give, or that are none."""

OWN_OF_TIMES = {"calendar", "dtype", "units"}
"""Those that say how the numbers of a file count times and truth values."""


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
    flat.attrs = _attributes(flat.attrs, "the whole", "", notes)
    for name in flat.variables:
        if flat[name].dtype == object or _has_nul(flat[name].values):
            flat[name] = flat[name].copy(data=_texts(flat[name].values, name, notes))
        flat[name].attrs = _attributes(flat[name].attrs, name, flat[name].dtype.kind, notes)
    flat.to_netcdf(sink, engine="h5netcdf")


def _has_nul(values: Any) -> bool:
    return values.dtype.kind == "U" and bool((np.char.find(values, "\0") >= 0).any())


def _texts(values: Any, name: str, notes: Notes) -> Any:
    """An array of objects as one of texts; xarray would make floats of integers, where some are missing."""
    found = np.empty(values.shape, dtype=object)
    for at, value in np.ndenumerate(values):
        is_missing = value is None or (isinstance(value, float) and value != value)  # xarray takes either for it
        told = "" if is_missing else jsonable(value.tolist() if isinstance(value, np.ndarray) else value)
        if is_missing or not isinstance(value, str) or "\0" in value:
            notes.add(MISSING if is_missing else _change(value), name)
        found[at] = told if isinstance(told, str) and "\0" not in told else json.dumps(told, ensure_ascii=False)
    return found


def _change(value: Any) -> str:
    """What becomes of a value that is no text, or none that NetCDF has."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return DIGITS
    return BYTES if isinstance(value, bytes) else TEXT


def _attributes(given: Mapping[str, Any], name: str, kind: str, notes: Notes) -> dict[str, Any]:
    """Attributes that NetCDF has: numbers, texts, lists of these; the others as JSON."""
    taken = OWN_OF_TIMES if kind in ("m", "M", "b") else ()
    own = {each for each in given if each in taken or each in OWN}
    if own:
        notes.add(RENAMED, name)
    return {f"{each}_" if each in own else each: _told(value) for each, value in given.items()}


def _told(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.kind in "iufc":
            return value
        if value.dtype.kind in "mM":
            value = np.reshape([str(each) for each in np.ravel(value)], np.shape(value))
        value = value.tolist()
    is_list = isinstance(value, list | tuple)
    some = list(value) if is_list else [value]
    if {type(each) for each in some} not in ({str}, {int}, {float}) or not all(map(_is_there, some)):
        return json.dumps(jsonable(value))
    return some if is_list else value


def _is_there(value: str | int | float) -> bool:
    """Whether NetCDF has this very text or number."""
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return isinstance(value, float) or ("\0" not in value and not any("\ud800" <= each <= "\udfff" for each in value))
