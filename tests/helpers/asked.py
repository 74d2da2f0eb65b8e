"""What is asked of a lab, for tests: submissions, and the rows of the request table that they become."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from raylab.core.history import History, fold
from raylab.core.policy import Policy
from raylab.core.request import Kind, Request, Submission

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


def submitted(
    sweep: str = "trial",
    *,
    folder: str | None = None,
    seed: int = 77,
    code: str = "aa",
    modules: str | None = None,
    time_us: int = 5,
    **changes: Any,
) -> Request:
    """That a sweep was submitted, with these changes of the submission."""
    request = Request.submitted(
        submission(**changes),
        name=sweep,
        folder=folder or f"sweeps/{sweep}",
        seed=seed,
        code=code,
        modules=modules,
    )
    return replace(request, time_us=time_us)


def noted(kind: Kind, sweep: str = "trial", *, folder: str | None = None, **body: Any) -> Request:
    """Any other row about a sweep, the first one of its name unless a folder is given."""
    return Request(kind=kind, sweep=sweep, folder=folder or f"sweeps/{sweep}", user="ada", time_us=6, body=body)


def ran_alone(sweep: str = "trial", position: int = 1, *, deaths: int = 0, runs: int = 1, **more: Any) -> Request:
    """That a suspect runs alone now."""
    strikes = {"deaths": deaths, "runs": runs, "out_of_memory": False}
    return noted("ran_alone", sweep, position=position, strikes=strikes, **more)


def sweeps(*requests: Request) -> History:
    return fold(requests)
