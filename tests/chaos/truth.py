"""What a sweep of the chaos run must come to, and what is wrong with what came: known results, compared row by row.

The experiment is a pure function of its parameter and its seed, so every row of the notebook can be foretold. Beside it
each execution leaves a line in a log, which says what ran more than once, and when.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

import raylab
from raylab.core.order import seeds
from raylab.notebook.posix import PosixStore
from raylab.notebook.table_files import in_force

MULTIPLIER = 2_654_435_761
FAILS_AT = 7  # of FAILS_OF
FAILS_OF = 101
CAUSE = "ran alone"

EXPERIMENT = f"""
import os, struct, time
LOG, NAP, DEADLY = {{log!r}}, {{nap!r}}, {{deadly!r}}
FILES = {{{{}}}}
def trial(x, seed):
    log = FILES.get(0)
    if log is None:
        log = FILES[0] = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, struct.pack("<qqd", x, seed, time.time()))
    if x % NAP == 0:
        time.sleep(x % 21 / 1000)
    if x in DEADLY:
        os._exit(7)
    if x % {FAILS_OF} == {FAILS_AT}:
        raise ValueError(f"no {{{{x}}}}")
    y = (x * {MULTIPLIER} + seed) % 2**31
    return {{{{"y": y, "half": y / 2}}}}
"""

COLUMNS = ["x", "_repeat", "_point", "_seed", "_status", "y", "half"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A sweep whose results are known.

    Attributes:
        module: whether the experiment lies in a module that only the client has; else it is the script's own.
        nap: every so many trials one sleeps, up to 20 ms.
        deadly: these points end their process, each time.
    """

    name: str
    module: bool
    points: int
    repeats: int
    seed: int
    nap: int
    deadly: tuple[int, ...]

    @property
    def total(self) -> int:
        return self.points * self.repeats

    def code(self, log: Path) -> str:
        """The experiment's source."""
        return EXPERIMENT.format(log=str(log), nap=self.nap, deadly=self.deadly)

    def rows(self) -> pl.DataFrame:
        """Every row that must be there, and no other."""
        trials = np.arange(self.total, dtype=np.int64)
        x = trials // self.repeats
        own = seeds(self.seed, trials)
        failed = x % FAILS_OF == FAILS_AT
        crashed = np.isin(x, self.deadly)
        y = (x * MULTIPLIER + own) % 2**31
        frame = pl.DataFrame({"x": x, "_repeat": trials % self.repeats, "_point": x, "_seed": own, "y": y})
        status = pl.when(pl.Series(crashed)).then(pl.lit("crashed")).when(pl.Series(failed)).then(pl.lit("failed"))
        frame = frame.with_columns(_status=status.otherwise(pl.lit("done")))
        return frame.with_columns(y=pl.when(pl.col("_status") == "done").then("y")).with_columns(half=pl.col("y") / 2)


@dataclass(frozen=True, slots=True)
class Executions:
    """What ran, by the log: x, seed, when (seconds since the epoch)."""

    frame: pl.DataFrame

    @staticmethod
    def read(log: Path) -> Executions:
        data = np.fromfile(log, dtype=[("x", "<i8"), ("seed", "<i8"), ("at", "<f8")]) if log.exists() else None
        if data is None:
            return Executions(pl.DataFrame(schema={"x": pl.Int64, "seed": pl.Int64, "at": pl.Float64}))
        return Executions(pl.DataFrame({name: data[name] for name in ("x", "seed", "at")}))

    @property
    def again(self) -> int:
        """Executions beyond one for each trial."""
        return self.frame.height - self.frame.unique(["x", "seed"]).height


# -- judging


def wrong_rows(known: Known, rows: pl.DataFrame) -> list[str]:
    """What differs between the rows of all statuses, with metadata, and what they must be."""
    found: list[str] = []
    if sorted(rows["_seq"]) != list(range(known.total)):
        found.append(f"{known.name}: _seq is not 0 to {known.total - 1}: {rows.height} rows")
    rows = rows if "_repeat" in rows.columns else rows.with_columns(_repeat=pl.lit(0, pl.Int64))
    missing = [name for name in COLUMNS if name not in rows.columns]
    if missing:
        return [*found, f"{known.name}: no columns {missing}"]
    wanted = known.rows().select(COLUMNS)
    there = rows.select(pl.col(name).cast(wanted.schema[name]) for name in COLUMNS)
    for what, one, other in (("missing", wanted, there), ("not expected", there, wanted)):
        odd = one.join(other, on=COLUMNS, how="anti", nulls_equal=True)
        if odd.height:
            found.append(f"{known.name}: {odd.height} rows {what}, among them {odd.head(5).to_dicts()}")
    twice = there.filter(pl.struct("_point", "_repeat").is_duplicated())
    if twice.height:
        found.append(f"{known.name}: {twice.height} rows of trials that have more than one: {twice.head(6).to_dicts()}")
    return found + _wrong_words(known, rows)


