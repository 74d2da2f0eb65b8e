"""Labelled results: what an object of xarray has beside its values, as plain data, and the values themselves.

The values are cells of a row, as arrays without labels are. What labels them (dimensions, coordinates, attributes, the
exact types) is a document, and each coordinate a content of its own; all of these are known by their digests, so that
what is the same in a million trials is kept once (`notebook/label_columns.py`).

Promises: `xarray` is not imported: whoever holds one of its objects has it loaded. What is read back has the same
dimensions, types and bits. What only objects could hold is its text: an attribute, a coordinate of calendar dates.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from raylab.core.values import JSON, decode, encode, exact

__all__ = ["LABELS", "Labels", "group_of", "is_labelled", "load_array", "load_attrs"]

LABELS: Final = "\0labels"
"""Under which name a row holds its `Labels`; no experiment calls a result so."""

_CLASSES: Final = frozenset({"DataArray", "Dataset"})


def is_labelled(value: object) -> str:
    """Whether the value is xarray's: the name of its class; empty of any other.

    Example:
        >>> is_labelled(0.5)
        ''
    """
    for base in _bases(type(value)):
        if _name(base) in _CLASSES and str(_module(base)).partition(".")[0] == "xarray":
            return _name(base)
    return ""


_bases: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__
_name: Callable[[type], str] = type.__dict__["__name__"].__get__
_module: Callable[[type], object] = type.__dict__["__module__"].__get__
"""What Python itself knows, whatever a class or its metaclass says instead."""


class Labels:
    """The labels of one row.

    Args:
        groups: of each object of xarray in the row what `group_of` gives, with its variables' columns told.

    Attributes:
        digest: of all of it.
        contents: by digest the document and the coordinates, as bytes.
        nbytes: that these have together.
    """

    __slots__ = ("contents", "digest", "nbytes")

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        self.contents: dict[str, bytes] = {}
        for group in groups:
            for coordinate in group["coords"].values():
                coordinate["content"] = self._keep(_dump_array(coordinate.pop("values")))
        self.digest = self._keep(JSON.encode(groups).encode())
        self.nbytes = sum(map(len, self.contents.values()))

    def _keep(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()[:16]
        self.contents[digest] = content
        return digest


def group_of(value: Any, name: str, place: Callable[[str, object], str]) -> dict[str, Any]:
    """The labels of one object of xarray; its values are put where they belong.

    Args:
        value: a DataArray or a Dataset.
        name: of the result that it is; empty for a Dataset that is the whole row.
        place: puts the values of a variable into a column of the wanted name, and says under which name they are there.

    Returns:
        `kind`, `name` (of a DataArray; None without), `attrs`, `coords` (with their `values`), `multi` (by dimension
        the levels of a MultiIndex) and `variables`, each with its `column`.
    """
    kind = is_labelled(value)
    group: dict[str, Any] = {"kind": kind, "name": None, "attrs": {}}
    if kind == "Dataset":
        group["attrs"] = _attrs(value.attrs)
        variables = {str(key): (f"{name}.{key}" if name else str(key), each) for key, each in value.data_vars.items()}
    else:
        group["name"] = None if value.name is None else str(value.name)
        variables = {name: (name, value)}
    group["multi"] = {str(dim): list(map(str, levels)) for dim, levels in _multi_indexes(value)}
    group["coords"] = {
        str(key): {**_described(each.variable), "values": _array(each.variable)}
        for key, each in value.coords.items()
        if str(key) not in group["multi"]
    }
    group["variables"] = {}
    for key, (wanted, each) in variables.items():
        values = np.array(_array(each.variable))  # a copy: a later trial may change its own
        about = {**_described(each.variable), "column": place(wanted, values if values.ndim else values[()])}
        group["variables"][key] = about
    return group


def _multi_indexes(value: Any) -> Iterator[tuple[Any, list[Any]]]:
    for index, variables in value.xindexes.group_by_index():
        if type(index).__name__ == "PandasMultiIndex":
            yield index.dim, [name for name in variables if name != index.dim]


def _array(variable: Any) -> NDArray[Any]:
    values: NDArray[Any] = np.asarray(variable.values)
    return values.astype(object) if values.dtype.kind == "T" else values  # numpy's strings of any length


def _described(variable: Any) -> dict[str, Any]:
    values = _array(variable)
    return {
        "dims": list(map(str, variable.dims)),
        "dtype": values.dtype.str,
        "shape": list(values.shape),
        "attrs": _attrs(variable.attrs),
    }


def _attrs(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(key): _kept(value) for key, value in attrs.items()}


def _kept(value: Any) -> Any:
    """A value as JSON has it; its text where it cannot be kept."""
    try:
        return encode(exact(value, "an attribute"))
    except Exception:  # whatever the methods of a user's class raise
        return str(value).encode("utf-8", "backslashreplace").decode()


def load_attrs(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as they were given."""
    return {key: decode(value) for key, value in attrs.items()}


def _dump_array(values: NDArray[Any]) -> bytes:
    if values.dtype.hasobject:
        try:
            return JSON.encode(encode(exact(values, "a coordinate"))).encode()
        except Exception:  # whatever the methods of a user's class raise
            values = np.array(list(map(str, values.ravel()))).reshape(values.shape)
    file = io.BytesIO()
    np.lib.format.write_array(file, values, allow_pickle=False)
    return file.getvalue()


def load_array(content: bytes) -> NDArray[Any]:
    """A coordinate's values, as they were given."""
    if content.startswith(np.lib.format.MAGIC_PREFIX):
        found: NDArray[Any] = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    else:
        found = decode(json.loads(content))
    return found
