"""What a record was made with, beside what is here: the code, Python, the packages that count, the machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from raylab.core.difference import VARIABLE
from raylab.core.provenance import Environment, Provenance, had
from raylab.core.request import SweepRecord
from raylab.rerun.differences import Difference
from raylab.worker.batch import NODE
from raylab.worker.environment import environment

ALWAYS = ("numpy", "raylab")
"""Packages that count for any experiment: `rng` and the generators are of the one, all that is done around of the
other."""


def elsewhere(
    record: SweepRecord, about: Mapping[str, Any], code: int, environments: Mapping[str, Environment]
) -> Iterator[Difference]:
    """What is not as it was when a record was made, but for its values.

    Args:
        record: the sweep.
        about: `_code` and `_node` of the record.
        code: the version of the code that runs now.
        environments: what clients and workers had, by digest.
    """
    if about["_code"] != code:
        yield Difference(kind="version", name="code", recorded=about["_code"], now=code)
    version = record.versions[about["_code"] - 1]
    yield from _variables(version.ingredients, record.ingredients)
    there = had(about["_code"], about["_node"], version.provenance, record.workers, environments)
    if there is not None:
        yield from _environments(there, environment(), version.provenance)
    if about["_node"] != NODE:
        yield Difference(kind="host", name="host", recorded=about["_node"], now=NODE)


def _variables(then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Difference]:
    """Environment variables that are other ones: those in force are all that is known. Of their texts the digests."""
    for name in sorted(name for name in {*then, *now} if name.startswith(VARIABLE)):
        if then.get(name) != now.get(name):
            word = name.removeprefix("environment ")
            yield Difference(kind="version", name=word, recorded=then.get(name), now=now.get(name))


def _environments(there: Environment, here: Environment, came: Provenance) -> Iterator[Difference]:
    if there.python != here.python:
        yield Difference(kind="version", name="Python", recorded=there.python, now=here.python)
    for name in sorted({*came.imports, *ALWAYS}):
        then, now = there.packages.get(name), here.packages.get(name)
        if then != now:
            yield Difference(kind="version", name=name, recorded=then, now=now)
    if there.platform != here.platform:
        yield Difference(kind="host", name="platform", recorded=there.platform, now=here.platform)
