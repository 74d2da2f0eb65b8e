"""Tables for tests: one with an opening by a host, rows of one column, and what parts say of their commits."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from raylab.notebook.posix import PosixStore
from raylab.notebook.table import Table


def combine(metas: list[dict[str, int]]) -> dict[str, int]:
    return {"n": sum(meta["n"] for meta in metas)}


def opened(root: Path, host: str = "a") -> Table:
    table = Table(PosixStore(root), "t", {"host": host})
    table.open()
    return table


def rows(*values: object) -> pa.Table:
    return pa.table({"x": list(values)})
