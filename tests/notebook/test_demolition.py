"""A notebook that is deleted as a whole: at every operation it is there or not; no writer of it harms the next one."""

from __future__ import annotations

import contextlib
import itertools
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from asked import noted
from faulty import Faulty, Unplugged, lay_out
from lives import judged
from removals import DESIGN, FOLDER, GONE, KEPT, Told, commit, laid_out, of_kept, read
from sweeps import WHO, Bench

from raylab.errors import LabFenced, LabNotFound, NotebookDamaged
from raylab.notebook import demolition, layout
from raylab.notebook.demolition import demolish, end
from raylab.notebook.posix import PosixStore, SystemCalls
from raylab.notebook.writer import Writer
from raylab.offline import Notebook

pytestmark = pytest.mark.usefixtures("hasty", "in_pieces_of_three")


@pytest.fixture
def in_pieces_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demolition, "AT_ONCE", 3)


def delete(root: Path, files: SystemCalls, patience: int = 0) -> None:
    store = PosixStore(root, files)
    for left in reversed(range(patience + 1)):
        try:
            while not demolish(store, WHO):
                pass
            end(store)
        except OSError:
            if not left:
                raise
        else:
            return


def is_there(root: Path) -> bool:
    """Whether there is a notebook, which is whole then."""
    try:
        notebook = Notebook(root)
    except LabNotFound:
        return False
    assert read(notebook, Told())
    with judged("verify"):
        assert notebook.verify().is_empty()
    return True


def made_anew(root: Path) -> Writer:
    """The next notebook in the same place, with a sweep of the same name."""
    writer = Writer(root, WHO, PosixStore(root, Unplugged()))
    with judged("the next notebook"):
        writer.establish("lab", "eve")
        assert writer.open_requests() == [], "what was asked of the one before is asked again"
    bench = Bench.__new__(Bench)
    bench.root, bench.writer, bench._packages, bench._generations = root, writer, {}, {}
    bench.submit(GONE, of_kept, DESIGN)
    bench.run(GONE, 0, 3)
    return writer


def check_next(root: Path) -> None:
    """It is whole, and nobody else's."""
    with judged("the next notebook"):
        notebook = Notebook(root)
        assert notebook.identity.user == "eve"
        assert notebook.verify().is_empty()
        assert notebook.sweeps().select("name", "rows").rows() == [(GONE, 3)]
        assert notebook.results()["x"].to_list() == [-p for p in notebook.results()["p"]]


@pytest.mark.parametrize("power", [False, True], ids=["deaths", "power losses"])
def test_cut_anywhere_it_is_there_or_gone_and_the_next_one_begins_with_nothing(
    tmp_path: Path, rounds: int, power: bool
) -> None:
    root, model = laid_out(tmp_path)
    rng, ends = random.Random(1), [0, 0]

    def look(number: int = 0, name: str = "") -> None:
        if rounds == 1 and number % 7 != power and name:
            return
        place = tmp_path / f"image{sum(ends)}"
        lay_out(model.lost(rng) if power else model.killed(), place)
        there = is_there(place / "lab")
        ends[there] += 1
        if not there:
            made_anew(place / "lab")
            check_next(place / "lab")
            assert not layout.is_removing(PosixStore(place / "lab"))
        elif number % 2:
            delete(place / "lab", Unplugged())
            assert not (place / "lab").exists()
        shutil.rmtree(place)

    delete(root, Faulty(hook=look, under=model))
    assert not root.exists()
    look()
    assert min(ends) >= 3


def test_outages_are_sat_out(tmp_path: Path) -> None:
    for at in range(0, 80, 3):
        root, _ = laid_out(tmp_path / str(at))
        delete(root, Faulty(at, times=2, after=at % 2 == 0), patience=4)
        assert not root.exists()


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    root, _ = laid_out(tmp_path)
    theirs = ["paper.pdf", "plots/one.png", "sweeps/note.txt", f"{FOLDER}/journal/my.arrow", "code/x.pkl"]
    for path in theirs:
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text("mine")
    delete(root, Unplugged())
    assert sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()) == sorted(theirs)
    made_anew(root)
    check_next(root)


