"""Real processes, real files, real syncs: one that commits in a loop is killed with -9 again and again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from lives import judged

from raylab.notebook.posix import PosixStore
from raylab.notebook.table_files import listing

KILLS = 15

NURSERY = '''
"""Forks a lab, hears what it acknowledges, kills it at a random moment soon after; so often as it is told."""
import os, random, signal, sys, time
from pathlib import Path

import pyarrow as pa

from raylab.core.request import Request
from raylab.core.summary import Summary
from raylab.notebook import table as table_module
from raylab.notebook.writer import Writer

root, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
rng = random.Random(seed)
table_module.SEAL_COMMITS = 8


def live(life, out):
    writer = Writer(root, {"user": "ada", "host": "here", "pid": str(life), "actor": str(life)})
    writer.establish("lab", "ada")
    asked = writer.open_requests()
    sweep = writer.open_sweep("sweeps/a")
    begin = sweep.summary.recorded
    os.write(out, f"opened {len(asked)} {begin}\\n".encode())
    for k in range(begin, begin + 10_000):
        if k % 5 == 0:
            writer.add([Request(kind="locked", sweep=f"{life}-{k}", folder="", user="ada", time_us=k)])
            os.write(out, f"asked {life}-{k}\\n".encode())
        rows = pa.record_batch({"_point": [k, k], "x": [k, -k]})
        said = Summary(
            positions=[(k, k + 1)],
            by_status={"done": 1},
            rows=2,
            seconds=0.0,
            error=None,
            warnings=[],
            names=[],
            causes=[],
            attempt=1,
            versions=[1],
        )
        sweep.commit([rows], said)
        os.write(out, f"acked {k}\\n".encode())
        if sweep.table.should_seal:
            sweep.seal()


for life in range(kills):
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            live(life, theirs)
        except BaseException as error:
            os.write(theirs, f"failed {error!r}\\n".encode())
        finally:
            os._exit(1)
    os.close(theirs)
    heard, lines = b"", rng.choice([0, 1, 3, 6, 12])
    while heard.count(b"\\n") < lines and b"failed" not in heard:
        heard += os.read(ours, 65536)
    time.sleep(rng.choice([0.0, 0.002, 0.01]) * rng.random())
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while piece := os.read(ours, 65536):
        heard += piece
    os.close(ours)
    sys.stdout.write(heard.decode())
'''


def test_a_process_killed_again_and_again_loses_nothing_that_it_acknowledged(tmp_path: Path, rounds: int) -> None:
    script = tmp_path / "nursery.py"
    script.write_text(NURSERY)
    root = tmp_path / "lab"
    command = [sys.executable, str(script), str(root), str(KILLS * rounds), "1"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    heard = [line.split(" ", 1) for line in said]
    assert [what for what in heard if what[0] == "failed"] == []
    acked = [int(what[1]) for what in heard if what[0] == "acked"]
    asked = [what[1] for what in heard if what[0] == "asked"]
    print(f"kills: {KILLS * rounds}, commits acknowledged: {len(acked)}")
    assert len(acked) > KILLS
    assert len(acked) == len(set(acked)), "what was acknowledged was sent again"
    store = PosixStore(root)
    with judged(root):
        files = [file for file in listing(store, "sweeps/a") if file.info.rows]
        requests = [row for file in listing(store, "requests") if file.info.rows for row in file.table.to_pylist()]
    points = [point for file in files for point in file.table["_point"].to_pylist()]
    assert points == [k for k in range(len(points) // 2) for _ in range(2)], "each commit whole, once, in order"
    assert set(acked) <= set(points)
    assert len(points) // 2 - len(acked) <= KILLS * rounds, "at most one more for each death"
    names = [row["sweep"] for row in requests]
    assert [name for name in names if name in set(asked)] == asked
    assert len(names) == len(set(names))