def _wrong_words(known: Known, rows: pl.DataFrame) -> list[str]:
    """Errors that do not say what happened."""
    failed = rows.filter(_status="failed").filter(
        (pl.col("_error") != pl.format("ValueError: no {}", "x")).fill_null(True) | pl.col("_traceback").is_null()
    )
    crashed = rows.filter(_status="crashed").filter(
        ~pl.col("_error").str.contains(CAUSE, literal=True).fill_null(False) | (pl.col("_attempt") < 3)
    )
    done = rows.filter(_status="done").filter(pl.col("_error").is_not_null())
    return [
        f"{known.name}: {odd.height} rows with other words than they should: "
        f"{odd.select('x', '_status', '_attempt', '_error').head(3).to_dicts()}"
        for odd in (failed, crashed, done)
        if odd.height
    ]


def wrong_notebook(known: Known, notebook: Path) -> list[str]:
    """Compare a sweep in the notebook with what it must be, by raylab's reader and by polars alone."""
    book = raylab.Notebook(notebook)
    rows = book.results(known.name, status="all", metadata=True)
    found = wrong_rows(known, rows)
    progress = book.progress(known.name)
    if progress.ready != known.total or progress.state != "ready" or progress.total != known.total:
        found.append(f"{known.name}: its progress is {progress}")
    counts = dict(known.rows()["_status"].value_counts().iter_rows())
    if dict(progress.by_status) != counts:
        found.append(f"{known.name}: by status {dict(progress.by_status)}, must be {counts}")
    plain = read_plainly(notebook / "sweeps" / known.name)
    unknown = [name for name in rows.columns if name not in plain.columns]  # files leave out what nobody asked for
    if not plain.select(rows.drop(unknown).columns).sort("_seq").equals(rows.drop(unknown).sort("_seq")):
        found.append(f"{known.name}: the README's lines give other rows than raylab does")
    if any(rows[name].null_count() < rows.height for name in unknown):
        found.append(f"{known.name}: the README's lines do not give {unknown}")
    return found


def read_plainly(folder: Path) -> pl.DataFrame:
    """A sweep's rows as the notebook's README reads them."""
    files = sorted(folder.glob("*.arrow")) + sorted(folder.glob("journal/*.arrow"))
    rows = pl.concat([pl.scan_ipc(f) for f in files], how="diagonal_relaxed").unique("_seq", maintain_order=True)
    return rows.filter(pl.col("_attempt") == pl.col("_attempt").max().over("_point", "_repeat")).collect()


def wrong_sights(known: Known, rows: pl.DataFrame, seen: Iterable[pl.DataFrame], ran: Executions | None) -> list[str]:
    """What an observer saw and is not there any more, and what ran again although somebody had seen its row.

    Args:
        known: the sweep.
        rows: all its rows.
        seen: what observers were given, with a column `_seen` of the time.
        ran: what ran; None where a frozen lab's workers may have gone on.
    """
    frames = list(seen)
    if not frames:
        return []
    sights = pl.concat(frames, how="diagonal_relaxed")
    found: list[str] = []
    columns = [name for name in ("_seq", *COLUMNS, "_attempt", "_started", "_pid") if name in sights.columns]
    changed = sights.select(columns).join(rows.select(columns), on=columns, how="anti", nulls_equal=True)
    if changed.height:
        found.append(f"{known.name}: {changed.height} rows seen have changed: {changed.head(3).to_dicts()}")
    if ran is not None:
        first = sights.group_by("x", seed="_seed").agg(pl.col("_seen").min())
        late = ran.frame.join(first, on=["x", "seed"]).filter(pl.col("at") > pl.col("_seen"))
        if late.height:
            found.append(f"{known.name}: {late.height} executions after the row was seen: {late.head(3).to_dicts()}")
    return found


def wrong_executions(known: Known, ran: Executions) -> list[str]:
    """What the log says that cannot be."""
    found = []
    counts = ran.frame.group_by("x", "seed").len()
    wanted = known.rows().select("x", seed="_seed")
    never = wanted.join(counts, on=["x", "seed"], how="anti")
    if never.height:
        found.append(f"{known.name}: {never.height} trials never ran: {never.head(3).to_dicts()}")
    strange = counts.join(wanted, on=["x", "seed"], how="anti")
    if strange.height:
        found.append(f"{known.name}: {strange.height} trials that nobody asked for ran: {strange.head(3).to_dicts()}")
    return found


def blamed(known: Known, rows: pl.DataFrame, ran: Executions) -> list[str]:
    """Innocent trials that are recorded as crashed, and how often each had run in truth."""
    counts = ran.frame.group_by("x", _seed="seed").agg(ran=pl.len())
    crashed = rows.filter(_status="crashed").filter(~pl.col("x").is_in(list(known.deadly)))
    odd = crashed.join(counts, on=["x", "_seed"], how="left").select("x", "_seed", "_attempt", "ran", "_error")
    if odd.is_empty():
        return []
    return [f"{known.name}: {odd.height} innocent trials are blamed: {odd.head(5).to_dicts()}"]


def wrong_writers(store: PosixStore, folder: str) -> list[str]:
    """Files of a table's journal that were written by another lab than the one that had it."""
    found, holder = [], None
    for info in in_force(store, folder):
        if info.kind == "opening":
            holder = info.writer
        elif info.kind == "data" and holder is not None and info.writer != holder:
            found.append(f"{info.path} is of {info.writer}, the table was {holder}'s")
    return found
