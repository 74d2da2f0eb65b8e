"""What was asked of a lab: submissions, requests, and the record of a sweep that comes of them.

A sweep's identity is its experiment's code, design, repeats, seed and order; everything else is policy. What requests
come to is told in `core/history.py`, what one more submission means in `core/resubmission.py`, which sweep a call means
in `core/handle.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from raylab.core.difference import RECORDS
from raylab.core.failures import NOTHING, Tally
from raylab.core.growth import Growth
from raylab.core.partition import WHOLE, Partition
from raylab.core.policy import Policy
from raylab.core.provenance import NOWHERE, Environment, Provenance, Workers, heard, remark
from raylab.core.segment import Need, Segment, bringing, trials_of
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
    "environment",
    "workers",
    "notify",
    "noticed",
    "told",
]
"""`grown`: segments are added, of new points and repeats, or of trials to be run again. `continued`: there is a new
version of the code. `removed`: the sweep is deleted for good. `ran_alone`: a suspect runs alone now. `code`: the same
version, the one in force unless its number is named, lies under another hash from now on. `environment`: what some
processes have installed; it is of no sweep. `workers`: nodes whose workers have run a version in one of these.
`notify`: who is told of the sweeps that name nobody themselves; it is of no sweep. `noticed`: something has happened
that is told. `told`: to whom."""


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
    provenance: Provenance = NOWHERE
    environment: Environment | None = None  # that of the client
    diff: bytes | None = None  # of its working tree
    growths: tuple[Growth, ...] = ()  # of sweeps that it may be, to what it asks for, once the client has computed them
    is_seeded: bool = True  # whether its design has points; else the sweep's seed draws them
    drawn: int | None = None  # the seed that the client drew to know them, for a sweep that has none else

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
    def environment(environment: Environment) -> Request:
        """What some processes have installed."""
        return Request(kind="environment", sweep="", folder="", body=asdict(environment))

    @staticmethod
    def submitted(
        submission: Submission,
        *,
        name: str,
        folder: str,
        seed: int,
        code: str,
        modules: str | None,
        diff: str = "",
    ) -> Request:
        """That a submission is taken as a sweep.

        Args:
            submission: what a client handed over, with the points that its design has under the seed.
            name: of the sweep.
            folder: of its results.
            seed: the sweep's.
            code: the hash of the pickled experiment in the notebook.
            modules: the hash of what comes with it, if anything does.
            diff: the hash of the working tree's, if it was dirty.
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
            versions=(
                Version(
                    code=code,
                    modules=modules,
                    ingredients=submission.ingredients,
                    diff=diff,
                    provenance=submission.provenance,
                ),
            ),
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
        diff: the hash of the working tree's, as it was submitted; empty if there is none.
        provenance: where it was submitted from.
    """

    code: str
    modules: str | None
    ingredients: Mapping[str, str] = field(repr=False)
    user: str = ""
    time_us: int = 0
    diff: str = ""
    provenance: Provenance = NOWHERE

    @staticmethod
    def of(plain: Mapping[str, Any]) -> Version:
        """What `asdict` gave, after it was JSON."""
        return Version(**{**plain, "provenance": Provenance.of(plain.get("provenance", {}))})

    @property
    def imported(self) -> bool:
        """Whether it is no code, but records of trials that ran elsewhere."""
        return RECORDS in self.ingredients

    @property
    def hashes(self) -> tuple[str, ...]:
        """Of all that the notebook keeps of it."""
        return tuple(filter(None, (self.code, self.modules, self.diff)))


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
        pauses: how often it has come to stand still.
        cancelled_by: who gave it up, the last time.
        cancellations: how often it was given up.
        forgiven: what had come of its trials when a person let it go on last; `max_failures` counts from there.
        replaced: if it was set aside.
        workers: in which environments, on which nodes its versions have run.
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
    pauses: int = 0
    cancelled_by: str = ""
    cancellations: int = 0
    forgiven: Tally = NOTHING
    strikes: Mapping[int, Strikes] = field(default_factory=dict)
    replaced: Replaced | None = None
    workers: tuple[Workers, ...] = ()

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
        return tuple(bringing(self.segments))

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
    def imported(self) -> bool:
        """Whether there is no code to run, but records of trials that ran elsewhere."""
        return self.versions[-1].imported

    @property
    def ingredients(self) -> Mapping[str, str]:
        """By which the experiment in force is compared with another one."""
        return self.versions[-1].ingredients

    @property
    def hashes(self) -> tuple[str, ...]:
        """Of all the code that it needs, whichever version."""
        return tuple(dict.fromkeys(digest for version in self.versions for digest in version.hashes))

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

    @property
    def environments(self) -> tuple[str, ...]:
        """The digests of what those have installed who submitted and ran it."""
        clients = (version.provenance.environment for version in self.versions)
        found = (*clients, *(each.environment for each in self.workers))
        return tuple(dict.fromkeys(filter(None, found)))

    def remark(self, environments: Mapping[str, Environment]) -> str:
        """What to say of workers that have other packages than the client had who submitted the code in force."""
        return remark(self.version, self.versions[-1].provenance, self.workers, environments)

    def heard(self, workers: Workers) -> SweepRecord:
        """As it is when these have run it, too."""
        return replace(self, workers=heard(self.workers, workers))

    def set_aside(self, by: Request) -> SweepRecord:
        """As it is when this request has taken its name."""
        replaced = Replaced(name=self.name, user=by.user, time_us=by.time_us)
        return replace(self, name=self.name_aside, replaced=replaced, strikes={})


def draw_seed(entropy: bytes) -> int:
    """A sweep's seed for those who gave none: 1 … 2^31 - 1."""
    return int.from_bytes(hashlib.sha256(entropy).digest()[:8], "big") % (2**31 - 1) + 1
