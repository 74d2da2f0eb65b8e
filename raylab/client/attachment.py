"""One attachment to a lab: what `Lab` and `Sweep`, its two faces, both do. Asks, waits, reads.

Holds a connection, the notebook's files that cannot change, and a cursor for each sweep; nothing else of the lab.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from operator import index
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from raylab.client import querying
from raylab.client.attaching import attach, none_here
from raylab.client.calls import Calls, Connection
from raylab.client.change import changes
from raylab.client.cluster import NoCluster, connect
from raylab.client.growing import check_modules, close, growth_of, growth_to, standing
from raylab.client.live_plot import LivePlot
from raylab.client.recognition import recognised
from raylab.client.remote import RemoteReader
from raylab.client.session import ANSWER_S
from raylab.client.speech import UNCHANGED, Interruptible
from raylab.client.waiting import Mark, Seen, deadline, frame_by_frame, is_over, time_left, wait
from raylab.client.watching import watch
from raylab.core.account import account
from raylab.core.design import Design
from raylab.core.handle import Handle, Which, handles, is_list, no_one_sweep, only
from raylab.core.kinds import is_whole
from raylab.core.recipient import Recipient, read_recipients
from raylab.core.request import Submission, SweepRecord
from raylab.core.retry import stay
from raylab.core.settling import settled
from raylab.core.status import Progress, Status
from raylab.core.statuses import check_failed
from raylab.display.subject import Subject
from raylab.errors import LogNotFound, NotebookDamaged, RaylabError, SweepNotFound
from raylab.notebook import layout
from raylab.notebook.diffs import by_version, diffs
from raylab.notebook.failures import check_by, failures
from raylab.notebook.file import Loaded
from raylab.notebook.frames import check_status, updates, warnings_frame
from raylab.notebook.named_tables import results, scan
from raylab.notebook.picking import Columns, check_columns
from raylab.notebook.place import store_at
from raylab.notebook.requests import from_rows
from raylab.notebook.row_stream import RowStream, opened
from raylab.notebook.statistics import Words, check_confidence, summary
from raylab.notebook.store import Reader, Store
from raylab.notebook.survey import survey
from raylab.notebook.table_files import openings
from raylab.notebook.tables import Tables, joined
from raylab.notebook.trial_logs import find_log, named
from raylab.notebook.union import of_sweeps, scanned, together
from raylab.notebook.xarrays import dataset
from raylab.rerun.report import Rerun
from raylab.rerun.rerun import rerun
from raylab.server.protocol import person

T = TypeVar("T")

GRACE_S = 2.0
"""How long beyond a timeout an answer may take; after that the wait is over without it."""

POLL_S = 20.0
"""How long one poll may take; the lab answers earlier when there is news."""

READING = f"interrupted while reading; {UNCHANGED}"


class Client:
    """An attachment to the lab of this name; see `Lab` for the arguments, the errors, and what the answers mean."""

    at_work = True
    remark = ""  # a lab at work speaks for itself

    def __init__(
        self,
        name: str,
        *,
        address: str | None = None,
        notebook: str | Path | None = None,
        create: bool = False,
        connection: Calls | None = None,
    ) -> None:
        self.name = layout.check_name(name, "lab")
        self.connection: Calls = connection or _attached(name, address, notebook, create)
        self._seen: dict[str, int] = {}  # rows at the last update_results(), by folder: a replaced sweep had another
        self._files: Tables | None = None

    def woke(self) -> bool:
        """It never rested."""
        return False

    # changing ---------------------------------------------------------------------------------------------------

    def submit(self, submission: Submission, amounts: Mapping[str, Any], rows: Design | None = None) -> dict[str, Any]:
        """The lab's answer, and in `told` what to say of an extension. The amounts are what each trial asks for, as it
        was given; the design is given as well where it may be rows of a sweep, handed back."""
        known: list[SweepRecord] = []

        def meant(sweep: SweepRecord) -> Submission:
            """What the sweep would grow to."""
            if rows is None and submission.is_seeded:
                return submission
            found = Design.loads(submission.design) if rows is None else recognised(_designs(sweep), rows)
            return replace(submission, design=settled(sweep, found).dumps(), is_seeded=True)

        answer: dict[str, Any] = self.connection.call("submit", submission)
        while not answer["taken"]:
            if answer["decision"].kind == "compare":
                known = [self.record(name) for name in answer["decision"].among]
                submission = replace(submission, growths=tuple(growth_of(each, meant(each), amounts) for each in known))
            else:  # this very sweep is meant, and no other, however often the call is repeated
                version = answer["decision"].version
                submission = replace(submission, replaces=answer["folder"], version=version)
            answer = self.connection.call("submit", submission)
        grows = answer["decision"].kind in ("extend", "continue")
        extended = [each for each in known if each.folder == answer["folder"] and grows]
        answer["told"] = [line for each in extended for line in close(each, Design.loads(meant(each).design))]
        return answer

    def extend(
        self, sweep: Handle, design: Design | None, repeats: int | None, are_rows: bool = False
    ) -> tuple[int, list[str]]:
        """How many trials it adds, and what to say of it. The design may be rows of the sweep, handed back."""
        given = design
        while True:
            known = self.record(sweep)
            if given is not None:
                design = settled(known, recognised(_designs(known), given) if are_rows else given)
                check_modules(known, design)
            growth = growth_to(known, design, repeats)
            if self.connection.call("extend", Handle(known.name, known.folder), growth, person()):
                about = [] if design is None else close(known, design)
                return growth.added, [*about, *standing(known, growth)]

    def retry(self, sweep: str | Handle, status: str | Sequence[str]) -> int:
        words = check_failed(status)
        known = self.record(sweep)
        this, segments = Handle(known.name, known.folder), len(known.segments)
        again: int = self.connection.call("retry", this, words, segments, person())
        return again

    def cancel(self, sweep: str | Handle) -> int:
        cancelled: int = self.connection.call("cancel", self.pinned(sweep), person())
        return cancelled

    def lock(self, sweep: str | Handle) -> None:
        self.connection.call("lock", self.pinned(sweep), person())

    def archive(self, sweep: str | Handle, undo: bool) -> None:
        self.connection.call("archive", self.pinned(sweep), person(), undo)

    def remove(self, sweep: str | Handle) -> None:
        self.connection.call("remove", self.pinned(sweep), person())

    def pause(self, sweep: str | Handle) -> None:
        self.connection.call("pause", self.pinned(sweep), person())

    def resume(self, sweep: str | Handle) -> None:
        self.connection.call("resume", self.pinned(sweep), person())

    def change(self, sweep: Handle, words: Mapping[str, Any]) -> list[str]:
        """Give a sweep another policy; what the person should know of it."""
        before = self.record(sweep).policy
        found = changes(before, words)
        if not found:
            return []
        after = before.changed(found)
        infeasible = self.connection.call("change", sweep, person(), found)
        now = self.progress(sweep)
        remarks = [f"{sweep.name}: {infeasible}"] if infeasible and now.outstanding else []
        stays = stay(sweep.name, now.by_status) if after.of_failures != before.of_failures else ""
        return [*remarks, *([stays] if stays else []), *self.unset(found.get("notify"))]

    def notify(self, to: object) -> list[str]:
        """Have these told of all sweeps that name nobody themselves; what the person should know of it."""
        recipients = read_recipients(to) or ()
        self.connection.call("notify", recipients, person())
        return self.unset(recipients)

    def unset(self, recipients: Sequence[Recipient] | None) -> list[str]:
        """What to say of addresses whose variables the lab does not have."""
        names = list(dict.fromkeys(name for each in recipients or () if each.url for name in each.variables))
        missing = self.connection.call("unset", names) if names else []
        return [
            f"the lab's environment has no {name}, so nobody is told there: set it on the machine of the cluster's "
            "head, before `raylab start`"
            for name in missing
        ]

    def pinned(self, sweep: str | Handle) -> Handle:
        """The sweep that has the name now: a call that is repeated must not meet the one that has it next."""
        if isinstance(sweep, Handle) and sweep.folder:
            return sweep
        record = self.record(sweep)
        return Handle(record.name, record.folder)

    # asking -----------------------------------------------------------------------------------------------------

    def overview(self, sweep: Which = None, archived: bool = False) -> list[Status]:
        """How far a sweep is, or several, or each of them, perhaps with those that are archived."""
        found: list[Status] = self.connection.call("overview", handles(sweep), archived)
        return found

    def news(self, sweep: Which, mark: Mark | None, left: float | None) -> tuple[Mark, list[Status]]:
        """The overview, as soon as it differs from what was seen, or after `left` seconds."""
        longest = POLL_S if left is None else max(0.0, min(left, POLL_S))
        within = ANSWER_S if left is None else min(ANSWER_S, max(0.0, left) + GRACE_S)
        found: tuple[Mark, list[Status]] = self.connection.call("news", handles(sweep), mark, longest, within=within)
        return found

    def record(self, sweep: str | Handle | None) -> SweepRecord:
        """What was asked for under a name; of the only sweep there is if None."""
        if sweep is None:
            found = self.overview(archived=True)
            names = [each.name for each in found if not each.archived]
            if len(names) != 1:
                hidden = [each.name for each in found if each.archived]
                raise SweepNotFound(no_one_sweep(self.name, names, hidden))
            sweep = names[0]
        record: SweepRecord = self.connection.call("record", only(sweep))
        return record

    def info(self, sweep: str | Handle | None = None) -> dict[str, Any]:
        """A sweep's account; the lab's if None."""
        if sweep is None:
            return self.connection.info() | {"dashboard": self.dashboard()}
        record, environments = self.connection.call("account", only(sweep))
        return account(record, environments, diffs(self.reader, record))

    def dashboard(self) -> str | None:
        """The address of Ray's dashboard, if one runs."""
        found: str | None = self.connection.call("dashboard")
        return found

    def diffs(self, sweep: str) -> list[bytes | None]:
        """What was changed in the working tree of each code version, as git says it."""
        return by_version(self.reader, self.record(sweep))

    def progress(self, sweep: Which) -> Progress:
        return Progress.of(self.overview(sweep))

    def outstanding(self, sweep: Which) -> int:
        return self.progress(sweep).outstanding

    def update_results(self, sweep: Which) -> int:
        new = 0
        for each in self.overview(sweep):
            new += max(0, each.rows - self._seen.get(each.folder, 0))  # fewer than before where some were lost
            self._seen[each.folder] = each.rows
        return new

    # waiting ----------------------------------------------------------------------------------------------------

    def wait(self, sweep: Which, timeout: float | None, shown: bool) -> bool:
        return wait(self, sweep, timeout, shown)

    def watch(self, sweep: Which, timeout: float | None, plot: bool = False) -> None:
        watch(self, sweep, timeout, LivePlot(self.pinned(only(sweep)), self.subject) if plot else None)

    def updates(self, sweep: Handle, since: int, timeout: float | None) -> Iterator[pl.DataFrame]:
        if not is_whole(since) or since < 0:
            raise ValueError(f"since is the first _seq of interest, a whole number from 0 on; got {since!r}")
        until = deadline(timeout)  # here, not at the first frame: a generator would complain too late
        seen = Seen(sweep.name)
        frames = self._updates(sweep, since, until, seen)
        return frame_by_frame(frames, seen)

    def _updates(self, sweep: Handle, since: int, until: float | None, seen: Seen) -> Iterator[pl.DataFrame]:
        mark: Mark | None = None
        looked: tuple[int, int] | None = None  # which opening of the lab, how many rows
        record = self.record(sweep)
        while True:
            left = time_left(until)
            mark, (now,) = self.news(sweep, mark, left)
            seen.progress = now
            if looked != (mark[0], now.rows):
                looked = (mark[0], now.rows)
                files = self._read(record, since)
                frame = updates(record, files, since)
                if frame.height:
                    since = int(frame["_seq"][-1]) + 1
                    yield frame
            if is_over([now], left):
                return

    # reading ----------------------------------------------------------------------------------------------------

    def results(
        self,
        sweep: Which,
        status: str | Sequence[str],
        metadata: bool | Sequence[str],
        table: str | None = None,
        columns: Columns = None,
    ) -> pl.DataFrame:
        found: pl.DataFrame = self._joined(partial(results, table=table), together, sweep, status, metadata, columns)
        return found

    def scan(
        self,
        sweep: Which,
        status: str | Sequence[str],
        metadata: bool | Sequence[str],
        table: str | None = None,
        columns: Columns = None,
    ) -> pl.LazyFrame:
        found: pl.LazyFrame = self._joined(partial(scan, table=table), scanned, sweep, status, metadata, columns)
        return found

    def _joined(
        self,
        read: Callable[..., Any],
        join: Callable[..., Any],
        sweep: Which,
        status: str | Sequence[str],
        metadata: bool | Sequence[str],
        columns: Columns,
    ) -> Any:
        check_status(status)
        check_columns(columns)
        with Interruptible(lambda: READING):
            return of_sweeps(
                [self.record(each) for each in handles(sweep) or (None,)],  # None: the only one there is
                lambda record, known: read(record, self._read(record), status=status, metadata=known),
                join,
                several=is_list(sweep),
                metadata=metadata,
                columns=columns,
            )

    def query(self, sweep: Which, function: Callable[[pl.LazyFrame], Any], **words: Any) -> Any:
        """What a function makes of the rows of `scan`, on the lab's node; the words are those of `querying.asked`."""
        of = querying.asked(function, **words)
        with Interruptible(lambda: READING):
            found = [self.pinned(each) for each in handles(sweep) or (self._only(),)]
            info = self.connection.info()
            is_reached = local_store(info["notebook"], info["id"]) is not None
        sweeps = found if is_list(sweep) else found[0]
        query = of(info["notebook"], info["id"], sweeps)
        return querying.run(query, querying.is_here(info["node"], is_reached))

    def _only(self) -> Handle:
        """The only sweep there is."""
        record = self.record(None)
        return Handle(record.name, record.folder)

    def streams(self, sweep: Which, *, status: str | Sequence[str], metadata: bool | Sequence[str]) -> list[RowStream]:
        """The rows that `results` gives, to be streamed: of each sweep a stream."""

        def stream(this: Handle) -> RowStream:
            record = self.record(this)
            return self._there(record, lambda: opened(self.reader, lambda: self.record(this), status, metadata))

        with Interruptible(lambda: READING):
            records = [self.record(each) for each in handles(sweep) or (None,)]
            return [stream(Handle(record.name, record.folder)) for record in records]

    def summary(self, sweep: Which, of: Words, by: Words, confidence: float | None) -> pl.DataFrame:
        check_confidence(confidence)
        with Interruptible(lambda: READING):
            record = self.record(None if sweep is None else only(sweep))
            return summary(record, self._read(record), of, by, confidence)

    def subject(self, sweep: str | Handle | None, known: Sequence[Loaded] = ()) -> Subject:
        """What a plot of a sweep is of. Of its rows only those are read that came after the files that are known."""
        with Interruptible(lambda: READING):
            record = self.record(sweep)
            this = Handle(record.name, record.folder)
            return Subject(
                record=record,
                files=joined(known, self._read(record, known[-1].info.stop if known else 0)),
                progress=self.progress(this),
                lives=lambda: openings(self.reader, layout.REQUESTS),
                requests=lambda: [row for file in self._tables.of(layout.REQUESTS) for row in from_rows(file.table)],
            )

    def to_xarray(self, sweep: str | Handle | None) -> Any:
        with Interruptible(lambda: READING):
            record = self.record(sweep)
            return dataset(record, self._read(record))

    def failures(self, sweep: Which, by: str | None) -> pl.DataFrame:
        """What failed and is not to be run again."""
        check_by(by)
        with Interruptible(lambda: READING):
            record = self.record(None if sweep is None else only(sweep))
            return failures(record, self._read(record), partial(self._read_logs, record), by, "sweep.rerun(")

    def log(self, sweep: str | Handle | None, point: int, repeat: int, attempt: int | None) -> str:
        with Interruptible(lambda: READING):
            record = self.record(sweep)
            logs = partial(self._read_logs, record)
            found = self._there(record, lambda: find_log(self.reader, record, logs, point, repeat, attempt))
        if found is None:
            this = Handle(record.name, record.folder)
            where = self.connection.call("whereabouts", this, index(point), index(repeat))
            raise LogNotFound(f"{named(record, point, repeat)} has no log yet: it {where}")
        return found

    def rerun(self, sweep: Handle, point: int, repeat: int, code: int | None, debugger: bool) -> Rerun:
        with Interruptible(lambda: READING):
            record, environments = self.connection.call("account", sweep)
            files = self._read(record)
        return rerun(self.reader, record, files, environments, point, repeat, code=code, debugger=debugger)

    def warnings(self, sweep: str | Handle) -> pl.DataFrame:
        with Interruptible(lambda: READING):
            record = self.record(sweep)
            found = self._there(record, lambda: survey(self.reader, record.folder))
            return warnings_frame(found.warnings)

    def _read(self, record: SweepRecord, since: int = 0) -> Any:
        return self._there(record, lambda: self._tables.of(record.folder, since))

    def _read_logs(self, record: SweepRecord) -> Any:
        return self._there(record, lambda: self._tables.of(layout.log_folder(record.folder)))

    @property
    def _tables(self) -> Tables:
        if self._files is None:
            self._files = Tables(self.reader)
        return self._files

    def _there(self, record: SweepRecord, read: Callable[[], T]) -> T:
        """What reading a sweep's files gives; where they are damaged, the lab says whether it was removed."""
        try:
            return read()
        except NotebookDamaged:
            self.record(Handle(record.name, record.folder))
            raise

    @property
    def reader(self) -> Reader:
        """The notebook's folder where it is reachable, else the files through the lab."""
        info = self.connection.info()
        return local_store(info["notebook"], info["id"]) or RemoteReader(self.connection.call, info["notebook"])


def _designs(sweep: SweepRecord) -> list[Design]:
    return list(map(Design.loads, sweep.designs))


def _attached(name: str, address: str | None, notebook: str | Path | None, create: bool) -> Connection:
    with Interruptible(
        lambda: f"interrupted while attaching to {name!r}; nothing was cancelled, and attaching again is safe"
    ):
        try:
            connect(address, start=create)
        except NoCluster as error:
            raise none_here(name, error) from None
        return attach(name, notebook=None if notebook is None else str(notebook), create=create)


def local_store(place: str, ident: str) -> Store | None:
    """The notebook of this id, if this machine reaches it at that place."""
    store = store_at(place)
    try:
        here = layout.Identity.loads(store.get(layout.NOTEBOOK), place)
    except (OSError, RaylabError):
        return None
    return store if here.id == ident else None
