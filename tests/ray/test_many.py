"""Many clients at once: threads and processes, drivers and `ray://`, some killed."""

from __future__ import annotations

import random
from contextlib import ExitStack
from pathlib import Path

import polars as pl
import pytest
from clusters import Cluster, answer

import raylab

POINTS = 20

CROWD = """
import json, os, random, threading, time

def small(x, seed):
    return {"y": x, "seed": seed}

longest, trouble = [0.0], []
acknowledged = open(log, "a")

def timed(call, *given, **words):
    began = time.monotonic()
    found = call(*given, **words)
    longest[0] = max(longest[0], time.monotonic() - began)
    return found

def visit(number):
    chance = random.Random(number)
    lab = timed(raylab.Lab, name, create=False)
    for turn in range(turns):
        own = chance.random() < 0.5
        sweep = f"own-{number}-{turn}" if own else f"shared-{chance.randrange(8)}"
        there = timed(lab.submit, small, {"x": range(points)}, name=sweep, seed=7)
        os.write(acknowledged.fileno(), f"{sweep}\\n".encode())
        act = chance.randrange(5)
        if act == 0:
            timed(there.cancel)
            timed(lab.submit, small, {"x": range(points)}, name=sweep, seed=7)
        elif act == 1:
            timed(there.wait, timeout=chance.random(), progress=False)
        elif act == 2:
            frame = timed(there.results)
            assert frame.height <= points and frame.columns[0] == "x", frame
            assert frame.is_empty() or (frame["y"] == frame["x"]).all(), frame
        elif act == 3:
            counts = timed(lab.progress)
            assert counts.total == counts.ready + counts.cancelled + counts.running + counts.waiting, counts
            assert counts.total % points == 0, counts
        else:
            assert sweep in timed(lab.sweeps)["name"].to_list()

def guarded(number):
    try:
        visit(number)
    except BaseException as error:
        trouble.append(f"{number}: {type(error).__name__}: {error}")

threads = [threading.Thread(target=guarded, args=(number,), daemon=True) for number in numbers]
for thread in threads:
    thread.start()
if dies:
    time.sleep(dies)
    os.kill(os.getpid(), 9)
for thread in threads:
    thread.join()
assert not trouble, trouble
print(json.dumps(longest[0]))
"""

LOOK = """
import json, time
lab = raylab.Lab(name, create=False)
assert lab.wait(timeout=180, progress=False), lab.progress()
counts, sweeps = lab.progress(), lab.sweeps()
assert counts.total == counts.done == counts.rows == points * sweeps.height, counts
assert counts.cancelled == 0 and counts.state == "ready", counts
began = time.monotonic()
for _ in range(50):
    lab.progress()
print(json.dumps([sweeps["name"].to_list(), (time.monotonic() - began) / 50]))
"""


@pytest.mark.long  # by default: the simulated lives of many clients, and test_client_deaths.py
def test_twenty_or_fifty_clients_submit_cancel_wait_and_read_and_some_are_killed(
    cluster: Cluster, lab_name: str, tmp_path: Path, rounds: int
) -> None:
    cluster.client("raylab.Lab(name)", name=lab_name)
    groups, dies = [range(10), range(10, 18), range(18, 20)], [0.0, 0.4, 0.0]
    if rounds > 1:
        groups = [range(14), range(14, 28), range(28, 38), range(38, 46), range(46, 50)]
        dies = [0.0, 0.0, 0.4, 1.2, 0.0]
    addresses = [*[cluster.address] * (len(groups) - 1), cluster.client_address]
    log = tmp_path / "acknowledged"
    with ExitStack() as stack:
        crowd = [
            stack.enter_context(
                cluster.begin(
                    CROWD,
                    address=address,
                    name=lab_name,
                    log=str(log),
                    points=POINTS,
                    turns=2 * rounds,
                    numbers=list(numbers),
                    dies=death,
                )
            )
            for numbers, death, address in zip(groups, dies, addresses, strict=True)
        ]
        for client, death in zip(crowd, dies, strict=True):
            assert client.ended() == (-9 if death else 0), client.stderr
    there, call_s = answer(cluster.client(LOOK, name=lab_name, points=POINTS))
    acknowledged = set(log.read_text().split())
    assert len(acknowledged) > 10 * min(rounds, 2)
    assert acknowledged <= set(there)
    print(f"a call to an idle lab: {1_000 * call_s:.1f} ms")
    notebook = raylab.Notebook(cluster.home / lab_name)
    assert notebook.sweeps()["rows"].to_list() == [POINTS] * len(there)
    for sweep in random.Random(1).sample(there, 10):
        rows = notebook.results(sweep, metadata=True)
        assert rows.select(pl.col("_point").n_unique()).item() == rows.height == POINTS
