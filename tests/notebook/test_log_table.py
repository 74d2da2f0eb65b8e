"""The table of what trials print: written before the rows, whatever the disk does, as far as there is room."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from faulty import Faulty
from said import refused
from sweeps import WHO, Bench, leased, packaged

from raylab.core import trial_log
from raylab.core.design import Factorial
from raylab.core.trial_log import Log
from raylab.errors import LabFenced, LogNotFound, NotebookDamaged
from raylab.notebook import layout
from raylab.notebook import table as table_module
from raylab.notebook.log_rows import from_rows, to_rows
from raylab.notebook.log_table import combined, tally_of
from raylab.notebook.posix import PosixStore
from raylab.notebook.table_files import listing
from raylab.notebook.writer import SweepTable, Writer
from raylab.offline import Notebook

FOLDER = "sweeps/s"


def log(point: int, text: str = "text") -> Log:
    return Log(point=point, repeat=0, attempt=1, printed=len(text), text=text)


def opened(root: Path, store: PosixStore | None = None) -> SweepTable:
    writer = Writer(root, WHO, store)
    writer.establish("lab", "ada")
    writer.open_requests()
    return writer.open_sweep(FOLDER)


def there(root: Path) -> list[Log]:
    found = listing(PosixStore(root), layout.log_folder(FOLDER))
    return [each for loaded in found for each in from_rows(loaded.table)]


def test_logs_are_rows_and_come_back(tmp_path: Path) -> None:
    table = opened(tmp_path)
    assert not (tmp_path / "logs").exists(), "nothing is made before there is something to keep"
    some = [log(1), Log(point=2, repeat=3, attempt=4, printed=None, text="lost"), log(3, "é\x00\r\n")]
    table.log([to_rows(some[:2]), to_rows([])])
    table.log([to_rows(some[2:])])
    assert there(tmp_path) == some
    again = opened(tmp_path)
    again.log([to_rows([log(9)])])
    assert there(tmp_path) == [*some, log(9)]


@pytest.mark.parametrize("after", [False, True])
def test_after_an_error_of_the_disk_the_same_call_adds_them_once(tmp_path: Path, after: bool) -> None:
    disk = Faulty(after=after)
    table = opened(tmp_path, PosixStore(tmp_path, disk))
    for failing in range(60):
        disk.fail_at = disk.count + failing % 30
        some = [to_rows([log(failing)])]
        try:
            table.log(some)
        except OSError:
            table.log(some)
        disk.fail_at = None
        if failing == 29:  # the table is opened anew
            table = opened(tmp_path, PosixStore(tmp_path, disk))
    assert there(tmp_path) == [log(each) for each in range(60)]


def test_parts_say_what_their_commits_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_module, "SEAL_COMMITS", 3)
    monkeypatch.setattr(trial_log, "SWEEP_BYTES", 400)
    table = opened(tmp_path)
    for point in range(10):
        table.log([to_rows([log(point)])])
    assert [each.point for each in there(tmp_path)] == [0, 1, 2, 3, 4]
    files = [loaded.info for loaded in listing(PosixStore(tmp_path), layout.log_folder(FOLDER))]
    assert any(info.kind == "part" for info in files)
    assert tally_of(files).left_out == (5, 20)
    assert table.logs_full
    again = opened(tmp_path)
    assert not again.logs_full, "nobody knows before it is opened"
    again.log([to_rows([log(10)])])
    assert again.logs_full
    assert combined([tally_of(files).plain()] * 2)["left_out"] == [10, 40]


def test_another_lab_on_the_notebook_fences_the_logs_as_well(tmp_path: Path) -> None:
    table = opened(tmp_path)
    table.log([to_rows([log(1)])])
    other = opened(tmp_path)
    with pytest.raises(LabFenced):
        table.log([to_rows([log(2)])]) if not other.log([to_rows([log(3)])]) else None
    assert [each.point for each in there(tmp_path)] == [1, 3]


def test_a_lab_that_was_taken_over_before_it_kept_any_log_keeps_none(tmp_path: Path) -> None:
    table = opened(tmp_path)
    opened(tmp_path)
    with pytest.raises(LabFenced):
        table.log([to_rows([log(1)])])
    assert there(tmp_path) == []


def test_a_lab_that_was_stopped_takes_back_what_is_its_own(tmp_path: Path) -> None:
    table = opened(tmp_path)
    table.log([to_rows([log(1)])])
    rival = table_module.Table(PosixStore(tmp_path), layout.log_folder(FOLDER), {**WHO, "pid": "2"})
    rival.open()
    table.log([to_rows([log(2)])])
    assert [each.point for each in there(tmp_path)] == [1, 2]


def test_damage_is_said_at_once_and_from_then_on(tmp_path: Path) -> None:
    opened(tmp_path).log([to_rows([log(1)])])
    (path,) = [each for each in (tmp_path / "logs").rglob("*.arrow") if each.name.endswith("2.arrow")]
    path.chmod(0o600)
    path.write_bytes(b"")
    table = opened(tmp_path)
    before = len(list((tmp_path / "logs").rglob("*.arrow")))
    for _ in range(3):
        with refused(NotebookDamaged, "logs/s"):
            table.log([to_rows([log(2)])])
    assert len(list((tmp_path / "logs").rglob("*.arrow"))) <= before + 1, "not an opening for each"


def loud() -> Any:
    def trial(p: int) -> None:
        print("said", p)
        raise ValueError(p)

    return trial


def test_a_log_without_its_record_is_nobodys(tmp_path: Path) -> None:
    """The lab wrote the logs of a batch, and died before it wrote the rows; then the trials ran again."""
    bench = Bench(tmp_path)
    table = bench.submit("s", loud(), Factorial(p=range(3)))
    lost = Log(point=1, repeat=0, attempt=1, printed=99, text="of an execution that left no record")
    table.log([to_rows([lost])])
    notebook = Notebook(tmp_path)
    with refused(LookupError, "no record"):
        notebook.log("s", 1)
    batches = leased(packaged(loud(), Factorial(p=range(3))))
    table.log([batch.logs for batch in batches if batch.logs is not None])
    bench.commit("s", batches)
    assert Notebook(tmp_path).log("s", 1) == "said 1\n"


def test_a_log_without_its_record_is_not_that_of_one_that_has_none(tmp_path: Path) -> None:
    """The trial ran again under capture='none'; or it printed less that time, and there was no room for it."""
    bench = Bench(tmp_path)
    table = bench.submit("s", loud(), Factorial(p=range(2)))
    table.log([to_rows([Log(point=point, repeat=0, attempt=1, printed=99, text="lost") for point in range(2)])])
    bench.run("s", 0, 1, capture="none")
    (batch,) = leased(packaged(loud(), Factorial(p=range(2))), 1, 2)
    bench.commit("s", [replace(batch, logs=None)])
    for point in range(2):
        with refused(LogNotFound, f"point {point} of 's' has no log"):
            Notebook(tmp_path).log("s", point)
        assert "lost" not in Notebook(tmp_path).failures("s")["_last_lines"].to_list()
