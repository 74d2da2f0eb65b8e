"""A sweep that is removed: at every operation, with deaths, outages, readers and rivals in between."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import removals
from removals import READERS, beside_a_reader, crashes, damaged_table, outages, stale_remover, stale_writer

pytestmark = pytest.mark.usefixtures("hasty", "in_pieces")


def moments(rounds: int, turn: int = 0) -> range:
    """Every moment in a long run, else each fifth one."""
    return range(10**9) if rounds > 1 else range(turn, 10**9, 5)


def test_death_at_every_operation_leaves_all_of_a_sweep_or_none(tmp_path: Path, rounds: int) -> None:
    assert crashes(tmp_path, None, moments(rounds)) > 10


def test_power_loss_at_every_operation_leaves_all_of_a_sweep_or_none(tmp_path: Path, rounds: int) -> None:
    for seed in range(rounds):
        assert crashes(tmp_path / str(seed), random.Random(seed), moments(rounds, turn=1)) > 10


def test_outages_at_every_operation_are_sat_out(tmp_path: Path, rounds: int) -> None:
    for at in range(0, 60, 1 if rounds > 1 else 7):
        outages(tmp_path / str(at), at, (1, 3)[at % 2], after=at % 4 == 0)


def test_readers_at_every_operation_find_all_of_a_sweep_or_hear_who_removed_it(tmp_path: Path) -> None:
    assert removals.readers(tmp_path) > 50


@pytest.mark.parametrize("reader", READERS)
def test_a_removal_at_every_operation_of_a_reader_is_not_taken_for_damage(
    tmp_path: Path, rounds: int, reader: str
) -> None:
    for number, steps in enumerate((10**9, 12, 20, 26, 32, 40)[: 2 + 4 * (rounds > 1)]):
        at = number
        while beside_a_reader(tmp_path / f"{steps}-{at}", reader, at, steps):
            at += 1 if rounds > 1 else 7
        assert at > 10


@pytest.mark.parametrize("story", [stale_writer, stale_remover])
def test_whoever_was_taken_over_at_any_operation_does_no_harm(
    tmp_path: Path, rounds: int, story: Callable[[Path, int], bool]
) -> None:
    at = 0
    while story(tmp_path / str(at), at):
        at += 1 if rounds > 1 else 29
    assert at > 50


def test_a_lost_request_does_not_bring_a_sweep_back(tmp_path: Path) -> None:
    removals.lost_request(tmp_path)


def test_a_copy_of_before_follows(tmp_path: Path) -> None:
    removals.repeated_copy(tmp_path)


def test_what_is_damaged_is_removed_as_well(tmp_path: Path, rounds: int) -> None:
    for seed in range(20 * rounds):
        damaged_table(tmp_path / str(seed), random.Random(seed))
