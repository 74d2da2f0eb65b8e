"""Reading rows: all of them, and only those that are new since a cursor; by a driver and over `ray://`.

All: `sweep.results()` of a client that has read nothing yet. A driver reads the notebook's folder; beside it the same
files read into memory, hashed, and given to `pl.read_ipc`: what anybody would do who wants the same rows and the same
certainty. A client over `ray://` is made to fetch the files through the lab, as one must that cannot reach the folder;
beside it `ray.get` of the same bytes over the same connection, when they are in the object store already.

New: `sweep.updates(since=cursor)` in a sweep of 10,000,000 rows of which 1,000 are new, beside the same call in a sweep
that has only 1,000 rows. Once by a client that has just attached and brings its cursor along, once by one that has
followed the sweep up to the cursor: it has what it fetched then. The new rows are one commit in the journal of a copy
of the large notebook, made before its lab starts.
"""

from __future__ import annotations

import gc
import hashlib
import io
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import journal
import large
import polars as pl
from clusters import Cluster, eventually
from driving import connected
from figures import Figure, Run, in_turns, ratio
from trials import trivial

from raylab.notebook.writer import Writer

ROW = "5"
NEW = 1_000
MILLION = "million"
FEW = "few"


def measure(run: Run) -> Iterator[Figure]:
    home, cursor = grown(run)
    with Cluster(env={"RAYLAB_HOME": str(home)}) as cluster:
        for address, way in ((cluster.address, "by a driver"), (cluster.client_address, "over ray://")):
            with connected(address):
                for name in made(run, home / large.NAME):
                    yield all_rows(run, home / large.NAME, name, way)
                for followed in (False, True):
                    yield new_rows(run, cursor, way, followed)


# -- what is read


def grown(run: Run) -> tuple[Path, int]:
    """A copy of the large notebook with a thousand more rows, and the cursor of who has seen all but these."""
    source, name = large.made(run)
    home = run.folder / "reading"
    shutil.copytree(source, home, copy_function=os.link)
    writer = Writer(home / large.NAME, journal.WHO)
    folder = f"sweeps/{name}"
    writer.open_requests()
    sweep = writer.open_sweep(folder)
    cursor = sweep.table.seq
    stop = sweep.summary.positions[-1][1]
    # A trial may have many rows; so many trials are not left.
    sweep.commit(journal.wire_batches(NEW), replace(journal.said(sweep, NEW), positions=[(stop, stop + 10)]))
    return home, cursor


def made(run: Run, notebook: Path) -> tuple[str, str]:
    """The sweeps of the lab that are read wholly; with them a small one to compare with."""
    import raylab

    lab = raylab.Lab(large.NAME)
    values = [i / 1_000 for i in range(1_000)]
    few = raylab.Factorial(n=[-1], p=values)
    million = raylab.Factorial(n=range(-run.size(1_000, 10), 0), p=values)
    for name, design in ((FEW, few), (MILLION, million)):
        assert lab.submit(trivial, design, name=name).wait(progress=False)
        opening = notebook / "sweeps" / name / "journal"
        eventually(lambda folder=opening: len(list(folder.iterdir())) == 1)  # all else is sealed
    return MILLION, large.NAME


def client(name: str, way: str) -> Any:
    """A sweep, by a client that has read nothing yet."""
    import raylab
    from raylab.client.remote import RemoteReader
    from raylab.notebook.tables import Tables

    lab = raylab.Lab(large.NAME)
    if way != "by a driver":  # on this machine it would find the folder
        lab._client._files = Tables(RemoteReader(lab._client.connection.call, ""))
    return lab.sweep(name)


# -- all rows


def all_rows(run: Run, notebook: Path, name: str, way: str) -> Figure:
    files = files_of(notebook, name)
    rows = client(name, way).number_of_results()

    def ours() -> float:
        sweep = client(name, way)
        took, frame = timed(sweep.results)
        assert frame.height == rows
        return rows / took

    theirs = read_plainly if way == "by a driver" else fetch_plainly
    found = in_turns(ours, lambda: rows / theirs(files), run.rounds)
    what = f"results() of {rows:,} rows {way}"
    than = "pl.read_ipc and sha256" if way == "by a driver" else "ray.get"
    return ratio(ROW, what, *found, than=f"{than} of the same bytes", unit="rows/s", least=0.5)


def files_of(notebook: Path, name: str) -> list[Path]:
    folder = notebook / "sweeps" / name
    return [*sorted(folder.glob("*.arrow")), *sorted(folder.glob("journal/*.arrow"))]


def read_plainly(files: list[Path]) -> float:
    """Seconds to have the rows of these files in memory, hashed."""

    def read() -> pl.DataFrame:
        frames = []
        for path in files:
            data = path.read_bytes()
            hashlib.sha256(data).digest()
            frames.append(pl.read_ipc(io.BytesIO(data)))
        return pl.concat([frame for frame in frames if frame.height])

    return timed(read)[0]


def fetch_plainly(files: list[Path]) -> float:
    """Seconds to get the bytes of these files, each of which is in the object store."""
    import ray

    task = ray.remote(Path.read_bytes).options(num_cpus=0)
    took = 0.0
    for path in files:
        ref = task.remote(path)
        ray.wait([ref], fetch_local=False)
        seconds, data = timed(lambda ref=ref: ray.get(ref))
        assert len(data) == path.stat().st_size
        took += seconds
    return took


def timed(read: Callable[[], Any]) -> tuple[float, Any]:
    gc.collect()
    began = time.perf_counter()
    found = read()
    return time.perf_counter() - began, found


# -- new rows


def new_rows(run: Run, cursor: int, way: str, followed: bool) -> Figure:
    def ours() -> float:
        return update(large.NAME, cursor, way, followed)

    def theirs() -> float:
        return update(FEW, 0, way, followed)

    found = in_turns(ours, theirs, run.size(4, 1) * run.rounds)
    who = "who has followed" if followed else "who has just attached"
    what = f"updates() with {NEW:,} new rows in {cursor:,}, {way}, {who}"
    return ratio(ROW, what, *found, than=f"the same in a sweep of {NEW:,} rows", unit="s", most=2)


def update(name: str, since: int, way: str, followed: bool) -> float:
    """Seconds until the new rows are there."""
    sweep = client(name, way)
    if followed:
        next(sweep.updates(since=since))
        for known in sweep._client._files._known.values():  # of then, not of now
            known.files = {path: file for path, file in known.files.items() if file.info.stop <= since}
    took, frame = timed(lambda: next(sweep.updates(since=since)))
    assert frame.height == NEW
    return took
