"""The line: so many at once and no more; the end of whoever holds a place frees it."""

from __future__ import annotations

import threading
from pathlib import Path

from clusters import eventually

from raylab.query.line import place


def test_so_many_have_a_place_and_the_next_waits_until_one_is_free(tmp_path: Path) -> None:
    enough, more = threading.Event(), threading.Event()
    inside: list[int] = []

    def take(number: int, until: threading.Event) -> None:
        with place(lambda: False, tmp_path, places=2) as held:
            assert held
            inside.append(number)
            until.wait(60)
            inside.remove(number)

    first = [threading.Thread(target=take, args=[number, enough]) for number in range(2)]
    [thread.start() for thread in first]  # type: ignore[func-returns-value]
    eventually(lambda: len(inside) == 2)
    third = threading.Thread(target=take, args=[2, more])
    third.start()
    with place(lambda: True, tmp_path, places=2) as held:  # nobody wants it any more
        assert not held
    assert 2 not in inside
    enough.set()
    eventually(lambda: inside == [2])
    more.set()
    [thread.join() for thread in [*first, third]]  # type: ignore[func-returns-value]
