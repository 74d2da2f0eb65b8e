"""The history of a lab's requests: a list that is never changed, and `fold`, which reads it into the sweeps there are.

After a restart and live, what requests come to is the same: each new one is folded into what those before came to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from raylab.core.failures import Tally, reworded
from raylab.core.notice import Notices, noted
from raylab.core.policy import Policy
from raylab.core.provenance import Environment, Workers
from raylab.core.recipient import Recipient
from raylab.core.request import Removed, Request, SweepRecord, Version
from raylab.core.segment import Segment
from raylab.core.strikes import Strikes


@dataclass(frozen=True, slots=True, kw_only=True)
class History(Mapping[str, SweepRecord]):
    """What a lab's requests come to: as a mapping, the sweeps in force by name, in the order of their submission.

    Attributes:
        in_force: these.
        aside: those that were set aside for another one of their name, by the name that they have since.
        removed: those that were removed, by folder.
        environments: what clients and workers had installed, by digest.
        recipients: who is told of the sweeps that name nobody themselves.
        notices: what has happened that is told, by folder.
    """

    in_force: Mapping[str, SweepRecord] = field(default_factory=dict)
    aside: Mapping[str, SweepRecord] = field(default_factory=dict)
    removed: Mapping[str, Removed] = field(default_factory=dict)
    environments: Mapping[str, Environment] = field(default_factory=dict)
    recipients: tuple[Recipient, ...] = ()
    notices: Mapping[str, Notices] = field(default_factory=dict)

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

    def environments_of(self, record: SweepRecord) -> dict[str, Environment]:
        """What those have installed who submitted a sweep and ran it, by digest."""
        return {each: self.environments[each] for each in record.environments if each in self.environments}

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
    environments, recipients, notices = dict(before.environments), before.recipients, dict(before.notices)
    strikes: dict[str, dict[int, Strikes]] = {}  # ours to change: a copy for each row would be quadratic
    for request in requests:
        known = sweeps.get(request.sweep)
        is_meant = known is not None and known.folder == request.folder
        if request.folder in removed:
            continue
        if request.kind == "environment":
            environment = Environment(**request.body)
            environments[environment.digest] = environment
        elif request.kind == "notify":
            recipients = tuple(map(Recipient.of, request.body["recipients"]))
        elif request.kind in ("noticed", "told"):
            notices[request.folder] = noted(notices.get(request.folder, {}), request)
        elif request.kind == "removed":
            removed[request.folder] = _removed(request)
            notices.pop(request.folder, None)
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
    return History(
        in_force=sweeps,
        aside=aside,
        removed=removed,
        environments=environments,
        recipients=recipients,
        notices=notices,
    )


def _without(sweeps: dict[str, SweepRecord], folder: str) -> dict[str, SweepRecord]:
    return {name: sweep for name, sweep in sweeps.items() if sweep.folder != folder}


def _removed(request: Request) -> Removed:
    code = tuple(request.body.get("code", ()))
    return Removed(name=request.sweep, folder=request.folder, user=request.user, time_us=request.time_us, code=code)


def _submitted(request: Request) -> SweepRecord:
    body = dict(request.body)
    first, *later = map(Version.of, body.pop("versions"))
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
            version = replace(Version.of(request.body), user=request.user, time_us=request.time_us)
            return replace(before, versions=(*before.versions, version))
        case "workers":
            return before.heard(Workers.of(request.body))
        case "policy":
            policy = Policy.of(request.body)
            itself = before.paused and not before.paused_by
            paused = reworded(before.paused, policy.max_failures) if itself else before.paused
            return replace(before, policy=policy, paused=paused)
        case "cancelled":
            times = before.cancellations + (not before.cancelled)
            return replace(before, cancelled=True, cancelled_by=request.user, cancellations=times)
        case "resumed":
            forgiven = Tally(**request.body) if request.body else before.forgiven  # nobody knew what had come
            return replace(before, cancelled=False, paused="", paused_by="", forgiven=forgiven)
        case "paused":
            reason, by = request.body["reason"], request.body.get("by", "")
            return replace(before, paused=reason, paused_by=by, pauses=before.pauses + (not before.paused))
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
