"""A notebook of epyc into a lab: each result set becomes a sweep, with what came of each run, and when.

The records are submitted as what they are, and go the way of all results (`worker/recorded`): one writer, durable when
acknowledged, the same again adds nothing. What was pending when the file was written is no trial: nobody knows whether
it ever ran.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from raylab.client.attachment import Client
from raylab.client.provenance import origin
from raylab.client.submission import submission
from raylab.code.digest import steady_digest
from raylab.code.pack import Code
from raylab.compat.epyc.experiment import Experiment, ResultsDict
from raylab.compat.epyc.files import StoredSet, read_notebook
from raylab.core.design import Points
from raylab.core.difference import RECORDS
from raylab.core.handle import Handle
from raylab.core.policy import Policy
from raylab.errors import DesignError, NameRefused, SweepExists
from raylab.notebook import layout
from raylab.worker.outcome import Outcome, read_epyc
from raylab.worker.recorded import Recorded
from raylab.worker.unpack import this_python


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came of a result set.

    Attributes:
        stored: the result set.
        sweep: that it is now; None of one without results.
        known: whether it was there already.
        remarks: what is to be said of it.
    """

    stored: StoredSet
    sweep: Handle | None
    known: bool = False
    remarks: tuple[str, ...] = ()


def import_notebook(client: Client, path: Path, name: str | None = None) -> list[Imported]:
    """Take the result sets of a notebook into a lab. Back as soon as they are durable; their rows come in at once.

    Args:
        client: attached to the lab.
        path: the notebook's file.
        name: of the sweep; of several result sets each is NAME-TAG. Each is called as its tag if None.

    Raises:
        SweepExists: another sweep has such a name. Nothing of the file is imported then.
        DesignError: a parameter has a value that no sweep can have.
        OSError, ValueError, ModuleNotFoundError: as `read_notebook`.
    """
    sets = read_notebook(path)
    several = sum(bool(each.results) for each in sets) > 1
    asked = [_asked(each, name, several, path) for each in sets]
    taken = [each for each in asked if each is not None]
    names = [each.name for each in taken]
    if len(set(names)) < len(names):
        raise NameRefused(f"several result sets of {path} would be one sweep: {', '.join(names)}")
    there = {row.name for row in client.overview(archived=True)}
    for each in taken:  # all are looked at before any is stored
        if each.name in there and each.digest not in _digests(client, each.name):
            raise SweepExists(
                f"the lab has a sweep {each.name!r} already, and it is not what {path} has as the result set "
                f"{each.stored.tag!r}; nothing was imported. Give another name with --name"
            )
    taken.sort(key=lambda each: each.stored.is_current)  # last, so that it is current where nothing else is there
    return [_take(client, each, each.name in there) for each in taken] + [
        Imported(stored=stored, sweep=None) for stored, each in zip(sets, asked, strict=True) if each is None
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A result set as a sweep that is asked for."""

    stored: StoredSet
    name: str
    design: Points
    repeats: int
    outcomes: list[Outcome]
    label: str
    digest: str
    remarks: tuple[str, ...]


def _digests(client: Client, name: str) -> set[str]:
    """Of the records that a sweep was made of, also if it goes on with code."""
    return {version.ingredients.get(RECORDS, "") for version in client.record(name).versions}


def _take(client: Client, asked: _Asked, known: bool) -> Imported:
    if known and not client.record(asked.name).imported:  # it goes on with code
        return Imported(stored=asked.stored, sweep=client.pinned(asked.name), known=True, remarks=asked.remarks)
    outer = {"python": this_python(), "experiment": pickle.dumps(Recorded(asked.outcomes), protocol=5)}
    code = Code(
        pickle=pickle.dumps(outer, protocol=4),
        modules=None,
        ingredients={RECORDS: asked.digest},
        label=asked.label,
        warnings=[],
    )
    answer = client.submit(
        submission(
            name=asked.name,
            code=code,
            design=asked.design,
            repeats=asked.repeats,
            seed=None,
            order="random",  # as submit has it, so that code can go on where records end
            policy=Policy(description=asked.stored.description, capture="none"),
            origin=replace(origin(), diff=None),
        ),
        {},
    )
    sweep = Handle(answer["name"], answer["folder"])
    return Imported(stored=asked.stored, sweep=sweep, known=known, remarks=asked.remarks)


def _asked(stored: StoredSet, name: str | None, several: bool, path: Path) -> _Asked | None:
    if not stored.results:
        return None
    sweep, remarks = _name(stored.tag if name is None else f"{name}-{stored.tag}" if several else name)
    renamed = _renamed(stored.results)
    points, repeats, order = _points([_called(each[Experiment.PARAMETERS], renamed) for each in stored.results])
    results = [stored.results[at] for at in order]
    remarks += [f"the parameter {old!r} is called {new!r}" for old, new in renamed.items() if old != new]
    try:
        design = Points(points)
    except DesignError as error:
        raise DesignError(f"the result set {stored.tag!r} of {path} cannot be a sweep: {error}") from error
    digest = steady_digest(results)
    assert digest is not None, "plain data has one"
    return _Asked(
        stored=stored,
        name=sweep,
        design=design,
        repeats=repeats,
        outcomes=list(map(_outcome, results)),
        label=_label(results),
        digest=f"sha256:{digest}",
        remarks=tuple(remarks),
    )


def _name(wanted: str) -> tuple[str, list[str]]:
    """The name of a sweep, and what to say where it is not the one that was wanted."""
    try:
        return layout.check_name(wanted, "sweep"), []
    except NameRefused:
        plain = "".join(c if c.isalnum() or c in "-_.+ " else "-" for c in wanted).strip(".- ")
        return layout.check_name(plain, "sweep"), [f"{wanted!r} is no name that a sweep can have"]


def _renamed(results: Sequence[ResultsDict]) -> dict[str, str]:
    """The parameters, and what they are called: a name that begins with `_` is one of raylab's own."""
    given = dict.fromkeys(name for each in results for name in each[Experiment.PARAMETERS])
    found = {name: name for name in given if not name.startswith("_")}
    for name in [each for each in given if each not in found]:
        new = name.lstrip("_") or "parameter"
        while new in found.values():
            new += "_"
        found[name] = new
    return found


def _called(parameters: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names[name]: value for name, value in parameters.items()}


def _points(each: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], int, list[int]]:
    """The points of results at these parameters, how many repeats each has, and which result belongs to which trial.

    Where points have different numbers of results, each result is a point of its own.

    Example:
        >>> _points([{"x": 1}, {"x": 2}, {"x": 2}, {"x": 1}])
        ([{'x': 1}, {'x': 2}], 2, [0, 3, 1, 2])
        >>> _points([{"x": 1}, {"x": 2}, {"x": 2}])
        ([{'x': 1}, {'x': 2}, {'x': 2}], 1, [0, 1, 2])
    """
    groups: dict[Any, list[int]] = {}
    for at, parameters in enumerate(each):
        key = frozenset((name, str(steady_digest(value))) for name, value in parameters.items())
        groups.setdefault(key, []).append(at)
    counts = set(map(len, groups.values()))
    if len(counts) > 1:
        return list(each), 1, list(range(len(each)))
    return (
        [each[found[0]] for found in groups.values()],
        counts.pop(),
        [at for found in groups.values() for at in found],
    )


def _outcome(result: ResultsDict) -> Outcome:
    about = result[Experiment.METADATA]
    began, took = about.get(Experiment.START_TIME), about.get(Experiment.ELAPSED_TIME)
    seconds = None
    with suppress(AttributeError, OverflowError, ValueError):  # none, or at the edge of the calendar
        seconds = began.timestamp()  # a local time, as epyc has it
    known = seconds is not None and isinstance(took, int | float)
    return replace(read_epyc(result), ran=(seconds, float(took) if known else None))


def _label(results: Sequence[ResultsDict]) -> str:
    """What the experiment is called: its class."""
    found = next((each[Experiment.METADATA].get(Experiment.EXPERIMENT) for each in results), None)
    plain = str(found or "").rpartition(".")[2]
    return plain if plain.isidentifier() else "imported"
