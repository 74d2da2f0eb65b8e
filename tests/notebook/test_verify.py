"""Whatever a disk does to a notebook's files is found and named, and nothing of it is ever returned as data."""

from __future__ import annotations

import errno
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from faulty import Faulty
from harm import SWEEPS, Truth, files, harms, newest, notebook, store_of, truth
from polars.testing import assert_frame_equal
from tables import combine, opened, rows

from raylab.errors import LabNotFound, NotebookDamaged, VersionMismatch
from raylab.notebook import file as file_module
from raylab.notebook import layout, table_files, verify
from raylab.notebook.damage import Finding
from raylab.notebook.file import load
from raylab.notebook.posix import PosixStore
from raylab.notebook.table import Table
from raylab.offline import Notebook

pytestmark = pytest.mark.usefixtures("without_pauses")


ORPHANS = {f"sweeps/{name}" for name in SWEEPS}


@pytest.fixture
def lab(base: tuple[Path, Truth], tmp_path: Path) -> tuple[Path, Truth]:
    """A copy to do harm to, and the truth."""
    root = tmp_path / "lab"
    shutil.copytree(base[0], root)
    return root, base[1]


def findings(root: Path) -> list[Finding]:
    return verify.inspect(store_of(root)).findings


def assert_never_wrong(root: Path, told: Truth, prefix: bool = False) -> None:
    for name, frame in told.items():
        try:
            found = Notebook(root).results(name, status="all", metadata=True)
        except NotebookDamaged:
            continue
        except LookupError:
            if not prefix:  # what is damaged is not called missing
                raise
            continue
        whole = frame.sort("_seq")
        assert_frame_equal(found.sort("_seq"), whole.head(found.height) if prefix else whole)


def test_a_whole_notebook_has_no_findings(lab: tuple[Path, Truth]) -> None:
    root, told = lab
    found = Notebook(root).verify()
    assert found.is_empty()
    assert found.columns == ["file", "sweep", "what", "first_row", "rows", "trials"]
    inspection = verify.inspect(store_of(root))
    assert inspection.rows == sum(frame.height for frame in told.values())
    assert inspection.files == len(files(root)) - 1  # all but notebook.json


@pytest.mark.parametrize("seed", range(2))
def test_any_harm_to_any_file_is_named_and_never_returned(lab: tuple[Path, Truth], seed: int) -> None:
    root, told = lab
    rng = random.Random(seed)
    for file in files(root):
        good = (root / file).read_bytes()
        for how, sick in harms(good, rng):
            (root / file).write_bytes(sick)
            found = [each.file for each in findings(root)]
            assert found[0] == file, (file, how)
            # With a request its sweep is lost, and then a folder is nobody's.
            assert len(found) == 1 or (file.startswith("requests/") and set(found[1:]) <= ORPHANS), (file, how)
            assert_never_wrong(root, told)
        (root / file).write_bytes(good)
    assert findings(root) == []


def test_every_truncation_and_a_bit_of_every_byte(lab: tuple[Path, Truth]) -> None:
    """Of one file of each kind, as verifying reads it."""
    root, _ = lab
    store = store_of(root)
    rng = random.Random(1)
    kinds = {load(store.get(file), file).info.kind: file for file in files(root) if file.endswith(".arrow")}
    assert sorted(kinds) == ["data", "opening", "part"]
    for file in kinds.values():
        good = (root / file).read_bytes()
        for at in range(len(good)):
            sick = bytearray(good)
            sick[at] ^= 1 << rng.randrange(8)
            for data in (good[:at], bytes(sick)):
                with pytest.raises(NotebookDamaged):
                    load(data, file)


def test_a_removed_file_is_missed_by_its_neighbours(lab: tuple[Path, Truth]) -> None:
    root, told = lab
    for file in files(root):
        good = (root / file).read_bytes()
        (root / file).unlink()
        found = {each.file for each in findings(root)}
        assert_never_wrong(root, told, prefix=True)
        (root / file).write_bytes(good)
        if file in newest(root):
            continue
        if file.startswith("sweeps/") and "/journal/" not in file:
            # Nobody knows whether it was a part, or files of the journal; the opening that it covered is there.
            names = {file, file.replace("sealed/", "sealed/journal/"), "sweeps/sealed/journal/000000000002.arrow"}
            assert len(found) == 1, file
            assert found <= names, file
        elif file not in covered(root):
            assert file in found, file
            assert found - {file} <= ORPHANS, file
    assert findings(root) == []