def test_what_is_damaged_is_deleted_as_well(tmp_path: Path) -> None:
    for sick in (layout.NOTEBOOK, f"{FOLDER}/journal/000000000001.arrow", "requests/journal/000000000001.arrow"):
        root, _ = laid_out(tmp_path / sick.replace("/", "-"))
        (root / sick).write_bytes(b"x")
        delete(root, Unplugged())
        assert not root.exists()


ACTS: dict[str, Callable[[Writer], object]] = {
    "asks": lambda writer: writer.add([noted("locked", KEPT)]),
    "keeps code": lambda writer: writer.put_code(b"something", None),
    "opens a table": lambda writer: writer.open_sweep("sweeps/kept"),
    "opens a new one": lambda writer: writer.open_sweep("sweeps/new"),
    "opens one of a name that is there": lambda writer: writer.open_sweep(FOLDER),
    "commits": lambda writer: commit(tables[writer], 0, 1),
    "seals": lambda writer: tables[writer].seal(),
}
tables: dict[Writer, object] = {}


def stale(root: Path, files: SystemCalls) -> Writer:
    """A lab that is at work on the notebook, elsewhere."""
    writer = Writer(root, WHO | {"actor": "stale"}, PosixStore(root, files))
    writer.establish("lab", "ada")
    writer.open_requests()
    tables[writer] = writer.open_sweep(FOLDER)
    return writer


def stopped(root: Path, act: str, at: int) -> bool:
    """Somebody at work is stopped before one of its operations, while the notebook is deleted and another made; whether
    it came as far as that."""
    began, came = 10**9, False

    def stop(number: int, name: str) -> None:
        nonlocal came
        if number == began + at and not came:
            came = True
            delete(root, Unplugged())
            made_anew(root)

    files = Faulty(hook=stop)
    writer = stale(root, files)
    began = files.count
    with contextlib.suppress(LabFenced, NotebookDamaged, FileNotFoundError):
        ACTS[act](writer)
    if came:
        check_next(root)
        with contextlib.suppress(LabFenced, NotebookDamaged, FileNotFoundError):
            ACTS[act](writer)
        check_next(root)
        with pytest.raises(LabFenced, match="was deleted"):
            writer.check_there()
    return came


@pytest.mark.parametrize("act", ACTS)
def test_a_writer_that_was_stopped_anywhere_puts_nothing_into_the_next_notebook(
    tmp_path: Path, rounds: int, act: str
) -> None:
    for at in itertools.count(0, 1 if rounds > 1 else 5):
        root, _ = laid_out(tmp_path / str(at))
        if not stopped(root, act, at):
            break
    assert at > 2


def test_a_lab_at_work_elsewhere_hears_it_and_makes_nothing_anew(tmp_path: Path) -> None:
    root, _ = laid_out(tmp_path)
    (root / "theirs").touch()  # so the folder stays
    writer = stale(root, Unplugged())
    fenced = stale(root, Unplugged())  # the later one
    delete(root, Unplugged())
    for each in (writer, fenced):
        for act in ACTS.values():
            with contextlib.suppress(LabFenced, NotebookDamaged, FileNotFoundError):
                act(each)
        with pytest.raises(LabFenced, match="was deleted"):
            each.check_there()
    assert [path.name for path in root.rglob("*") if path.is_file()] == ["theirs"]


def test_a_lab_whose_own_tmp_was_emptied_goes_on_when_it_begins_anew(tmp_path: Path) -> None:
    root, _ = laid_out(tmp_path)
    writer = stale(root, Unplugged())
    shutil.rmtree(root / "tmp")
    row = [noted("locked", KEPT)]
    with pytest.raises(FileNotFoundError):
        writer.add(row)
    writer.check_there()
    stale(root, Unplugged()).add(row)
    assert Notebook(root)._records()[KEPT].locked
