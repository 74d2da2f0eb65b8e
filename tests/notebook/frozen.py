"""Makes a notebook that is kept as a version wrote it, once a format: `python frozen.py ../data/notebook-v1`.

It lies there packed, beside what is in it as JSON: each sweep's rows, and its counts. Never made again when it is
there: that this one is still read is what it is for.
"""

from __future__ import annotations

import json
import linecache
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

sys.path.append(str(Path(__file__).parents[1] / "helpers"))  # for who runs it by hand

from asked import noted, ran_alone
from sweeps import WHO, Bench

from raylab.core.design import Design, Factorial, Points
from raylab.core.policy import Policy
from raylab.notebook.posix import PosixStore
from raylab.notebook.table import Table
from raylab.offline import Notebook
from raylab.worker.batch import Batch

SOURCE = """
def kinds(p):
    import datetime, numpy as np
    zone = datetime.timezone(datetime.timedelta(hours=2))
    found = {
        "whole": p, "real": p / 4, "word": "abc"[:p], "yes": p % 2 == 0, "raw": bytes([p]), "none": None,
        "naive": datetime.datetime(2026, 1, 2, 3, 4, p), "zoned": datetime.datetime(2026, 1, 2, 3, 4, p, tzinfo=zone),
        "list": list(range(p)), "dict": {"a": p, "b": [p / 2]}, "array": np.arange(4).reshape(2, 2) + p,
        "wide": p if p < 2 else p / 2, "clash": p if p < 2 else "two", "odd": complex(p, 1), "p": -p,
    }
    return found | ({"late": p} if p > 1 else {})

def walk(steps, seed):
    if steps == 2:
        print("two steps")
        raise ValueError("no walk of two steps")
    return [{"step": step, "at": (seed + step) % 7} for step in range(steps)]

def empty(q):
    raise RuntimeError("nothing yet")

def square(q):
    return {"square": q * q}
"""


def functions() -> dict[str, Callable[..., Any]]:
    """The experiments, as if from a file of this name, so that no path of this machine gets into the notebook."""
    linecache.cache["experiment.py"] = (len(SOURCE), None, SOURCE.splitlines(keepends=True), "experiment.py")
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(SOURCE, "experiment.py", "exec"), names)
    return names


DESIGNS: dict[str, Design] = {
    "kinds": Factorial(p=range(4)),
    "walks": Points(steps=[1, 2, 3]),
    "again": Factorial(q=range(5)),
    "given up": Factorial(q=[1, 2, 3]),
    "mended": Factorial(q=range(4)),
}
REPEATS = {"walks": 2}
EXPERIMENTS = {"kinds": "kinds", "walks": "walk", "again": "square", "given up": "square", "mended": "square"}


class Quiet(Bench):
    """Writes nothing about this machine."""

    def commit(self, name: str, batches: list[Batch]) -> None:
        super().commit(name, [replace(batch, rows=_neutral(batch.rows)) for batch in batches])


def _neutral(rows: pa.RecordBatch) -> pa.RecordBatch:
    found = {
        "_node": "node-1",
        "_pid": 7,
        "_peak_memory": 2**27,
        "_started": datetime.fromisoformat("2026-01-02T03:04:05+00:00"),
    }
    columns = []
    for field, array in zip(rows.schema, rows.columns, strict=True):
        if field.name in found:
            array = pa.array([found[field.name]] * len(array), field.type)
        if field.name == "_elapsed_s":
            array = pa.array([0.5] * len(array), field.type)
        columns.append(array)
    return pa.RecordBatch.from_arrays(columns, schema=rows.schema)


def freeze(root: Path) -> None:
    """The notebook: parts, journals, openings, and all that may be asked."""
    does = functions()
    bench = Quiet(root)

    def submit(name: str, experiment: str | None = None, design: Design | None = None) -> None:
        repeats = REPEATS.get(name, 1)
        bench.submit(name, does[experiment or EXPERIMENTS[name]], design or DESIGNS[name], repeats=repeats)

    submit("kinds")
    bench.run("kinds", 0, 2)
    bench.run("kinds", 2, 3)
    bench.seal("kinds")
    bench.run("kinds", 3, 4)

    submit("walks")
    bench.run("walks", 0, 2)
    bench.seal("walks")
    bench._packages["walks"] = bench._packages["walks"][0], bench.writer.open_sweep("sweeps/walks")
    bench.run("walks", 2, 4)
    bench.seal("walks")
    bench.run("walks", 4, 5)
    bench.run("walks", 1, 2, attempt=2)  # recorded twice: the later attempt counts

    submit("again", "empty", Factorial(q=[1]))
    bench.run("again")
    submit("again")  # takes the name of the one that had no result
    bench.run("again", 0, 3)

    submit("given up")
    bench.run("given up", 0, 1)

    submit("mended")
    bench.run("mended", 0, 2)
    ask(bench)
    Table(PosixStore(root), "sweeps/mended", WHO).open()


def ask(bench: Bench) -> None:
    """One of each kind of request."""
    policy = Policy(description="as it was", retries=2, resources={"CPU": 2.0})
    pickle, modules = bench.writer.put_code(b"an experiment", b"its modules")
    requests = [
        noted("policy", "kinds", **policy.plain()),
        noted("cancelled", "given up"),
        noted("cancelled", "again"),  # of the older one
        ran_alone("again", 4, deaths=1, runs=2, folder="sweeps/again~2"),
        noted("paused", "walks", reason="the first error"),
        noted("resumed", "walks"),
        noted("code", "mended", code=pickle, modules=modules),
        noted("locked", "kinds"),
    ]
    bench.writer.add([replace(request, time_us=time_us) for time_us, request in enumerate(requests, 5)])


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if isinstance(value, date) else value


def told(root: Path) -> dict[str, Any]:
    """What the notebook says, as JSON has it."""
    notebook = Notebook(root)
    sweeps = notebook.sweeps()
    rows = {name: notebook.results(name, status="all", metadata=True).sort("_seq") for name in sweeps["name"]}
    failed = [(name, *trial) for name in rows for trial in _failed(rows[name])]
    return {
        "logs": [[*trial, notebook.log(*trial)] for trial in failed],
        "sweeps": [plain(row) for row in sweeps.to_dicts()],
        "schemas": {name: {column: str(kind) for column, kind in frame.schema.items()} for name, frame in rows.items()},
        "rows": {name: [plain(row) for row in frame.to_dicts()] for name, frame in rows.items()},
    }


def _failed(rows: pl.DataFrame) -> list[tuple[int, int]]:
    """The trials that failed, by point and repeat."""
    found: list[tuple[int, int]] = rows.filter(pl.col("_status") == "failed").select("_point", "_repeat").rows()
    return found


def main(folder: str) -> None:
    target = Path(folder)
    if target.exists():
        raise SystemExit(f"{target} is there; a frozen notebook is never made again")
    target.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as parent:
        root = Path(parent) / "lab"
        freeze(root)
        shutil.make_archive(str(target / "notebook"), "zip", root)
        rows = json.dumps(told(root), indent=1, ensure_ascii=False)
        (target / "told.json").write_text(rows + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
