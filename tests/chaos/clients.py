"""What the laptops of a chaos run do: submit, read along, take over, look at the end. Scripts, and one who reads."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from clusters import Cluster

from chaos.truth import Known

END_S = 120.0
"""For an observer to see the end of a sweep that is all in."""

ATTACH = """
import sys
print("started", flush=True)
lab = raylab.Lab(lab_name, notebook=notebook)
print("attached", flush=True)
"""

SUBMIT = """
made = lab.submit(trial, raylab.Factorial(x=range(points)), name=sweep, repeats=repeats, seed=seed)
assert made.name == sweep and made.progress().total == points * repeats, made.progress()
"""

OBSERVE = """
import os, time
import polars as pl
lab = raylab.Lab(lab_name, create=False)
sweep = lab.sweep(sweep_name)
states, last, rows, since, parts, looked = set(), 0, 0, int(since), [], 0.0
def wrong(what):
    print("VIOLATION", what, flush=True)
    os._exit(3)
def look():
    global last, rows
    now = sweep.progress()
    if now.state not in states:
        states.add(now.state)
        print("state", now.state, now.reason, flush=True)
    until = time.time() + 100
    while now.rows < since and time.time() < until:        # a file can be read a moment before the lab counts it
        time.sleep(0.05)
        now = sweep.progress()
    if now.ready < last or now.rows < rows or now.rows < since:
        wrong(f"counts went back: {now}, before {last} ready, {rows} rows, {since} seen")
    if now.total != now.done + now.failed + now.cancelled + now.running + now.waiting:
        wrong(f"counts do not add up: {now}")
    last, rows = now.ready, now.rows
def compare():
    frame = sweep.results(status="all", metadata=True).sort("_seq")
    if frame["_seq"].to_list() != list(range(frame.height)) or frame.height < since:
        wrong(f"{frame.height} rows, {since} were seen, _seq without a gap?")
    for part in parts:
        first = part["_seq"][0]
        if not frame.slice(first, part.height).select(part.columns).equals(part):
            wrong(f"rows from {first} on have changed")
for frame in sweep.updates(since=since):
    now = time.time()
    if frame["_seq"].to_list() != list(range(since, since + frame.height)):
        wrong(f"updates gave {frame['_seq'].to_list()[:5]} and so on, {since} was next")
    parts.append(frame)
    name = os.path.join(seen, f"{since:09d}.parquet")
    frame.with_columns(_seen=pl.lit(now)).write_parquet(name + ".tmp")
    os.rename(name + ".tmp", name)
    since += frame.height
    look()
    if now > looked + 3:
        looked = now
        compare()
look()
compare()
if not sweep.wait(timeout=150, progress=False) or last != sweep.progress().total:
    wrong(f"updates ended with {last} of {sweep.progress()}")
print("ended", flush=True)
"""

TAKE_OVER = """
lab = raylab.Lab(lab_name, notebook=notebook)
lab.progress()
"""

FENCED = """
import time
lab = raylab.Lab(lab_name, create=False)
until = time.monotonic() + 100
while True:
    try:
        lab.progress()
    except raylab.LabFenced as error:
        break
    assert time.monotonic() < until, "it woke up and does not say that it is fenced"
    time.sleep(0.1)
lab.shutdown()
if back:
    lab = raylab.Lab(lab_name, create=False)
    print(lab.progress().ready)
"""

LEAVE = """
try:
    lab = raylab.Lab(lab_name, create=False)
    lab.shutdown(force=True)
except raylab.LabUnavailable:
    pass                                            # it was ending already
"""

LAST_WORDS = """
lab = raylab.Lab(lab_name, create=False)
print(lab.info(), *(lab.progress(name) for name in lab.sweeps()["name"]), sep="\\n")
"""

FINISH = """
lab = raylab.Lab(lab_name, create=False)
assert lab.wait(timeout=150, progress=False)
for name, total in totals.items():
    progress = lab.sweep(name).progress()
    assert progress.ready == progress.total == total and progress.state == "ready" and not progress.reason, progress
    assert lab.number_of_results(name) == total
assert lab.ready() and lab.ready_fraction() == 1.0 and lab.update_results() == sum(totals.values())
lab.shutdown()
"""


class Observer:
    """A client that reads a sweep's rows as they come and keeps them; see OBSERVE."""

    def __init__(self, cluster: Cluster, known: Known, lab: str, seen: Path, far: bool) -> None:
        self.known, self.cluster, self.seen, self.far = known, cluster, seen, far
        last = max(seen.glob("*.parquet"), default=None)
        since = 0 if last is None else int(last.stem) + pl.read_parquet(last).height
        address = cluster.client_address if far else cluster.address
        self.client = cluster.begin(
            OBSERVE, address=address, lab_name=lab, sweep_name=known.name, seen=str(seen), since=since
        )
        self.over = False
        self._said = ""

    def said(self) -> str:
        """What it printed, also after its end."""
        return self._said if self.over else self.client.stdout

    def violation(self) -> str:
        """What it found wrong; nothing while it is content."""
        return next((line for line in self.said().splitlines() if line.startswith("VIOLATION")), "")

    def states(self) -> set[str]:
        """The states of the sweep that it has seen."""
        return {line.split()[1] for line in self.said().splitlines() if line.startswith("state ")}

    def kill(self) -> None:
        """End it, whatever it is doing."""
        if not self.over:
            self._said = self.client.stdout
            self.over = True
        self.client.kill()

    def end(self) -> list[str]:
        """Wait for its end, now that the sweep has come to its own; what it has to say."""
        if self.over:
            return []
        found = self.violation()
        if not found and self.client.ended(END_S) != 0:
            found = self.violation() or "it fell out: " + "\n".join(self.client.stderr.strip().splitlines()[-12:])
        self.kill()
        return [f"{self.known.name}: an observer: {found}"] if found else []
