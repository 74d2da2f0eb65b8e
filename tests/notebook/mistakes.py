"""Mistakes that somebody could make in the code of the notebook, each as a patch of the real code."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from faulty import Faulty, PowerLoss
from wrong import Wrong

from raylab import offline
from raylab.errors import LabFenced
from raylab.notebook import copy as copy_module
from raylab.notebook import layout
from raylab.notebook import posix as store_module
from raylab.notebook import removal as removal_module
from raylab.notebook import table as table_module
from raylab.notebook import table_files as listing_module
from raylab.notebook import verify as verify_module
from raylab.notebook.copy import Copying
from raylab.notebook.file import encode
from raylab.notebook.posix import PosixStore
from raylab.notebook.table import Table
from raylab.notebook.writer import Writer
from raylab.offline import Notebook


def files_are_not_synced(wrong: Wrong) -> None:
    wrong.function(PowerLoss, "sync", lambda self, fd: None)


def folders_are_not_synced(wrong: Wrong) -> None:
    wrong.function(PowerLoss, "sync_folder", lambda self, path: None)


def a_rename_takes_the_place_of_the_link(wrong: Wrong) -> None:
    def rename(self: PowerLoss, source: Path, target: Path) -> None:
        source.replace(target)
        self.now[target.parent][target.name] = self.now[source.parent].pop(source.name)

    wrong.function(PowerLoss, "link", rename)


def files_are_written_under_their_own_names(wrong: Wrong) -> None:
    def put(self: PosixStore, path: str, data: bytes, ident: bytes) -> bool:
        target = self.path(path)
        self._make_ready(path.rpartition("/")[0] or ".")
        try:
            fd = self.calls.create(target)
        except FileExistsError:
            return ident in self.calls.read(target)
        self.calls.write(fd, data)
        self.calls.sync(fd)
        self.calls.close(fd)
        self.calls.sync_folder(target.parent)
        return True

    wrong.function(PosixStore, "put", put)


def half_files_lie_among_the_rows(wrong: Wrong) -> None:
    wrong.constant(store_module, "TMP", "sweeps/a")
    make = store_module.uuid4
    wrong.function(store_module, "uuid4", lambda: SimpleNamespace(hex=f"{make().hex}.arrow"))


def a_taken_name_is_always_ours(wrong: Wrong) -> None:
    put = PosixStore.put
    wrong.function(PosixStore, "put", lambda self, path, data, ident: put(self, path, data, b""))


def a_taken_name_is_never_ours(wrong: Wrong) -> None:
    put = PosixStore.put
    wrong.function(PosixStore, "put", lambda self, path, data, ident: put(self, path, data, b"\xff" * 40))


def a_name_that_was_there_is_taken_for_durable(wrong: Wrong) -> None:
    put = PosixStore.put

    def hasty_put(self: PosixStore, path: str, data: bytes, ident: bytes) -> bool:
        if self.path(path).exists():
            return ident in self.get(path)
        return put(self, path, data, ident)

    wrong.function(PosixStore, "put", hasty_put)


def a_failed_sync_is_tried_on_the_same_file(wrong: Wrong) -> None:
    sync = Faulty.sync

    def again(self: Faulty, fd: int) -> None:
        try:
            sync(self, fd)
        except OSError:
            sync(self, fd)

    wrong.function(Faulty, "sync", again)


def half_files_stay(wrong: Wrong) -> None:
    wrong.function(PosixStore, "_discard", lambda self, temp: self._writing.discard(temp.name))


def a_commit_is_tried_again_with_other_bytes(wrong: Wrong) -> None:
    resume = Table.resume

    def anew(self: Table) -> Any:
        """Whole and true as before, but with an ident of its own."""
        assert self._pending is not None
        info, data = self._pending.info, self._pending.data
        found = table_module.load(data, info.path)
        fields = {key.decode(): value.decode() for key, value in found.table.schema.metadata.items()}
        fields["raylab.id"] = uuid.uuid4().hex
        again = encode(found.table, fields)
        self._pending = table_module._Pending(table_module.load(again, info.path).info, again)
        return resume(self)

    wrong.function(Table, "resume", anew)


def a_commit_is_tried_again_under_the_next_number(wrong: Wrong) -> None:
    resume = Table.resume

    def further(self: Table) -> Any:
        pending = self._pending
        try:
            return resume(self)
        except LabFenced:
            assert pending is not None
            self._fenced, self.number = None, table_module.last_number(self.store, self.folder) + 1
            rows = table_module.load(pending.data, pending.info.path).table.drop_columns(["_seq"])
            return self.commit(rows.replace_schema_metadata(), pending.info.meta)

    wrong.function(Table, "resume", further)


def an_error_is_taken_for_an_acknowledgement(wrong: Wrong) -> None:
    resume = Table.resume

    def lenient(self: Table) -> Any:
        pending = self._pending
        try:
            return resume(self)
        except OSError:
            assert pending is not None
            self._pending = None
            self.number, self.seq = pending.info.last + 1, self.seq + pending.info.rows
            return pending.info

    wrong.function(Table, "resume", lenient)


def rows_are_acknowledged_before_they_are_put(wrong: Wrong) -> None:
    resume = Table.resume

    def later(self: Table) -> Any:
        """Puts what the call before was to put."""
        info = self._pending.info if self._pending else None
        held = getattr(Later, "held", {}).pop(id(self), None)
        if held is not None and info is not None:
            now, self._pending = self._pending, held
            resume(self)
            self._pending = now
        Later.held[id(self)] = self._pending
        self._pending = None
        assert info is not None
        self.number, self.seq = info.last + 1, info.seq + info.rows
        return info

    class Later:
        held: dict[int, Any] = {}  # noqa: RUF012

    wrong.function(Table, "resume", later)


class Anyone(str):
    """The ident of whichever file it is compared with."""

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return True


def an_opening_is_not_compared_with_the_end_of_the_table(wrong: Wrong) -> None:
    in_force = table_module.in_force

    def flattering(store: PosixStore, folder: str) -> Any:
        *files, last = in_force(store, folder)
        return [*files, replace(last, ident=Anyone(last.ident))]

    wrong.function(table_module, "in_force", flattering)


def sealing_deletes_openings(wrong: Wrong) -> None:
    seal = Table.seal

    def tidy(self: Table, combine: Any) -> Any:
        openings = [info.path for info in self._tail if info.kind == "opening"]
        part = seal(self, combine)
        for path in openings if part is not None else []:
            self.store.remove(path)
        return part

    wrong.function(Table, "seal", tidy)


def sealing_deletes_before_the_part_is_there(wrong: Wrong) -> None:
    put = PosixStore.put

    def late(self: PosixStore, path: str, data: bytes, ident: bytes) -> bool:
        info = table_module.load(data, path).info if path.endswith(".arrow") else None
        if info is not None and info.kind == "part":
            folder = path.rpartition("/")[0]
            for name in self.names(f"{folder}/journal"):
                if info.first < int(name[:12]) <= info.last:
                    self.remove(f"{folder}/journal/{name}")
        return put(self, path, data, ident)

    wrong.function(PosixStore, "put", late)


@contextmanager
def _without_sync(table: Table) -> Iterator[None]:
    """The table's own syncs of its folder, beside those of `put`, are left out."""
    store = table.store
    table.store = copy(store)
    table.store.settle = lambda folder: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        table.store = store


