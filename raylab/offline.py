"""A notebook to read: what was asked and what came out, without Ray, without the lab, while it works or long after."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from raylab.core.account import account
from raylab.core.failed_now import in_force
from raylab.core.handle import Handle, Which, find, handles, is_list, no_one_sweep, only
from raylab.core.history import History, fold
from raylab.core.publishing import Publication
from raylab.core.request import Request, SweepRecord
from raylab.core.showing import Bundle, Showing
from raylab.core.status import Progress, Status, on_disk
from raylab.core.summary import Summary
from raylab.display.cards import Look, of_lab, of_silence
from raylab.display.plots import NotebookPlots
from raylab.display.subject import Subject
from raylab.errors import LabNotFound, LogNotFound, NotebookDamaged, RaylabError, SweepNotFound, told
from raylab.notebook import layout
from raylab.notebook.copy import copy as copied
from raylab.notebook.diffs import by_version, diffs
from raylab.notebook.failures import check_by, failures
from raylab.notebook.file import Loaded
from raylab.notebook.frames import warnings_frame
from raylab.notebook.inventory import findings_frame, sweeps_frame
from raylab.notebook.named_tables import results, scan
from raylab.notebook.picking import Columns
from raylab.notebook.place import absolute, store_at
from raylab.notebook.requests import from_rows
from raylab.notebook.row_stream import RowStream, opened
from raylab.notebook.salvage import salvage as salvaged
from raylab.notebook.statistics import Words, check_confidence, summary
from raylab.notebook.store import Reader
from raylab.notebook.survey import survey
from raylab.notebook.table_files import openings
from raylab.notebook.tables import Tables
from raylab.notebook.trial_logs import find_log, named
from raylab.notebook.union import of_sweeps, scanned, together
from raylab.notebook.verify import inspect
from raylab.notebook.xarrays import dataset
from raylab.rerun.report import Rerun
from raylab.rerun.rerun import rerun

T = TypeVar("T")


class Notebook(Showing):
    """Reads a notebook's folder. Needs neither Ray nor the lab, and changes nothing.

    Args:
        path: the folder.

    Raises:
        LabNotFound: there is no notebook in the folder.
        NotebookDamaged: a file is missing or not what was written (also from every method).
        VersionMismatch: it was written by a later format.

    Example:
        >>> notebook = Notebook("~/raylab/percolation")                             # doctest: +SKIP
        >>> notebook.results("coarse").group_by("p").agg(pl.col("spans").mean())    # doctest: +SKIP
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._begin(store_at(absolute(path)))

    def _begin(self, reader: Reader) -> None:
        try:
            data = reader.get(layout.NOTEBOOK)
        except OSError as error:
            place = reader.place
            raise LabNotFound(f"there is no notebook in {place} ({error.strerror}); give a lab's folder") from error
        self.identity = layout.Identity.loads(data, reader.place)
        self.name = self.identity.name
        self.place = reader.place
        self._reader = reader
        self._files = Tables(reader)

    def _card(self) -> Bundle:
        look = Look(at=datetime.now(UTC))
        try:
            found = overview(self, archived=True)
        except RaylabError as error:
            return of_silence(f"notebook {self.place}", told(error))
        there = [each for each in found if not each.archived]
        return of_lab(self.name, self.place, there, look, len(found) - len(there))

    def __str__(self) -> str:
        """Its sweeps, a line each, as they are on the disk; `repr` reads nothing."""
        return self._card().text

    def __repr__(self) -> str:
        return f"Notebook({self.place!r})"

    def _records(self) -> History:
        """What was asked, by sweep."""
        return fold(self._requests())

    def _requests(self) -> list[Request]:
        return [row for loaded in self._files.of(layout.REQUESTS) for row in from_rows(loaded.table)]

    def sweeps(self, *, archived: bool = False) -> pl.DataFrame:
        """One row for each sweep: its name, user, state, and its trials in numbers, as far as the disk knows.

        A sweep that was set aside for another one of its name is not among them; its rows are read as `NAME~1`, those
        of the next one as `NAME~2`.

        Args:
            archived: with those that are archived.
        """
        return sweeps_frame(overview(self, archived=archived))

    def results(
        self,
        name: Which = None,
        *,
        status: str | Sequence[str] = "done",
        metadata: bool | Sequence[str] = False,
        table: str | None = None,
        columns: Columns = None,
    ) -> pl.DataFrame:
        """The rows of a sweep, as `Lab.results` gives them: by point, then by repeat; of a list of names those of each,
        with a column `_sweep`; with `table`, those of one of its tables; with `columns`, the columns of these names."""
        return of_sweeps(
            self._read(name),
            lambda record, known: results(record, self._of(record), status=status, metadata=known, table=table),
            together,
            several=is_list(name),
            metadata=metadata,
            columns=columns,
        )

    def scan(
        self,
        name: Which = None,
        *,
        status: str | Sequence[str] = "done",
        metadata: bool | Sequence[str] = False,
        table: str | None = None,
        columns: Columns = None,
    ) -> pl.LazyFrame:
        """The rows of a sweep as a LazyFrame: the columns of `results`, in the order of `_seq`, that of arrival."""
        return of_sweeps(
            self._read(name),
            lambda record, known: scan(record, self._of(record), status=status, metadata=known, table=table),
            scanned,
            several=is_list(name),
            metadata=metadata,
            columns=columns,
        )

    def to_xarray(self, name: str | None = None) -> Any:
        """The results of a sweep as an xarray.Dataset; see `Sweep.to_xarray`.

        Args:
            name: the sweep's; may be left out where there is only one.

        Raises:
            SweepNotFound: there is no such sweep; or several, and no name was given.

        Example:
            >>> Notebook("~/raylab/percolation").to_xarray("coarse")["spans"].mean("_repeat")    # doctest: +SKIP
        """
        record = choose(self._records(), name, self.name)
        return dataset(record, self._of(record))

    def failures(self, name: str | None = None, *, by: str | None = None) -> pl.DataFrame:
        """The trials of a sweep that came to nothing, or why they did; see `Sweep.failures`.

        Args:
            name: the sweep's; may be left out where there is only one.
            by: "cause" for a row for each cause; None for one for each trial.

        Raises:
            SweepNotFound: there is no such sweep; or several, and no name was given.
            ValueError: `by` is something else.

        Example:
            >>> Notebook("~/raylab/percolation").failures("coarse", by="cause")    # doctest: +SKIP
        """
        check_by(by)
        record = choose(self._records(), name, self.name)
        logs = partial(self._logs, record)
        return failures(record, self._of(record), logs, by, f"notebook.rerun({record.name!r}, ")

    def summary(
        self, name: str | None = None, of: Words = None, *, by: Words = None, confidence: float | None = 0.95
    ) -> pl.DataFrame:
        """What the results of a sweep come to at each point, over its repeats; see `Sweep.summary`.

        Args:
            name: the sweep's; may be left out where there is only one.
            of, by, confidence: as of `Sweep.summary`.

        Raises:
            SweepNotFound: there is no such sweep; or several, and no name was given.
            ValueError, ModuleNotFoundError: as of `Sweep.summary`.

        Example:
            >>> Notebook("~/raylab/percolation").summary("coarse", "largest", by="p")    # doctest: +SKIP
        """
        check_confidence(confidence)
        record = choose(self._records(), name, self.name)
        return summary(record, self._of(record), of, by, confidence)

    plot = NotebookPlots()

    def _subject(self, name: str | None) -> Subject:
        records = self._records()
        record = choose(records, name, self.name)
        held = self._survey(record)
        return Subject(
            record=record,
            files=self._of(record),
            progress=on_disk(record, held, in_force(record, held.causes)),
            lives=lambda: openings(self._reader, layout.REQUESTS),
            requests=self._requests,
        )

    def warnings(self, name: str | None = None) -> pl.DataFrame:
        """The warnings that trials showed, grouped; see `Sweep.warnings`. Reads no rows.

        Raises:
            SweepNotFound: there is no such sweep; or several, and no name was given.
        """
        return warnings_frame(self._survey(choose(self._records(), name, self.name)).warnings)

    def info(self, name: str | None = None) -> dict[str, Any]:
        """What was asked of a sweep, and where its code came from, as `Sweep.info` gives it. Without a name, the
        notebook: name, notebook (its place), id, user, created, format, the raylab that made it, and of a copy its
        origins.

        Raises:
            SweepNotFound: there is no such sweep.

        Example:
            >>> Notebook("~/raylab/percolation").info("coarse")["code"][0]["commit"]    # doctest: +SKIP
            '4be1fa3…'
        """
        if name is None:
            return self.identity.told(self.place)
        records = self._records()
        record = find(records, only(name), self.name)
        return account(record, records.environments_of(record), diffs(self._reader, record))

    def log(
        self,
        name: str | None = None,
        point: int | None = None,
        repeat: int = 0,
        *,
        attempt: int | None = None,
    ) -> str:
        """What a trial printed; see `Sweep.log`.

        Args:
            name: of the sweep; the only one there is if None.
            point, repeat: the trial, by `_point` and `_repeat` of its rows.
            attempt: which one; the one of its record if None.

        Raises:
            LogNotFound: none is kept, the trial has no record, or there is no such trial; the message says which.
            SweepNotFound: there is no such sweep; or several, and no name was given.

        Example:
            >>> print(Notebook("~/raylab/percolation").log("coarse", 17))    # doctest: +SKIP
        """
        if point is None:
            raise _no_point("log", name)
        record = choose(self._records(), name, self.name)
        logs = partial(self._logs, record)
        found = self._there(record, lambda: find_log(self._reader, record, logs, point, repeat, attempt))
        if found is None:
            raise LogNotFound(f"{named(record, point, repeat)} has no log: its notebook has no record of it")
        return found

    def progress(self, name: Which = None) -> Progress:
        """The sweep (some, or all of them) in numbers, as far as the disk knows: what is not recorded waits."""
        return Progress.of(overview(self, name))

    def _chosen(self, records: History, name: Which, archived: bool = False) -> list[SweepRecord]:
        """These sweeps; all in force for None, archived or not."""
        wanted = handles(name)
        if wanted is None:
            return [record for record in records.values() if archived or not record.archived]
        return [find(records, each, self.name) for each in wanted]

    def _of(self, record: SweepRecord) -> list[Loaded]:
        return self._there(record, lambda: self._files.of(record.folder))

    def _logs(self, record: SweepRecord) -> list[Loaded]:
        return self._there(record, lambda: self._files.of(layout.log_folder(record.folder)))

    def _survey(self, record: SweepRecord) -> Summary:
        return self._there(record, lambda: survey(self._reader, record.folder))

    def _there(self, record: SweepRecord, read: Callable[[], T]) -> T:
        """What reading a sweep's files gives; where they are damaged, the requests say whether it was removed."""
        try:
            return read()
        except NotebookDamaged:
            find(self._records(), Handle(record.name, record.folder), self.name)
            raise

    def _read(self, name: Which) -> list[SweepRecord]:
        """Those whose rows are wanted; the only one there is for None."""
        records = self._records()
        return [choose(records, None, self.name)] if name is None else self._chosen(records, name)

    def rerun(
        self,
        name: str | None = None,
        point: int | None = None,
        repeat: int = 0,
        *,
        code: int | None = None,
        debugger: bool = False,
    ) -> Rerun:
        """Run one recorded trial again, here: with the notebook's own code, the trial's own values and seeds; and say
        whether what comes out is the record, bit by bit. See `Sweep.rerun`; this one needs no lab.

        Args:
            name: the sweep; the only one that is not archived if None.
            point, repeat, code, debugger: as of `Sweep.rerun`.

        Raises:
            SweepNotFound: there is no such sweep; or several, and no name was given.

        Example:
            >>> Notebook("~/raylab/percolation").rerun("coarse", 17)    # doctest: +SKIP
        """
        if point is None:
            raise _no_point("rerun", name)
        records = self._records()
        record = choose(records, name, self.name)
        files, environments = self._of(record), records.environments_of(record)
        return rerun(self._reader, record, files, environments, point, repeat, code=code, debugger=debugger)

    def verify(self) -> pl.DataFrame:
        """Read and check everything; one row for each thing that is wrong, none when all is whole.

        `file` is a path in the notebook, `sweep` the sweep's name (null for what is of no sweep), `what` a sentence.
        As far as they can be told, `first_row` and `rows` say which `_seq` are concerned, and `trials` how many trials
        are outstanding in the new notebook that `copy(..., salvage=True)` makes of all that is whole. Nobody can tell
        from the folder that the newest file of a table is gone, or a sweep's folder as a whole.

        Raises:
            VersionMismatch: a later raylab wrote something of it.

        Example:
            >>> Notebook("~/raylab/percolation").verify().is_empty()    # doctest: +SKIP
            True
        """
        return findings_frame(inspect(self._reader).findings)

    def copy(self, place: str | os.PathLike[str], *, salvage: bool = False) -> Notebook:
        """Copy the notebook to another place, also while its lab works on it; repeated, take only what is new.

        A copy is a notebook: `raylab.Lab(name, notebook=place)` goes on with it. From a lab on another machine
        `raylab copy LAB PLACE` takes it.

        Args:
            place: a folder; a new one, or that of an earlier copy.
            salvage: of a damaged notebook make a new one of all that is whole. What is lost of a sweep is outstanding
                there, and the sweep is paused.

        Raises:
            NameRefused: something else lies there, or a lab has gone on with the copy.
            NotebookDamaged: a file is not what was written, or missing, and `salvage` is False.

        Example:
            >>> Notebook("~/raylab/percolation").copy("/media/stick/percolation")    # doctest: +SKIP
        """
        target = store_at(absolute(place))
        if salvage:
            salvaged(self._reader, target)
        else:
            copied(self._reader, target)
        return Notebook(place)

    def crate(
        self,
        place: str | os.PathLike[str],
        *,
        sweeps: Which = None,
        title: str | None = None,
        description: str | None = None,
        licence: str | None = None,
        authors: str | Sequence[str] | None = (),
        diff: bool = False,
        env_vars: bool = False,
    ) -> Path:
        """Make a parcel for an archive such as Zenodo: results as Parquet, parameters, code, what was asked, and an
        RO-Crate that says what came of what. Whoever gets it needs no raylab; `docs/crate.md` tells all of it.

        Args:
            place: a new folder, or a new file whose name ends in .zip.
            sweeps: a name, or several; all that are not archived if None.
            title, description: what the parcel is called, and about.
            licence: its identifier in the SPDX list, as `CC-BY-4.0`, or a URL.
            authors: `Name <email> ORCID` each, of which the name alone is needed;
                those who submitted if none are given.
            diff: with the diff of the working tree, where one was kept; it may hold secrets.
            env_vars: with the values of the environment variables in `runtime_env`, likewise.

        Returns:
            Where the parcel is.

        Raises:
            SweepNotFound: there is no such sweep, or none at all.
            NameRefused: something lies there already.
            NotebookDamaged: a file is not what was written, or missing.
            ValueError: a licence or an author cannot be read as one.

        Example:
            >>> Notebook("~/raylab/percolation").crate("percolation.zip", licence="CC-BY-4.0")    # doctest: +SKIP
        """
        # Parquet and YAML, which it loads, cost every client that attaches 50 ms.
        from raylab.notebook.crate import crate

        publication = Publication.of(
            title=title, description=description, licence=licence, authors=authors, diff=diff, env_vars=env_vars
        )
        return crate(self._reader, Path(absolute(place)), publication, sweeps).place