def covered(root: Path) -> set[str]:
    """Openings that a part covers: their rows are none, and nothing misses them."""
    parts = verify.inspect(store_of(root)).tables["sweeps/sealed"].held
    last = max(info.last for info in parts if info.kind == "part")
    return {f"sweeps/sealed/journal/{number:012d}.arrow" for number in range(1, last + 1)}


def test_it_goes_on_after_the_first_finding(lab: tuple[Path, Truth]) -> None:
    root, _ = lab
    for file in files(root):
        (root / file).write_bytes(b"")
    assert {each.file for each in findings(root)} == set(files(root)) | ORPHANS


def journal(root: Path, sweep: str) -> list[Path]:
    return sorted((root / "sweeps" / sweep / "journal").iterdir())


def test_rows_and_trials_are_told(lab: tuple[Path, Truth]) -> None:
    root, told = lab
    part = sorted((root / "sweeps/sealed").glob("*.arrow"))[0]
    good = part.read_bytes()
    height = pl.read_ipc(part).height
    part.write_bytes(good[:-1])  # it still says at its beginning what it held
    (found,) = Notebook(root).verify().to_dicts()
    assert (found["sweep"], found["first_row"], found["rows"], found["trials"]) == ("sealed", 0, height, 4)
    part.write_bytes(b"")  # only its neighbours tell
    (found,) = Notebook(root).verify().to_dicts()
    assert (found["first_row"], found["rows"], found["trials"]) == (0, height, None)
    assert "empty" in found["what"]
    part.write_bytes(good)
    last = journal(root, "sealed")[-1]
    count = pl.read_ipc(last).height
    last.write_bytes(last.read_bytes()[:-1])
    (found,) = Notebook(root).verify().to_dicts()
    assert (found["first_row"], found["rows"], found["trials"]) == (told["sealed"].height - count, count, 2)
    last.write_bytes(b"")
    (found,) = Notebook(root).verify().to_dicts()
    assert (found["first_row"], found["rows"], found["trials"]) == (None, None, None)


@pytest.mark.parametrize("source", ["sweeps/plain", "sweeps/sealed"])
def test_a_whole_file_that_belongs_elsewhere_is_found(lab: tuple[Path, Truth], source: str) -> None:
    root, _ = lab
    target = journal(root, "plain")[1]
    shutil.copy(sorted((root / source / "journal").iterdir())[-1 if source == "sweeps/plain" else 1], target)
    assert [each.file for each in findings(root)] == [target.relative_to(root).as_posix()]
    with pytest.raises(NotebookDamaged, match=r"which is not what its name says|was written for sweeps/sealed"):
        Notebook(root).results("plain")


def test_a_copy_of_the_same_number_of_another_table_is_found(tmp_path: Path) -> None:
    """Same number, same first row, a sound checksum: only the name of the table tells."""
    one, two = (Table(PosixStore(tmp_path), name, {"host": "a"}) for name in ("one", "two"))
    for table in (one, two):
        table.open()
        table.commit(rows(1), {"n": 1})
    shutil.copy(tmp_path / "two/journal/000000000002.arrow", tmp_path / "one/journal/000000000002.arrow")
    with pytest.raises(NotebookDamaged, match=r"one/journal/000000000002\.arrow was written for two"):
        table_files.listing(PosixStore(tmp_path), "one")


def test_a_flipped_bit_in_what_a_part_says_about_itself_is_not_believed(lab: tuple[Path, Truth]) -> None:
    """A restart reads the parts' sums and not their rows: with other positions trials would never run."""
    root, _ = lab
    part = sorted((root / "sweeps/sealed").glob("*.arrow"))[0]
    good = part.read_bytes()
    for at in (good.index(b"positions"), good.rindex(b"positions")):
        digit = good.index(b"4", at)
        part.write_bytes(good[:digit] + b"5" + good[digit + 1 :])
        with pytest.raises(NotebookDamaged, match="at its beginning differs"):
            Notebook(root).progress()


def test_a_request_that_is_gone_without_a_trace_leaves_a_folder_that_nobody_asked_for(tmp_path: Path) -> None:
    notebook(tmp_path)
    for path in sorted((tmp_path / "requests/journal").iterdir())[2:]:
        path.unlink()
    found = {each.file: each for each in findings(tmp_path)}
    assert list(found) == ["sweeps/plain"]
    assert found["sweeps/plain"].sweep == "plain"


