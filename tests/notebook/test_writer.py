"""The one writer of a notebook: makes it once, opens it for one, keeps what was asked."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from asked import noted
from faulty import READING, Faulty
from sweeps import WHO, Bench

from raylab.core.design import Factorial
from raylab.core.request import Request
from raylab.core.summary import together
from raylab.errors import LabFenced, NameRefused, NotebookDamaged, VersionMismatch
from raylab.notebook import layout
from raylab.notebook import table as table_module
from raylab.notebook.posix import PosixStore
from raylab.notebook.writer import Writer


def asked(*sweeps: str) -> list[Request]:
    return [noted("locked", sweep) for sweep in sweeps]


def opened(root: Path, files: Faulty | None = None) -> Writer:
    writer = Writer(root, WHO, PosixStore(root, files))
    writer.establish("lab", "ada")
    writer.open_requests()
    return writer


def again(root: Path) -> list[Request]:
    return Writer(root, WHO).open_requests()


def test_a_new_notebook_explains_itself(tmp_path: Path) -> None:
    identity = Writer(tmp_path / "a/b", WHO).establish("lab", "ada")
    assert {path.name for path in (tmp_path / "a/b").iterdir()} == {"README.md", "notebook.json", "tmp"}
    assert (identity.name, identity.user) == ("lab", "ada")
    assert json.loads((tmp_path / "a/b/notebook.json").read_text())["id"] == identity.id
    assert [path.name for path in (tmp_path / "a/b/tmp").rglob("*")] == [identity.id], (
        "a folder of its own, and nothing half-written"
    )
    assert (tmp_path / "a/b").stat().st_mode & 0o077 == 0


def test_a_notebook_that_is_there_is_found_and_not_made_again(tmp_path: Path) -> None:
    first = Writer(tmp_path, WHO).establish("lab", "ada")
    assert Writer(tmp_path, WHO).establish("lab", "grace") == first


def test_another_labs_notebook_is_refused_with_its_name(tmp_path: Path) -> None:
    Writer(tmp_path, WHO).establish("lab", "ada")
    with pytest.raises(NameRefused, match="is the notebook of the lab 'lab', not of 'other'"):
        Writer(tmp_path, WHO).establish("other", "ada")


def test_a_notebook_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    identity = Writer(tmp_path, WHO).establish("lab", "ada")
    text = (tmp_path / layout.NOTEBOOK).read_text()
    (tmp_path / layout.NOTEBOOK).write_bytes(replace(identity, version=2).dumps())
    with pytest.raises(VersionMismatch, match=re.escape(str(tmp_path))):
        Writer(tmp_path, WHO).establish("lab", "ada")
    (tmp_path / layout.NOTEBOOK).write_text(text[:20])
    with pytest.raises(NotebookDamaged, match=r"notebook\.json"):
        Writer(tmp_path, WHO).establish("lab", "ada")


def test_a_folder_with_other_files_in_it_keeps_them(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    opened(tmp_path).add(asked("a"))
    assert (tmp_path / "README.md").read_text() == "mine"
    assert again(tmp_path) == asked("a")


def test_making_a_notebook_can_fail_anywhere_and_be_done_again(tmp_path: Path) -> None:
    files = Faulty()
    opened(tmp_path / "whole", files)
    for at in range(files.count):
        root = tmp_path / str(at)
        with contextlib.suppress(OSError):
            opened(root, Faulty(fail_at=at))
        opened(root).add(asked("a"))
        assert again(root) == asked("a")


def test_requests_are_read_in_the_order_they_were_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_module, "SEAL_COMMITS", 4)
    names = [f"s{i}" for i in range(11)]
    writer = opened(tmp_path)
    for name in names:
        writer.add(asked(name))
    assert len(list((tmp_path / "requests").glob("*.arrow"))) == 2
    writer.add(asked("x", "y"))
    assert again(tmp_path) == asked(*names, "x", "y")


@pytest.mark.parametrize("after", [False, True])
def test_a_request_that_failed_is_there_once_when_the_same_call_succeeds(tmp_path: Path, after: bool) -> None:
    """Wherever the disk refuses; also when it did what it was asked and said otherwise."""
    counted = Faulty()
    writer = opened(tmp_path / "whole", counted)
    begin = counted.count
    writer.add(asked("a"))
    for at in range(begin, counted.count):
        root = tmp_path / str(at)
        writer = opened(root, Faulty(fail_at=at, after=after))
        request = asked("a")
        try:
            writer.add(request)
        except OSError:
            writer.add(request)
        writer.add(asked("b"))
        assert again(root) == asked("a", "b"), at


def test_a_request_that_nobody_tried_again_does_not_swallow_the_next(tmp_path: Path) -> None:
    counted = Faulty()
    opened(tmp_path / "whole", counted)
    writer = opened(tmp_path / "a", Faulty(fail_at=counted.count))
    with pytest.raises(OSError, match="injected"):
        writer.add(asked("a"))
    writer.add(asked("b"))
    assert again(tmp_path / "a") == asked("a", "b")


def test_a_journal_that_cannot_be_sealed_fails_no_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_module, "SEAL_COMMITS", 3)
    writer = opened(tmp_path)
    writer.add(asked("a"))
    (tmp_path / "requests/journal/000000000002.arrow").write_bytes(b"damaged")
    for name in "bcd":
        writer.add(asked(name))
    assert len(list((tmp_path / "requests/journal").iterdir())) == 5


def test_a_second_writer_fences_the_first(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.add(asked("a"))
    sweep = first.open_sweep("sweeps/s")
    second = Writer(tmp_path, WHO | {"user": "grace", "actor": "b"})
    assert second.open_requests() == asked("a")
    last = second.last_writer()
    assert last is not None
    assert last["actor"] == "b"
    with pytest.raises(LabFenced, match="user grace"):
        first.add(asked("b"))
    second.open_sweep("sweeps/s")
    with pytest.raises(LabFenced):
        sweep.commit([], together([]))
    second.add(asked("c"))
    assert again(tmp_path) == asked("a", "c")


def test_nobody_was_the_last_writer_of_a_new_notebook(tmp_path: Path) -> None:
    writer = Writer(tmp_path, WHO)
    writer.establish("lab", "ada")
    assert writer.last_writer() is None


def test_code_is_kept_once_under_the_hash_of_its_bytes(tmp_path: Path) -> None:
    writer = opened(tmp_path)
    one, zipped = writer.put_code(b"pickle", b"zip")
    assert writer.put_code(b"pickle", None) == (one, None)
    assert writer.code(one, zipped) == (b"pickle", b"zip")
    assert writer.code(one, None) == (b"pickle", None)
    assert len(list((tmp_path / "code").iterdir())) == 2


def test_code_that_is_there_is_not_written_again_but_its_name_made_durable(tmp_path: Path) -> None:
    opened(tmp_path).put_code(b"pickle", b"zip")
    done: list[str] = []
    writer = Writer(tmp_path, WHO, PosixStore(tmp_path, Faulty(hook=lambda _, name: done.append(name))))
    writer.put_code(b"pickle", b"zip")
    assert set(done) - READING == {"sync_folder"}


def test_damaged_code_is_named_and_never_handed_out(tmp_path: Path) -> None:
    writer = opened(tmp_path)
    digest, zipped = writer.put_code(b"pickle", b"zip")
    (tmp_path / layout.pickle_path(digest)).write_bytes(b"pickl3")
    with pytest.raises(NotebookDamaged, match=rf"code/{digest}\.pkl is not what was written"):
        writer.code(digest, zipped)
    with pytest.raises(NotebookDamaged, match=rf"code/{digest}\.pkl is not what was written"):
        writer.put_code(b"pickle", b"zip")
    (tmp_path / layout.pickle_path(digest)).unlink()
    with pytest.raises(NotebookDamaged, match=rf"code/{digest}\.pkl is missing"):
        writer.code(digest, zipped)
    writer.put_code(b"pickle", b"zip")
    assert writer.code(digest, zipped) == (b"pickle", b"zip")


def test_a_sweep_is_opened_with_what_it_holds_and_in_the_columns_in_force(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.submit("s", lambda p: {"x": p if p else "none"}, Factorial(p=range(4)))
    bench.run("s", 0, 2)
    bench.seal("s")
    bench.run("s", 3, 4)
    writer = Writer(tmp_path, WHO)
    survey = writer.survey("sweeps/s")
    table = writer.open_sweep("sweeps/s")
    assert table.summary == survey
    assert (survey.positions, survey.rows, survey.by_status) == ([(0, 2), (3, 4)], 3, {"done": 3})
    assert table.schema.arrow.names == bench._packages["s"][1].schema.arrow.names
    assert table.table.seq == 3


def test_the_survey_of_a_sweep_that_was_never_opened_is_empty(tmp_path: Path) -> None:
    assert opened(tmp_path).survey("sweeps/none") == together([])
