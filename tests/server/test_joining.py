"""A connection that raylab makes prints nothing of Ray's."""

from __future__ import annotations

import threading

import pytest
import ray
from ray._private import worker

from raylab.server.joining import join


@pytest.mark.parametrize("first", [None, ConnectionAbortedError()])
def test_what_a_cluster_tells_all_its_drivers_is_not_printed(
    monkeypatch: pytest.MonkeyPatch, first: Exception | None
) -> None:
    listen = worker.listen_error_messages
    listeners, raises = [], [first]

    def init(address: str, **options: object) -> None:
        listeners.append(worker.listen_error_messages)
        if error := raises and raises.pop():
            raise error

    monkeypatch.setattr(ray, "init", init)
    join("head:6379")
    assert len(listeners) == (2 if first else 1)
    for each in listeners:
        assert each is not listen
        each(worker.global_worker, threading.Event())  # is over at once, where nobody is connected
    assert worker.listen_error_messages is listen, "a connection that a user makes is the user's"
