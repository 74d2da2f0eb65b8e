"""Signatures: which names a function takes, and whether a design's parameters fit them.

Promises: judged by the signature alone, nothing is called; a refusal names the parameter and says what to change.
Standard library only.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from raylab.core.closest import did_you_mean
from raylab.errors import ExperimentError


@dataclass(frozen=True, slots=True, kw_only=True)
class Takes:
    """Which names a function takes."""

    named: frozenset[str]
    required: tuple[str, ...]
    unnamed: tuple[str, ...]  # needed, but by position only
    bound: frozenset[str]  # given by a functools.partial: `partial(f, seed=3)` keeps its seed
    everything: bool


def takes(function: Callable[..., object]) -> Takes | None:
    """None for what has no signature, as some builtins: they get every parameter and neither seed nor rng."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return None
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return Takes(
        named=frozenset(p.name for p in named),
        required=tuple(p.name for p in named if p.default is p.empty),
        unnamed=tuple(p.name for p in parameters if p.kind is p.POSITIONAL_ONLY and p.default is p.empty),
        bound=frozenset(function.keywords if isinstance(function, functools.partial) else ()),
        everything=any(p.kind is p.VAR_KEYWORD for p in parameters),
    )


def check_takes(name: str, takes: Takes | None, parameters: Sequence[str], optional: Collection[str] = ()) -> None:
    """Refuse a function that the design's parameters do not fit.

    Args:
        name: what errors call the function.
        takes: the names it takes; None fits everything.
        parameters: the names the design gives.
        optional: those of them that some points lack; the function must have a default for each.

    Raises:
        ExperimentError: it does not take a parameter, or needs one that no axis gives.
    """
    if takes is None:
        return
    if takes.unnamed:
        raise ExperimentError(
            f"{name} takes {_listed(takes.unnamed)} by position only, and parameters are given by name. "
            f"Wrap it: lambda {takes.unnamed[0]}: {{...}}."
        )
    unknown = [p for p in parameters if p not in takes.named] if not takes.everything else []
    if unknown:
        raise ExperimentError(
            f"{name} does not take {_listed(unknown)}, which the design gives; it takes "
            f"{_listed(sorted(takes.named)) or 'nothing'}{did_you_mean(unknown[0], sorted(takes.named)) or '.'} "
            f"Rename the axis, leave it out, or add **kwargs."
        )
    missing = [p for p in takes.required if p not in parameters and p not in ("seed", "rng")]
    if missing:
        if not parameters:
            levels = f"{missing[0]!r}: [...]"
            raise ExperimentError(
                f"{name} needs {_listed(missing)}, and there is no axis. Give a design, as {{{levels}}}; or set the "
                f"axes of the lab first, as lab[{missing[0]!r}] = [...]; or give it a default."
            )
        raise ExperimentError(
            f"{name} needs {_listed(missing)}, and the design gives {_listed(parameters)}. "
            f"Add an axis, or give it a default."
        )
    partly = [p for p in takes.required if p in optional and p not in ("seed", "rng")]
    if partly:
        raise ExperimentError(
            f"{name} needs {_listed(partly)}, which some points of the design do not give. "
            f"Give it a default, or a value at every point."
        )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))
