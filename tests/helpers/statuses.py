"""What a lab says of a sweep, as tests want it."""

from __future__ import annotations

from typing import Any

from raylab.core.status import Progress, Status

NUMBERS = ("total", "done", "failed", "cancelled", "running", "waiting", "retrying", "rows")


def progress(**words: Any) -> Progress:
    """How far it is; nothing was asked, unless the words say so."""
    known = dict.fromkeys(NUMBERS, 0) | {"by_status": {}, "eta_s": 0.0, "state": "ready", "reason": ""}
    return Progress(**{**known, **words})


def status(name: str = "s", **words: Any) -> Status:
    """All that is said of a sweep."""
    known = dict.fromkeys(NUMBERS, 0) | {"by_status": {}, "eta_s": 0.0, "state": "ready", "reason": ""}
    known |= {"folder": f"sweeps/{name}", "user": "ada", "repeats": 1, "design": "", "description": ""}
    known |= {"priority": 0, "max_concurrency": None, "max_failures": None}
    known |= {"submitted_us": 0, "first_error": None, "causes": (), "troubles": 0}
    return Status(name=name, **{**known, **words})
