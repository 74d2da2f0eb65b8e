"""The lab's verbs: a handle means one sweep, and nothing that was acknowledged goes away without being told to."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sweeps import WHO, Bench
from verbs import SUBMISSION, NoNodes, S, Verbs, until

from raylab.core.design import Factorial
from raylab.core.handle import Handle
from raylab.core.request import Submission
from raylab.errors import LabUnavailable, RaylabError, SweepExists, SweepLocked, SweepNotFound
from raylab.offline import Notebook

FIXED = replace(SUBMISSION, ingredients={"function f": "source 2"})
OTHER = replace(SUBMISSION, repeats=3)


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Plays a story with a lab on the notebook in `tmp_path / "lab"`, and closes it."""
    monkeypatch.setenv("RAYLAB_HOME", str(tmp_path / "labs"))

    def play(story: Callable[[Verbs], Awaitable[None]]) -> None:
        async def whole() -> None:
            lab = Verbs(tmp_path / "lab")
            await story(lab)
            await lab.close(True)

        asyncio.run(whole())

    return play


async def replaced(lab: Verbs, submission: Submission) -> dict[str, Any]:
    """As a client does it: it learns which sweep it is that goes, and says so."""
    asked = replace(submission, if_exists="replace")
    first = await lab.submit(asked)
    assert not first["taken"]
    return await lab.submit(replace(asked, replaces=first["folder"]))


async def fails(call: Awaitable[Any], kind: type[RaylabError], *words: str) -> None:
    with pytest.raises(kind) as caught:
        await call
    for word in words:
        assert word in str(caught.value), str(caught.value)


def recorded(root: Path, experiment: Any, count: int = 5) -> None:
    """A sweep `s` with so many rows."""
    bench = Bench(root)
    bench.submit("s", experiment, Factorial(p=range(5)))
    bench.run("s", 0, count)


def raises(p: int) -> dict[str, int]:
    raise ValueError("a bug")


def test_a_sweep_of_which_nothing_is_done_yet_gives_way_to_nothing(told: Any) -> None:
    async def story(lab: Verbs) -> None:
        made = await lab.submit(SUBMISSION)
        for other in (OTHER, FIXED, replace(FIXED, seed=9)):
            await fails(lab.submit(other), SweepExists, "another name with name=", "if_exists='replace'", "'s~1'")
        (counts,) = await lab.overview([Handle("s", made["folder"])])
        assert (counts.total, counts.waiting) == (5, 5)
        again = await lab.submit(SUBMISSION)
        assert (again["folder"], again["taken"]) == (made["folder"], True)

    told(story)


def test_one_of_which_something_failed_and_nothing_is_done_gives_way_to_its_mended_source(
    told: Any, tmp_path: Path
) -> None:
    recorded(tmp_path / "lab", raises, 2)

    async def story(lab: Verbs) -> None:
        await fails(lab.submit(replace(FIXED, repeats=2)), SweepExists)
        await fails(lab.submit(replace(FIXED, user="bob")), SweepExists, "only ada can")
        made = await lab.submit(FIXED)
        assert (made["taken"], made["folder"]) == (True, "sweeps/s~2")
        assert "The rows of that one are read as 's~1'" in made["decision"].remark
        old, new = await lab.overview([Handle("s~1"), S])
        assert (old.failed, old.cancelled, old.waiting) == (2, 3, 0)
        assert (new.failed, new.waiting) == (0, 5)

    told(story)


def test_one_of_which_something_is_done_does_not(told: Any, tmp_path: Path) -> None:
    recorded(tmp_path / "lab", lambda p: raises(p) if p else {"x": 1})

    async def story(lab: Verbs) -> None:
        (counts,) = await lab.overview([S])
        assert (counts.done, counts.failed) == (1, 4)
        await fails(lab.submit(FIXED), SweepExists, "function f: newly used")

    told(story)


def test_a_replaced_sweep_keeps_its_rows_and_is_read_by_its_number_also_after_a_restart(
    told: Any, tmp_path: Path
) -> None:
    recorded(tmp_path / "lab", lambda p: {"x": p}, 3)
    first = Handle("s", "sweeps/s")

    async def look(lab: Verbs) -> None:
        record = await lab.record(Handle("s~1"))
        assert (record.folder, record.replaced.user) == ("sweeps/s", "ada")
        (counts,) = await lab.overview([Handle("s~1", "sweeps/s")])
        assert (counts.state, counts.done, counts.cancelled, counts.rows) == ("cancelled", 3, 2, 3)
        assert [each.name for each in await lab.overview(None)] == ["s"]
        for verb in (lab.overview([first]), lab.record(first), lab.news([first], None, 0.0)):
            await fails(verb, SweepNotFound, "was replaced by ada at 20", "UTC; its rows are read as 's~1'")
        for verb in (lab.cancel(first, "ada"), lab.lock(first, "ada")):
            await fails(verb, SweepNotFound, "was replaced by ada")
        for verb in (lab.cancel(Handle("s~1"), "ada"), lab.lock(Handle("s~1"), "ada")):
            await fails(
                verb, SweepLocked, "'s~1' was set aside for another 's', by ada at 20", "only its rows are read"
            )
        assert Notebook(tmp_path / "lab").results("s~1").height == 3

    async def story(lab: Verbs) -> None:
        made = await replaced(lab, OTHER)
        assert (made["folder"], made["taken"]) == ("sweeps/s~2", True)
        assert made["decision"].remark.endswith("The rows of that one are read as 's~1'")
        await look(lab)

    told(story)
    told(look)


