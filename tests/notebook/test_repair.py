"""A repaired notebook reads again, without anything wrong in it, and what was lost runs again."""

from __future__ import annotations

import contextlib
import random
import shutil
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from faulty import Faulty, Unplugged
from harm import SWEEPS, Truth, files, go_on, harms, made, newest, store_of
from polars.testing import assert_frame_equal
from sweeps import WHO, Bench
from tables import combine

from raylab.core.design import Factorial
from raylab.core.request import fold
from raylab.errors import LabFenced, NotebookDamaged
from raylab.notebook import layout, table_files
from raylab.notebook.damage import UNKNOWN_ROWS
from raylab.notebook.frames import updates
from raylab.notebook.notebook import Files, Notebook
from raylab.notebook.repair import Repair, repair
from raylab.notebook.store import Store
from raylab.notebook.table import Table
from raylab.notebook.table_files import Known
from raylab.notebook.writer import Writer

ME = {"user": "grace", "actor": "raylab repair", "raylab": "0"}


pytestmark = pytest.mark.usefixtures("without_pauses")


@pytest.fixture
def lab(base: tuple[Path, Truth], tmp_path: Path) -> tuple[Path, Truth]:
    root = tmp_path / "lab"
    shutil.copytree(base[0], root)
    return root, base[1]


def mend(root: Path) -> Repair:
    return repair(store_of(root), ME)


def journal(root: Path, sweep: str) -> list[Path]:
    return sorted((root / "sweeps" / sweep / "journal").iterdir())


def trials(frame: pl.DataFrame) -> set[tuple[int, int]]:
    return set(frame.select("_point", "_repeat").rows())


VALUES = ["p", "x", "step", "_point", "_repeat", "_attempt", "_status", "_seed", "_error"]


def values(frame: pl.DataFrame) -> pl.DataFrame:
    """What a trial brings whenever it runs."""
    return frame.select([name for name in VALUES if name in frame.columns]).sort("_point", "step")


def assert_mended(root: Path, told: Truth, whole: Truth) -> None:
    """Nothing is wrong; what is there is true; what is not is outstanding; the lab goes on to the end."""
    assert Notebook(root).verify().is_empty()
    for name, frame in told.items():
        if name not in Notebook(root)._records():  # with its request
            continue
        found = Notebook(root).results(name, status="all", metadata=True)
        true = frame.filter(pl.col("_seq").is_in(found["_seq"].to_list()))
        assert_frame_equal(found, true.select(found.columns))  # results that nobody has any more have no column
        assert found.height == 0 or found.columns == frame.columns
        now = Notebook(root).progress(name)
        assert now.ready == len(trials(found))
        assert now.waiting == SWEEPS[name].size - now.ready
        late = go_on(root, name)
        assert_frame_equal(values(late), values(whole[name]))
        assert late["_seq"].is_unique().all()
        again = late.filter(~pl.col("_seq").is_in(found["_seq"].to_list()))
        assert not set(again["_seq"].to_list()) & set(frame["_seq"].to_list()), "a `_seq` that was seen is given once"
    assert Notebook(root).verify().is_empty()


