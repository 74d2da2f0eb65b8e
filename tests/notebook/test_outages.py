"""A disk that refuses for a while, or whose answers get lost: nothing false is said, and the same writer goes on."""

from __future__ import annotations

import errno
import random
from pathlib import Path

import pytest
from faulty import Faulty, Unplugged
from hazards import CODES, outage, watch
from lives import A, Claims, Life, check, points, read

from raylab.errors import NameRefused
from raylab.notebook.posix import PosixStore
from raylab.notebook.writer import Writer

pytestmark = pytest.mark.usefixtures("hasty")

EVERY = 61
SPARSE = 5


def operations(root: Path) -> list[str]:
    files = Faulty()
    Life(root, files).run()
    return files.names


def test_outages_at_every_operation_are_sat_out(tmp_path: Path, rounds: int) -> None:
    """Some outages in each life: by default at a third of the operations, in a long run at each, also alone."""
    for begin in random.Random(1).sample(range(EVERY), EVERY if rounds > 1 else EVERY // 3):
        length, after = (1, 3, 7)[begin % 3], begin % 2 == 1
        rng = random.Random(begin)
        outage(
            tmp_path / str(begin), rng, fail_at=begin, length=length, every=EVERY, after=after, code=CODES[begin % 5]
        )
    for number in range(1, rounds):
        for at in range(len(operations(tmp_path / f"whole{number}"))):
            turn = at + number
            outage(
                tmp_path / f"{number}-{at}",
                random.Random(turn),
                fail_at=at,
                length=(1, 3, 7)[turn % 3],
                code=CODES[turn // 3 % 5],
                after=turn // 15 % 2 == 1,
            )


def test_a_lost_reply_is_acknowledged_once(tmp_path: Path) -> None:
    """The link is made, but EEXIST or EIO comes back: over NFS the request was sent twice."""
    for begin in range(2 * SPARSE):
        code = errno.EEXIST if begin < SPARSE else errno.EIO
        how = {"only": "link", "every": SPARSE, "after": True, "code": code}
        outage(tmp_path / str(begin), random.Random(begin), fail_at=begin % SPARSE, **how)


def test_a_sync_that_failed_is_not_believed_when_it_is_asked_again(tmp_path: Path) -> None:
    for begin in range(SPARSE):
        outage(tmp_path / str(begin), random.Random(begin), fail_at=begin, only="sync", every=SPARSE, code=errno.EIO)


def test_a_folder_whose_sync_failed_is_synced_before_anything_relies_on_it(tmp_path: Path) -> None:
    """To make a notebook takes more than SPARSE of them, so they are sparser."""
    every = 7 * SPARSE
    for begin in range(0, every, 8):
        how = {"only": "sync_folder", "every": every, "code": errno.EIO}
        outage(tmp_path / f"o{begin}", random.Random(begin), fail_at=begin, **how)
        if begin % 16:
            watch(tmp_path / f"w{begin}", fail_at=begin + 2, **how)


@pytest.mark.parametrize("length", [1, 7])
def test_outages_leave_every_visible_file_whole_and_covered(tmp_path: Path, length: int) -> None:
    watch(tmp_path, fail_at=5, times=length, every=97, after=length == 1)


def test_what_is_sent_again_after_an_error_is_there_once(tmp_path: Path) -> None:
    """An error after the link: the rows are in. The same call again says so, and so does a lab that begins anew."""
    life = Life(tmp_path, Faulty())
    life.open()
    life.commit(A, 0)
    files = life.store.calls
    assert isinstance(files, Faulty)
    files.fail_at, files.after = files.count + 5, True  # create, write, sync, close, link, sync_folder
    with pytest.raises(OSError, match="sync_folder"):
        life.commit(A, 1)
    assert life.claims.doubtful[A] == [1]
    again = Life(tmp_path, Unplugged(), Claims(commits={A: [0, 1], "sweeps/b": []}))
    life.commit(A, 1)
    assert read(life.store, A) == points([0, 1])
    again.open()
    assert again.table(A).summary.positions == [(0, len(points([0, 1])))]
    check(tmp_path, again.claims)


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ETIMEDOUT])
def test_a_trouble_of_the_moment_is_not_taken_for_a_disk_without_links(tmp_path: Path, code: int) -> None:
    whole = Faulty()
    Writer(tmp_path / "whole", {}, PosixStore(tmp_path / "whole", whole)).establish("lab", "ada")
    for at in range(whole.count):
        files = Faulty(at, code=code)
        writer = Writer(tmp_path / str(at), {}, PosixStore(tmp_path / str(at), files))
        try:
            writer.establish("lab", "ada")
        except NameRefused as error:
            raise AssertionError(f"{whole.names[at]}: {error}") from error
        except OSError:
            writer.establish("lab", "ada")


def test_a_temporary_file_that_could_not_be_removed_goes_with_the_next_put(tmp_path: Path) -> None:
    store = PosixStore(tmp_path, Faulty())
    store.put("a/0", b"0", b"0")
    store.put("a/0", b"0", b"0")
    files = store.calls
    assert isinstance(files, Faulty)
    files.fail_at = files.count + 6  # unlink
    assert store.put("a/1", b"1", b"1")
    assert len(store.names("tmp")) == 1
    store.put("a/2", b"2", b"2")
    assert store.names("tmp") == []
