"""What cannot travel is refused as the pickle refuses it; what can is let pass without Ray."""

from __future__ import annotations

import abc
import collections
import dataclasses
import enum
import functools
import io
import logging
import random
import subprocess
import sys
import textwrap
import threading
import typing
import weakref
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from raylab.code.pickling import pickled
from raylab.code.rehearsal import rehearse
from raylab.errors import ExperimentError
from raylab.worker.experiment import Experiment


def travelling() -> Iterator[Callable[..., Any]]:
    """Experiments that take along what pickle alone cannot carry, or only by a way of its own."""

    class Shape(abc.ABC):  # noqa: B024
        @property
        def area(self) -> float:
            return 1.0

        @staticmethod
        def of(p: int) -> int:
            return p

        @classmethod
        def made(cls) -> Any:
            return cls

    class Round(Shape, Experiment):
        def __init__(self) -> None:
            self.other = self
            self.rng  # noqa: B018  (makes it)

        def do(self, params: dict[str, Any]) -> int:
            return int(super().of(1))

    @dataclasses.dataclass(frozen=True)
    class Pair:
        a: int = 1

    class Colour(enum.Enum):
        RED = 1

    @functools.lru_cache
    def cached(p: int) -> int:
        return p

    def again(p: int) -> int:
        return again(p - 1) if p else 0

    Row = collections.namedtuple("Row", "a b")
    word = typing.TypeVar("word")
    values = [
        *(Shape, Round(), Pair(), Colour.RED, cached, again, Row(1, 2), word, np.vectorize(lambda x: x), random.choice),
        *(
            MappingProxyType({"a": 1}),
            {"a": 1}.keys(),
            weakref.WeakSet(),
            logging.getLogger("x"),
            sys,
            np.random.normal,
        ),
        *(io.StringIO("x"), np.arange(3), again.__code__, print, memoryview(b"x"), list[int], int | str),
    ]
    yield from (functools.partial(lambda p, value: p, value=value) for value in values)
    yield Round()  # type: ignore[misc]
    yield Round().of


def test_what_travels_is_let_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    experiments = list(travelling())
    for experiment in experiments:
        pickled(experiment)
    monkeypatch.setattr("raylab.code.pickling.pickled", lambda it: pytest.fail(f"{it} was taken for an obstacle"))
    for experiment in experiments:
        rehearse(experiment)


OBSTACLES: dict[str, Any] = {
    "lock": threading.Lock(),
    "generator": (x for x in ()),
    "random": random.Random(1),
    "numpy": [{"a": np.random.default_rng(1)}],
    "file": sys.__stdout__,
}


@pytest.mark.parametrize("value", OBSTACLES.values(), ids=OBSTACLES)
@pytest.mark.parametrize("way", ["closure", "default", "attribute", "method"])
def test_what_does_not_is_refused_in_the_words_of_submit(value: Any, way: str) -> None:
    class Holder:
        def __init__(self) -> None:
            self.held = value

        def run(self, p: int) -> int:
            return p

    def named(p: int, given: Any = value if way == "default" else None) -> Any:
        return given

    named.held = value if way == "attribute" else None  # type: ignore[attr-defined]
    experiment = {"closure": lambda p: value, "method": Holder().run}.get(way, named)
    with pytest.raises(ExperimentError) as there:
        pickled(experiment)
    with pytest.raises(ExperimentError) as here:
        rehearse(experiment)
    assert str(here.value) == str(there.value)


def test_a_rehearsal_loads_no_ray() -> None:
    script = """
    import sys, functools
    from raylab.code.rehearsal import rehearse

    class Coin:
        def set(self, params): ...
        def run(self): ...

    rehearse(lambda p: Coin())
    rehearse(functools.partial(print, sep=""))
    assert not {"ray", "polars"} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=60)
