"""What an attachment refuses before it asks its lab anything."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from raylab.client.attachment import Client
from raylab.client.waiting import deadline
from raylab.core.handle import Handle


class Unasked:
    """A connection that nobody may use."""

    def call(self, verb: str, *args: object, within: float = 0) -> None:
        raise AssertionError(f"{verb} was asked")


@pytest.mark.parametrize("timeout", ["60", True, float("nan"), np.float64("nan"), -1, [1], 1j])
def test_what_is_no_number_of_seconds_is_refused_before_anything_is_asked(timeout: Any) -> None:
    client = Client("lab", connection=Unasked())  # type: ignore[arg-type]
    for ask in (lambda: client.wait("g", timeout, False), lambda: client.updates(Handle("g"), 0, timeout)):
        with pytest.raises(ValueError, match="timeout is how many seconds to wait at most"):
            ask()


@pytest.mark.parametrize("timeout", [0, 2.5, np.int64(3), np.float32(0.5), Fraction(1, 2), float("inf")])
def test_every_number_of_seconds_is_a_timeout(timeout: Any) -> None:
    assert deadline(timeout) is not None
    assert deadline(None) is None
