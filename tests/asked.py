"""What is asked of a lab, for tests: submissions, and the rows of the request table that they become."""

from __future__ import annotations

import json
from typing import Any

from raylab.core.request import Policy, Request, Submission, SweepRecord, fold

CODE = {"function trial": "source aa", "global SIZE": "3"}


def submission(**changes: Any) -> Submission:
    plain: dict[str, Any] = {
        "name": None,
        "label": "trial",
        "design": '{"x": [1, 2]}',
        "shape": "Factorial(x: 2)",
        "size": 2,
        "repeats": 3,
        "seed": None,
        "order": "random",
        "pickle": b"...",
        "modules": None,
        "ingredients": CODE,
        "policy": Policy(),
        "user": "ada",
    }
    return Submission(**plain | changes)


def submitted(sweep: str = "trial", *, folder: str | None = None, **changes: Any) -> Request:
    plain: dict[str, Any] = {
        "user": "ada",
        "time_us": 5,
        "folder": folder or f"sweeps/{sweep}",
        "label": "trial",
        "design": '{"x": [1, 2]}',
        "shape": "Factorial(x: 2)",
        "size": 2,
        "repeats": 3,
        "seed": 77,
        "seed_given": False,
        "order": "random",
        "code": "aa",
        "ingredients": json.dumps(CODE),
        "policy": Policy().dumps(),
    }
    return Request(kind="submitted", sweep=sweep, **plain | changes)


def sweeps(*requests: Request) -> dict[str, SweepRecord]:
    return fold(requests)
