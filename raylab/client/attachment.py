"""One attachment to a lab: what `Lab` and `Sweep`, its two faces, both do. Asks, waits, reads.

Holds a connection, the notebook's files that cannot change, and a cursor for each sweep; nothing else of the lab.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl

from raylab.client.attaching import attach, none_here
from raylab.client.bar import shown_progress
from raylab.client.calls import Connection
from raylab.client.cluster import NoCluster, connect
from raylab.client.figures import percent
from raylab.client.remote import RemoteReader
from raylab.client.session import ANSWER_S
from raylab.client.speech import NOTHING_CANCELLED, UNCHANGED, Interruptible, say
from raylab.core.handle import Handle, Which, handles, is_list, no_one_sweep, only
from raylab.core.request import Submission, SweepRecord
from raylab.core.schedule import TROUBLES
from raylab.core.status import STANDSTILL, Progress
from raylab.errors import LabFenced, LabUnavailable, RaylabError, SweepNotFound
from raylab.notebook import layout
from raylab.notebook.frames import check_status, results, scan, updates, warnings_frame
from raylab.notebook.notebook import Files
from raylab.notebook.store import Reader, Store
from raylab.notebook.table_files import infos
from raylab.notebook.union import of_sweeps, scanned, together
from raylab.server.protocol import person

GRACE_S = 2.0
"""How long beyond a timeout an answer may take; after that the wait is over without it."""

POLL_S = 20.0
"""How long one poll may take; the lab answers earlier when there is news."""

READING = f"interrupted while reading; {UNCHANGED}"

Mark: TypeAlias = tuple[int, int]
"""What a client has seen: the lab's opening, and a number that grows with the news."""

Counts: TypeAlias = dict[str, Any]
"""What the lab says of one sweep."""