def sealing_deletes_before_the_parts_name_is_durable(wrong: Wrong) -> None:
    seal = Table.seal

    def hasty(self: Table, combine: Any) -> Any:
        with _without_sync(self):
            return seal(self, combine)

    wrong.function(Table, "seal", hasty)


def opening_deletes_before_the_parts_name_is_durable(wrong: Wrong) -> None:
    clean = Table._clean

    def hasty(self: Table, last_part: int) -> Any:
        with _without_sync(self):
            return clean(self, last_part)

    wrong.function(Table, "_clean", hasty)


def a_part_of_another_is_taken_for_all_of_the_journal(wrong: Wrong) -> None:
    make = Table._make_part

    def whole(self: Table, tail: Any, combine: Any) -> Any:
        return replace(make(self, tail, combine), last=tail[-1].last)

    wrong.function(Table, "_make_part", whole)


def a_fenced_writer_forgets_it(wrong: Wrong) -> None:
    wrong.function(Table, "_check_fence", lambda self: None)


def a_lab_does_not_look_whether_the_notebook_is_its_own(wrong: Wrong) -> None:
    wrong.function(Writer, "_check_ours", lambda self: None)


def a_lab_from_which_a_table_was_taken_gives_up(wrong: Wrong) -> None:
    wrong.function(Writer, "retake", lambda self, sweep: False)