@pytest.fixture(scope="module")
def whole(base: tuple[Path, Truth], tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """What the sweeps bring when nothing happens."""
    root = tmp_path_factory.mktemp("to the end") / "lab"
    shutil.copytree(base[0], root)
    return {name: go_on(root, name) for name in SWEEPS}


def test_a_whole_notebook_is_left_alone(lab: tuple[Path, Truth]) -> None:
    root, _ = lab
    before = files(root)
    assert mend(root).was_whole
    assert files(root) == before


def test_any_harm_to_any_file_is_mended(base: tuple[Path, Truth], whole: Truth, tmp_path: Path) -> None:
    rng = random.Random(3)
    for count, file in enumerate(files(base[0])):
        good = (base[0] / file).read_bytes()
        some = rng.choice(list(harms(good, rng)))
        chosen = [("emptied", b"") if file in newest(base[0]) else ("removed", None), some]
        for how, sick in chosen:
            root = tmp_path / f"{count} {how}"
            shutil.copytree(base[0], root)
            if sick is None:
                (root / file).unlink()
            else:
                (root / file).write_bytes(sick)
            report = mend(root)
            assert report.left == [], (file, how)
            if sick is not None:
                (aside,) = [path for path in files(root) if path.startswith(f"damaged/{file}.")]
                assert (root / aside).read_bytes() == sick
                assert any(aside in line for line in report.done)
            assert_mended(root, base[1], whole)
            shutil.rmtree(root)


def test_all_files_harmed_at_once(lab: tuple[Path, Truth], whole: Truth) -> None:
    root, told = lab
    for file in files(root):
        if file.startswith("sweeps/"):
            (root / file).write_bytes(b"\0" * 100)
    assert mend(root).left == []
    assert_mended(root, told, whole)
    assert min(Notebook(root).results("sealed", status="all", metadata=True)["_seq"].to_list()) >= UNKNOWN_ROWS


@pytest.mark.parametrize("which", ["a part", "the newest", "a request and an opening", "the code", "notebook.json"])
def test_a_repair_killed_anywhere_is_completed_by_the_next(
    base: tuple[Path, Truth], whole: Truth, tmp_path: Path, which: str
) -> None:
    def harmed(name: str) -> Path:
        root = tmp_path / name
        shutil.copytree(base[0], root)
        sick = {
            "a part": ["sweeps/sealed/000000000001.arrow"],
            "the newest": sorted(newest(root))[2:],
            "a request and an opening": [
                "requests/journal/000000000003.arrow",
                "sweeps/sealed/journal/000000000001.arrow",
            ],
            "the code": [path for path in files(root) if path.startswith("code/")],
            "notebook.json": ["notebook.json"],
        }[which]
        for path in sick:
            (root / path).write_bytes((root / path).read_bytes()[:-1])
        return root

    counted = Faulty()
    repair(Store(harmed("counted"), counted), ME)
    # Between these nothing changes but temporary files; before the next is after the last.
    changing = [at for at, name in enumerate(counted.names) if name in {"link", "unlink", "mkdir"}]
    assert len(changing) > 5
    for at in changing:
        root = harmed(str(at))
        with contextlib.suppress(OSError):
            repair(Store(root, Faulty(at, times=10_000)), ME)
        assert mend(root).left == []
        assert mend(root).was_whole
        aside = [path for path in files(root) if path.startswith("damaged/")]
        assert all(path.endswith(".1") for path in aside), "once is enough"
        if at in changing[::7]:
            assert_mended(root, base[1], whole)
        shutil.rmtree(root)


def test_a_living_lab_is_fenced(tmp_path: Path) -> None:
    bench = Bench(tmp_path, store=store_of(tmp_path))
    bench.submit("plain", made(), SWEEPS["plain"])
    bench.run("plain", 0, 1)
    bench.run("plain", 1, 2)
    journal(tmp_path, "plain")[1].write_bytes(b"")
    assert mend(tmp_path).left == []
    with pytest.raises(LabFenced, match="actor raylab repair"):
        bench.run("plain", 2, 3)
    with pytest.raises(LabFenced, match="actor raylab repair"):
        bench.writer.add([])
    assert Notebook(tmp_path).progress("plain").ready == 1


@pytest.mark.parametrize("readable", [True, False])
def test_a_seq_that_a_client_may_have_seen_is_not_given_out_again(tmp_path: Path, readable: bool) -> None:
    """The newest file is damaged. Its beginning says how far it went; if that is gone too, nobody knows."""
    bench = Bench(tmp_path, store=store_of(tmp_path))
    bench.submit("plain", made(), SWEEPS["plain"])
    bench.run("plain", 0, 2)
    bench.run("plain", 2, 4)
    seen = Notebook(tmp_path).results("plain", status="all", metadata=True)["_seq"].sort()
    last = journal(tmp_path, "plain")[-1]
    last.write_bytes(last.read_bytes()[:-1] if readable else b"")
    assert mend(tmp_path).left == []
    kept = Notebook(tmp_path).results("plain", status="all", metadata=True)["_seq"].sort()
    late = go_on(tmp_path, "plain")["_seq"].sort()
    assert late[kept.len()] == (seen.len() if readable else kept.len() + UNKNOWN_ROWS)
    assert late.is_unique().all()


def test_a_part_that_says_nothing_and_has_nothing_above_it_frees_no_number(tmp_path: Path) -> None:
    bench = Bench(tmp_path, store=store_of(tmp_path))
    table = bench.submit("plain", made(), SWEEPS["plain"]).table
    bench.run("plain", 0, 2)
    bench.run("plain", 2, 4)
    bench.seal("plain")
    (tmp_path / "sweeps/plain/000000000001.arrow").write_bytes(b"")
    assert mend(tmp_path).left == []
    later = Table(store_of(tmp_path), "sweeps/plain", WHO)
    assert later.open().number > 1_000 * table.number
    assert later.seq == UNKNOWN_ROWS
    assert mend(tmp_path).was_whole


def test_what_a_seal_left_behind_saves_a_damaged_part(tmp_path: Path) -> None:
    bench = Bench(tmp_path, store=store_of(tmp_path))
    bench.submit("plain", made(), SWEEPS["plain"])
    bench.run("plain", 0, 2)
    bench.run("plain", 2, 4)
    told = Notebook(tmp_path).results("plain", status="all", metadata=True)
    left = {path: path.read_bytes() for path in journal(tmp_path, "plain")}
    bench.seal("plain")
    part = tmp_path / "sweeps/plain/000000000001.arrow"
    for path, data in left.items():
        path.write_bytes(data)
    part.write_bytes(part.read_bytes()[:-1])
    assert mend(tmp_path).left == []
    assert_frame_equal(Notebook(tmp_path).results("plain", status="all", metadata=True), told)


def test_what_was_lost_stays_left_out_when_the_journal_is_sealed(lab: tuple[Path, Truth]) -> None:
    root, told = lab
    target = journal(root, "plain")[1]
    gone = pl.read_ipc(target)["_seq"].to_list()
    target.write_bytes(b"")
    mend(root)
    table = Table(store_of(root), "sweeps/plain", WHO)
    table.open()
    info = table.commit(pa.table({"x": [1.0]}), {"n": 1, "positions": [[4, 5]], "by_status": {"done": 1}, "rows": 1})
    assert info.seq == told["plain"].height
    table.seal(combine_any)
    (part,) = [each for each in table_files.listing(store_of(root), "sweeps/plain") if each.info.kind == "part"]
    assert (part.info.seq, part.info.stop, part.info.rows) == (0, info.stop, info.stop - len(gone))
    assert Notebook(root).verify().is_empty()
    assert Table(store_of(root), "sweeps/plain", WHO).open().seq == info.stop


def combine_any(metas: list[dict[str, int]]) -> dict[str, int]:
    return combine([{"n": 1} for _ in metas])


def test_an_opening_that_was_damaged_leaves_its_number_to_nobody(lab: tuple[Path, Truth]) -> None:
    """A part covers it, but a writer that it fenced may still wait for just that number."""
    root, _ = lab
    first = journal(root, "sealed")[0]
    first.write_bytes(b"")
    mend(root)
    for _ in range(2):
        Table(store_of(root), "sweeps/sealed", WHO).open()
    assert first.exists()
    assert Notebook(root).verify().is_empty()


def test_rows_behind_a_hole_come_to_a_cursor_that_has_passed_their_number(lab: tuple[Path, Truth]) -> None:
    root, _ = lab
    for path in (root / "sweeps/plain/journal").iterdir():
        path.write_bytes(b"")
    mend(root)
    late = go_on(root, "plain")
    record = Notebook(root)._records()["plain"]
    files_now = Files(store_of(root)).of(record.folder)
    assert updates(record, files_now, late.height).height == late.height


def test_a_reader_that_knows_the_files_of_before_sees_what_is_there_now(lab: tuple[Path, Truth]) -> None:
    """The repair puts another file under a name that the reader has read: files never change but for this."""
    root, told = lab
    reader = Files(store_of(root))
    assert sum(loaded.info.rows for loaded in reader.of("sweeps/sealed")) == told["sealed"].height
    part = root / "sweeps/sealed/000000000001.arrow"
    lost = pl.read_ipc(part).height
    part.write_bytes(b"")
    mend(root)
    assert sum(loaded.info.rows for loaded in reader.of("sweeps/sealed")) == told["sealed"].height - lost
    assert Known().notes == frozenset()


def test_the_readme_reads_a_repaired_notebook(lab: tuple[Path, Truth]) -> None:
    root, _ = lab
    journal(root, "sealed")[-1].write_bytes(b"")
    (root / "sweeps/sealed/000000000001.arrow").write_bytes(b"")
    mend(root)
    found = Notebook(root).results("sealed", status="all", metadata=True)
    folder = root / "sweeps/sealed"
    paths = sorted(folder.glob("*.arrow")) + sorted(folder.glob("journal/*.arrow"))
    rows = pl.concat([pl.scan_ipc(path) for path in paths], how="diagonal_relaxed").unique("_seq", maintain_order=True)
    assert rows.collect()["_seq"].to_list() == found["_seq"].sort().to_list() != []


def test_damaged_twice_is_set_aside_twice(lab: tuple[Path, Truth]) -> None:
    root, _ = lab
    for text in (b"one", b"two"):
        journal(root, "plain")[1].write_bytes(text)
        assert mend(root).left == []
    aside = sorted((root / "damaged/sweeps/plain/journal").iterdir())
    assert [path.read_bytes() for path in aside] == [b"one", b"two"]
    assert len(list((root / "sweeps/plain").glob("repaired-*.txt"))) == 2
    assert Notebook(root).verify().is_empty()


# -- requests, code, notebook.json


def test_rows_whose_request_is_lost_never_become_another_sweeps(lab: tuple[Path, Truth]) -> None:
    root, _ = lab
    (root / "requests/journal/000000000003.arrow").write_bytes(b"")  # of "plain"
    report = mend(root)
    assert report.left == []
    assert any("sweeps/plain: the request of this sweep is lost" in line for line in report.done)
    writer = Writer(root, WHO, store_of(root))
    assert list(fold(writer.open_requests())) == ["sealed"]
    assert writer.free_generation("plain", 1) == 2  # a lab asks this before it takes a new sweep on
    assert writer.free_generation("other", 1) == 1
    assert Notebook(root).verify().is_empty()


def test_a_sweep_after_a_lost_one_keeps_its_generation(tmp_path: Path) -> None:
    bench = Bench(tmp_path, store=store_of(tmp_path))
    bench.submit("plain", made(), Factorial(p=[3]))
    bench.submit("plain", made(), SWEEPS["plain"])
    (tmp_path / "requests/journal/000000000002.arrow").write_bytes(b"")
    mend(tmp_path)
    record = Notebook(tmp_path)._records()["plain"]
    assert (record.folder, record.generation) == ("sweeps/plain~2", 2)


@pytest.mark.parametrize("how", ["damaged", "missing"])
def test_a_sweep_whose_code_is_lost_says_so_and_the_same_bytes_heal_it(tmp_path: Path, how: str) -> None:
    bench = Bench(tmp_path, store=store_of(tmp_path))
    bench.submit("plain", made(), SWEEPS["plain"])
    (path,) = (tmp_path / "code").iterdir()
    pickle = path.read_bytes()
    path.unlink()
    if how == "damaged":
        path.write_bytes(pickle + b"\0")
        with pytest.raises(NotebookDamaged, match="`raylab repair FOLDER`"):
            bench.writer.put_code(pickle, None)
    report = mend(tmp_path)
    assert report.left == []
    assert any("the sweep 'plain' needs it; submit the sweep again as it was" in line for line in report.done)
    assert Notebook(tmp_path).verify().is_empty()
    record = Notebook(tmp_path)._records()["plain"]
    writer = Writer(tmp_path, WHO, store_of(tmp_path))
    assert not writer.has_code(record.code, record.modules)
    with pytest.raises(NotebookDamaged, match="submit the sweep again as it was"):
        writer.code(record.code, record.modules)
    assert writer.has_code(*writer.put_code(pickle, None))


def test_notebook_json_is_written_again_as_it_was(lab: tuple[Path, Truth]) -> None:
    root, _ = lab
    good = (root / layout.NOTEBOOK).read_bytes()
    for sick in (b"{}", None):
        (root / layout.NOTEBOOK).unlink()
        if sick:
            (root / layout.NOTEBOOK).write_bytes(sick)
        assert mend(root).left == []
        assert (root / layout.NOTEBOOK).read_bytes() == good


def test_without_any_opening_that_repeats_it_nobody_invents_a_notebook_json(lab: tuple[Path, Truth]) -> None:
    root, _ = lab
    (root / layout.NOTEBOOK).write_bytes(b"{}")
    for path in (root / "requests/journal").iterdir():
        path.write_bytes(b"")
    journal(root, "plain")[1].write_bytes(b"")
    report = mend(root)
    assert any("put one back" in line for line in report.done)
    assert any(line.startswith("notebook.json") for line in report.left)
    assert (root / layout.NOTEBOOK).read_bytes() == b"{}"
    assert journal(root, "plain")[1].read_bytes() != b""  # the rest is mended all the same


def test_a_file_that_may_be_read_tomorrow_is_not_set_aside(lab: tuple[Path, Truth]) -> None:
    root, _ = lab

    class Refusing(Unplugged):
        def read(self, path: Path) -> bytes:
            if path == journal(root, "plain")[1]:
                raise PermissionError(13, "Permission denied")
            return super().read(path)

    report = repair(Store(root, Refusing()), ME)
    assert any("Permission denied" in line for line in report.left)
    assert not (root / "damaged").exists()
    assert mend(root).was_whole
