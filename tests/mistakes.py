"""Mistakes that somebody could make in the code of the notebook, each as a patch of the real code."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from faulty import Faulty, PowerLoss

from raylab.errors import LabFenced
from raylab.notebook import listing as listing_module
from raylab.notebook import table as table_module
from raylab.notebook.file import encode
from raylab.notebook.store import Store
from raylab.notebook.table import Table
from raylab.notebook.writer import Writer

Patch = pytest.MonkeyPatch


def files_are_not_synced(patch: Patch) -> None:
    patch.setattr(PowerLoss, "sync", lambda self, fd: None)


def folders_are_not_synced(patch: Patch) -> None:
    patch.setattr(PowerLoss, "sync_folder", lambda self, path: None)


def a_rename_takes_the_place_of_the_link(patch: Patch) -> None:
    def rename(self: PowerLoss, source: Path, target: Path) -> None:
        source.replace(target)
        self.now[target.parent][target.name] = self.now[source.parent].pop(source.name)

    patch.setattr(PowerLoss, "link", rename)


def files_are_written_under_their_own_names(patch: Patch) -> None:
    def put(self: Store, path: str, data: bytes, ident: bytes) -> bool:
        target = self.path(path)
        try:
            fd = self.files.create(target)
        except FileExistsError:
            return ident in self.files.read(target)
        self.files.write(fd, data)
        self.files.sync(fd)
        self.files.close(fd)
        self.files.sync_folder(target.parent)
        return True

    patch.setattr(Store, "put", put)


def half_files_lie_among_the_rows(patch: Patch) -> None:
    patch.setattr("raylab.notebook.store.TMP", "sweeps/a")
    name = uuid.uuid4

    class Named:
        def __init__(self) -> None:
            self.hex = f"{name().hex}.arrow"

    patch.setattr("raylab.notebook.store.uuid4", Named)


def a_taken_name_is_always_ours(patch: Patch) -> None:
    put = Store.put
    patch.setattr(Store, "put", lambda self, path, data, ident: put(self, path, data, b""))


def a_taken_name_is_never_ours(patch: Patch) -> None:
    put = Store.put
    patch.setattr(Store, "put", lambda self, path, data, ident: put(self, path, data, b"\xff" * 40))


def a_name_that_was_there_is_taken_for_durable(patch: Patch) -> None:
    put = Store.put

    def hasty_put(self: Store, path: str, data: bytes, ident: bytes) -> bool:
        if self.path(path).exists():
            return ident in self.get(path)
        return put(self, path, data, ident)

    patch.setattr(Store, "put", hasty_put)


def a_failed_sync_is_tried_on_the_same_file(patch: Patch) -> None:
    sync = Faulty.sync

    def again(self: Faulty, fd: int) -> None:
        try:
            sync(self, fd)
        except OSError:
            sync(self, fd)

    patch.setattr(Faulty, "sync", again)


def half_files_stay(patch: Patch) -> None:
    patch.setattr(Store, "_discard", lambda self, temp: self._writing.discard(temp.name))


def a_commit_is_tried_again_with_other_bytes(patch: Patch) -> None:
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

    patch.setattr(Table, "resume", anew)


def a_commit_is_tried_again_under_the_next_number(patch: Patch) -> None:
    resume = Table.resume

    def further(self: Table) -> Any:
        pending = self._pending
        try:
            return resume(self)
        except LabFenced:
            assert pending is not None
            self._fenced, self.number = None, self._last_number() + 1
            rows = table_module.load(pending.data, pending.info.path).table.drop_columns(["_seq"])
            return self.commit(rows.replace_schema_metadata(), pending.info.meta)

    patch.setattr(Table, "resume", further)


def an_error_is_taken_for_an_acknowledgement(patch: Patch) -> None:
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

    patch.setattr(Table, "resume", lenient)


def rows_are_acknowledged_before_they_are_put(patch: Patch) -> None:
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

    patch.setattr(Table, "resume", later)


class Anyone(str):
    """The ident of whichever file it is compared with."""

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return True


def an_opening_is_not_compared_with_the_end_of_the_table(patch: Patch) -> None:
    in_force = table_module.in_force

    def flattering(store: Store, folder: str) -> Any:
        *files, last = in_force(store, folder)
        return [*files, replace(last, ident=Anyone(last.ident))]

    patch.setattr(table_module, "in_force", flattering)


def sealing_deletes_openings(patch: Patch) -> None:
    seal = Table.seal

    def tidy(self: Table, combine: Any) -> Any:
        openings = [info.path for info in self._tail if info.kind == "opening"]
        part = seal(self, combine)
        for path in openings if part is not None else []:
            self.store.remove(path)
        return part

    patch.setattr(Table, "seal", tidy)


def sealing_deletes_before_the_part_is_there(patch: Patch) -> None:
    put = Store.put

    def late(self: Store, path: str, data: bytes, ident: bytes) -> bool:
        info = table_module.load(data, path).info if path.endswith(".arrow") else None
        if info is not None and info.kind == "part":
            folder = path.rpartition("/")[0]
            for name in self.names(f"{folder}/journal"):
                if info.first < int(name[:12]) <= info.last:
                    self.remove(f"{folder}/journal/{name}")
        return put(self, path, data, ident)

    patch.setattr(Store, "put", late)


def _without_sync_in(patch: Patch, method: str) -> None:
    """The table's own syncs of its folder, beside those of `put`, are left out in one method."""
    whole = getattr(Table, method)

    def hasty(self: Table, *args: Any) -> Any:
        store = self.store
        self.store = copy(store)
        self.store.sync_folder = lambda folder: None  # type: ignore[method-assign]
        try:
            return whole(self, *args)
        finally:
            self.store = store

    patch.setattr(Table, method, hasty)


def sealing_deletes_before_the_parts_name_is_durable(patch: Patch) -> None:
    _without_sync_in(patch, "seal")


def opening_deletes_before_the_parts_name_is_durable(patch: Patch) -> None:
    _without_sync_in(patch, "_clean")


def a_part_of_another_is_taken_for_all_of_the_journal(patch: Patch) -> None:
    make = Table._make_part

    def whole(self: Table, tail: Any, combine: Any) -> Any:
        return replace(make(self, tail, combine), last=tail[-1].last)

    patch.setattr(Table, "_make_part", whole)


def a_fenced_writer_forgets_it(patch: Patch) -> None:
    patch.setattr(Table, "_check_fence", lambda self: None)


def a_lab_does_not_look_whether_the_notebook_is_its_own(patch: Patch) -> None:
    patch.setattr(Writer, "_check_ours", lambda self: None)


def a_lab_from_which_a_table_was_taken_gives_up(patch: Patch) -> None:
    patch.setattr(Writer, "retake", lambda self, sweep: False)


def parts_are_listed_before_the_journal(patch: Patch) -> None:
    def wrong(reader: Any, folder: str) -> tuple[list[str], list[str]]:
        names: dict[str, Iterable[str]] = {at: reader.names(at) for at in (folder, f"{folder}/journal")}
        journal, parts = ([n for n in names[at] if n.endswith(".arrow")] for at in (f"{folder}/journal", folder))
        return journal, parts

    patch.setattr(listing_module, "file_names", wrong)
    patch.setattr(listing_module, "TRIES", 1)


def a_journal_file_below_a_part_is_listed(patch: Patch) -> None:
    patch.setattr(listing_module, "file_number", lambda name: 10**9 + int(name[:12]))
    patch.setattr(listing_module, "_trouble", lambda infos, start: None)
