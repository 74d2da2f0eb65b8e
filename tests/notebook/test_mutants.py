"""The stories of this folder are worth something: with any of these mistakes in the code, one of them fails."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from pathlib import Path

import mistakes
import pytest
from hazards import crash_everywhere, outage, takeover, watch
from reading import read_along
from rivals import Odds, Rivalry, unsynced_part

pytestmark = pytest.mark.usefixtures("hasty")

Hazard = Callable[[Path], object]
Mistake = Callable[[pytest.MonkeyPatch], None]


def kills(folder: Path) -> None:
    crash_everywhere(folder, random.Random(1), kills=True, power_losses=0)


def power_losses(folder: Path) -> None:
    for seed in range(3):
        crash_everywhere(folder / str(seed), random.Random(seed), kills=False, power_losses=1)


def lost_replies(folder: Path) -> None:
    for begin in range(3):
        outage(
            folder / str(begin), random.Random(begin), fail_at=begin, only="link", every=3, after=True, code=errno.EIO
        )


def failing_syncs(folder: Path) -> None:
    for seed in range(20):
        outage(folder / str(seed), random.Random(seed), fail_at=seed % 4, only="sync", every=4, code=errno.EIO)


def failing_folder_syncs(folder: Path) -> None:
    for seed in random.Random(1).sample(range(31), 31):
        watch(folder / str(seed), fail_at=seed, only="sync_folder", every=31, code=errno.EIO)


def outages(folder: Path) -> None:
    for begin in range(0, 60, 3):
        outage(folder / str(begin), random.Random(begin), fail_at=begin, every=61)


def rivals(folder: Path) -> None:
    for seed in range(300):
        odds = Odds(switch=(0.02, 0.1, 0.4)[seed % 3], kill=0.003, look=0.02)
        Rivalry(folder / str(seed), random.Random(seed), odds).run()


def an_unsynced_part(folder: Path) -> None:
    for opening in (False, True):
        unsynced_part(folder / str(opening), opening=opening)


def takeovers(folder: Path) -> None:
    for chapter in range(3):
        for at in range(0, 250, 5):
            takeover(folder / f"{chapter}-{at}", at, chapter)


MUTANTS: list[tuple[Mistake, Hazard]] = [
    (mistakes.files_are_not_synced, power_losses),
    (mistakes.folders_are_not_synced, power_losses),
    (mistakes.a_rename_takes_the_place_of_the_link, rivals),
    (mistakes.files_are_written_under_their_own_names, kills),
    (mistakes.half_files_lie_among_the_rows, watch),
    (mistakes.a_taken_name_is_always_ours, rivals),
    (mistakes.a_taken_name_is_never_ours, lost_replies),
    (mistakes.a_name_that_was_there_is_taken_for_durable, failing_folder_syncs),
    (mistakes.a_failed_sync_is_tried_on_the_same_file, failing_syncs),
    (mistakes.half_files_stay, outages),
    (mistakes.a_commit_is_tried_again_with_other_bytes, lost_replies),
    (mistakes.a_commit_is_tried_again_under_the_next_number, rivals),
    (mistakes.an_error_is_taken_for_an_acknowledgement, outages),
    (mistakes.rows_are_acknowledged_before_they_are_put, rivals),
    (mistakes.an_opening_is_not_compared_with_the_end_of_the_table, rivals),
    (mistakes.sealing_deletes_openings, rivals),
    (mistakes.sealing_deletes_openings, watch),
    (mistakes.sealing_deletes_before_the_part_is_there, kills),
    (mistakes.sealing_deletes_before_the_parts_name_is_durable, an_unsynced_part),
    (mistakes.opening_deletes_before_the_parts_name_is_durable, an_unsynced_part),
    (mistakes.a_part_of_another_is_taken_for_all_of_the_journal, rivals),
    (mistakes.a_fenced_writer_forgets_it, rivals),
    (mistakes.a_lab_does_not_look_whether_the_notebook_is_its_own, takeovers),
    (mistakes.a_lab_from_which_a_table_was_taken_gives_up, takeovers),
    (mistakes.parts_are_listed_before_the_journal, read_along),
    (mistakes.a_journal_file_below_a_part_is_listed, read_along),
]


@pytest.mark.parametrize(
    ("mutant", "hazard"), MUTANTS, ids=[f"{mutant.__name__}-{hazard.__name__}" for mutant, hazard in MUTANTS]
)
def test_a_mistake_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mutant: Mistake, hazard: Hazard) -> None:
    with monkeypatch.context() as patch:
        mutant(patch)
        with pytest.raises(AssertionError):
            hazard(tmp_path)
