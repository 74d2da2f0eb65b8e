"""What ran of a sweep, code version by code version, as a parcel tells it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raylab.core.crate import Run, State
from raylab.core.request import SweepRecord
from raylab.core.status import Status

__all__ = ["Span", "runs"]


@dataclass(slots=True)
class Span:
    """What came of the trials of one code version, as far as it was written.

    Attributes:
        started_us, ended_us: the first beginning and the last end, since the epoch; None where nobody knows.
        statuses: of the rows.
    """

    started_us: int | None
    ended_us: int | None
    statuses: set[str]

    def joined(self, other: Span) -> Span:
        """What came of the trials of both."""
        starts = [each.started_us for each in (self, other) if each.started_us is not None]
        ends = [each.ended_us for each in (self, other) if each.ended_us is not None]
        return Span(min(starts, default=None), max(ends, default=None), self.statuses | other.statuses)


def runs(
    record: SweepRecord,
    status: Status,
    spans: Mapping[int, Span],
    told: Sequence[Mapping[str, Any]],
    environments: Sequence[Mapping[str, Any]],
    *,
    folder: str,
    objects: Sequence[str],
    results: Sequence[str],
) -> Iterator[Run]:
    """A Run for each code version.

    Args:
        record: the sweep.
        status: how far it is.
        spans: what came of the trials of each version, by its number.
        told: what is told of each version, as `core/versions` does.
        environments: the `runtime_env` of each version.
        folder: where in the parcel the sweep lies.
        objects: the files that say what was asked.
        results: those with the rows.
    """
    count = f"{status.total:,} trials, {status.done:,} done, {status.failed:,} failed"
    for number, (version, words) in enumerate(zip(told, environments, strict=False), 1):
        span = spans.get(number)
        state, error = _state(status, span, is_last=number == record.version)
        by = f"; submitted by: {version['command']}" if version["command"] else ""
        yield Run(
            sweep=record.name,
            version=number,
            user=version["user"],
            what=f"{record.label} at {record.outline}: {count}, whichever version of the code ran them{by}",
            folder=f"{folder}/code/{number}/",
            label=record.label,
            objects=objects,
            results=results if span is not None else [],
            state=state,
            error=error,
            started_us=span.started_us if span is not None else None,
            ended_us=span.ended_us if span is not None else None,
            url=version["remote"] if str(version["remote"]).startswith(("https://", "http://")) else "",
            packages=_packages(version),
            software={"Python": version["python"]} if version["python"] else {},
            variables=words.get("env_vars") or {},
            image=words.get("image_uri") or (words.get("container") or {}).get("image", ""),
        )


def _state(status: Status, span: Span | None, *, is_last: bool) -> tuple[State, str]:
    """How a version's run ended, or whether it did; and why it failed."""
    if span is None:
        return "Potential", ""
    if is_last and status.outstanding:
        return "Active", ""
    if is_last and status.cancelled:
        return "Failed", f"cancelled: {status.cancelled:,} of {status.total:,} trials were given up"
    if "done" not in span.statuses:
        return "Failed", status.first_error or "no trial came to a result"
    return "Completed", ""


def _packages(version: Mapping[str, Any]) -> dict[str, str]:
    """What the experiment imports, and what ran it: as its workers had it, where they have told."""
    there = [*version["workers"], version][0]["packages"]
    names = dict.fromkeys([*version["imports"], *ALWAYS])
    return {name: there[name] for name in names if name in there}


ALWAYS = ("ray", "raylab")
"""Packages that are a part of every run."""
