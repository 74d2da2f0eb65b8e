"""How many threads the libraries of a worker have: what the lease says, whatever was before, unless the sweep says."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sweeps import packaged
from threadpoolctl import ThreadpoolController, threadpool_limits  # type: ignore[import-untyped]

from raylab.core.design import Factorial
from raylab.core.policy import Policy
from raylab.worker.batch import Batch
from raylab.worker.lease import LeaseOrder, run_lease
from raylab.worker.threads import VARIABLES, kept, limit_threads, named

BLAS = [each for each in ThreadpoolController().lib_controllers if each.user_api == "blas"]


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in VARIABLES:
        monkeypatch.setenv(name, "7")
    with threadpool_limits(None):
        yield


def counts() -> set[int]:
    assert float(np.ones(3) @ np.ones(3)) == 3
    return {each.num_threads for each in ThreadpoolController().lib_controllers if each.user_api == "blas"}


def look(x: int) -> dict[str, Any]:
    import os

    from threadpoolctl import threadpool_info, threadpool_limits

    blas = {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}
    row = {"blas": str(sorted(blas)), "env": os.environ["OMP_NUM_THREADS"]}
    os.environ["OMP_NUM_THREADS"] = "5"
    threadpool_limits(6)
    return row


@pytest.mark.skipif(not BLAS, reason="a numpy without a BLAS that can be told")
def test_each_lease_has_its_own_number_in_any_order_whatever_trials_set() -> None:
    package = packaged(look, Factorial(x=[0]))
    for threads in (1, 2, 1, 3, 1):
        order = LeaseOrder(lease=1, start=0, stop=1, flush_s=1e9, policy=Policy(resources={"CPU": threads}))
        _, batch = run_lease(order, package)
        assert isinstance(batch, Batch)
        (row,) = batch.rows.to_pylist()
        assert (row["blas"], row["env"]) == (f"[{threads}]", str(threads))


def test_a_library_that_is_loaded_later_finds_the_number_in_the_environment() -> None:
    limit_threads(2, {})
    assert {os.environ[name] for name in VARIABLES} == {"2"}


@pytest.mark.parametrize(
    ("own", "openmp", "openblas"),
    [
        ({"OMP_NUM_THREADS": "3"}, "3", 3),
        ({"OPENBLAS_NUM_THREADS": "3"}, "2", 3),
        ({"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "1"}, "3", 1),
        ({"OMP_NUM_THREADS": "3,2"}, "3,2", 3),
        ({"MKL_NUM_THREADS": "4"}, "2", 2),
    ],
)
def test_what_the_sweep_itself_says_stays(own: dict[str, str], openmp: str, openblas: int) -> None:
    limit_threads(2, own)
    assert os.environ["OMP_NUM_THREADS"] == openmp
    assert all(os.environ[name] == value for name, value in own.items())
    if any(each.internal_api == "openblas" for each in BLAS):
        assert counts() == {openblas}


def test_nonsense_is_left_to_the_libraries() -> None:
    limit_threads(2, {"OMP_NUM_THREADS": "many"})
    assert os.environ["OMP_NUM_THREADS"] == "many"


def test_torch_is_told_where_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in: torch itself is no dependency of the tests."""
    told: list[int] = []
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(set_num_threads=told.append))  # type: ignore[arg-type]
    limit_threads(2, {})
    limit_threads(1, {"OMP_NUM_THREADS": "4"})
    assert told == [2, 4]


def test_of_an_environment_only_what_speaks_of_threads_is_taken() -> None:
    assert named({"A": "1", "MKL_NUM_THREADS": 2}) == {"MKL_NUM_THREADS": "2"}
    assert named({}) == {}


@pytest.mark.skipif(not BLAS, reason="numpy brings no BLAS of which the threads can be told")
def test_a_process_gets_its_own_number_back() -> None:
    limit_threads(3, {})
    assert counts() == {3}
    with kept():
        limit_threads(1, {})
        assert counts() == {1}
    assert counts() == {3}


class Library:
    """A stand-in for one; `name` is that of its file."""

    internal_api = "openblas"

    def __init__(self, name: str, count: dict[str, int]) -> None:
        self.filepath = name
        self._count = count

    def get_num_threads(self) -> int:
        return self._count[self.filepath]

    def set_num_threads(self, count: int) -> None:
        self._count[self.filepath] = count


@pytest.mark.parametrize("said", [None, "5"])
def test_what_is_loaded_meanwhile_has_the_processs_number_afterwards(
    monkeypatch: pytest.MonkeyPatch, said: str | None
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name)
    if said is not None:
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", said)
    count = {"old": 3}
    monkeypatch.setattr("raylab.worker.threads._libraries", lambda _: [Library(name, count) for name in count])
    told: list[int] = []
    with kept():
        count["new"] = 1
        monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(set_num_threads=told.append))  # type: ignore[arg-type]
        limit_threads(2, {})
        assert count == {"old": 2, "new": 2}
    own = os.cpu_count() or 1
    assert count == {"old": 3, "new": own if said is None else int(said)}
    assert told == [2, own]