def test_a_missing_notebook_json_is_found_and_an_empty_folder_is_no_notebook(tmp_path: Path) -> None:
    with pytest.raises(LabNotFound, match="there is no notebook in"):
        findings(tmp_path)
    notebook(tmp_path)
    (tmp_path / layout.NOTEBOOK).unlink()
    assert [(each.file, each.what) for each in findings(tmp_path)] == [("notebook.json", "it is missing")]


def test_a_file_that_the_disk_does_not_give_is_a_finding(lab: tuple[Path, Truth]) -> None:
    class Sick(Faulty):
        def read(self, path: Path) -> bytes:
            if path.name == "000000000001.arrow" and path.parent.name == "sealed":
                raise OSError(errno.EIO, "Input/output error")
            return super().read(path)

    (found,) = verify.inspect(PosixStore(lab[0], Sick())).findings
    assert (found.file, found.what) == ("sweeps/sealed/000000000001.arrow", "it cannot be read: Input/output error")


@pytest.mark.parametrize("what", ["notebook", "file"])
def test_a_later_format_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    notebook(tmp_path)
    if what == "notebook":
        later = layout.Identity(id="a", name="lab", user="ada", created="x", raylab="9.1", version=2)
        (tmp_path / layout.NOTEBOOK).write_bytes(later.dumps())
    else:
        monkeypatch.setattr(file_module, "FORMAT", 2)
        number = len(journal(tmp_path, "plain")) + 1
        writer = {"raylab": "9.1"}
        table = Table(store_of(tmp_path), "sweeps/plain", writer)
        table.open()
        assert (tmp_path / f"sweeps/plain/journal/{number:012d}.arrow").exists()
        monkeypatch.setattr(file_module, "FORMAT", 1)
    needed = "has format 2, and this raylab reads up to 1; raylab 9.1 (made|wrote) it: install that one or a later one"
    with pytest.raises(VersionMismatch, match=needed):
        verify.inspect(store_of(tmp_path))
    with pytest.raises(VersionMismatch, match=needed):
        Notebook(tmp_path).results("plain")


# -- while somebody writes


class Meanwhile(PosixStore):
    """Something happens before one of its reads."""

    def __init__(self, root: Path, at: int, act: Callable[[], Any]) -> None:
        super().__init__(root)
        self.at, self.act, self.count = at, act, 0

    def get(self, path: str) -> bytes:
        self.count += 1
        if self.count == self.at:
            self.act()
        return super().get(path)

    def names(self, folder: str) -> list[str]:
        self.count += 1
        if self.count == self.at:
            self.act()
        return super().names(folder)


def test_a_living_writer_makes_no_finding(tmp_path: Path) -> None:
    """It commits and seals before each of the reads."""
    at = 0
    while True:
        at += 1
        root = tmp_path / str(at)
        for host in "ab":  # the second opening stays, when a seal takes away what is around it
            table = opened(root, host)
            for k in range(2):
                table.commit(rows(k), {"n": 1})

        def write(table: Table = table) -> None:
            table.commit(rows(9), {"n": 1})
            table.seal(combine)
            table.commit(rows(9), {"n": 1})

        store = Meanwhile(root, at, write)
        assert verify.examine(store, "t").findings == ()
        if store.count < at:
            break
    assert at > 5


def test_the_way_out_is_named(lab: tuple[Path, Truth]) -> None:
    root, _ = lab
    journal(root, "plain")[1].write_bytes(b"")
    with pytest.raises(NotebookDamaged, match="`raylab copy OLD NEW --salvage`"):
        Notebook(root).results("plain")
    journal(root, "plain")[1].unlink()
    with pytest.raises(NotebookDamaged, match="`raylab copy OLD NEW --salvage`"):
        Notebook(root).results("plain")
    (root / layout.NOTEBOOK).write_bytes(b"{}")
    with pytest.raises(NotebookDamaged, match=re.escape(f"`raylab copy {root} NEW --salvage`")):
        Notebook(root)


def test_the_truth_is_read_the_same_twice(lab: tuple[Path, Truth]) -> None:
    for name, frame in truth(lab[0]).items():
        assert_frame_equal(frame, lab[1][name])
