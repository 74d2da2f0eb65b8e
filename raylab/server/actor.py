"""The lab's verbs: a plain class. Ray runs it as a detached, named, asynchronous actor (`server/birth.py`).

Each verb is idempotent by its content, answers within a minute or raises, and changes nothing before what it changes is
durable. What goes on between the verbs is the conductor's.
"""

from __future__ import annotations

import asyncio
import os
import platform
import secrets
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from raylab.core.growth import Growth
from raylab.core.handle import Handle, find, when
from raylab.core.provenance import Environment
from raylab.core.recipient import Recipient, shown_recipients
from raylab.core.request import Request, Submission, SweepRecord, draw_seed
from raylab.core.resubmission import Decision, decide, overtaken, policy_again, refusal
from raylab.core.settling import under
from raylab.core.status import Status, infeasible, on_disk
from raylab.core.trial import positions
from raylab.errors import LabBusy, LabUnavailable, NotebookDamaged, RaylabError, SweepLocked, told
from raylab.notebook import layout
from raylab.notebook.store import Span
from raylab.notebook.writer import Writer
from raylab.server import growing, pieces, removal, rerunning, steering
from raylab.server.at_work import AtWork, Held
from raylab.server.conductor import Conductor
from raylab.server.notifier import Notifier
from raylab.server.own_log import OwnLog
from raylab.server.protocol import PROTOCOL, person, versions
from raylab.server.removal import Removals
from raylab.server.standing import standing, whereabouts
from raylab.server.surroundings import Surroundings

T = TypeVar("T")

DURABLE_S = 40.0
"""How long a call waits for the disk, before it says what is the matter with it."""

OPEN_S = 20.0
"""How long a call waits for a lab that is being opened, before it says why that takes so long."""

LINGER_S = 0.5
"""Between the answer to `close` and the end, so that the answer arrives."""


