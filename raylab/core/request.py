"""What was asked of a lab: submissions, the history of requests, and what to do with one more.

A sweep's identity is its experiment's code, design, repeats, seed and order; everything else is policy. The history is
a list of requests, never changed; `fold` reads it into the sweeps there are.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from raylab.core.difference import differences, updates, words_to_ignore
from raylab.core.strikes import Strikes

Kind = Literal["submitted", "policy", "cancelled", "resumed", "paused", "locked", "strike", "code", "lost"]
"""`code`: the same experiment lies under another hash from now on, or under none. `lost`: a submission was damaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How a sweep is run. May change while it runs."""

    description: str = ""
    retries: int = 0
    time_limit: float | None = None  # seconds that one trial may take
    resources: Mapping[str, float] = field(default_factory=lambda: {"CPU": 1.0})
    ray_remote_args: Mapping[str, Any] = field(default_factory=dict)
    runtime_env: Mapping[str, Any] = field(default_factory=dict)

    def dumps(self) -> str:
        """As canonical JSON: equal policies give equal text."""
        names = ("description", "retries", "time_limit", "resources", "ray_remote_args", "runtime_env")
        return json.dumps({name: getattr(self, name) for name in names}, sort_keys=True)

    @staticmethod
    def loads(text: str) -> Policy:
        """Read it; what a later version added is left out."""
        known = {each.name for each in fields(Policy)}
        return Policy(**{name: value for name, value in json.loads(text).items() if name in known})


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a client hands over, whole: nothing of the client is needed afterwards."""

    name: str | None
    label: str
    design: str  # as JSON
    shape: str  # the design in a few words
    size: int
    repeats: int
    seed: int | None
    order: str
    pickle: bytes
    modules: bytes | None
    ingredients: Mapping[str, str]
    policy: Policy
    user: str
    ignore: tuple[str, ...] = ()  # what of the ingredients does not count when it is compared


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One row of the request table. Which fields are set depends on its kind."""

    kind: Kind
    sweep: str
    user: str = ""
    time_us: int = 0  # since the epoch, UTC
    folder: str | None = None
    label: str | None = None
    design: str | None = None
    shape: str | None = None
    size: int | None = None
    repeats: int | None = None
    seed: int | None = None
    seed_given: bool | None = None
    order: str | None = None
    code: str | None = None
    modules: str | None = None
    ingredients: str | None = None
    policy: str | None = None
    reason: str | None = None
    position: int | None = None
    strikes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A part of a sweep that never changes; positions and points count through the segments."""

    design: str
    repeats: int
    order: str
    key: int
    size: int  # points
    first_position: int = 0
    first_point: int = 0

    @property
    def total(self) -> int:
        return self.size * self.repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRecord:
    """A sweep as the requests tell it."""

    name: str
    folder: str
    user: str
    time_us: int
    label: str
    shape: str
    segment: Segment
    seed: int
    seed_given: bool
    code: str
    modules: str | None
    ingredients: Mapping[str, str]
    policy: Policy
    generation: int = 1
    cancelled: bool = False
    locked: bool = False
    paused: str = ""
    strikes: Mapping[int, Strikes] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return self.segment.total

    def acquitted(self, runs: Iterable[range]) -> SweepRecord:
        """Without what is held against trials that are recorded now."""
        recorded = {position for run in runs for position in self.strikes if position in run}
        if not recorded:
            return self
        return replace(self, strikes={at: held for at, held in self.strikes.items() if at not in recorded})


def fold(requests: Iterable[Request], before: Mapping[str, SweepRecord] | None = None) -> dict[str, SweepRecord]:
    """The sweeps there are after these requests, by name, in the order of their first submission."""
    sweeps = dict(before or {})
    strikes: dict[str, dict[int, Strikes]] = {}  # ours to change: a copy for each row would be quadratic
    for request in requests:
        known = sweeps.get(request.sweep)
        if request.kind == "submitted":
            sweeps[request.sweep] = _submitted(request, known.generation + 1 if known else 1)
            strikes.pop(request.sweep, None)
        elif known is None or _is_about_another(known, request):
            continue
        elif request.kind == "strike":
            assert request.position is not None
            if request.sweep not in strikes:
                strikes[request.sweep] = dict(known.strikes)
            held = strikes[request.sweep]
            held[request.position] = held.get(request.position, Strikes()).told(request.strikes or 1)
        else:
            sweeps[request.sweep] = _changed(known, request)
    return {name: replace(sweep, strikes=strikes[name]) if name in strikes else sweep for name, sweep in sweeps.items()}


def _submitted(request: Request, generation: int) -> SweepRecord:
    assert request.seed is not None
    assert request.policy is not None
    return SweepRecord(
        name=request.sweep,
        folder=request.folder or "",
        user=request.user,
        time_us=request.time_us,
        label=request.label or "",
        shape=request.shape or "",
        segment=Segment(
            design=request.design or "",
            repeats=request.repeats or 1,
            order=request.order or "",
            key=request.seed,
            size=request.size or 0,
        ),
        seed=request.seed,
        seed_given=bool(request.seed_given),
        code=request.code or "",
        modules=request.modules,
        ingredients=json.loads(request.ingredients or "{}"),
        policy=Policy.loads(request.policy),
        # Of a request that was damaged, the folders after it still tell.
        generation=max(generation, _generation(request.folder or "")),
    )


def _generation(folder: str) -> int:
    """Which sweep of a name has its results in this folder: NAME, NAME~2, NAME~3."""
    _, mark, number = folder.rpartition("~")
    return int(number) if mark else 1


