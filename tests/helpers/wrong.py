"""Putting a mistake into the code on purpose, so that nothing else can be what turns a test red.

A function is replaced only by one of the same signature that the code does call; a constant only if there is one. What
the test needs beside the mistake is a `setting`, and with the settings alone the test has to be green.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any

import pytest


class Wrong:
    """The changes that make up one mistake.

    Args:
        patch: undoes them.
        settings_only: leave the mistake out.
    """

    def __init__(self, patch: pytest.MonkeyPatch, *, settings_only: bool = False) -> None:
        self._patch = patch
        self._settings_only = settings_only
        self.calls: Counter[str] = Counter()  # of the functions put in
        self.functions: set[str] = set()

    def function(self, owner: object, name: str, new: Callable[..., Any]) -> None:
        """Put a function, or a method, in the place of another."""
        old = inspect.getattr_static(owner, name)
        old = old.__func__ if isinstance(old, staticmethod | classmethod) else old
        assert _shape(new) == _shape(old), f"{name} is {_shape(old)}, and the mistake is {_shape(new)}"
        self.functions.add(name)

        @wraps(new)
        def counted(*args: Any, **words: Any) -> Any:
            self.calls[name] += 1
            return new(*args, **words)

        if not self._settings_only:
            self._patch.setattr(owner, name, counted)

    def constant(self, owner: object, name: str, value: object) -> None:
        """Put another value in the place of a constant."""
        assert getattr(owner, name) != value, f"{name} is {value!r} already"
        if not self._settings_only:
            self._patch.setattr(owner, name, value)

    def setting(self, owner: object, name: str, value: object) -> None:
        """Change what is right either way."""
        assert hasattr(owner, name), f"there is no {name}"
        self._patch.setattr(owner, name, value)

    def check_called(self) -> None:
        """Each function that was put in did something."""
        assert self.functions == self.calls.keys(), f"nobody calls {self.functions - self.calls.keys()}"


Mistake = Callable[[Wrong], None]


def _shape(function: Callable[..., Any]) -> tuple[Any, ...]:
    """What a caller can tell: the parameters, and whether it has to await."""
    parameters = inspect.signature(function).parameters.values()
    return inspect.iscoroutinefunction(function), *((each.name, each.kind.name, each.default) for each in parameters)
