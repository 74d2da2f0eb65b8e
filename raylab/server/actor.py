"""The lab's verbs: a plain class that Ray runs as a detached, named, asynchronous actor.

Each verb is idempotent by its content, answers within a minute or raises, and changes nothing before what it changes is
durable. What goes on between the verbs is the conductor's.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import secrets
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import ray

from raylab.core import events as ev
from raylab.core.handle import Handle, find, when
from raylab.core.ledger import INFEASIBLE
from raylab.core.request import Request, Submission, SweepRecord, draw_seed
from raylab.core.resubmission import Decision, decide, overtaken, refusal
from raylab.core.schedule import slots
from raylab.errors import LabBusy, LabUnavailable, RaylabError, SweepLocked, told
from raylab.notebook import layout
from raylab.notebook.counts import counts
from raylab.notebook.store import Span
from raylab.notebook.writer import Writer
from raylab.server import pieces
from raylab.server.conductor import Conductor
from raylab.server.protocol import PROTOCOL, person, versions

T = TypeVar("T")

DURABLE_S = 40.0
"""How long a call waits for the disk, before it says what is the matter with it."""

OPEN_S = 20.0
"""How long a call waits for a lab that is being opened, before it says why that takes so long."""

LINGER_S = 0.5
"""Between the answer to `close` and the end, so that the answer arrives."""


class LabActor:
    """One lab, as the cluster sees it; `raylab.Lab` says what the verbs mean."""

    def __init__(self, name: str, notebook: str, user: str) -> None:
        self._versions = versions()
        self._started = datetime.now(UTC)
        self._changing = asyncio.Lock()  # one change at a time, as they came: none is overtaken by a later one
        self._lab = self._conductor(name, notebook, user)

    def _conductor(self, name: str, notebook: str, user: str) -> Conductor:
        context = ray.get_runtime_context()
        writer = Writer(notebook, who(self._versions["raylab"], context.get_actor_id() or ""))
        return Conductor(name, writer, user, restarted=lambda: bool(context.was_current_actor_reconstructed))

    async def _open(self) -> Conductor:
        """The lab, once it is open; why it is not, otherwise."""
        try:
            await asyncio.wait_for(self._lab.opened.wait(), OPEN_S)
        except TimeoutError:
            why = self._lab.recorder.trouble or "its notebook is still being read"
            raise LabUnavailable(f"the lab {self._lab.register.name!r} is not open yet: {why}. Try again") from None
        if self._lab.refusal is not None:
            raise self._lab.refusal.with_traceback(None)  # the same one each time: its traceback would grow
        if self._lab.closing:
            raise LabUnavailable(f"the lab {self._lab.register.name!r} is being shut down; attach again to start it")
        return self._lab

    async def _durably(self, work: Coroutine[Any, Any, T]) -> T:
        """Do what needs the disk. If it cannot or takes too long, say why; what was begun goes on, and asking again is
        safe."""
        task = asyncio.get_running_loop().create_task(work)
        try:
            return await asyncio.wait_for(asyncio.shield(task), DURABLE_S)
        except TimeoutError:
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            why = self._lab.recorder.trouble or "the notebook's disk is slow"
            raise LabUnavailable(f"not done yet: {why}. It is safe to ask again") from None
        except RaylabError:  # some are an OSError to Python
            raise
        except OSError as error:
            raise LabUnavailable(f"the notebook's disk says: {told(error)}. It is safe to ask again") from None

    # about the lab ----------------------------------------------------------------------------------------------

    async def hello(self) -> dict[str, Any]:
        """Who this is. The one verb that answers in any state."""
        return {"protocol": PROTOCOL, "versions": self._versions, "pid": os.getpid()}

    async def info(self) -> dict[str, Any]:
        """What `Lab.info()` gives."""
        lab = await self._open()
        assert lab.register.identity is not None
        return {
            "name": lab.register.name,
            "notebook": lab.register.writer.place,
            "id": lab.register.identity.id,
            "user": lab.register.identity.user,
            "node": platform.node(),
            "pid": os.getpid(),
            "started": self._started,
            "format": layout.VERSION,
            **self._versions,
        }

    async def close(self, force: bool) -> None:
        """End: nothing runs any more, what came is on disk; then the actor goes, whatever becomes of the caller."""
        lab = self._lab
        if lab.opened.is_set() and lab.refusal is None:
            await self._close(lab, force)
        asyncio.get_running_loop().call_later(LINGER_S, self._end)

    def _end(self) -> None:
        """Go, and do not come back."""
        ray.kill(ray.get_runtime_context().current_actor, no_restart=True)

    async def _close(self, lab: Conductor, force: bool) -> None:
        counts = [self._counts(lab, name) for name in lab.register.sweeps]
        outstanding = sum(each["running"] + each["waiting"] for each in counts)
        if outstanding and not force:
            raise LabBusy(
                f"the lab {lab.register.name!r} has {outstanding:,} trials outstanding, so it stays; cancel its "
                "sweeps first, or use shutdown(force=True): the notebook keeps them, and attaching again goes on"
            )
        await lab.retire()

    # sweeps -----------------------------------------------------------------------------------------------------

    async def submit(self, submission: Submission) -> dict[str, Any]:
        """Take a sweep on, durably; say its name and folder, what that was decided by, and whether the cluster has what
        it asks for. Where it is not `taken`, the folder is of the sweep that it is to replace, and has to say so."""
        lab = await self._open()
        decision, folder, taken = await self._durably(self._submit(lab, submission))
        if not slots(lab.nodes, submission.policy.resources):
            await lab.look()  # a node may have joined since the last look
        fits = slots(lab.nodes, submission.policy.resources) > 0
        return {"name": decision.name, "folder": folder, "taken": taken, "fits": fits, "decision": decision}

    async def _submit(self, lab: Conductor, submission: Submission) -> tuple[Decision, str, bool]:
        async with self._changing:
            taken = False
            while not taken:
                decision = self._decide(lab, submission)
                before = lab.register.sweeps.get(decision.name)
                if before is not None and decision.kind == "same":
                    await self._submit_again(lab, before, submission)
                    taken = True
                elif before is not None and not decision.mends and submission.replaces != before.folder:
                    return decision, before.folder, False
                else:
                    code = await lab.register.keep_code(submission.pickle, submission.modules)
                    taken = await self._submit_new(lab, decision, submission, *code)
            lab.bulletin.post(decision.name, urgent=True)
        return decision, lab.register.sweeps[decision.name].folder, True

    def _failing(self, lab: Conductor) -> set[str]:
        """The sweeps of which something failed and nothing is done. What is not at work, or cannot be read now, may
        hold results."""
        return {name for name, queue in lab.ledger.queues.items() if queue.only_failed} - lab.register.broken.keys()

    def _decide(self, lab: Conductor, submission: Submission) -> Decision:
        """What to do; raises what says why not, and what to do instead."""
        decision = decide(submission, lab.register.sweeps, self._failing(lab))
        known = lab.register.sweeps.get(decision.name)
        if known is not None and decision.kind == "refuse":
            raise refusal(decision, known, submission)
        if known is not None and decision.kind == "replace" and submission.replaces not in ("", known.folder):
            raise overtaken(known)
        return decision

    async def _submit_again(self, lab: Conductor, known: SweepRecord, submission: Submission) -> None:
        requests = []
        if submission.policy.dumps() != known.policy.dumps():
            if known.locked:
                raise SweepLocked(_locked(known.name, "its policy (description, retries, limits, resources) stays"))
            text = submission.policy.dumps()
            requests.append(Request(kind="policy", sweep=known.name, user=submission.user, policy=text))
        queue = lab.ledger.queues.get(known.name)
        # A pause may be in force already while its row is being written; ours comes after it.
        if known.cancelled or known.paused or (queue is not None and queue.pause_reason):
            requests.append(Request(kind="resumed", sweep=known.name, user=submission.user))
        if not lab.register.is_taken(known.name):  # else its code is in use
            requests += await self._mend_code(lab, known, submission)
        if requests:
            await lab.register.note(*requests)
            lab.change_policy(known.name)
        await lab.resume(known.name)

    async def _mend_code(self, lab: Conductor, known: SweepRecord, submission: Submission) -> list[Request]:
        """Put an experiment back that the notebook has lost; what to note if its bytes are others now."""
        writer = lab.register.writer
        if await lab.recorder.read(lambda: writer.has_code(known.code, known.modules)):
            return []
        code, modules = await lab.register.keep_code(submission.pickle, submission.modules)
        if (code, modules) == (known.code, known.modules):
            return []
        return [Request(kind="code", sweep=known.name, user=submission.user, code=code, modules=modules)]

    async def _submit_new(
        self, lab: Conductor, decision: Decision, submission: Submission, code: str, modules: str | None
    ) -> bool:
        """Whether it was taken: when its turn to be written comes, a sweep that only failed may have got results."""
        name = decision.name
        before = lab.register.sweeps.get(name)
        least = before.generation + 1 if before else 1
        generation = await lab.recorder.read(lambda: lab.register.writer.free_generation(name, least))
        request = Request(
            kind="submitted",
            sweep=layout.check_name(name, "sweep"),
            user=submission.user,
            folder=layout.sweep_folder(name, generation),
            label=submission.label,
            design=submission.design,
            shape=submission.shape,
            size=submission.size,
            repeats=submission.repeats,
            seed=draw_seed(secrets.token_bytes(16)) if submission.seed is None else submission.seed,
            seed_given=submission.seed is not None,
            order=submission.order,
            code=code,
            modules=modules,
            ingredients=json.dumps(dict(submission.ingredients)),
            policy=submission.policy.dumps(),
        )
        if not await lab.register.note(request, unless=lambda: decision.mends and name not in self._failing(lab)):
            return False
        lab.forget(name)
        if before is not None:
            lab.register.release(before.folder)
        lab.spawn(lab.activate(name))
        return True

    async def cancel(self, sweep: Handle, user: str) -> int:
        """Give up what is not recorded; say how many trials that is."""
        lab = await self._open()
        return await self._durably(self._cancel(lab, sweep, user))

    async def _cancel(self, lab: Conductor, sweep: Handle, user: str) -> int:
        async with self._changing:
            record = self._in_force(lab, sweep)
            name = record.name
            if record.locked:
                raise SweepLocked(_locked(name, "it cannot be cancelled: it runs to its end"))
            if not record.cancelled:
                await lab.register.note(Request(kind="cancelled", sweep=name, user=user))
                if name in lab.ledger.queues:
                    lab.happened(ev.SweepCancelled(sweep=name))
                lab.bulletin.post(name, urgent=True)
            return int(self._counts(lab, name)["cancelled"])

    async def lock(self, sweep: Handle, user: str) -> None:
        """Let the sweep take no change any more."""
        lab = await self._open()
        await self._durably(self._lock(lab, sweep, user))

    async def _lock(self, lab: Conductor, sweep: Handle, user: str) -> None:
        async with self._changing:
            record = self._in_force(lab, sweep)
            if not record.locked:
                await lab.register.note(Request(kind="locked", sweep=record.name, user=user))
                lab.bulletin.post(record.name, urgent=True)

    # asking -----------------------------------------------------------------------------------------------------

    async def overview(self, sweeps: Sequence[Handle] | None) -> list[dict[str, Any]]:
        """One dict of counts, state and description for each of these sweeps, for all in force if None."""
        lab = await self._open()
        if sweeps is None:
            return [self._counts(lab, name) for name in lab.register.sweeps]
        return [await self._told(lab, self._record(lab, sweep)) for sweep in sweeps]

    async def _told(self, lab: Conductor, record: SweepRecord) -> dict[str, Any]:
        """What there is to say of a sweep; of one that was set aside, what its files tell."""
        if record.replaced is None:
            return self._counts(lab, record.name)
        return counts(record, await self._durably(lab.recorder.read(lambda: lab.register.writer.survey(record.folder))))

    async def news(
        self, sweeps: Sequence[Handle] | None, seen: tuple[int, int] | None, longest: float
    ) -> tuple[tuple[int, int], list[dict[str, Any]]]:
        """Wait for something a client has not seen, `longest` seconds at most; its new mark and the overview."""
        lab = await self._open()
        # Says so if there is no such sweep.
        names = None if sweeps is None else [self._record(lab, sweep).name for sweep in sweeps]
        if seen is not None and seen[0] == lab.register.opening:
            await lab.bulletin.differs(names, seen[1], longest)
        mark = (lab.register.opening, lab.bulletin.number(names))
        return mark, await self.overview(sweeps)

    async def record(self, sweep: Handle) -> SweepRecord:
        """What was asked for under this name."""
        return replace(self._record(await self._open(), sweep), earlier=())

    def _record(self, lab: Conductor, sweep: Handle) -> SweepRecord:
        return find(lab.register.sweeps, sweep, lab.register.name)

    def _in_force(self, lab: Conductor, sweep: Handle) -> SweepRecord:
        """The sweep, if it may be changed at all."""
        record = self._record(lab, sweep)
        if record.replaced is not None:
            raise SweepLocked(
                f"the sweep {record.name!r} was set aside for another {record.replaced.name!r}, by "
                f"{record.replaced.user} at {when(record.replaced.time_us)}: nothing of it runs, it takes no change, "
                f"and only its rows are read, with results({record.name!r})"
            )
        return record

    def _counts(self, lab: Conductor, name: str) -> dict[str, Any]:
        """A sweep in numbers and words."""
        record = lab.register.sweeps[name]
        if name in lab.ledger.queues:
            counts = lab.ledger.counts(name)
            state, reason = lab.ledger.standing(name)
        else:
            counts, state, reason = _unopened(record, slots(lab.nodes, record.policy.resources))
        if state == "infeasible":
            reason = f"{reason}: {_amounts(record)}"
        if name in lab.register.broken:
            state, reason = "paused", lab.register.broken[name]
        elif lab.recorder.trouble and state == "running":
            state, reason = "disk_full", lab.recorder.trouble
        elif record.locked and state == "ready":
            state = "locked"
        return {
            "name": name,
            "folder": record.folder,
            "user": record.user,
            "state": state,
            "reason": reason,
            **counts,
            "rows": lab.register.rows.get(name, 0),
            "repeats": record.segment.repeats,
            "design": record.shape,
            "description": record.policy.description,
            "submitted_us": record.time_us,
            "first_error": lab.register.first_errors.get(name, ""),
        }

    # the notebook's files, for clients that cannot reach the folder -------------------------------------------------

    async def names(self, folder: str) -> list[str]:
        return await self._read_file(pieces.names, folder)

    async def files(self, paths: Sequence[str]) -> list[tuple[bytes, int] | None]:
        return await self._read_file(pieces.files, paths)

    async def pieces(self, path: str, spans: Sequence[Span]) -> tuple[list[bytes], int] | None:
        return await self._read_file(pieces.pieces, path, spans)

    async def _read_file(self, verb: Callable[..., T], *args: Any) -> T:
        lab = await self._open()
        return await self._durably(asyncio.to_thread(verb, lab.register.writer.store, *args))


def _unopened(record: SweepRecord, fits: int) -> tuple[dict[str, Any], str, str]:
    """Counts, state and reason of a sweep that was just submitted: its table is being opened, nothing is recorded."""
    cancelled = record.total if record.cancelled else 0
    counts: dict[str, Any] = dict.fromkeys(("done", "failed", "running", "retrying"), 0)
    counts |= {"total": record.total, "cancelled": cancelled, "waiting": record.total - cancelled}
    counts |= {"by_status": {}, "eta_s": None, "troubles": 0}
    if cancelled:
        return counts, "cancelled", ""
    return (counts, "running", "") if fits else (counts, "infeasible", INFEASIBLE)


def _amounts(record: SweepRecord) -> str:
    """What one trial of a sweep asks for."""
    return ", ".join(f"{amount:g} {name}" for name, amount in record.policy.resources.items())


def who(version: str, actor: str) -> dict[str, str]:
    """Who writes, for the openings: a restarted lab finds itself there, a fenced one names the other."""
    return {"user": person(), "host": platform.node(), "pid": str(os.getpid()), "actor": actor, "raylab": version}


def _locked(name: str, so: str) -> str:
    return (
        f"the sweep {name!r} is locked, for good, so {so}. lab.sweep({name!r}) gives it and its results as they are; "
        "to run it otherwise, submit it under another name with name="
    )