def _no_point(verb: str, name: object) -> TypeError:
    """That a verb for one trial was not told which."""
    given = "no point" if name is None or isinstance(name, str) else f"{name!r} for the sweep's name"
    return TypeError(
        f"{verb} takes a sweep's name and a point's number, as in {verb}('coarse', 17), or {verb}(point=17) where "
        f"there is only one sweep; got {given}"
    )


def overview(notebook: Notebook, name: Which = None, archived: bool = False) -> list[Status]:
    """How far a sweep of a notebook is, or several, or each of them, archived or not, as a lab says it of its own."""
    found, records = [], notebook._records()
    for record in notebook._chosen(records, name, archived):
        try:
            held = notebook._survey(record)
            found.append(on_disk(record, held, in_force(record, held.causes), records.environments))
        except SweepNotFound:  # it was removed meanwhile
            if name is not None:
                raise
    return found


def diffs_of(notebook: Notebook, name: str) -> list[bytes | None]:
    """What was changed in the working tree of each code version of a sweep, as git says it."""
    return by_version(notebook._reader, find(notebook._records(), only(name), notebook.name))


def streams(
    notebook: Notebook, name: Which, *, status: str | Sequence[str], metadata: bool | Sequence[str]
) -> list[RowStream]:
    """The rows that `results` gives, to be streamed: of each sweep a stream."""

    def stream(record: SweepRecord) -> RowStream:
        this = Handle(record.name, record.folder)
        asked = lambda: find(notebook._records(), this, notebook.name)  # noqa: E731
        return notebook._there(record, lambda: opened(notebook._reader, asked, status, metadata))

    return [stream(record) for record in notebook._read(name)]


def pinned(notebook: Notebook, name: str) -> Handle:
    """The sweep that has the name now."""
    record = find(notebook._records(), only(name), notebook.name)
    return Handle(record.name, record.folder)


def through(reader: Reader) -> Notebook:
    """A notebook whose files somebody hands out."""
    notebook = Notebook.__new__(Notebook)
    notebook._begin(reader)
    return notebook


def choose(records: History, name: Which, lab: str) -> SweepRecord:
    """The sweep of this name; without a name, the only one that is not archived.

    Raises:
        SweepNotFound: there is none, or several and no name was given; the message lists them.
    """
    if name is not None:
        return find(records, only(name), lab)
    seen = [record for record in records.values() if not record.archived]
    if len(seen) == 1:
        return seen[0]
    hidden = [record.name for record in records.values() if record.archived]
    raise SweepNotFound(no_one_sweep(lab, [record.name for record in seen], hidden))
