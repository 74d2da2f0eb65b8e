"""What was asked of a lab: submissions, and the history of requests.

A sweep's identity is its experiment's code, design, repeats, seed and order; everything else is policy. The history is
a list of requests, never changed; `fold` reads it into the sweeps there are. What one more submission means is decided
in `core/resubmission.py`, which sweep a call means in `core/handle.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from raylab.core.strikes import Strikes

Kind = Literal["submitted", "policy", "cancelled", "resumed", "paused", "locked", "strike", "code"]
"""`code`: the same experiment lies under another hash from now on, or under none."""


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
    if_exists: str = "fail"  # or "replace": what to do if something else has the name
    replaces: str = ""  # the folder of the very sweep that it may take the place of, once the client knows it


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
class Replaced:
    """That another sweep has taken a sweep's name, and who asked for it when."""

    name: str
    """Which one it was."""
    user: str
    time_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRecord:
    """A sweep as the requests tell it.

    Attributes:
        name: by which it is found: NAME, or NAME~1, NAME~2 if it was set aside for the next one of that name.
        folder: of its results; no other sweep ever has it.
        generation: which sweep of its name it is, from 1 on.
        replaced: if it was set aside.
        earlier: those that were set aside under its name, the first one first.
    """

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
    replaced: Replaced | None = None
    earlier: tuple[SweepRecord, ...] = ()

    @property
    def total(self) -> int:
        return self.segment.total

    @property
    def name_aside(self) -> str:
        """By which it is read once another sweep has its name."""
        return f"{self.name}~{self.generation}"

    def set_aside(self, by: Request) -> SweepRecord:
        """As it is when this request has taken its name."""
        replaced = Replaced(name=self.name, user=by.user, time_us=by.time_us)
        return replace(self, name=self.name_aside, replaced=replaced, earlier=(), strikes={})

    def acquitted(self, runs: Iterable[range]) -> SweepRecord:
        """Without what is held against trials that are recorded now."""
        recorded = {position for run in runs for position in self.strikes if position in run}
        if not recorded:
            return self
        return replace(self, strikes={at: held for at, held in self.strikes.items() if at not in recorded})


def fold(requests: Iterable[Request], before: Mapping[str, SweepRecord] | None = None) -> dict[str, SweepRecord]:
    """The sweeps in force after these requests, by name, in the order of their first submission.

    Each has those that had its name before in `earlier`.
    """
    sweeps = dict(before or {})
    strikes: dict[str, dict[int, Strikes]] = {}  # ours to change: a copy for each row would be quadratic
    for request in requests:
        known = sweeps.get(request.sweep)
        if request.kind == "submitted":
            sweeps[request.sweep] = _submitted(request, known)
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


def _submitted(request: Request, known: SweepRecord | None) -> SweepRecord:
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
        generation=max(known.generation + 1 if known else 1, _generation(request.folder or "")),
        earlier=(*known.earlier, known.set_aside(request)) if known else (),
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


def asked(sweep: SweepRecord) -> dict[str, Any]:
    """The submission that makes this sweep as it is, as JSON has it: the openings of its table repeat it."""
    segment = sweep.segment
    return asdict(
        Request(
            kind="submitted",
            sweep=sweep.name,
            user=sweep.user,
            time_us=sweep.time_us,
            folder=sweep.folder,
            label=sweep.label,
            design=segment.design,
            shape=sweep.shape,
            size=segment.size,
            repeats=segment.repeats,
            seed=sweep.seed,
            seed_given=sweep.seed_given,
            order=segment.order,
            code=sweep.code,
            modules=sweep.modules,
            ingredients=json.dumps(dict(sweep.ingredients)),
            policy=sweep.policy.dumps(),
        )
    )


def draw_seed(entropy: bytes) -> int:
    """A sweep's seed for those who gave none: 1 … 2^31 - 1."""
    return int.from_bytes(hashlib.sha256(entropy).digest()[:8], "big") % (2**31 - 1) + 1