def parts_are_listed_before_the_journal(wrong: Wrong) -> None:
    right = listing_module.file_names

    class Listed:
        """The names of a folder as they were before those of its journal."""

        def __init__(self, reader: Any, folder: str) -> None:
            self._early = {folder: reader.names(folder)}
            self._reader = reader

        def names(self, folder: str) -> Any:
            return self._early[folder] if folder in self._early else self._reader.names(folder)

    wrong.function(listing_module, "file_names", lambda reader, folder: right(Listed(reader, folder), folder))


def a_journal_file_below_a_part_is_listed(wrong: Wrong) -> None:
    wrong.function(listing_module, "file_number", lambda name: 10**9 + int(name[:12]))
    wrong.function(listing_module, "_trouble", lambda files, start: None)


def a_removal_puts_no_opening(wrong: Wrong) -> None:
    wrong.function(Table, "end", lambda self, meta: None)


def the_opening_of_a_removal_does_not_say_so(wrong: Wrong) -> None:
    end = Table.end
    wrong.function(Table, "end", lambda self, meta: end(self, {}))


def the_opening_of_a_removal_is_not_compared_with_the_end_of_the_table(wrong: Wrong) -> None:
    def hasty(self: Table, meta: Any) -> None:
        while True:
            info, data = self._opening(max(table_module.ends(self.store, self.folder)) + 1, meta)
            if self.store.put(info.path, data, info.ident.encode()):
                return

    wrong.function(Table, "end", hasty)


def a_removal_deletes_openings(wrong: Wrong) -> None:
    def deletable(store: PosixStore, folder: str) -> Iterator[str]:
        journal, parts = listing_module.file_names(store, folder)
        yield from (f"{folder}/{name}" for name in parts)
        yield from (f"{folder}/journal/{name}" for name in journal[:-1])

    wrong.function(removal_module, "_deletable", deletable)


def a_removal_ends_with_its_first_piece(wrong: Wrong) -> None:
    clear = Writer.clear

    def once(self: Writer, removed: Any) -> bool:
        clear(self, removed)
        return True

    wrong.function(Writer, "clear", once)


def code_goes_with_its_first_user(wrong: Wrong) -> None:
    def all_of_it(self: Writer, hashes: Any) -> None:
        for path in layout.code_paths(self.store):
            self.store.remove(path)

    wrong.function(Writer, "remove_code", all_of_it)


def code_is_deleted_without_a_look_whose_the_notebook_is(wrong: Wrong) -> None:
    def blindly(self: Writer, hashes: Any) -> None:
        wanted = {layout.pickle_path(each) for each in hashes}
        for path in layout.code_paths(self.store):
            if path in wanted:
                self.store.remove(path)

    wrong.function(Writer, "remove_code", blindly)


def a_reader_does_not_ask_whether_a_sweep_was_removed(wrong: Wrong) -> None:
    wrong.function(Notebook, "_there", lambda self, record, read: read())


def a_copy_does_not_ask_whether_a_sweep_was_removed(wrong: Wrong) -> None:
    removed: dict[str, Any] = {}

    def as_it_began(reader: Any) -> Any:
        return removed.setdefault(reader.place, right(reader))

    right = copy_module._removed
    wrong.function(copy_module, "_removed", as_it_began)


def a_verification_does_not_ask_whether_a_sweep_was_removed(wrong: Wrong) -> None:
    wrong.function(offline, "inspect", verify_module._inspected)


def a_copy_keeps_what_was_removed(wrong: Wrong) -> None:
    wrong.function(Copying, "clear_removed", lambda self: None)