class Client:
    """An attachment to the lab of this name; see `Lab` for the arguments, the errors, and what the answers mean."""

    at_work = True

    def __init__(
        self,
        name: str,
        *,
        address: str | None = None,
        notebook: str | Path | None = None,
        create: bool = False,
        connection: Connection | None = None,
    ) -> None:
        self.name = layout.check_name(name, "lab")
        self.connection = connection or _attached(name, address, notebook, create)
        self._seen: dict[str, int] = {}  # rows at the last update_results(), by folder: a replaced sweep had another
        self._files: Files | None = None

    # changing ---------------------------------------------------------------------------------------------------

    def submit(self, submission: Submission) -> dict[str, Any]:
        answer: dict[str, Any] = self.connection.call("submit", submission)
        if not answer["taken"]:  # it is to replace this very sweep, and no other, however often the call is repeated
            answer = self.connection.call("submit", replace(submission, replaces=answer["folder"]))
        return answer

    def cancel(self, sweep: str | Handle) -> int:
        cancelled: int = self.connection.call("cancel", self.pinned(sweep), person())
        return cancelled

    def lock(self, sweep: str | Handle) -> None:
        self.connection.call("lock", self.pinned(sweep), person())

    def pinned(self, sweep: str | Handle) -> Handle:
        """The sweep that has the name now: a call that is repeated must not meet the one that has it next."""
        record = self.record(sweep)
        return Handle(record.name, record.folder)

    # asking -----------------------------------------------------------------------------------------------------

    def overview(self, sweep: Which = None) -> list[Counts]:
        """What there is to say of a sweep, of several, or of each of them."""
        found: list[Counts] = self.connection.call("overview", handles(sweep))
        return found

    def news(self, sweep: Which, mark: Mark | None, left: float | None) -> tuple[Mark, list[Counts]]:
        """The overview, as soon as it differs from what was seen, or after `left` seconds."""
        longest = POLL_S if left is None else max(0.0, min(left, POLL_S))
        within = ANSWER_S if left is None else min(ANSWER_S, max(0.0, left) + GRACE_S)
        found: tuple[Mark, list[Counts]] = self.connection.call("news", handles(sweep), mark, longest, within=within)
        return found

    def record(self, sweep: str | Handle | None) -> SweepRecord:
        """What was asked for under a name; of the only sweep there is if None."""
        if sweep is None:
            names = [each["name"] for each in self.overview()]
            if len(names) != 1:
                raise SweepNotFound(no_one_sweep(self.name, names))
            sweep = names[0]
        record: SweepRecord = self.connection.call("record", only(sweep))
        return record

    def progress(self, sweep: Which) -> Progress:
        return Progress.of(self.overview(sweep))

    def outstanding(self, sweep: Which) -> int:
        return self.progress(sweep).outstanding

    def update_results(self, sweep: Which) -> int:
        new = 0
        for each in self.overview(sweep):
            new += max(0, each["rows"] - self._seen.get(each["folder"], 0))  # fewer than before where some were lost
            self._seen[each["folder"]] = each["rows"]
        return new

    # waiting ----------------------------------------------------------------------------------------------------

    def wait(self, sweep: Which, timeout: float | None, shown: bool) -> bool:
        until = _deadline(timeout)
        named = handles(sweep)
        seen = _Seen(self.name if named is None else ", ".join(each.name for each in named))
        with Interruptible(seen.interrupted):
            try:
                return self._wait(sweep, until, shown, seen)
            except LabFenced as error:
                say(str(error))
                return False
            except LabUnavailable:
                if until is not None and time.monotonic() >= until:
                    return False
                raise

    def _wait(self, sweep: Which, until: float | None, shown: bool, seen: _Seen) -> bool:
        mark, counts = self.news(sweep, None, _left(until))
        if sweep is not None:  # these very sweeps, whoever has their names next
            sweep = [Handle(each["name"], each["folder"]) for each in counts]
        title = self.name if sweep is None else ", ".join(each["name"] for each in counts)
        with shown_progress(title, Progress.of(counts), shown=shown) as bar:
            while True:
                seen.progress = now = Progress.of(counts)
                bar.show(now)
                left = _left(until)
                if _is_over(counts, left):
                    break
                mark, counts = self.news(sweep, mark, left)
        tell_end(counts, failures=shown)
        return now.outstanding == 0

    def updates(self, sweep: Handle, since: int, timeout: float | None) -> Iterator[pl.DataFrame]:
        until = _deadline(timeout)  # here, not at the first frame: a generator would complain too late
        seen = _Seen(sweep.name)
        frames = self._updates(sweep, since, until, seen)
        return _each(frames, seen)

    def _updates(self, sweep: Handle, since: int, until: float | None, seen: _Seen) -> Iterator[pl.DataFrame]:
        mark: Mark | None = None
        looked: tuple[int, int] | None = None  # which opening of the lab, how many rows
        record = self.record(sweep)
        while True:
            left = _left(until)
            mark, counts = self.news(sweep, mark, left)
            seen.progress = Progress.of(counts)
            # Not compared with `since`: where rows were lost, `_seq` has run ahead of their number.
            if looked != (mark[0], counts[0]["rows"]):
                looked = (mark[0], counts[0]["rows"])
                files = self._read(record.folder, since)
                frame = updates(record, files, since)
                if frame.height:
                    since = int(frame["_seq"][-1]) + 1
                    yield frame
            if _is_over(counts, left):
                return

    # reading ----------------------------------------------------------------------------------------------------

    def results(self, sweep: Which, status: str | Sequence[str], metadata: bool | Sequence[str]) -> pl.DataFrame:
        check_status(status)
        with Interruptible(lambda: READING):
            return of_sweeps(
                self._records(sweep),
                lambda record: results(record, self._read(record.folder), status=status, metadata=metadata),
                together,
                several=is_list(sweep),
            )

    def scan(self, sweep: Which, status: str | Sequence[str], metadata: bool | Sequence[str]) -> pl.LazyFrame:
        check_status(status)
        with Interruptible(lambda: READING):
            return of_sweeps(
                self._records(sweep),
                lambda record: scan(record, self._read(record.folder), status=status, metadata=metadata),
                scanned,
                several=is_list(sweep),
            )

    def _records(self, sweep: Which) -> list[SweepRecord]:
        """Those whose rows are wanted; the only one there is for None."""
        return [self.record(each) for each in handles(sweep) or (None,)]

    def warnings(self, sweep: str | Handle) -> pl.DataFrame:
        with Interruptible(lambda: READING):
            folder = self.record(sweep).folder
            return warnings_frame([info.meta for info in infos(self._reader(), folder)])

    def _read(self, folder: str, since: int = 0) -> Any:
        if self._files is None:
            self._files = Files(self._reader())
        return self._files.of(folder, since)

    def _reader(self) -> Reader:
        """The notebook's folder where it is reachable, else the files through the lab."""
        info = self.connection.info()
        return local_store(Path(info["notebook"]), info["id"]) or RemoteReader(self.connection)