class LabActor:
    """One lab, as the cluster sees it; `raylab.Lab` says what the verbs mean."""

    def __init__(self, name: str, notebook: str, user: str, surroundings: Surroundings) -> None:
        self._versions = versions()
        self._started = datetime.now(UTC)
        self._surroundings = surroundings
        self._lab = self._conductor(name, notebook, user)
        self._removals = Removals(self._lab)
        self._notifier = Notifier(self._lab)
        self._lab.spawn(self._removals.go_on())

    def _conductor(self, name: str, notebook: str, user: str) -> Conductor:
        around = self._surroundings
        writer = Writer(notebook, who(self._versions["raylab"], around.actor))
        return Conductor(name, writer, user, around)

    async def _open(self) -> Conductor:
        """The lab, once it is open; why it is not, otherwise."""
        try:
            await asyncio.wait_for(self._lab.opened.wait(), OPEN_S)
        except TimeoutError:
            why = self._lab.recorder.trouble or "its notebook is still being read"
            raise LabUnavailable(f"the lab {self._lab.sweeps.name!r} is not open yet: {why}. Try again") from None
        if self._lab.refusal is not None:
            raise self._lab.refusal.with_traceback(None)  # the same one each time: its traceback would grow
        if self._lab.closing:
            raise LabUnavailable(f"the lab {self._lab.sweeps.name!r} is being shut down; attach again to start it")
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
        """Who this is. This verb and the next answer in any state."""
        return {"protocol": PROTOCOL, "versions": self._versions, "pid": os.getpid()}

    async def own_log(self) -> OwnLog:
        """What the lab itself wrote; also of one that cannot work."""
        return await asyncio.to_thread(self._surroundings.log)

    async def dashboard(self) -> str | None:
        """The address of Ray's dashboard, if one runs; not in `info`, which each reader asks for."""
        return await asyncio.to_thread(self._surroundings.dashboard)

    async def info(self) -> dict[str, Any]:
        """What `Lab.info()` gives, but for the dashboard."""
        lab = await self._open()
        assert lab.sweeps.identity is not None
        return {
            "name": lab.sweeps.name,
            "notebook": lab.sweeps.writer.place,
            "id": lab.sweeps.identity.id,
            "user": lab.sweeps.identity.user,
            "node": platform.node(),
            "pid": os.getpid(),
            "started": self._started,
            "format": layout.VERSION,
            "notify": shown_recipients(lab.sweeps.records.recipients),
            **self._versions,
        }

    async def close(self, force: bool) -> None:
        """End: nothing runs any more, what came is on disk; then the actor goes, whatever becomes of the caller."""
        lab = self._lab
        if lab.opened.is_set() and lab.refusal is None:
            await self._close(lab, force)
        asyncio.get_running_loop().call_later(LINGER_S, self._surroundings.end)

    async def _close(self, lab: Conductor, force: bool) -> None:
        outstanding = sum(standing(lab, sweep).outstanding for sweep in lab.sweeps.seen())
        if outstanding and not force:
            raise LabBusy(
                f"the lab {lab.sweeps.name!r} has {outstanding:,} trials outstanding, so it stays; cancel its "
                "sweeps first, or use shutdown(force=True): the notebook keeps them, and attaching again goes on"
            )
        await self._notifier.settle()
        await lab.retire()

    async def notify(self, recipients: tuple[Recipient, ...], user: str) -> None:
        """Have these told of all sweeps that name nobody themselves."""
        lab = await self._open()

        async def in_turn() -> None:
            async with lab.changing:
                if recipients != lab.sweeps.records.recipients:
                    await lab.sweeps.note(*steering.told_by_lab(lab, user, recipients))

        await self._durably(in_turn())

    async def unset(self, names: Sequence[str]) -> list[str]:
        """Those variables that the lab's environment does not have."""
        return [name for name in names if not os.environ.get(name)]

    # sweeps -----------------------------------------------------------------------------------------------------

    async def submit(self, submission: Submission) -> dict[str, Any]:
        """Take a sweep on, durably; say its name and folder, what that was decided by, and why some of its trials do
        not run. Where it is not `taken`, it has to say more: the folder of the sweep that it is to replace, which is
        given here, or its growths of those in `decision.among`."""
        lab = await self._open()
        decision, folder, taken = await self._durably(self._submit(lab, submission))
        why = await self._infeasible(lab, lab.sweeps.of(folder).record)
        return {"name": decision.name, "folder": folder, "taken": taken, "infeasible": why, "decision": decision}

    async def _submit(self, lab: Conductor, submission: Submission) -> tuple[Decision, str, bool]:
        async with lab.changing:
            taken = False
            while not taken:
                decision = self._decide(lab, submission)
                before = lab.sweeps.named(decision.name)
                if before is not None and decision.kind == "compare":
                    return decision, before.key, False
                if before is not None and decision.kind in ("same", "extend"):
                    known = before.record.policy
                    failed = await self._submit_again(lab, before, submission)
                    decision = replace(decision, failed=failed, policy=tuple(before.record.policy.told(known)))
                    taken = True
                elif before is not None and not decision.mends and submission.replaces != before.key:
                    return decision, before.key, False
                elif before is not None and decision.kind == "continue":
                    decision = replace(decision, rerun=await rerunning.go_on(lab, before, submission))
                    taken = True
                else:
                    taken = await self._submit_new(lab, decision, submission)
            sweep = lab.sweeps.named(decision.name)
            assert sweep is not None
            lab.news.post(sweep, urgent=True)
        return decision, sweep.key, True

    def _failing(self, lab: Conductor) -> set[str]:
        """The sweeps of which something failed and nothing is done. What is not at work, or cannot be read now, may
        hold results."""
        queues = lab.ledger.queues
        return {each.name for each in lab.sweeps.in_force() if each.key in queues and queues[each.key].only_failed}

    def _decide(self, lab: Conductor, submission: Submission) -> Decision:
        """What to do; raises what says why not, and what to do instead."""
        decision = decide(submission, lab.sweeps.records, self._failing(lab))
        known = lab.sweeps.records.get(decision.name)
        if known is not None and decision.kind == "refuse":
            raise refusal(decision, known, submission)
        if known is not None and decision.kind in ("continue", "replace"):
            too_late = overtaken(known, decision, submission)
            if too_late is not None:
                raise too_late
        return decision

    async def _submit_again(self, lab: Conductor, sweep: AtWork, submission: Submission) -> Mapping[str, int]:
        """Take note of what is other than before; the trials, by status, that failed before they would be run
        otherwise."""
        known, requests = sweep.record, list[Request]()
        growth = submission.growth(known)
        if growth is not None and growth.segments:
            requests.append(growing.grown(sweep, submission.user, growth.segments))
        policy = policy_again(known, submission)
        requests += steering.with_policy(lab, sweep, submission.user, policy)
        requests += steering.resumed(lab, sweep, submission.user)
        if known.archived:
            requests.append(steering.request("unarchived", sweep, submission.user))
        if sweep.stage == "known":  # else its code is in use
            requests += await self._mend_code(lab, sweep, submission)
        if requests:
            await lab.sweeps.note(*requests)
        await steering.go_on(lab, sweep)
        return standing(lab, sweep).by_status if policy.of_failures != known.policy.of_failures else {}

    async def _mend_code(self, lab: Conductor, sweep: AtWork, submission: Submission) -> list[Request]:
        """Put an experiment back that the notebook has lost; what to note if its bytes are others now."""
        writer, known = lab.sweeps.writer, sweep.record
        if await lab.recorder.read(lambda: writer.has_code(known.code, known.modules)):
            return []
        code, modules = await lab.sweeps.keep_code(submission.pickle, submission.modules)
        if (code, modules) == (known.code, known.modules):
            return []
        return [steering.request("code", sweep, submission.user, code=code, modules=modules)]

    async def _submit_new(self, lab: Conductor, decision: Decision, submission: Submission) -> bool:
        """Whether it was taken: when its turn to be written comes, a sweep that only failed may have got results."""
        name = layout.check_name(decision.name, "sweep")
        code, modules = await lab.sweeps.keep_code(submission.pickle, submission.modules)
        diff = await lab.sweeps.keep_diff(submission.diff)
        least = lab.sweeps.records.next_generation(name)
        generation = await lab.recorder.read(lambda: lab.sweeps.writer.free_generation(name, least))
        drawn = draw_seed(secrets.token_bytes(16))
        seed = next(each for each in (submission.seed, submission.drawn, drawn) if each is not None)
        request = Request.submitted(
            under(submission, seed),
            name=name,
            folder=layout.sweep_folder(name, generation),
            seed=seed,
            code=code,
            modules=modules,
            diff=diff,
        )
        new = lab.sweeps.new_environments(submission.environment)
        if not await lab.sweeps.note(*new, request, unless=lambda: decision.mends and name not in self._failing(lab)):
            return False
        lab.spawn(lab.sweeps.take(lab.sweeps.of(request.folder)))
        return True

    async def extend(self, sweep: Handle, growth: Growth, user: str) -> bool:
        """Add points and repeats; False if the sweep has grown otherwise since this was computed."""
        return await self._steer(growing.extend, sweep, user, growth)

    async def retry(self, sweep: Handle, statuses: Sequence[str], known: int, user: str) -> int:
        """Run again what failed with these statuses, as a client means it who knows of so many segments; say how many
        trials that is."""
        return await self._steer(rerunning.retry, sweep, statuses, known, user)

    async def cancel(self, sweep: Handle, user: str) -> int:
        """Give up what is not recorded; say how many trials that is."""
        return await self._steer(steering.cancel, sweep, user)

    async def lock(self, sweep: Handle, user: str) -> None:
        """Let the sweep take no change any more."""
        await self._steer(steering.lock, sweep, user)

    async def pause(self, sweep: Handle, user: str) -> None:
        """Let the sweep stand still; what runs ends by itself."""
        await self._steer(steering.pause, sweep, user)

    async def resume(self, sweep: Handle, user: str) -> None:
        """Let a paused or cancelled sweep go on."""
        await self._steer(steering.resume, sweep, user)

    async def change(self, sweep: Handle, user: str, words: Mapping[str, Any]) -> str:
        """Give the sweep these fields of its policy; say why some of its trials do not run then."""
        await self._steer(steering.change, sweep, user, words)
        lab = await self._open()
        return await self._infeasible(lab, self._found(lab, sweep).record)

    async def _steer(self, verb: Callable[..., Coroutine[Any, Any, T]], wanted: Handle, *args: Any) -> T:
        """One change of a sweep in force, in its turn."""
        lab = await self._open()

        async def in_turn() -> T:
            async with lab.changing:
                return await verb(lab, self._in_force(lab, wanted), *args)

        return await self._durably(in_turn())

    async def _infeasible(self, lab: Conductor, record: SweepRecord) -> str:
        """Why some trials of a sweep do not run, if no node has what they ask for."""
        if not all(lab.fits(record).values()):
            await lab.look()  # a node may have joined since the last look
        stuck = [need for need, count in lab.fits(record).items() if not count]
        return infeasible(record, stuck) if stuck else ""

    async def archive(self, sweep: Handle, user: str, undo: bool) -> None:
        """Hide the sweep, or show it again."""
        await self._steer(removal.archive, sweep, user, undo)

    async def remove(self, sweep: Handle, user: str) -> None:
        """Delete the sweep for good, with its rows; also one that was set aside."""
        lab = await self._open()
        await self._durably(self._remove(lab, sweep, user))

    async def _remove(self, lab: Conductor, wanted: Handle, user: str) -> None:
        async with lab.changing:
            if (folder := wanted.folder) not in lab.sweeps.records.removed:
                sweep = self._found(lab, wanted)
                folder = sweep.key
                await removal.remove(lab, sweep, user)
        await self._removals.carried_out(folder)

    # asking -----------------------------------------------------------------------------------------------------

    async def overview(self, sweeps: Sequence[Handle] | None, archived: bool = False) -> list[Status]:
        """How far each of these sweeps is; all in force if None, `archived` or not."""
        lab = await self._open()
        if sweeps is None:
            return [standing(lab, sweep) for sweep in lab.sweeps.seen(archived)]
        return [await self._told(lab, self._found(lab, sweep)) for sweep in sweeps]

    async def _told(self, lab: Conductor, sweep: AtWork) -> Status:
        """What there is to say of a sweep; of one that was set aside, what its files tell."""
        if sweep.stage != "set aside":
            return standing(lab, sweep)
        reading = lab.recorder.read(lambda: Held.of(sweep.record, lab.sweeps.writer.survey(sweep.key)))
        try:
            return on_disk(sweep.record, *await self._durably(reading), lab.sweeps.records.environments)
        except NotebookDamaged:
            self._found(lab, Handle(sweep.name, sweep.key))  # says so if it was removed meanwhile
            raise

    async def whereabouts(self, sweep: Handle, point: int, repeat: int) -> str:
        """What a trial without a record does, as the rest of a sentence."""
        lab = await self._open()
        found = self._found(lab, sweep)
        return whereabouts(lab, found, positions(found.record, point, repeat)[-1])

    async def news(
        self, sweeps: Sequence[Handle] | None, seen: tuple[int, int] | None, longest: float
    ) -> tuple[tuple[int, int], list[Status]]:
        """Wait for something a client has not seen, `longest` seconds at most; its new mark and the overview."""
        lab = await self._open()
        # Says so if there is no such sweep.
        found = None if sweeps is None else [self._found(lab, sweep) for sweep in sweeps]
        if seen is not None and seen[0] == lab.sweeps.opening:
            await lab.news.differs(found, seen[1], longest)
        mark = (lab.sweeps.opening, lab.news.number(found))
        return mark, await self.overview(sweeps)

    async def record(self, sweep: Handle) -> SweepRecord:
        """What was asked for under this name."""
        return self._found(await self._open(), sweep).record

    async def account(self, sweep: Handle) -> tuple[SweepRecord, dict[str, Environment]]:
        """What was asked for under this name, and what those had installed who submitted and ran it, by digest."""
        records = (await self._open()).sweeps.records
        record = find(records, sweep, self._lab.sweeps.name)
        return record, records.environments_of(record)

    def _found(self, lab: Conductor, sweep: Handle) -> AtWork:
        return lab.sweeps.of(find(lab.sweeps.records, sweep, lab.sweeps.name).folder)

    def _in_force(self, lab: Conductor, wanted: Handle) -> AtWork:
        """The sweep, if it may be changed at all."""
        sweep = self._found(lab, wanted)
        replaced = sweep.record.replaced
        if replaced is not None:
            raise SweepLocked(
                f"the sweep {sweep.name!r} was set aside for another {replaced.name!r}, by {replaced.user} at "
                f"{when(replaced.time_us)}: nothing of it runs, it takes no change, and only its rows are read, with "
                f"results({sweep.name!r})"
            )
        return sweep

    # the notebook's files, for clients that cannot reach the folder -------------------------------------------------

    async def names(self, folder: str) -> list[str]:
        return await self._read_file(pieces.names, folder)

    async def files(self, paths: Sequence[str]) -> list[tuple[bytes, int] | None]:
        return await self._read_file(pieces.files, paths)

    async def pieces(self, path: str, spans: Sequence[Span]) -> tuple[list[bytes], int] | None:
        return await self._read_file(pieces.pieces, path, spans)

    async def _read_file(self, verb: Callable[..., T], *args: Any) -> T:
        lab = await self._open()
        return await self._durably(asyncio.to_thread(verb, lab.sweeps.writer.store, *args))


def who(version: str, actor: str) -> dict[str, str]:
    """Who writes, for the openings: a restarted lab finds itself there, a fenced one names the other."""
    return {"user": person(), "host": platform.node(), "pid": str(os.getpid()), "actor": actor, "raylab": version}
