"""A salvaged notebook has all that was whole and nothing else, and what was lost runs again."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from faulty import Faulty, Image, PowerLoss, Unplugged, lay_out
from harm import SWEEPS, Truth, files, go_on, harms, made, newest, store_of, truth
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from sweeps import WHO, Bench

from raylab.core.design import Factorial
from raylab.core.request import Request
from raylab.errors import NameRefused, NotebookDamaged
from raylab.notebook import layout
from raylab.notebook.copy import copy
from raylab.notebook.damage import Finding
from raylab.notebook.file import load
from raylab.notebook.posix import PosixStore
from raylab.notebook.salvage import salvage
from raylab.notebook.table_files import listing
from raylab.notebook.writer import Writer
from raylab.offline import Notebook

pytestmark = pytest.mark.usefixtures("without_pauses")


@pytest.fixture
def lab(base: tuple[Path, Truth], tmp_path: Path) -> tuple[Path, Truth]:
    root = tmp_path / "lab"
    shutil.copytree(base[0], root)
    return root, base[1]


@pytest.fixture(scope="module")
def whole(base: tuple[Path, Truth], tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """What the sweeps bring when nothing happens."""
    root = tmp_path_factory.mktemp("to the end") / "lab"
    shutil.copytree(base[0], root)
    return {name: go_on(root, name) for name in SWEEPS}


def salvaged(root: Path, new: Path) -> list[Finding]:
    return salvage(store_of(root), store_of(new))[1]


def journal(root: Path, sweep: str) -> list[Path]:
    return sorted((root / "sweeps" / sweep / "journal").iterdir())


VALUES = ["p", "x", "step", "_point", "_repeat", "_attempt", "_status", "_seed", "_error"]


def values(frame: pl.DataFrame) -> pl.DataFrame:
    """What a trial brings whenever it runs."""
    return frame.select([name for name in VALUES if name in frame.columns]).sort("_point", "step")


def rows_of_whole_files(root: Path, folder: str) -> dict[int, Any]:
    """The rows of a table by their `_seq`, of each file that fits its own sha256 and lies where it belongs."""
    found = {}
    for path in sorted((root / folder).rglob("*.arrow")):
        name = path.relative_to(root).as_posix()
        try:
            loaded = load(path.read_bytes(), name)
        except NotebookDamaged:
            continue
        if loaded.info.path == name and loaded.info.first == int(path.stem):
            found |= {row["_seq"]: row for row in loaded.table.to_pylist()}
    return found


def rows_there(root: Path, folder: str) -> list[Any]:
    return [row for file in listing(store_of(root), folder) for row in file.table.to_pylist()]


def without_seq(row: dict[str, Any]) -> str:
    return repr(sorted((name, value) for name, value in row.items() if name != "_seq" and value is not None))


def assert_law(old: Path, new: Path, told: Truth) -> None:
    """Every row of every whole file is there, nothing else, and the rest is outstanding."""
    assert not {each["what"] for each in Notebook(new).verify().to_dicts()} - {ORPHAN}
    records = Notebook(new)._records()
    for name in SWEEPS:
        folder = f"sweeps/{name}"
        kept, there = rows_of_whole_files(old, folder), rows_there(new, folder)
        assert sorted(map(without_seq, there)) == sorted(map(without_seq, kept.values()))
        assert [row["_seq"] for row in there] == list(range(len(there)))
        if name not in records:
            continue
        now = Notebook(new).progress(name)
        ready = {(row["_point"], row["_repeat"]) for row in there}
        assert (now.ready, now.waiting) == (len(ready), SWEEPS[name].size - len(ready))
        lost = len(there) < told[name].height
        assert bool(records[name].paused) or not lost, "what lost something does not go on by itself"


ORPHAN = "the request of this sweep is lost, and nobody can tell what its rows are of; submit the sweep again"


def test_any_harm_to_any_file_loses_no_more_than_that_file(
    base: tuple[Path, Truth], whole: Truth, tmp_path: Path
) -> None:
    rng = random.Random(3)
    for count, file in enumerate(files(base[0])):
        good = (base[0] / file).read_bytes()
        some = rng.choice(list(harms(good, rng)))
        for how, sick in [("emptied", b"") if file in newest(base[0]) else ("removed", None), some]:
            old, new = tmp_path / f"{count} {how}", tmp_path / f"{count} {how} new"
            shutil.copytree(base[0], old)
            (old / file).unlink() if sick is None else (old / file).write_bytes(sick)
            before = {path: (old / path).read_bytes() for path in files(old)}
            found = salvaged(old, new)
            assert {path: (old / path).read_bytes() for path in files(old)} == before
            assert Notebook(new).identity.salvaged == bool(found)
            assert list(Notebook(new)._records()) == list(SWEEPS), "the openings of a sweep repeat its request"
            assert_law(old, new, base[1])
            for name in SWEEPS if count % 3 == 0 else ():
                assert_frame_equal(values(go_on(new, name)), values(whole[name]))
                assert Notebook(new).verify().is_empty()
            shutil.rmtree(old)
            shutil.rmtree(new)


def test_after_any_harm_all_of_whole_files_is_there_and_the_rest_is_outstanding(
    base: tuple[Path, Truth], rounds: int
) -> None:
    settings(max_examples=12 * rounds, deadline=None)(given(st.data())(lambda data: _harm_and_salvage(base, data)))()


def _harm_and_salvage(base: tuple[Path, Truth], data: st.DataObject) -> None:
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    sick = data.draw(st.sets(st.sampled_from(files(base[0])), min_size=1))
    with tempfile.TemporaryDirectory() as folder:
        old, new = Path(folder) / "old", Path(folder) / "new"
        shutil.copytree(base[0], old)
        for file in sick:
            kind, harmed = data.draw(st.sampled_from(list(harms((old / file).read_bytes(), rng))))
            removed = kind == "foreign" and file not in newest(base[0])  # whose absence nobody can notice
            (old / file).unlink() if removed else (old / file).write_bytes(harmed)
        salvaged(old, new)
        assert_law(old, new, base[1])


def test_what_is_whole_goes_on_and_what_lost_something_is_paused_with_the_reason(lab: tuple[Path, Truth]) -> None:
    root, _ = lab
    sick = journal(root, "plain")[1]
    sick.write_bytes(b"")
    salvaged(root, root.parent / "new")
    records = Notebook(root.parent / "new")._records()
    assert records["sealed"].paused == ""
    reason = records["plain"].paused
    assert f"{sick.name}: it is empty" in reason
    assert "submit it again as it was" in reason
    part = root / "sweeps/sealed/000000000001.arrow"
    whole_part = (root.parent / "new/sweeps/sealed/000000000001.arrow").read_bytes()
    assert part.read_bytes() == whole_part, "a whole table is copied as it is"


def test_a_whole_notebook_is_only_copied(base: tuple[Path, Truth], tmp_path: Path) -> None:
    assert salvaged(base[0], tmp_path / "new") == []
    assert not Notebook(tmp_path / "new").identity.salvaged
    for name, frame in truth(tmp_path / "new").items():
        assert_frame_equal(frame, base[1][name])


def test_what_a_seal_left_behind_saves_a_damaged_part(tmp_path: Path) -> None:
    root, new = tmp_path / "lab", tmp_path / "new"
    bench = Bench(root, store=store_of(root))
    bench.submit("plain", made(), SWEEPS["plain"])
    bench.run("plain", 0, 2)
    bench.run("plain", 2, 4)
    told = Notebook(root).results("plain", status="all", metadata=True)
    left = {path: path.read_bytes() for path in journal(root, "plain")}
    bench.seal("plain")
    bench.run("plain", 4, 5)
    bench.seal("plain")
    for path, data in left.items():
        path.write_bytes(data)
    part = root / "sweeps/plain/000000000001.arrow"
    part.write_bytes(part.read_bytes()[:-1])
    salvaged(root, new)
    found = Notebook(new).results("plain", status="all", metadata=True)
    assert_frame_equal(found.filter(pl.col("_seq") < told.height).select(told.columns), told)
    assert Notebook(new).progress("plain").waiting == 0


def images(old: Path, folder: Path, rng: random.Random | None) -> Iterator[Path]:
    """A salvage onto an empty disk, and at each of its operations the disk as an end there would leave it."""
    disk = folder / "disk"
    disk.mkdir(parents=True)
    model = PowerLoss(disk)
    found: dict[int, Image] = {}

    def look(number: int = 0, name: str = "") -> None:
        if name in ("link", "unlink", "mkdir", "sync_folder"):
            image = model.killed() if rng is None else model.lost(rng)
            found.setdefault(hash(tuple(sorted(image.items()))), image)

    salvage(store_of(old), PosixStore(disk / "new", Faulty(hook=look, under=model)))
    for number, image in enumerate(found.values()):
        lay_out(image, folder / str(number))
        yield folder / str(number) / "new"
        shutil.rmtree(folder / str(number))


@pytest.mark.parametrize("power", [False, True], ids=["killed", "power loss"])
def test_cut_at_any_operation_it_is_completed_by_the_next(lab: tuple[Path, Truth], tmp_path: Path, power: bool) -> None:
    root, told = lab
    for path in ("sweeps/sealed/000000000001.arrow", "requests/journal/000000000003.arrow"):
        (root / path).write_bytes((root / path).read_bytes()[:-1])
    ends = 0
    for new in images(root, tmp_path / "images", random.Random(2) if power else None):
        ends += 1
        if not (new / layout.NOTEBOOK).exists():
            salvaged(root, new)
        elif (new / layout.COPYING).exists():
            with pytest.raises(NameRefused, match="is a complete copy already"):
                salvaged(root, new)
        if ends % 5 == 0:
            assert_law(root, new, told)
        assert list(Notebook(new)._records()) == list(SWEEPS)
    assert ends > 40


def test_a_copy_that_damage_has_ended_is_completed_by_a_salvage(lab: tuple[Path, Truth]) -> None:
    root, told = lab
    new = root.parent / "new"
    journal(root, "sealed")[-1].write_bytes(b"")
    with pytest.raises(NotebookDamaged):
        copy(store_of(root), store_of(new))
    salvaged(root, new)
    assert_law(root, new, told)
    with pytest.raises(NameRefused, match="is a complete copy already: give a new folder"):
        salvaged(root, new)
    with pytest.raises(NameRefused, match="is a complete copy already: give a new folder"):
        copy(store_of(root), store_of(new))
    assert Notebook(root.parent / "lab").identity.id in Notebook(new).identity.origins


def test_beside_a_lab_that_goes_on_with_what_is_whole(tmp_path: Path) -> None:
    """A part of a table is damaged while its lab commits and seals above it."""
    root = tmp_path / "lab"
    bench = Bench(root, store=store_of(root))
    bench.submit("first", made(), Factorial(p=range(300)))
    bench.submit("other", made(), Factorial(p=range(300)))
    bench.run("first", 0, 2)
    bench.seal("first")
    (root / "sweeps/first/000000000001.arrow").write_bytes(b"")
    steps = iter(range(2, 300))

    def meanwhile(number: int, name: str) -> None:
        if number % 5 == 0 and (step := next(steps, None)) is not None:
            for each in ("first", "other"):
                bench.run(each, step, step + 1)
                if step % 3 == 0:
                    bench.seal(each)

    salvage(PosixStore(root, Faulty(hook=meanwhile)), store_of(tmp_path / "new"))
    new = Notebook(tmp_path / "new")
    assert new.verify().is_empty()
    now = Notebook(root)._records()
    assert list(now) == list(new._records())
    for name in ("first", "other"):
        there = {without_seq(row) for row in rows_there(tmp_path / "new", f"sweeps/{name}")}
        assert there <= set(map(without_seq, rows_of_whole_files(root, f"sweeps/{name}").values()))
        assert new.progress(name).ready > 0


# -- requests, code, notebook.json


def test_of_sweeps_of_one_name_the_lost_request_takes_its_place(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "lab", store=store_of(tmp_path / "lab"))
    for size in (1, 2, 3):
        bench.submit("plain", made(), Factorial(p=range(size)))
    bench.writer.add([Request(kind="cancelled", sweep="plain", folder="sweeps/plain~3")])
    for number in (2, 3, 4):
        new = tmp_path / str(number)
        path = tmp_path / f"lab/requests/journal/{number:012d}.arrow"
        good = path.read_bytes()
        path.write_bytes(b"")
        salvaged(tmp_path / "lab", new)
        path.write_bytes(good)
        records = Notebook(new)._records()
        record = records["plain"]
        assert (record.folder, record.generation, record.cancelled) == ("sweeps/plain~3", 3, True)
        assert [each.folder for each in records.aside.values()] == ["sweeps/plain", "sweeps/plain~2"]
        assert [each.total for each in records.readable] == [1, 2, 3]


def test_rows_whose_request_is_lost_in_every_place_are_nobodys(lab: tuple[Path, Truth]) -> None:
    root, told = lab
    new = root.parent / "new"
    (root / "requests/journal/000000000003.arrow").write_bytes(b"")  # of "plain"
    for path in journal(root, "plain"):
        if load(path.read_bytes(), str(path)).info.kind == "opening":
            path.write_bytes(b"")
    salvaged(root, new)
    assert list(Notebook(new)._records()) == ["sealed"]
    assert len(rows_there(new, "sweeps/plain")) == told["plain"].height
    assert Notebook(new).verify()["what"].to_list() == [ORPHAN]
    writer = Writer(new, WHO, store_of(new))
    assert writer.free_generation("plain", 1) == 2  # a lab asks this before it takes a new sweep on
    assert writer.free_generation("other", 1) == 1


def test_a_request_is_repeated_by_the_opening_that_first_says_it_and_is_not_lost(tmp_path: Path) -> None:
    root = tmp_path / "lab"
    bench = Bench(root, store=store_of(root))
    table = bench.submit("plain", made(), SWEEPS["plain"])
    table.writer.open_sweep("sweeps/plain", table.request)
    table.writer.open_sweep("sweeps/plain", {**table.request, "user": "another"})
    said = [load(path.read_bytes(), str(path)).info.meta.get("request") for path in journal(root, "plain")]
    assert [None if each is None else each["user"] for each in said] == ["ada", None, "another"]
    (root / "requests/journal/000000000002.arrow").write_bytes(b"")
    salvaged(root, tmp_path / "new")
    assert Notebook(tmp_path / "new")._records()["plain"].total == 5


@pytest.mark.parametrize("how", ["damaged", "missing"])
def test_a_sweep_whose_code_is_lost_says_so_and_the_same_bytes_heal_it(tmp_path: Path, how: str) -> None:
    root, new = tmp_path / "lab", tmp_path / "new"
    bench = Bench(root, store=store_of(root))
    bench.submit("plain", made(), SWEEPS["plain"])
    (path,) = (root / "code").iterdir()
    pickle = path.read_bytes()
    path.unlink()
    if how == "damaged":
        path.write_bytes(pickle + b"\0")
        with pytest.raises(NotebookDamaged, match="put it back from a copy of the notebook"):
            bench.writer.put_code(pickle, None)
    salvaged(root, new)
    assert Notebook(new).verify().is_empty()
    record = Notebook(new)._records()["plain"]
    assert path.name in record.paused
    writer = Writer(new, WHO, store_of(new))
    assert not writer.has_code(record.code, record.modules)
    with pytest.raises(NotebookDamaged, match="submit the sweep again as it was"):
        writer.code(record.code, record.modules)
    assert writer.has_code(*writer.put_code(pickle, None))


def test_whose_notebook_it_was_the_openings_of_the_requests_tell(lab: tuple[Path, Truth]) -> None:
    root, told = lab
    new, good = root.parent / "new", Notebook(root).identity
    (root / layout.NOTEBOOK).write_bytes(b"{}")
    salvaged(root, new)
    found = Notebook(new).identity
    assert found == replace(
        good, id=found.id, created=found.created, raylab=found.raylab, origins=(good.id,), salvaged=True
    )
    assert_law(root, new, told)
    for path in (root / "requests/journal").iterdir():
        path.write_bytes(b"")
    salvaged(root, root.parent / "nameless")
    assert Notebook(root.parent / "nameless").name == "lab", "as the folder is called"
    assert_law(root, root.parent / "nameless", told)


def test_a_file_that_may_be_read_tomorrow_is_not_given_up(lab: tuple[Path, Truth]) -> None:
    root, _ = lab

    class Refusing(Unplugged):
        def read(self, path: Path) -> bytes:
            if path == journal(root, "plain")[1]:
                raise PermissionError(13, "Permission denied")
            return super().read(path)

    with pytest.raises(NotebookDamaged, match="cannot be read at this moment"):
        salvage(PosixStore(root, Refusing()), store_of(root.parent / "new"))
    assert not (root.parent / "new").exists()


def test_a_large_table_is_written_anew_in_parts(lab: tuple[Path, Truth], monkeypatch: pytest.MonkeyPatch) -> None:
    from raylab.notebook import table

    root, told = lab
    monkeypatch.setattr(table, "SEAL_COMMITS", 2)
    (root / "sweeps/sealed/000000000001.arrow").write_bytes(b"")
    salvaged(root, root.parent / "new")
    kinds = [file.info.kind for file in listing(store_of(root.parent / "new"), "sweeps/sealed")]
    assert kinds == ["part", "part"]
    assert_law(root, root.parent / "new", told)
