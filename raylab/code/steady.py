"""Whether a value is the same after it has travelled: only then does its digest say whether two are equal.

The data of a value makes the way through a pickle and back. Functions, classes and modules stay what they are: made
again in this process, cloudpickle would change the very classes that a person's session uses.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

from ray import cloudpickle

from raylab.code.captured_generators import own_name
from raylab.code.digest import Walk, known_parts

__all__ = ["steady_digest"]


def steady_digest(value: object, met: Callable[[FunctionType], None] | None = None) -> str | None:
    """The digest of a value; None if it has none that lasts: a clock, an address, a number drawn stands in its pickle.

    Args:
        value: whatever can be pickled.
        met: as of `Walk`.
    """
    try:
        walk = Walk(met)
        found = walk.digest(value)
        if not walk.reduced:
            return found
        travelled = _travelled(value)
        there = Walk().digest(travelled)
        # Some values become what they will be only by their first way: what is computed when they are made again.
        return there if there == found or there == Walk().digest(_travelled(travelled)) else None
    except Exception:  # the user's code; what it cannot do is no value that lasts
        return None


class _Pickler(cloudpickle.CloudPickler):
    def __init__(self, file: io.BytesIO, kept: list[object]) -> None:
        super().__init__(file)  # type: ignore[no-untyped-call]
        self._kept = kept

    def persistent_id(self, value: Any) -> int | None:
        is_code = isinstance(value, FunctionType | type | ModuleType)
        if is_code or own_name(value) is not None or known_parts(value) is not None:
            self._kept.append(value)
            return len(self._kept) - 1
        return None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, kept: list[object]) -> None:
        super().__init__(file)
        self._kept = kept

    def persistent_load(self, number: int) -> object:
        return self._kept[number]


def _travelled(value: object) -> object:
    kept: list[object] = []
    with io.BytesIO() as file:
        _Pickler(file, kept).dump(value)  # type: ignore[no-untyped-call]
        file.seek(0)
        made: object = _Unpickler(file, kept).load()
        return made
