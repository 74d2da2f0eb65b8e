"""The stories of this folder are worth something: with any of these mistakes in the code, one of them fails."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mistakes
import pytest
from hazards import crash_everywhere, outage, takeover, watch
from reading import read_along
from removals import (
    Case,
    lost_requests,
    removal_kills,
    removal_readers,
    repeated_copies,
    stale_removers,
    stale_writers,
)
from rivals import Odds, Rivalry, unsynced_part
from wrong import Mistake, Wrong

pytestmark = pytest.mark.usefixtures("hasty", "in_pieces")

MOMENTS = 20

Hazard = Callable[[], Iterator[Case]]
"""What happens to a notebook, case by case; one that finds a broken promise raises an AssertionError."""


def kills() -> Iterator[Case]:
    yield from _crashes(kills=True, power_losses=0)


def power_losses() -> Iterator[Case]:
    yield from _crashes(kills=False, power_losses=2)


def _crashes(**how: Any) -> Iterator[Case]:
    """Some moments of a life, case by case."""
    for start in range(0, 600, MOMENTS):
        moments = range(start, start + MOMENTS)
        yield lambda folder, at=moments: crash_everywhere(folder, random.Random(at.start), moments=at, **how)


def lost_replies() -> Iterator[Case]:
    how = {"only": "link", "every": 3, "after": True, "code": errno.EIO}
    for begin in range(3):
        yield lambda folder, at=begin: outage(folder, random.Random(at), fail_at=at, **how)


def failing_syncs() -> Iterator[Case]:
    for begin in range(5):
        yield lambda folder, at=begin: outage(
            folder, random.Random(at), fail_at=at, only="sync", every=5, code=errno.EIO
        )


def failing_folder_syncs() -> Iterator[Case]:
    for at in range(27, 0, -9):  # it shows at eight of 31
        yield lambda folder, at=at: watch(folder, fail_at=at, only="sync_folder", every=31, code=errno.EIO)


def outages() -> Iterator[Case]:
    for begin in range(0, 60, 3):
        yield lambda folder, at=begin: outage(folder, random.Random(at), fail_at=at, every=61)


def one_life() -> Iterator[Case]:
    yield watch


def rivals() -> Iterator[Case]:
    for seed in range(300):
        odds = Odds(switch=(0.02, 0.1, 0.4)[seed % 3], kill=0.003, look=0.02)
        yield lambda folder, s=seed, odds=odds: Rivalry(folder, random.Random(s), odds).run()


def an_unsynced_part() -> Iterator[Case]:
    for opening in (False, True):
        yield lambda folder, opening=opening: unsynced_part(folder, opening=opening)


def takeovers() -> Iterator[Case]:
    for chapter in range(3):
        for at in range(0, 250, 5):
            yield lambda folder, at=at, chapter=chapter: takeover(folder, at, chapter)


def a_reader() -> Iterator[Case]:
    yield read_along


KNOWN = {
    mistakes.files_are_not_synced: 1,
    mistakes.folders_are_not_synced: 2,
    mistakes.an_opening_is_not_compared_with_the_end_of_the_table: 4,
    mistakes.sealing_deletes_before_the_part_is_there: 6,
    mistakes.a_part_of_another_is_taken_for_all_of_the_journal: 3,
    mistakes.a_lab_from_which_a_table_was_taken_gives_up: 17,
    mistakes.a_removal_puts_no_opening: 25,
    mistakes.the_opening_of_a_removal_is_not_compared_with_the_end_of_the_table: 76,
    mistakes.a_removal_ends_with_its_first_piece: 2,
    mistakes.code_is_deleted_without_a_look_whose_the_notebook_is: 50,
    mistakes.a_reader_does_not_ask_whether_a_sweep_was_removed: 13,
    mistakes.a_copy_does_not_ask_whether_a_sweep_was_removed: 66,
    mistakes.a_verification_does_not_ask_whether_a_sweep_was_removed: 53,
}
"""Which case finds a mistake, where it is not the first: it comes first then, and the others follow."""

MUTANTS: list[tuple[Mistake, Hazard]] = [
    (mistakes.files_are_not_synced, power_losses),
    (mistakes.folders_are_not_synced, power_losses),
    (mistakes.a_rename_takes_the_place_of_the_link, rivals),
    (mistakes.files_are_written_under_their_own_names, kills),
    (mistakes.half_files_lie_among_the_rows, one_life),
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
    (mistakes.sealing_deletes_openings, one_life),
    (mistakes.sealing_deletes_before_the_part_is_there, kills),
    (mistakes.sealing_deletes_before_the_parts_name_is_durable, an_unsynced_part),
    (mistakes.opening_deletes_before_the_parts_name_is_durable, an_unsynced_part),
    (mistakes.a_part_of_another_is_taken_for_all_of_the_journal, rivals),
    (mistakes.a_fenced_writer_forgets_it, rivals),
    (mistakes.a_lab_does_not_look_whether_the_notebook_is_its_own, takeovers),
    (mistakes.a_lab_from_which_a_table_was_taken_gives_up, takeovers),
    (mistakes.parts_are_listed_before_the_journal, a_reader),
    (mistakes.a_journal_file_below_a_part_is_listed, a_reader),
    (mistakes.a_removal_puts_no_opening, stale_writers),
    (mistakes.the_opening_of_a_removal_does_not_say_so, lost_requests),
    (mistakes.the_opening_of_a_removal_is_not_compared_with_the_end_of_the_table, stale_writers),
    (mistakes.a_removal_deletes_openings, removal_kills),
    (mistakes.a_removal_deletes_openings, stale_writers),
    (mistakes.a_removal_ends_with_its_first_piece, removal_kills),
    (mistakes.code_goes_with_its_first_user, removal_kills),
    (mistakes.code_is_deleted_without_a_look_whose_the_notebook_is, stale_removers),
    (mistakes.a_reader_does_not_ask_whether_a_sweep_was_removed, removal_readers),
    (mistakes.a_copy_does_not_ask_whether_a_sweep_was_removed, removal_readers),
    (mistakes.a_verification_does_not_ask_whether_a_sweep_was_removed, removal_readers),
    (mistakes.a_copy_keeps_what_was_removed, repeated_copies),
]


@pytest.mark.parametrize(
    ("mutant", "hazard"), MUTANTS, ids=[f"{mutant.__name__}-{hazard.__name__}" for mutant, hazard in MUTANTS]
)
def test_a_mistake_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mutant: Mistake, hazard: Hazard) -> None:
    """In a case in which all is well without it, and by what was put in."""
    cases = list(hazard())
    cases.insert(0, cases.pop(KNOWN.get(mutant, 0)))
    for number, case in enumerate(cases):
        with monkeypatch.context() as patch:
            wrong = Wrong(patch)
            mutant(wrong)
            try:
                case(tmp_path / str(number))
            except AssertionError:
                break
    else:
        pytest.fail("nobody notices it")
    wrong.check_called()
    with monkeypatch.context() as patch:
        mutant(Wrong(patch, settings_only=True))
        case(tmp_path / "right")
