"""What was asked of a lab: submissions, and the history of requests.

A sweep's identity is its experiment's code, design, repeats, seed and order; everything else is policy. The history is
a list of requests, never changed; `fold` reads it into the sweeps there are. What one more submission means is decided
in `core/resubmission.py`, which sweep a call means in `core/handle.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from raylab.core.failures import NOTHING, Tally
from raylab.core.growth import Growth
from raylab.core.partition import WHOLE, Partition
from raylab.core.policy import Policy
from raylab.core.segment import Need, Segment, trials_of
from raylab.core.strikes import Strikes

Kind = Literal[
    "submitted",
    "grown",
    "continued",
    "policy",
    "cancelled",
    "resumed",
    "paused",
    "locked",
    "archived",
    "unarchived",
    "removed",
    "ran_alone",
    "code",
]
"""`grown`: segments are added, of new points and repeats, or of trials to be run again. `continued`: there is a new
version of the code. `removed`: the sweep is deleted for good. `ran_alone`: a suspect runs alone now. `code`: the same
version, the one in force unless its number is named, lies under another hash from now on."""


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
    partition: Partition = WHOLE  # of the design, into the policy's classes
    if_exists: str = "fail"  # or "extend", "continue", "replace": what to do if something else has the name
    replaces: str = ""  # the folder of the very sweep that is meant by that, once the client knows it
    version: int = 0  # which version of that sweep's code it is to become, likewise
    growths: tuple[Growth, ...] = ()  # of sweeps that it may be, to what it asks for, once the client has computed them

    def growth(self, record: SweepRecord) -> Growth | None:
        """What it adds to a sweep as the sweep is now, if the client has computed that."""
        return next((each for each in self.growths if each.fits(record.folder, record.segments)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One row of the request table: something that was asked of a lab, or that a lab noted of a sweep.

    Attributes:
        kind: what.
        sweep: the sweep's name.
        folder: of the sweep's results: which of those that had the name.
        user: who asked.
        time_us: when, in microseconds since the epoch, UTC.
        body: the rest, which depends on the kind, as JSON takes it.
    """

    kind: Kind
    sweep: str
    folder: str
    user: str = ""
    time_us: int = 0
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def plain(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @staticmethod
    def submitted(
        submission: Submission, *, name: str, folder: str, seed: int, code: str, modules: str | None
    ) -> Request:
        """That a submission is taken as a sweep.

        Args:
            submission: what a client handed over.
            name: of the sweep.
            folder: of its results.
            seed: the sweep's.
            code: the hash of the pickled experiment in the notebook.
            modules: the hash of what comes with it, if anything does.
        """
        whole = Segment(
            design=submission.design,
            size=submission.size,
            repeats=submission.repeats,
            order=submission.order,
            key=seed,
            seed=seed,
        )
        return SweepRecord(
            name=name,
            folder=folder,
            user=submission.user,
            time_us=0,
            label=submission.label,
            shape=submission.shape,
            segments=submission.partition.segments(whole),
            seed=seed,
            seed_given=submission.seed is not None,
            versions=(Version(code=code, modules=modules, ingredients=submission.ingredients),),
            policy=submission.policy,
        ).request()


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """The experiment's code as it was submitted.

    Attributes:
        code: the hash of the pickled experiment in the notebook.
        modules: the hash of what comes with it, if anything does.
        ingredients: by which it is compared with another one.
        user, time_us: who submitted it, when.
    """

    code: str
    modules: str | None
    ingredients: Mapping[str, str] = field(repr=False)
    user: str = ""
    time_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """That another sweep has taken a sweep's name, and who asked for it when."""

    name: str
    """Which one it was."""
    user: str
    time_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """That a sweep was deleted for good.

    Attributes:
        name: by which it was found.
        folder: of its results; no other sweep ever has it.
        user, time_us: who asked for it, when.
        code: the hashes of its code, which goes with its last user.
    """

    name: str
    folder: str
    user: str
    time_us: int
    code: tuple[str, ...] = ()

    def request(self) -> Request:
        """By which it was removed; the last opening of its table repeats it."""
        body = {"code": list(self.code)}
        return Request(
            kind="removed", sweep=self.name, folder=self.folder, user=self.user, time_us=self.time_us, body=body
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRecord:
    """A sweep as the requests tell it.

    Attributes:
        name: by which it is found: NAME, or NAME~1, NAME~2 if it was set aside for the next one of that name.
        folder: of its results; no other sweep ever has it.
        generation: which sweep of its name it is, from 1 on.
        versions: of the code; the last one is in force.
        archived: whether it is hidden; nothing of it runs.
        paused: why it stands still; empty if it does not.
        paused_by: who asked for that; empty if nobody did.
        forgiven: what had come of its trials when a person let it go on last; `max_failures` counts from there.
        replaced: if it was set aside.
    """

    name: str
    folder: str
    user: str
    time_us: int
    label: str
    shape: str
    segments: tuple[Segment, ...]
    seed: int
    seed_given: bool
    versions: tuple[Version, ...]
    policy: Policy
    generation: int = 1
    cancelled: bool = False
    locked: bool = False
    archived: bool = False
    paused: str = ""
    paused_by: str = ""
    forgiven: Tally = NOTHING
    strikes: Mapping[int, Strikes] = field(default_factory=dict)
    replaced: Replaced | None = None

    @property
    def total(self) -> int:
        """How many trials the sweep has."""
        return trials_of(self.segments)

    @property
    def positions(self) -> int:
        """How many positions its run order has: more than trials, where some are run again."""
        return self.segments[-1].stop

    @property
    def needs(self) -> list[Need]:
        """Which amounts its trials ask for, each once."""
        return list(dict.fromkeys(segment.need for segment in self.segments))

    @property
    def asked(self) -> Segment:
        """The segment that was submitted first: its design, repeats and order are a part of the sweep's identity."""
        return self.segments[0]

    @property
    def repeats(self) -> int:
        """The most repeats that a point has."""
        return max(segment.first_repeat + segment.repeats for segment in self.segments)

    @property
    def points(self) -> int:
        """How many points the sweep has."""
        return max(segment.first_point + segment.size for segment in self.segments)

    @property
    def has_grown(self) -> bool:
        """Whether points or repeats were added to what was submitted first."""
        return any(segment.first_trial for segment in self.segments)

    @property
    def outline(self) -> str:
        """The design in a few words, and what it has grown to."""
        if not self.has_grown:
            return self.shape
        repeats = f" in up to {self.repeats} repeats" if self.repeats > self.asked.repeats else ""
        return f"{self.shape}, grown to {self.points:,} points{repeats}"

    @property
    def designs(self) -> tuple[str, ...]:
        """The designs that brought the points, in the order of their numbers, as JSON."""
        return tuple({segment.first_point: segment.design for segment in self.segments}.values())

    @property
    def runs_again(self) -> bool:
        """Whether a trial may have several records: only then a reader has to look for the newest attempt."""
        return any(segment.selection for segment in self.segments)

    @property
    def version(self) -> int:
        """The number of the code version in force: 1, 2, …"""
        return len(self.versions)

    @property
    def code(self) -> str:
        """The hash of the experiment in force."""
        return self.versions[-1].code

    @property
    def modules(self) -> str | None:
        """The hash of what comes with the experiment in force, if anything does."""
        return self.versions[-1].modules

    @property
    def ingredients(self) -> Mapping[str, str]:
        """By which the experiment in force is compared with another one."""
        return self.versions[-1].ingredients

    @property
    def hashes(self) -> tuple[str, ...]:
        """Of all the code that it needs, whichever version."""
        found = [digest for version in self.versions for digest in (version.code, version.modules) if digest]
        return tuple(dict.fromkeys(found))

    @property
    def name_aside(self) -> str:
        """By which it is read once another sweep has its name."""
        return f"{self.name}~{self.generation}"

    def request(self) -> Request:
        """The submission that makes the sweep as it is; the openings of its table repeat it."""
        body = {
            "label": self.label,
            "shape": self.shape,
            "segments": [segment.plain() for segment in self.segments],
            "seed": self.seed,
            "seed_given": self.seed_given,
            "versions": [asdict(version) for version in self.versions],
            "policy": self.policy.plain(),
        }
        return Request(
            kind="submitted", sweep=self.name, folder=self.folder, user=self.user, time_us=self.time_us, body=body
        )

    def set_aside(self, by: Request) -> SweepRecord:
        """As it is when this request has taken its name."""
        replaced = Replaced(name=self.name, user=by.user, time_us=by.time_us)
        return replace(self, name=self.name_aside, replaced=replaced, strikes={})


@dataclass(frozen=True, slots=True, kw_only=True)
class History(Mapping[str, SweepRecord]):
    """What a lab's requests come to: as a mapping, the sweeps in force by name, in the order of their submission.

    Attributes:
        in_force: these.
        aside: those that were set aside for another one of their name, by the name that they have since.
        removed: those that were removed, by folder.
    """

    in_force: Mapping[str, SweepRecord] = field(default_factory=dict)
    aside: Mapping[str, SweepRecord] = field(default_factory=dict)
    removed: Mapping[str, Removed] = field(default_factory=dict)

    def __getitem__(self, name: str) -> SweepRecord:
        return self.in_force[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.in_force)

    def __len__(self) -> int:
        return len(self.in_force)

    @property
    def readable(self) -> tuple[SweepRecord, ...]:
        """All whose rows are there: those in force, and those that were set aside."""
        return (*self.aside.values(), *self.in_force.values())

    def next_generation(self, name: str) -> int:
        """Which one of its name a new sweep is: no folder is ever used again."""
        there = [(each.name, each.folder) for each in self.readable]
        there += [(each.name, each.folder) for each in self.removed.values()]
        return max((_generation(folder) for known, folder in there if known.partition("~")[0] == name), default=0) + 1


def fold(requests: Iterable[Request], before: History | None = None) -> History:
    """What these requests come to, after those before them.

    A request about a sweep that was replaced since counts no more, but for its removal. A folder that was removed stays
    so whatever else is said of it, in whatever order.
    """
    before = History() if before is None else before
    sweeps, aside, removed = dict(before.in_force), dict(before.aside), dict(before.removed)
    strikes: dict[str, dict[int, Strikes]] = {}  # ours to change: a copy for each row would be quadratic
    for request in requests:
        known = sweeps.get(request.sweep)
        is_meant = known is not None and known.folder == request.folder
        if request.folder in removed:
            continue
        if request.kind == "removed":
            removed[request.folder] = _removed(request)
            sweeps, aside = _without(sweeps, request.folder), _without(aside, request.folder)
        elif request.kind == "submitted":
            if known is not None:
                aside[known.name_aside] = known.set_aside(request)
            sweeps[request.sweep] = _submitted(request)
            strikes.pop(request.sweep, None)
        elif known is None or not is_meant:
            continue
        elif request.kind == "ran_alone":
            held = strikes.setdefault(request.sweep, dict(known.strikes))
            held[request.body["position"]] = Strikes(**request.body["strikes"])
        else:
            sweeps[request.sweep] = _changed(known, request)
            if request.kind == "continued":  # with other code no trial is a suspect
                strikes[request.sweep] = {}
    sweeps |= {name: replace(sweeps[name], strikes=held) for name, held in strikes.items() if name in sweeps}
    return History(in_force=sweeps, aside=aside, removed=removed)


def _without(sweeps: dict[str, SweepRecord], folder: str) -> dict[str, SweepRecord]:
    return {name: sweep for name, sweep in sweeps.items() if sweep.folder != folder}


def _removed(request: Request) -> Removed:
    code = tuple(request.body.get("code", ()))
    return Removed(name=request.sweep, folder=request.folder, user=request.user, time_us=request.time_us, code=code)


def _submitted(request: Request) -> SweepRecord:
    body = dict(request.body)
    first, *later = (Version(**version) for version in body.pop("versions"))
    return SweepRecord(
        name=request.sweep,
        folder=request.folder,
        user=request.user,
        time_us=request.time_us,
        segments=tuple(map(Segment.of, body.pop("segments"))),
        policy=Policy.of(body.pop("policy")),
        versions=(replace(first, user=request.user, time_us=request.time_us), *later),
        generation=_generation(request.folder),
        **body,
    )


def _generation(folder: str) -> int:
    """Which sweep of a name has its results in this folder: NAME, NAME~2, NAME~3."""
    _, mark, number = folder.rpartition("~")
    return int(number) if mark else 1


GOING_ON = ("grown", "continued", "resumed")
"""What lets a sweep run again, and so takes it out of the archive: nothing runs unseen."""


def _changed(before: SweepRecord, request: Request) -> SweepRecord:
    if request.kind in GOING_ON:
        before = replace(before, archived=False)
    match request.kind:
        case "grown":
            more = [*map(Segment.of, request.body["segments"])]
            forgiven = before.forgiven
            if left := request.body.get("left"):  # what has come and is not run again, where the lab counts it
                forgiven = forgiven.at_most(Tally(**left))
            else:
                for segment in more:
                    forgiven = forgiven.without(segment.taken_back)
            return replace(before, segments=(*before.segments, *more), forgiven=forgiven)
        case "continued":
            version = Version(**request.body, user=request.user, time_us=request.time_us)
            return replace(before, versions=(*before.versions, version))
        case "policy":
            return replace(before, policy=Policy.of(request.body))
        case "cancelled":
            return replace(before, cancelled=True)
        case "resumed":
            forgiven = Tally(**request.body) if request.body else before.forgiven  # nobody knew what had come
            return replace(before, cancelled=False, paused="", paused_by="", forgiven=forgiven)
        case "paused":
            return replace(before, paused=request.body["reason"], paused_by=request.body.get("by", ""))
        case "locked":
            return replace(before, locked=True)
        case "archived" | "unarchived":
            return replace(before, archived=request.kind == "archived")
        case "code":
            body = {"version": before.version, **request.body}
            at = body.pop("version") - 1
            moved = replace(before.versions[at], **body)
            return replace(before, versions=(*before.versions[:at], moved, *before.versions[at + 1 :]))
        case _:
            raise ValueError(f"there is no request of the kind {request.kind!r}")


def draw_seed(entropy: bytes) -> int:
    """A sweep's seed for those who gave none: 1 … 2^31 - 1."""
    return int.from_bytes(hashlib.sha256(entropy).digest()[:8], "big") % (2**31 - 1) + 1
