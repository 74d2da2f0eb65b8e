"""Sets as JSON has them: a few runs as pairs, many as a text.

10^5 failures that lie here and there are as many runs. As pairs they take 30 ms each time that somebody reads what a
file says of itself, whether they are of interest or not; as a text nothing before they are.
"""

from __future__ import annotations

import base64
import sys
from array import array
from collections.abc import Sequence
from itertools import accumulate, chain
from operator import sub
from typing import Any

from raylab.core.box import Run, Runs

FEW = 100
"""As many runs are pairs, which people can read."""

RECENT = 4
"""As many texts are remembered: some 10 MB each for 10^5 runs, which the sweeps' segments hold anyway."""

KINDS = "BHIQ"
"""Of numbers of 1, 2, 4 and 8 bytes, as `array` has them."""


def packed(runs: Sequence[Run]) -> Any:
    """What JSON takes for runs that ascend.

    Of many: a letter that says how many bytes a number has (B, H, I, Q: 1, 2, 4, 8, the lowest first), and in base64
    the first start, then by turns how far it is to the next stop and start.

    Example:
        >>> packed([(3, 5), (9, 10)])
        [[3, 5], [9, 10]]
        >>> text = packed([(2 * at, 2 * at + 1) for at in range(200)])
        >>> text[:10], unpacked(text)[199]
        ('BAAEBAQEBA', (398, 399))
    """
    if len(runs) <= FEW:
        return [list(run) for run in runs]
    flat = list(chain.from_iterable(runs))
    steps = [flat[0], *map(sub, flat[1:], flat)]
    most = max(steps)
    kind = next(kind for kind in KINDS if most < 256 ** array(kind).itemsize)
    text = kind + base64.b64encode(_little(array(kind, steps)).tobytes()).decode()
    if isinstance(runs, tuple):
        _remember(text, runs)
    return text


def unpacked(data: Any) -> Runs:
    """The runs of what `packed` gave, after it was JSON."""
    if not isinstance(data, str):
        return tuple((start, stop) for start, stop in data)
    return _recent.get(data) or _remember(data, _read(data))


_recent: dict[str, Runs] = {}
"""A lab reads a request that it has made three times: before it is written, after that, and to follow it."""


def _remember(text: str, runs: Runs) -> Runs:
    while len(_recent) >= RECENT:
        _recent.pop(next(iter(_recent)), None)
    _recent[text] = runs
    return runs


def _read(text: str) -> Runs:
    steps = array(text[0])
    steps.frombytes(base64.b64decode(text[1:]))
    flat = accumulate(_little(steps))
    return tuple(zip(flat, flat, strict=True))


def _little(numbers: array[int]) -> array[int]:
    """With the lowest byte first, or from that."""
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
