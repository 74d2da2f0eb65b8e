"""A lab that dies or loses power at any moment: what was acknowledged is there once, the rest whole or not at all.

Where the invariants of a notebook are shown on the real code:

1, 2   what was acknowledged survives, once, in order, whole ...... here (model), test_kill (processes)
3      a visible file is whole at every instant ................... here (Witness)
4      parts alone are a beginning of the truth, which polars sees  here, after each crash and at each operation
5      parts and openings stay; a commit goes once it is covered .. here, test_outages (Witness)
6      two writers and more: only the later acknowledges .......... test_rivals
7      damage at rest ............................................. test_file, test_listing, test_verify
8      a disk that refuses ........................................ test_outages (model), test_full_disk (real)
9      a reply that is lost ....................................... test_outages
10     the same batch sent again .................................. test_outages, and each `lives.check`; test_ledger
11     rows of any shape .......................................... test_schema, test_columns, test_frames
12     what no commit holds is outstanding ........................ each `lives.check`
13     readers beside the writer .................................. test_readers
14     mutants of the code are caught ............................. test_mutants
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest
from faulty import Faulty
from hazards import Crash, Disk, crash_again_and_again, crash_everywhere, watch
from lives import WHO, Claims
from rivals import unsynced_part

from raylab.notebook import layout
from raylab.notebook.posix import PosixStore
from raylab.notebook.writer import Writer

pytestmark = pytest.mark.usefixtures("hasty")


def moments(rounds: int, turn: int = 0) -> range:
    """Every moment of a life in a long run, else each third one."""
    return range(sys.maxsize) if rounds > 1 else range(turn, sys.maxsize, 3)


def test_death_at_every_operation_keeps_what_was_acknowledged(tmp_path: Path, rounds: int) -> None:
    disk = crash_everywhere(tmp_path, random.Random(0), kills=True, power_losses=0, moments=moments(rounds))
    assert disk.images > 50


def test_power_loss_at_every_operation_keeps_what_was_acknowledged(tmp_path: Path, rounds: int) -> None:
    images = 0
    for seed in range(rounds):
        rng, when = random.Random(seed), moments(rounds, turn=1)
        images += crash_everywhere(tmp_path / str(seed), rng, kills=False, power_losses=1, moments=when).images
    print(f"power losses: {images}")
    assert images > 50 * rounds


def test_crash_after_crash_also_during_recovery_keeps_what_was_acknowledged(tmp_path: Path, rounds: int) -> None:
    for seed in range(5 * rounds):
        crash_again_and_again(tmp_path / str(seed), random.Random(seed), 8)


def test_at_every_moment_files_are_whole_and_unchanged_and_all_readers_agree(tmp_path: Path) -> None:
    assert watch(tmp_path).looks > 400


def test_a_notebook_that_is_found_after_a_crash_is_made_durable(tmp_path: Path) -> None:
    """Whoever made it died after `notebook.json` was linked and before its name was durable."""
    disk = Disk(tmp_path)
    files = Faulty(under=disk.model)

    def die(number: int, name: str) -> None:
        if name == "sync_folder" and (disk.lab / layout.NOTEBOOK).exists():
            raise Crash

    files.hook = die
    with pytest.raises(Crash):
        Writer(disk.lab, WHO, PosixStore(disk.lab, files)).establish("lab", "ada")
    files.hook = None
    found = Writer(disk.lab, WHO, PosixStore(disk.lab, files)).establish("lab", "ada")
    disk.check(disk.model.lost(random.Random(0), kept=0.0), Claims(identity=found.id))


@pytest.mark.parametrize("opening", [False, True], ids=["the same writer seals again", "another is just opening"])
def test_a_part_whose_name_was_not_made_durable_covers_nothing_yet(tmp_path: Path, opening: bool) -> None:
    unsynced_part(tmp_path, opening=opening)