def _is_about_another(known: SweepRecord, request: Request) -> bool:
    """Whether a request was about a sweep that has been replaced since."""
    return request.folder is not None and request.folder != known.folder


def _changed(before: SweepRecord, request: Request) -> SweepRecord:
    match request.kind:
        case "policy":
            return replace(before, policy=Policy.loads(request.policy or "{}"))
        case "cancelled":
            return replace(before, cancelled=True)
        case "resumed":
            return replace(before, cancelled=False, paused="")
        case "paused":
            return replace(before, paused=request.reason or "paused")
        case "locked":
            return replace(before, locked=True)
        case "code":
            return replace(before, code=request.code or "", modules=request.modules)
        case _:
            return before  # a kind of a later version; what it means for older readers is that version's concern


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do with a submission.

    Attributes:
        kind: what it is.
        name: of the sweep that it is, makes, or takes the place of.
        than: the sweep that it is another one than, where it gets a new name for that.
        differences: from the sweep it was compared with, in words.
        ignorable: the words by which it would be the same; none if no words do that.
        updates: installed packages whose versions are other ones than when that sweep was submitted.
    """

    kind: Literal["new", "same", "replace", "refuse"]
    name: str
    than: str = ""
    differences: tuple[str, ...] = ()
    ignorable: tuple[str, ...] = ()
    updates: tuple[str, ...] = ()

    @property
    def way_out(self) -> str:
        """How to say that what differs does not matter."""
        return f"; if that does not matter: ignore={self.ignorable!r}" if self.ignorable else ""

    @property
    def remark(self) -> str:
        """What the person who submitted should know; empty where nothing changed."""
        differs = f"{'; '.join(self.differences)}{self.way_out}"
        told = []
        if self.kind == "replace":
            told.append(f"{self.name!r} takes the place of the one before, of which nothing was done: {differs}")
        elif self.kind == "new" and self.than:
            told.append(f"{self.name!r} is another sweep than {self.than!r}: {differs}")
        if self.updates:
            told.append(
                f"since {(self.than or self.name)!r} was submitted, versions changed: {', '.join(self.updates)}"
            )
        return ". ".join(told)


def decide(submission: Submission, sweeps: Mapping[str, SweepRecord], done: Mapping[str, int]) -> Decision:
    """Whether a submission is a sweep that is there, a new one, or one that takes the place of another.

    Args:
        submission: what was handed over.
        sweeps: the sweeps there are.
        done: how many trials of each are recorded as done; of a sweep of one's own without any, another may take the
            name.
    """
    if submission.name is not None:
        return _compare(submission.name, submission, sweeps, done)
    decisions = []
    for name in _names(submission.label):
        decisions.append(_compare(name, submission, sweeps, done))
        if decisions[-1].kind in ("same", "new"):
            break
    # The same again may stand behind one that could be replaced; nothing is replaced for what is there already.
    if decisions[-1].kind == "same":
        return decisions[-1]
    found = next(decision for decision in decisions if decision.kind != "refuse")
    if found.kind == "replace" or len(decisions) == 1:
        return found
    # It gets a name of its own; what makes it another sweep is told by the one that is nearest, the last of these.
    nearest = min(reversed(decisions[:-1]), key=lambda decision: len(decision.differences))
    return replace(nearest, kind="new", name=found.name, than=nearest.name)


def _names(label: str) -> Iterator[str]:
    """What an unnamed sweep may be called: its experiment's name, then `-2` and so on."""
    yield label
    for number in itertools.count(2):
        yield f"{label}-{number}"


def _compare(name: str, submission: Submission, sweeps: Mapping[str, SweepRecord], done: Mapping[str, int]) -> Decision:
    known = sweeps.get(name)
    if known is None:
        return Decision(kind="new", name=name)
    found = tuple(differing(known, submission))
    newer = tuple(updates(known.ingredients, submission.ingredients))
    if not found:
        return Decision(kind="same", name=name, updates=newer)
    # Fixing a bug and running the cell again is what people do; with their own sweeps, not with each other's.
    may = done.get(name, 0) == 0 and not known.locked and known.user == submission.user
    words = () if _terms(known, submission) else _words(known, submission)
    return Decision(kind="replace" if may else "refuse", name=name, differences=found, ignorable=words, updates=newer)


def _words(known: SweepRecord, submission: Submission) -> tuple[str, ...]:
    return words_to_ignore(known.ingredients, submission.ingredients, submission.ignore)


def differing(known: SweepRecord, submission: Submission) -> list[str]:
    """What makes a submission another sweep than the one that is there, readable."""
    code = differences(known.ingredients, submission.ingredients, submission.ignore)
    return _terms(known, submission) + code


def _terms(known: SweepRecord, submission: Submission) -> list[str]:
    """What differs beside the code."""
    found = []
    if known.segment.design != submission.design:
        same_words = known.shape == submission.shape
        found.append("the design's values" if same_words else f"the design: {submission.shape}, was {known.shape}")
    if known.segment.repeats != submission.repeats:
        found.append(f"repeats: {submission.repeats}, was {known.segment.repeats}")
    if submission.seed is not None and submission.seed != known.seed:
        found.append(f"seed: {submission.seed}, was {known.seed}")
    if known.segment.order != submission.order:
        found.append(f"order: {submission.order}, was {known.segment.order}")
    return found


def draw_seed(entropy: bytes) -> int:
    """A sweep's seed for those who gave none: 1 … 2^31 - 1."""
    return int.from_bytes(hashlib.sha256(entropy).digest()[:8], "big") % (2**31 - 1) + 1
