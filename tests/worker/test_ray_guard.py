"""What a trial must not do with Ray raises, also where it was captured before. (With a cluster: tests/ray.)"""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import ray
import ray._private.worker as inner
from sweeps import rows_of

from raylab.core.design import Factorial
from raylab.worker.ray_guard import guarded


def test_the_calls_raise_under_each_name_and_are_themselves_again_afterwards() -> None:
    before = ray.init, ray.shutdown, inner.init, inner.shutdown
    with guarded():
        captured = ray.shutdown, inner.init
        for place in (ray, inner):
            with pytest.raises(RuntimeError, match=r"ray\.shutdown\(\) was called in a trial.*leave out"):
                place.shutdown()
            for words in ({}, {"address": "ray://there:1", "ignore_reinit_error": True}, {"address": "auto"}):
                with pytest.raises(RuntimeError, match=r"ray\.init\(\) was called in a trial"):
                    place.init(**words)
        assert inspect.signature(ray.init) == inspect.signature(before[0])
        with guarded(), pytest.raises(RuntimeError):
            ray.shutdown()
        with pytest.raises(RuntimeError):
            ray.shutdown()
    assert (ray.init, ray.shutdown, inner.init, inner.shutdown) == before
    assert not ray.is_initialized()
    captured[0]()  # outside of trials it is what it was


def test_a_captured_call_is_a_failed_row_that_names_it() -> None:
    def of_a_script() -> Any:
        space: dict[str, Any] = {"__name__": "__main__"}
        exec("from ray import shutdown\ndef script(x):\n    shutdown()\n    return {'y': x}\n", space)
        return space["script"]

    for row in rows_of(of_a_script(), Factorial(x=[1, 2])):
        assert row["_status"] == "failed"
        assert row["_error"].startswith("RuntimeError: ray.shutdown() was called in a trial")
