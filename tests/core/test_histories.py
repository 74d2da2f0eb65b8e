"""The faults of the past, as the ledger met them: their events are played again, and the same must be done about them.

`python tests/core/test_histories.py` records the histories anew, from the stories below; what then differs was meant.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
sys.path.insert(0, str(Path(__file__).parents[1]))  # for who runs it by hand

from core.histories import FOLDER, Recording, dumps, loads
from core.records import resized
from core.test_ledger import Story, finish, one, only

from raylab.core.events import Launch, PressureChanged, SweepDropped, Ticked
from raylab.core.ledger import Ledger


def a_lost_node_blamed_its_trials(story: Story) -> None:
    """Ray ran the leases of a node that was gone again by itself, and their ends looked like deaths."""
    launches = story.open(12, slots=2)
    for launch in launches:
        story.start(launch)
    for launch in launches:
        story.end(launch, "lost", "its node is gone")
    finish(story)


def leases_not_begun_waited_at_the_door_of_a_dead_node(story: Story) -> None:
    first, *waiting = story.open(12, slots=2)
    story.start(first)
    story.tell(resized(s=1))
    for launch in waiting:
        story.end(launch, "lost", "its node is gone")
    finish(story)


def innocents_crashed_with_the_lab(story: Story) -> None:
    """Each restart counted a run of which nobody knew the end."""
    for runs in range(4):
        launches = story.open(3, slots=1, **({"strikes": story.strikes} if runs else {}))
        story.start(launches[0])
        if runs:
            story.end(launches[0], "died")
        story.tell(SweepDropped(sweep="s"))
        story.out.clear()
    story.open(3, slots=1, strikes=story.strikes)
    finish(story)


def a_cancel_undid_the_submit_after_it(story: Story) -> None:
    launch, *_ = story.open(6, slots=1)
    story.start(launch)
    story.cancel()
    story.resume()
    story.batch(launch, 0, 1)
    story.end(launch, "stopped")
    story.commit(0, 1)
    finish(story)


def sweeps_of_one_node_starved_the_sixth(story: Story) -> None:
    for name in "abcdef":
        story.open(6, sweep=name, slots=2)
    finish(story)


def rows_for_a_table_that_was_gone_ran_twice(story: Story) -> None:
    launch, *_ = story.open(4, slots=1)
    story.start(launch)
    story.batch(launch, 0, 1)
    story.tell(SweepDropped(sweep="s"))
    story.out.clear()
    story.open(4, slots=1)
    story.commit(0, 1)  # of the table before
    story.batch(launch, 1, 1)
    story.end(launch)
    finish(story)


def a_full_disk_let_a_silent_lease_look_dead(story: Story) -> None:
    launch, *_ = story.open(4, slots=1, time_limit=10.0)
    story.start(launch)
    story.limit(5.0)
    story.tell(PressureChanged(high=True))
    story.now += 100.0
    story.tell(Ticked())
    story.tell(PressureChanged(high=False))
    finish(story)


STORIES: list[Callable[[Story], None]] = [
    a_lost_node_blamed_its_trials,
    leases_not_begun_waited_at_the_door_of_a_dead_node,
    innocents_crashed_with_the_lab,
    a_cancel_undid_the_submit_after_it,
    sweeps_of_one_node_starved_the_sixth,
    rows_for_a_table_that_was_gone_ran_twice,
    a_full_disk_let_a_silent_lease_look_dead,
]


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.jsonl")))
def test_a_fault_of_the_past_is_met_as_it_was(name: str) -> None:
    ledger = Ledger()
    for now, event, orders in loads((FOLDER / f"{name}.jsonl").read_text("utf-8")):
        assert ledger.handle(event, now) == orders, "\n".join(ledger.story())
        ledger.check()


def test_each_story_has_its_history() -> None:
    assert {path.stem for path in FOLDER.glob("*.jsonl")} == {story.__name__ for story in STORIES}


def test_a_history_that_differs_is_noticed() -> None:
    history = loads((FOLDER / "a_lost_node_blamed_its_trials.jsonl").read_text("utf-8"))
    assert one(Launch, only(Launch, history[0][2])[:1]).start == 0
    ledger = Ledger()
    ledger.handle(history[0][1], 0.0)
    assert ledger.handle(history[1][1], 0.0) == history[1][2]
    assert ledger.handle(history[1][1], 0.0) == [], "said twice, it is no news"


def record() -> None:
    """Write the histories of the stories."""
    for told in STORIES:
        story = Story()
        story.ledger = ledger = Recording()
        story.beat = 0.5
        told(story)
        assert all(queue.complete for queue in ledger.queues.values()), told.__name__
        (FOLDER / f"{told.__name__}.jsonl").write_text(dumps(ledger.history), "utf-8")


if __name__ == "__main__":
    record()
