"""The global random generators of a process: seeded before each trial, and left alone by what a trial imports.

Whoever draws from `random`, `numpy.random` or torch without a generator of its own gets the process's. `seeder` makes
what sets these by a number: as `random.seed(n)`, `numpy.random.seed(n)` and `torch.manual_seed(n)` would, so that a
trial's numbers can be drawn again by hand. The three are different streams for one number (Mersenne twisters that are
begun, or read, in different ways), and none is what `numpy.random.default_rng(n)` gives.

`imports_apart` keeps a module that is imported meanwhile from touching them: `random.seed(42)` at its top would be in
force from the first trial of each process on, and in that process only. A module draws from generators that are
seeded by its name, so that what it draws at its top is the same in every process, too.
Standard library only; numpy and torch are used where somebody else has loaded them.
"""

from __future__ import annotations

import random
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from hashlib import blake2b
from importlib import machinery
from operator import index
from types import ModuleType
from typing import Any
from zipimport import zipimporter

_NUMPYS = 2**32
"""What `numpy.random.seed` takes is below this."""

_LOADERS: tuple[type[Any], ...] = (
    machinery.SourceFileLoader,
    machinery.SourcelessFileLoader,
    machinery.ExtensionFileLoader,
    zipimporter,
)
"""What runs modules. Their subclasses call them; what is built into Python draws nothing."""


class _Now:
    """What goes on in this process."""

    seed: int | None = None  # of the trial that runs, or ran last
    depth = 0  # of imports


def importing() -> bool:
    """Whether a module is being imported, while `imports_apart` is in force."""
    return _Now.depth > 0


def seeder(names: Sequence[str]) -> Callable[[int], None] | None:
    """What seeds the global generators; None if none of them is drawn from.

    Args:
        names: which are; torch's is seeded in any case where torch is loaded, since libraries load it, too.

    Example:
        >>> seed = seeder(("random",))
        >>> seed(7)
        >>> first = random.random()
        >>> random.seed(7)
        >>> random.random() == first
        True
    """
    if not names:
        return None
    seeds: list[Callable[[Any], None]] = [random.seed]
    if "numpy" in names:
        from numpy import random as numpys  # here: a worker has it, a client that looks at experiments need not

        seeds.append(numpys.seed)
    modules = sys.modules

    def seed(number: int) -> None:
        """Any integer."""
        _Now.seed = number
        if 0 <= number < _NUMPYS:
            for each in seeds:
                each(number)
        else:
            _seed_oddly(seeds, number)
        if "torch" in modules:
            _seed_torch(number)

    return seed


def _seed_oddly(seeds: Sequence[Callable[[Any], None]], number: int) -> None:
    """By an integer that numpy does not take. `random` would take -5 for 5."""
    number = index(number)
    digest = _digest(number)
    seeds[0](digest)
    for each in seeds[1:]:
        # From a list numpy begins as `random` does from a large number; one word more makes it another stream.
        each([digest & 0xFFFFFFFF, digest >> 32, 1])


def _digest(number: int) -> int:
    """63 bits of any integer."""
    data = number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True)
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little") >> 1


def _seed_torch(number: int) -> None:
    manual_seed = getattr(sys.modules.get("torch"), "manual_seed", None)  # not there while torch is being imported
    if manual_seed is not None:
        manual_seed(number if 0 <= number < _NUMPYS else _digest(index(number)))


def common(params: Mapping[str, Any]) -> int | None:
    """The number that an axis called `seed` or `rng` gives a trial in place of its own seed; None if there is none.

    Example:
        >>> common({"x": 1, "seed": 5}), common({"rng": -3}), common({"seed": "five"})
        (5, -3, None)
    """
    for name in ("seed", "rng"):
        if name in params:
            try:
                return index(params[name])
            except TypeError:  # no integer: it is the experiment's own affair
                continue
    return None


@contextmanager
def imports_apart(*, draws: bool) -> Iterator[None]:
    """While this holds, modules that are imported leave the global generators as they were.

    Whoever imports is told by `importing`. Loaders are wrapped where all of their kind have the method, so neither
    `__spec__` nor `__loader__` of a module shows it, and `spec_from_file_location` is no way around.

    Args:
        draws: whether anybody draws from the generators; else they need not be kept.
    """
    before = {loader: vars(loader).get("exec_module") for loader in _LOADERS}
    for loader in _LOADERS:
        loader.exec_module = _apart(loader.exec_module, draws)
    try:
        yield
    finally:
        for loader, own in before.items():
            if own is None:
                del loader.exec_module
            else:
                loader.exec_module = own


def _apart(plain: Callable[[Any, ModuleType], None], draws: bool) -> Callable[[Any, ModuleType], None]:
    @wraps(plain)
    def exec_module(self: Any, module: ModuleType) -> None:
        _Now.depth += 1
        states = _states() if draws else []
        try:
            if draws:
                seed_all(zlib.crc32(module.__name__.encode("utf-8", "surrogatepass")))
            plain(self, module)
        finally:
            _Now.depth -= 1
            for restore, state in states:
                _put_back(restore, state)
            if draws and module.__name__ == "torch" and _Now.seed is not None:  # as if it had been there before
                _seed_torch(_Now.seed)

    return exec_module


def _put_back(restore: Callable[[Any], Any], state: Any) -> None:
    try:
        restore(state)
    except (TypeError, ValueError):  # the module gave numpy another bit generator, as it may
        if _Now.seed is not None:
            sys.modules["numpy.random"].seed(_Now.seed % _NUMPYS)


@contextmanager
def kept() -> Iterator[None]:
    """Afterwards the global generators are as they are now."""
    states, seed = _states(), _Now.seed
    try:
        yield
    finally:
        _Now.seed = seed
        for restore, state in states:
            _put_back(restore, state)


def seed_all(number: int) -> None:
    """Seed what is loaded at the moment, for code that is no trial."""
    random.seed(number)
    numpys: Any = sys.modules.get("numpy.random")
    if hasattr(numpys, "seed"):
        numpys.seed(number % _NUMPYS)
    _seed_torch(number)


def _states() -> list[tuple[Callable[[Any], Any], Any]]:
    """What puts each global generator back, and how it is now."""
    found: list[tuple[Callable[[Any], Any], Any]] = [(random.setstate, random.getstate())]
    # What an experiment does with numpy's own module, at its import or before, is not ours to judge.
    numpys: Any = sys.modules.get("numpy.random")
    if hasattr(numpys, "set_state") and hasattr(numpys, "get_state"):
        found.append((numpys.set_state, numpys.get_state(legacy=False)))
    torch: Any = sys.modules.get("torch")
    if hasattr(torch, "set_rng_state") and hasattr(torch, "get_rng_state"):
        found.append((torch.set_rng_state, torch.get_rng_state()))
    return found
