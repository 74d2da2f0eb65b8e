"""What a call says: its warnings, and its refusal."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


def said(call: Callable[[], T]) -> tuple[T, list[str]]:
    """What a call returns, and the warnings that it gave."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = call()
    return made, [str(each.message) for each in caught]


@contextmanager
def refused(kind: type[Exception], *words: str) -> Iterator[None]:
    """The block ends with such an error, whose message has all the words."""
    try:
        yield
    except kind as error:
        missing = [word for word in words if word not in str(error)]
        assert not missing, (missing, str(error))  # noqa: PT017
    else:
        raise AssertionError(f"nothing was refused; expected {kind.__name__} with {words}")
