"""Clients: they ask, lose answers, repeat, and remember what was acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import random
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from raylab.core.block import block
from raylab.core.design import Design, Factorial
from raylab.core.extension import grow
from raylab.core.handle import Handle
from raylab.core.request import Submission, SweepRecord
from raylab.core.status import Status
from raylab.errors import LabFenced, LabUnavailable, NotebookDamaged, RaylabError, SweepExists, SweepLocked
from raylab.server.actor import DURABLE_S, OPEN_S
from simulation.errors import Lost
from simulation.process import _openers
from simulation.trials import Variant, draw_variant

if TYPE_CHECKING:
    from simulation.life import Life


SLACK_S = 12.0
"""What the disk's and the network's own slowness may add to the limit of a call."""


USUAL = (("priority", 0), ("max_concurrency", None), ("max_failures", None))


@dataclass(frozen=True)
class Wish:
    """What holds of a name once a call was acknowledged."""

    variant: Variant | None = None
    cancelled: bool = False
    locked: bool = False
    description: str = ""
    terms: tuple[tuple[str, float | None], ...] = USUAL
    grown: tuple[tuple[int, int], ...] = ()  # how many repeats each p has, once it was extended

    @property
    def repeats(self) -> dict[int, int]:
        """How many repeats each p has."""
        if self.grown or self.variant is None:
            return dict(self.grown)
        return dict.fromkeys(range(self.variant.size), self.variant.repeats)


class Client:
    """Calls a lab over a line that loses some calls."""

    def __init__(self, life: Life, number: int) -> None:
        self.life, self.number = life, number
        self.rng = random.Random(life.rng.random())
        self.cluster = life.cluster
        self.ready: dict[str, int] = {}

    async def once(self, verb: str, *args: Any, limit: float) -> Any:
        """One call.

        Raises:
            Lost: nobody knows whether it was carried out.
            RaylabError: what the lab says.
        """
        life, loop = self.life, self.life.loop
        if not self.cluster.up:
            self.cluster = life.cluster
        self.cluster.attach()
        process = self.cluster.process
        if process is None:
            await asyncio.sleep(0.3)
            raise Lost("no lab")
        life.counts["calls"] += 1
        if self.rng.random() < life.plan["call lost"]:
            raise Lost("before")
        await asyncio.sleep(self.rng.uniform(0, 0.02))
        if not process.alive:
            raise Lost("before")
        fenced = process.fenced
        answer = loop.create_future()
        process.calls.append(answer)
        task = loop.create_task(getattr(process.lab, verb)(*args), context=process.context())
        task.add_done_callback(partial(_answer, answer), context=contextvars.Context())
        if self.rng.random() < life.plan["answer lost"]:
            if self.rng.random() < 0.5:
                await asyncio.sleep(self.rng.expovariate(2))
            raise Lost("after")
        began = loop.now
        try:
            await asyncio.wait([answer], timeout=limit + SLACK_S)
            late = loop.now - max(began, process.thawed_at)
            if not answer.done():
                if process.frozen or late < limit + SLACK_S:
                    raise Lost("no answer")
                life.broken(f"{process} did not answer {verb} within {limit} s")
                raise Lost("no answer")
            return answer.result()
        except (RaylabError, Lost):
            raise
        except Exception as error:
            life.broken(f"{process} answered {verb}{args!r:.100} with {type(error).__name__}: {error}")
            raise Lost("an error that is no RaylabError") from error
        finally:
            process.calls.remove(answer)
            if fenced and verb not in ("hello", "close") and answer.done() and answer.exception() is None:
                life.broken(f"{process} is fenced and answered {verb}")

    async def until(self, verb: str, *args: Any, limit: float) -> Any:
        """The call, repeated until there is an answer."""
        tries = 0
        while True:
            try:
                return await self.once(verb, *args, limit=limit)
            except LabFenced:
                self.life.counts["fenced answers"] += 1
                process = self.cluster.process
                if process is not None and process.fenced and _openers(self.life.root)[-1:] == [process.actor_id]:
                    self.life.broken(f"{process} says that it is fenced, and nobody came after it")
                self.cluster = self.life.cluster
                if self.cluster.process is not None and self.cluster.process.fenced:
                    self.life.over(self.cluster)
            except (Lost, LabUnavailable):
                pass
            except NotebookDamaged as error:
                if "cannot be read" not in str(error):  # else a disk that gives nothing: asked again, it may
                    raise
            tries += 1
            await asyncio.sleep(min(2.0, 0.05 * 2 ** min(tries, 6)) * self.rng.uniform(0.5, 1))

    async def look(self, names: list[Handle] | None = None, *, seen: Any = None) -> tuple[Any, list[Status]]:
        """The overview, or news; what is ready never becomes less."""
        before = dict(self.ready)
        if seen is None:
            mark, found = None, await self.until("overview", names, limit=OPEN_S + DURABLE_S)
        else:
            longest = self.rng.choice((0.0, 3.0, 20.0))
            mark, found = await self.until("news", names, seen, longest, limit=OPEN_S + DURABLE_S + longest)
        for each in found:
            unread = each.state == "paused" and "cannot be read" in each.reason  # it counts nothing, and says why
            if each.ready < before.get(each.folder, 0) and not unread:
                self.life.broken(f"{each.folder} had {before[each.folder]} ready, now {each}")
            self.ready[each.folder] = max(each.ready, self.ready.get(each.folder, 0))
            self._check_excuse(each)
        return mark, found

    def _check_excuse(self, each: Status) -> None:
        """A lab that has had rows for a while, and a disk that takes none, says so."""
        life, process = self.life, self.cluster.process
        if process is None or process.frozen or not life.disk.sick or life.disk.chance < 1:
            return
        since = life.loop.now - max(process.held_since(), life.disk.since, process.thawed_at)
        if each.state == "running" and since > 3 * life.loop.slow + 3 and life.loop.hangs_until < life.disk.since:
            life.broken(f"the disk takes nothing, and a sweep calls itself {each}")
        life.counts["disk_full seen"] += each.state == "disk_full"


def _answer(answer: asyncio.Future[Any], task: asyncio.Task[Any]) -> None:
    if answer.done():
        if not task.cancelled():
            task.exception()
    elif task.exception() is not None:
        answer.set_exception(task.exception())  # type: ignore[arg-type]
        answer.exception()
    else:
        answer.set_result(task.result())


class Owner(Client):
    """Submits, pauses, changes, cancels, locks a sweep of its own."""

    def __init__(self, life: Life, number: int) -> None:
        super().__init__(life, number)
        self.name, self.user = f"s{number}", f"user{number}"
        self.wish = self.coming = Wish()
        self.replaces = False  # what is asked for is to take the place of what is there
        self.variants: dict[str, Variant] = {}  # of all sweeps that had the name, by folder
        self.folder = ""

    async def work(self) -> None:
        rng = self.rng
        await asyncio.sleep(rng.expovariate(1))
        await self.submit(draw_variant(self.life, self.name, self.user))
        while self.life.loop.now < self.life.horizon:
            await asyncio.sleep(rng.expovariate(0.3))
            act = rng.choice(
                (
                    self.again,
                    self.again,
                    self.other,
                    self.other,
                    self.mend,
                    self.cancel,
                    self.cancel,
                    self.policy,
                    self.hold,
                    self.hold,
                    self.let_go,
                    self.retune,
                    self.grow,
                    self.grow,
                    self.lock,
                )
            )
            if act != self.lock or rng.random() < 0.1:
                await act()

    async def change(self, coming: Wish, verb: str, *args: Any) -> Any:
        self.coming = coming
        self.life.note(f"{self.name}: {verb}")
        try:
            found = await self.until(verb, *args, limit=OPEN_S + DURABLE_S)
            if verb == "submit" and not found["taken"]:
                found = await self._say_more(args[0], found)
        except RaylabError as error:
            self.life.note(f"{self.name}: {verb} says {error!r:.80}")
            self.coming = self.wish
            raise
        self.life.note(f"{self.name}: {verb} is acknowledged")
        self.life.counts["acknowledged"] += 1
        self.wish = self.coming
        return found

    async def _say_more(self, submission: Submission, found: Any) -> Any:
        """What a lab wants to know: which sweep may be replaced, or whether one has grown to what is asked for."""
        while not found["taken"]:
            submission = replace(submission, replaces=found["folder"])
            if found["decision"].kind == "compare":
                record = await self.until("record", Handle(self.name), limit=OPEN_S + DURABLE_S)
                growth = grow(record, Design.loads(submission.design), submission.repeats)
                growth = replace(growth, segments=(), exact=growth.exact and not growth.segments)
                submission = replace(submission, growths=(growth,))
            found = await self.until("submit", submission, limit=OPEN_S + DURABLE_S)
        return found

    async def submit(self, variant: Variant, description: str = "", if_exists: str = "fail") -> None:
        before = self.wish
        wish = Wish(variant, False, before.locked and before.variant == variant, description)
        if before.variant == variant:
            wish = replace(wish, grown=before.grown)
        self.replaces = if_exists == "replace"
        try:
            answer = await self.change(wish, "submit", variant.submission(description, if_exists))
        except SweepExists:
            if before.variant is None or before.variant == variant or self.replaces:
                self.life.broken(f"{self.name} was refused, and nothing else of this name keeps it out")
            self.life.counts["refused"] += 1
            return
        except SweepLocked:
            if not before.locked:
                self.life.broken(f"{self.name} was called locked, and is not")
            return
        except NotebookDamaged as error:
            self.life.broken(f"{self.name}: {error}")
            return
        if answer["name"] != self.name:
            self.life.broken(f"{self.name} got the name {answer}")
        if before.variant not in (None, variant):
            self.life.counts["replaced" if self.replaces else "mended"] += 1
            if answer["folder"] == self.folder:
                self.life.broken(f"{self.name} is another sweep in the folder of the one before")
        self.folder = answer["folder"]
        self.variants[self.folder] = variant

    async def again(self) -> None:
        assert self.wish.variant is not None
        await self.submit(self.wish.variant, self.wish.description)

    async def policy(self) -> None:
        assert self.wish.variant is not None
        await self.submit(self.wish.variant, f"at {self.life.loop.now:.1f}")

    async def other(self) -> None:
        variant = draw_variant(self.life, self.name, self.user)
        assert self.wish.variant is not None
        if (variant.total, variant.order) == (self.wish.variant.total, self.wish.variant.order):
            return
        if Wish(variant).repeats == self.wish.repeats:  # what the sweep has grown to, so the same
            return
        if_exists = self.rng.choice(("fail", "replace", "replace"))
        await self.submit(variant, if_exists=if_exists)
        if if_exists == "fail" and self.wish.variant == variant:
            self.life.broken(f"{self.name} gave way to another design, and nobody said so")

    async def mend(self) -> None:
        assert self.wish.variant is not None
        before = self.wish.variant
        await self.submit(replace(before, version=before.version + 1, trial=replace(before.trial, bad=frozenset())))

    async def cancel(self) -> None:
        if not self.wish.locked:
            await self.change(replace(self.wish, cancelled=True), "cancel", self.handle, self.user)

    async def hold(self) -> None:
        """Nobody else lets it go on: it stands still, whatever becomes of the lab."""
        if self.wish.locked:
            return
        await self.change(self.wish, "pause", self.handle, self.user)
        self.life.counts["paused"] += 1
        await asyncio.sleep(self.rng.expovariate(1))
        _, (now,) = await self.look([self.handle])
        if now.outstanding and now.state not in ("paused", "cancelled"):
            self.life.broken(f"{self.name} was paused, and is {now}")

    async def let_go(self) -> None:
        await self.change(replace(self.wish, cancelled=False), "resume", self.handle, self.user)

    async def retune(self) -> None:
        """Another policy, without the code."""
        if not self.wish.locked:
            rng = self.rng
            words = {
                "priority": rng.choice((0, 1)),
                "max_concurrency": rng.choice((None, 1, 2)),
                "max_failures": rng.choice((None, 3, 0.5)),
            }
            await self.change(replace(self.wish, terms=tuple(words.items())), "change", self.handle, self.user, words)

    async def grow(self) -> None:
        """More points, more repeats, or both."""
        if self.wish.locked or self.wish.variant is None:
            return
        rng, first = self.rng, self.wish.variant
        size, repeats = rng.choice((1, 2, first.size, first.size + 3)), rng.choice((None, 1, 2, 3))
        record = await self.until("record", self.handle, limit=OPEN_S + DURABLE_S)
        growth = grow(record, Factorial(p=range(size)), repeats)
        counts = self.wish.repeats
        for p in range(size):
            counts[p] = max(counts.get(p, repeats or first.repeats), repeats or 0)
        coming = replace(self.wish, grown=tuple(counts.items()))
        if not await self.change(coming, "extend", self.handle, growth, self.user):
            self.life.broken(f"{self.name} did not take what nobody else extends")
        self.life.counts["grown"] += bool(growth.segments)

    async def lock(self) -> None:
        await self.change(replace(self.wish, locked=True), "lock", self.handle, self.user)

    @property
    def handle(self) -> Handle:
        return Handle(self.name, self.folder)

    def allows(self, found: Any) -> str:
        """What is wrong with a record in the light of what was acknowledged; nothing if it is one or the other."""
        wishes = [self.wish, self.coming]
        if any(_fits(found, wish) for wish in wishes):
            return ""
        return f"{self.name} should be {wishes}, and is {found}"


def _fits(found: Any, wish: Wish) -> bool:
    if found is None or wish.variant is None:
        return found is None and wish.variant is None
    variant = wish.variant
    same = (found.asked.size, found.asked.repeats, found.asked.order, found.user)
    return (
        same == (variant.size, variant.repeats, variant.order, variant.user)
        and variant.seed in (None, found.seed)
        and found.ingredients == variant.submission().ingredients
        and found.cancelled == wish.cancelled
        and found.locked == wish.locked
        and found.policy.description == wish.description
        and _repeats(found) == wish.repeats
        and all(getattr(found.policy, word) == value for word, value in wish.terms)
    )


def _repeats(record: SweepRecord) -> dict[int, int]:
    """How many repeats each p of a sweep has."""
    found: Counter[int] = Counter()
    for segment in record.segments:
        if not segment.selection:
            design = Design.loads(segment.design)
            points = block(segment, segment.first_position, segment.stop).points.tolist()
            found.update(design[point]["p"] for point in points)
    return dict(found)


class Reader(Client):
    """Looks on, waits for news, reads files, submits under others' names."""

    async def work(self) -> None:
        life, rng = self.life, self.rng
        seen: Any = (0, 0)
        while life.loop.now < life.horizon:
            await asyncio.sleep(rng.expovariate(0.5))
            try:
                match rng.randrange(6):
                    case 0:
                        await self.look()
                    case 1 | 2:
                        seen, _ = await self.look(seen=seen)
                    case 3:
                        await self._read()
                    case 4:
                        await self._intrude()
                    case 5:
                        await self._look_back()
            except RaylabError as error:
                life.broken(f"a reader met {error!r}")

    async def _read(self) -> None:
        with contextlib.suppress(LabUnavailable, LabFenced, Lost, NotebookDamaged):
            names = await self.once("names", "requests/journal", limit=OPEN_S + DURABLE_S)
            if names:
                await self.once("files", [f"requests/journal/{name}" for name in names], limit=OPEN_S + DURABLE_S)

    async def _look_back(self) -> None:
        """What was set aside has the rows that were counted, for ever."""
        owner = self.rng.choice(self.life.owners)
        if len(owner.variants) > 1:
            await self.look([Handle(f"{owner.name}~1"), Handle(owner.name)])

    async def _intrude(self) -> None:
        owner = self.rng.choice(self.life.owners)
        if owner.wish.variant is None:
            return
        variant = replace(owner.wish.variant, user="mallory", size=owner.wish.variant.size + 61)
        try:
            await self.once(
                "submit", variant.submission("", self.rng.choice(("fail", "replace"))), limit=OPEN_S + DURABLE_S
            )
        except (SweepExists, SweepLocked, LabUnavailable, LabFenced, Lost):
            return
        self.life.broken(f"mallory took the name {owner.name}")
