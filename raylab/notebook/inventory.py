"""What there is in a notebook, as frames: its sweeps in numbers, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import polars as pl

from raylab.core.status import Status
from raylab.notebook.damage import Finding

FINDINGS_SCHEMA: dict[str, Any] = {
    "file": pl.String,
    "sweep": pl.String,
    "what": pl.String,
    "first_row": pl.Int64,
    "rows": pl.Int64,
    "trials": pl.Int64,
}


SWEEPS_SCHEMA: dict[str, Any] = {
    "name": pl.String,
    "user": pl.String,
    "state": pl.String,
    "priority": pl.Int64,
    "total": pl.Int64,
    "ready": pl.Int64,
    "done": pl.Int64,
    "failed": pl.Int64,
    "cancelled": pl.Int64,
    "running": pl.Int64,
    "waiting": pl.Int64,
    "rows": pl.Int64,
    "rate": pl.Float64,
    "eta_s": pl.Float64,
    "nodes": pl.List(pl.Struct({"node": pl.String, "running": pl.Int64})),
    "repeats": pl.Int64,
    "max_concurrency": pl.Int64,
    "max_failures": pl.Float64,
    "design": pl.String,
    "description": pl.String,
    "archived": pl.Boolean,
    "submitted": pl.Datetime("us", "UTC"),
}


def sweeps_frame(sweeps: Sequence[Status]) -> pl.DataFrame:
    """Sweeps in numbers as a frame, a row each."""
    told = [sweep.told() for sweep in sweeps]
    return pl.DataFrame([{name: row[name] for name in SWEEPS_SCHEMA} for row in told], schema=SWEEPS_SCHEMA)


def findings_frame(findings: Iterable[Finding]) -> pl.DataFrame:
    """What is wrong with a notebook as a frame, a row for each thing."""
    return pl.DataFrame([asdict(finding) for finding in findings], schema=FINDINGS_SCHEMA)