def test_whoever_waits_for_a_sweep_hears_at_once_that_it_was_replaced(told: Any) -> None:
    async def story(lab: Verbs) -> None:
        made = await lab.submit(SUBMISSION)
        handle = Handle("s", made["folder"])
        mark, _ = await lab.news([handle], None, 0.0)

        async def wait(mark: Any) -> None:
            while True:  # there may be other news before
                mark, _ = await lab.news([handle], mark, 20.0)

        poll = asyncio.create_task(wait(mark))
        await asyncio.sleep(0)
        await replaced(lab, OTHER)
        async with asyncio.timeout(10):
            await fails(poll, SweepNotFound, "was replaced by ada")

    told(story)


def test_a_call_that_is_repeated_does_not_hit_the_successor(told: Any) -> None:
    async def story(lab: Verbs) -> None:
        made = await lab.submit(SUBMISSION)
        asked = replace(OTHER, if_exists="replace", replaces=made["folder"])
        second = await lab.submit(asked)
        third = replace(SUBMISSION, repeats=7, if_exists="replace", replaces=second["folder"])
        await lab.submit(third)
        await fails(lab.submit(asked), SweepExists, "was replaced meanwhile, by ada at 20", "submit again")
        await fails(lab.cancel(Handle("s", second["folder"]), "ada"), SweepNotFound)
        (counts,) = await lab.overview([S])
        assert (counts.total, counts.cancelled) == (35, 0)
        assert (await lab.submit(third))["taken"], "the same again is the sweep that is there"

    told(story)


def test_what_may_not_be_replaced_is_not(told: Any) -> None:
    async def story(lab: Verbs) -> None:
        await lab.submit(SUBMISSION)
        await fails(lab.submit(replace(OTHER, if_exists="replace", user="bob")), SweepExists, "only ada can")
        await lab.lock(S, "ada")
        await fails(lab.submit(replace(OTHER, if_exists="replace")), SweepLocked, "another name with name=")
        await fails(lab.submit(OTHER), SweepExists, "locked")
        await fails(lab.cancel(S, "ada"), SweepLocked, "it runs to its end", "another name with name=")
        other = replace(SUBMISSION, policy=replace(SUBMISSION.policy, retries=3))
        await fails(lab.submit(other), SweepLocked, "its policy", "lab.sweep('s') gives it")
        await fails(lab.overview([Handle("s"), Handle("t")]), SweepNotFound, "no sweep 't'; its sweeps: 's'")

    told(story)


def test_a_loop_makes_a_sweep_for_each_value_and_finds_them_again(told: Any) -> None:
    async def story(lab: Verbs) -> None:
        names = []
        for _ in range(2):
            for k in (1, 10, 100):
                code = {"function f": "source 1", "default k of f": str(k)}
                made = await lab.submit(replace(SUBMISSION, name=None, seed=None, ingredients=code))
                names.append(made["name"])
        assert names == ["f", "f-2", "f-3"] * 2
        assert len({each.folder for each in await lab.overview(None)}) == 3

    told(story)


def test_what_runs_of_a_replaced_sweep_is_stopped_by_force(told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    launched: list[int] = []
    stopped: list[int] = []
    monkeypatch.setattr(NoNodes, "nodes", lambda self: {"here": {"CPU": 2.0}})
    monkeypatch.setattr(NoNodes, "launch", lambda self, order, *_: launched.append(order.lease))
    monkeypatch.setattr(NoNodes, "stop", lambda self, lease: stopped.append(lease))

    async def story(lab: Verbs) -> None:
        await lab.submit(SUBMISSION)
        await until(lambda: launched)
        before = list(launched)
        await replaced(lab, OTHER)
        assert stopped == before

    told(story)


def test_what_a_disk_says_is_told_as_a_sentence(told: Any) -> None:
    async def fails() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def story(lab: Verbs) -> None:
        with pytest.raises(LabUnavailable) as caught:
            await lab._durably(fails())
        assert str(caught.value) == "the notebook's disk says: No space left on device. It is safe to ask again"

    told(story)


def test_a_disk_that_fails_loses_no_sweep_that_is_to_be_replaced(told: Any, tmp_path: Path) -> None:
    """Until its row is durable nothing has been replaced, and then it has, once."""

    async def story(lab: Verbs) -> None:
        made = await lab.submit(SUBMISSION)
        lab.disk.asked.clear()
        lab.disk.free.clear()
        asked = replace(OTHER, if_exists="replace", replaces=made["folder"])
        calls = [asyncio.create_task(lab.submit(asked)) for _ in range(3)]
        await until(lab.disk.asked.is_set)
        (counts,) = await lab.overview([Handle("s", made["folder"])])
        assert counts.total == 5
        lab.disk.free.set()
        answers = await asyncio.gather(*calls)
        assert {answer["folder"] for answer in answers} == {"sweeps/s~2"}

    told(story)
    records = Notebook(tmp_path / "lab")._records()
    assert list(records.aside) == ["s~1"]
    assert WHO["user"] == records["s"].user