def _attached(name: str, address: str | None, notebook: str | Path | None, create: bool) -> Connection:
    with Interruptible(
        lambda: f"interrupted while attaching to {name!r}; nothing was cancelled, and attaching again is safe"
    ):
        try:
            connect(address, start=create)
        except NoCluster as error:
            raise none_here(name, error) from None
        return attach(name, notebook=None if notebook is None else str(notebook), create=create)


def local_store(folder: Path, ident: str) -> Store | None:
    """The notebook of this id, if it is that folder of this machine."""
    try:
        here = layout.Identity.loads((folder / layout.NOTEBOOK).read_bytes(), str(folder))
    except (OSError, RaylabError):
        return None
    return Store(folder) if here.id == ident else None


class _Seen:
    """How far it is, as a wait saw it last."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.progress: Progress | None = None

    def interrupted(self) -> str:
        """What to say if the wait is interrupted."""
        if self.progress is None:
            return NOTHING_CANCELLED
        asked = self.progress.total - self.progress.cancelled
        share = percent(self.progress.ready, asked)
        return f"{NOTHING_CANCELLED}: of {self.name!r} {self.progress.ready:,} of {asked:,} trials are ready ({share})"


def _each(frames: Iterator[pl.DataFrame], seen: _Seen) -> Iterator[pl.DataFrame]:
    """The frames; what the caller does with one of them is none of our business, also if that is interrupted."""
    while True:
        with Interruptible(seen.interrupted):
            frame = next(frames, None)
        if frame is None:
            return
        yield frame


def _is_over(counts: Sequence[Mapping[str, Any]], left: float | None) -> bool:
    """Whether a wait ends: the time is over, nothing is left, or what is left waits for what time does not bring."""
    outstanding = [each for each in counts if each["running"] + each["waiting"]]
    still = all(_stands_still(each) and not each["running"] for each in outstanding)
    return still or (left is not None and left <= 0)


def _deadline(timeout: object) -> float | None:
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, Real) or not float(timeout) >= 0:  # not NaN either
        raise ValueError(f"timeout is how many seconds to wait at most, a number from 0 on, or None; got {timeout!r}")
    return time.monotonic() + float(timeout)


def _left(until: float | None) -> float | None:
    return None if until is None else until - time.monotonic()


def _stands_still(sweep: Mapping[str, Any]) -> bool:
    """Whether time alone does not bring what is left of a sweep. The lab goes on trying an environment, since what is
    missing may be put there; whoever waits has to know."""
    return sweep["state"] in STANDSTILL or sweep.get("troubles", 0) >= TROUBLES


def tell_end(counts: Sequence[Mapping[str, Any]], failures: bool) -> None:
    """A line on what stands still, and on failures where somebody watches."""
    for each in counts:
        if each["state"] in STANDSTILL:
            say(f"{each['name']} is {each['state']}: {each['reason']}")
        elif _stands_still(each) and each["running"] + each["waiting"]:
            say(
                f"{each['name']} stands still: {each['reason']} ({each['troubles']} times in a row; the lab tries "
                "again with growing pauses, and at once when it is submitted again)"
            )
        elif each["failed"] and failures:
            error = each["first_error"] or "see failures()"
            say(f"{each['name']}: {each['failed']:,} of {each['total']:,} trials failed, the first with {error}")
