"""Sets as JSON has them, from arrays: the texts of `core/packing.py`, which does without numpy, for 10^7 runs."""

from __future__ import annotations

import base64
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from raylab.core.packing import FEW, KINDS

__all__ = ["packed_pairs", "unpacked_pairs"]

DTYPES: Final = dict(zip(KINDS, ("<u1", "<u2", "<u4", "<u8"), strict=True))
"""What numpy calls numbers of these kinds, the lowest byte first."""


def packed_pairs(runs: NDArray[np.int64]) -> Any:
    """What JSON takes for runs that stand in the rows of an array, and ascend.

    Example:
        >>> packed_pairs(np.array([[3, 5], [9, 10]]))
        [[3, 5], [9, 10]]
    """
    if len(runs) <= FEW:
        return runs.tolist()
    steps = np.diff(runs.ravel(), prepend=0)
    kind = next(kind for kind, dtype in DTYPES.items() if int(steps.max()) <= np.iinfo(dtype).max)
    return kind + base64.b64encode(steps.astype(DTYPES[kind]).tobytes()).decode()


def unpacked_pairs(data: Any) -> NDArray[np.int64]:
    """The rows of what `packed_pairs` gave, after it was JSON."""
    if not isinstance(data, str):
        return np.array(data, dtype=np.int64).reshape(-1, 2)
    steps = np.frombuffer(base64.b64decode(data[1:]), dtype=DTYPES[data[0]])
    return np.cumsum(steps, dtype=np.int64).reshape(-1, 2)
