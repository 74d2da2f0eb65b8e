"""What makes two failures alike, told from real tracebacks; and how their numbers add up."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylab.core.alike import LIMIT
from raylab.core.causes import MORE, Cause, Failing, cause_of, merged
from raylab.server.lease_ends import ended
from raylab.worker.lease import Header
from raylab.worker.outcome import failure

HERE = str(Path(__file__))
NO_X = "KeyError: 'x'"


def cause(trial: Callable[..., Any], *args: Any) -> Cause:
    """Why a trial that calls this fails."""
    try:
        trial(*args)
    except BaseException as error:
        made = failure(error)
        assert made.error is not None
        return cause_of(made.status, made.error, made.traceback)
    raise AssertionError("it does not fail")


def line_of(function: Any, ahead: int = 1) -> int:
    return int(function.__code__.co_firstlineno + ahead)


def no_fit(x: int) -> None:
    raise ValueError(f"no fit at {x}")


def no_fit_elsewhere(x: int) -> None:
    raise ValueError(f"no fit at {x}")


def in_a_library(text: str) -> None:
    json.loads(text)


def from_another(x: int, key: str) -> None:
    try:
        {}[key]
    except KeyError as error:
        raise RuntimeError(f"trial {x}") from error


def while_another_is_handled(x: int) -> None:
    try:
        no_fit(x)
    except ValueError:
        in_a_library("{")


def alone(key: str) -> None:
    try:
        {}[key]
    except KeyError:
        raise RuntimeError("alone") from None


def several(x: int) -> None:
    raise ExceptionGroup("several", [ValueError(f"a{x}"), KeyError(x)])


def that_holds_a_traceback(x: int) -> None:
    raise RuntimeError(
        f'on node {x}:\nTraceback (most recent call last):\n  File "far.py", line {x}, in far\nOSError: x'
    )


def noted() -> None:
    error = ValueError("odd")
    error.add_note("ValueError: odd, says the note")
    raise error


def unread() -> None:
    exec("a b")


def deep(x: int) -> None:
    deep(x + 1)


class FarError(Exception):
    """Its name has a module before it in a traceback."""


def of_a_module() -> None:
    try:
        raise FarError("no 7")
    except FarError as error:
        raise ValueError("outer") from error


@pytest.mark.parametrize(
    ("trial", "args", "expected"),
    [
        (no_fit, (7,), Cause("ValueError", "no fit at #", f"{HERE}:{line_of(no_fit)}")),
        (in_a_library, ("{",), f"{HERE}:{line_of(in_a_library)}"),
        (
            from_another,
            (3, "x"),
            Cause("RuntimeError", "trial #", f"{HERE}:{line_of(from_another, 4)}", "KeyError: 'x'"),
        ),
        (while_another_is_handled, (3,), "ValueError: no fit at #"),
        (alone, ("x",), Cause("RuntimeError", "alone", f"{HERE}:{line_of(alone, 4)}")),
        (several, (3,), Cause("ExceptionGroup", "several (# sub-exceptions)", f"{HERE}:{line_of(several)}")),
        (that_holds_a_traceback, (3,), f"{HERE}:{line_of(that_holds_a_traceback)}"),
        (noted, (), Cause("ValueError", "odd", f"{HERE}:{line_of(noted, 3)}")),
        (unread, (), f"{HERE}:{line_of(unread)}"),
        (deep, (0,), f"{HERE}:{line_of(deep)}"),
        (of_a_module, (), "FarError: no #"),
        (sys.exit, (3,), Cause("SystemExit", "#", f"{HERE}:{line_of(cause, 3)}")),
    ],
)
def test_a_cause_is_type_text_place_and_root(trial: Any, args: tuple[Any, ...], expected: Cause | str) -> None:
    found = cause(trial, *args)
    assert found == expected or expected in (found.where, found.root), found


def test_the_same_words_from_two_places_are_two_causes() -> None:
    assert cause(no_fit, 1) == cause(no_fit, 2) != cause(no_fit_elsewhere, 1)
    assert cause(from_another, 1, "x") == cause(from_another, 2, "x") != cause(from_another, 1, "y")


def test_modules_that_travelled_lie_elsewhere_for_each_user_and_are_one_place() -> None:
    def of(folder: str) -> Cause:
        trace = f'Traceback (most recent call last):\n  File "{folder}/{"a" * 64}/model/fit.py", line 3, in fit\nE: x\n'
        return cause_of("failed", "E: x", trace)

    assert of("/tmp/raylab-code-1000") == of("/scratch/raylab-code-7") == Cause("E", "x", "model/fit.py:3")


def test_what_is_no_exceptions_has_no_type() -> None:
    assert cause_of("failed", "its record has 70.0 MB", None) == Cause("", "its record has # MB")
    assert cause_of("failed", "", None) == Cause("", "")
    assert cause_of("failed", "KeyError: 'x'", "") == Cause("KeyError", "'x'"), "a notebook may lack the rest"


def test_a_death_is_the_same_on_any_node_in_any_process() -> None:
    def of(node: str, pid: int, deaths: int, log: str = "", fatal: str = "") -> Cause:
        last = ended(Header(node=node, pid=pid, log=log)) + (
            f"{fatal}; sweep.log({pid}) has what it printed" * bool(log)
        )
        words = f"its worker process died {deaths} times while it ran alone; the last time: {last}"
        return cause_of("crashed", words, None)

    assert of("node1", 4_242, 3) == of("node2", 17, 4) == of("node1", 7, 3, "1.log") == of("node1", 8, 5, "2.log")
    assert of("node1", 1, 3).text.startswith("its worker process died while it ran alone; the last time: its process")
    ends = [f"; Fatal Python error: {name}" for name in ("Aborted", "Segmentation fault")]
    one, other = [{of("n", pid, pid, "1.log", end) for pid in (3, 4)} for end in ends]
    assert len(one) == len(other) == 1 != len(one | other), "what ended a process makes a cause"
    often = "it ran alone {} times, and each time its worker process or the whole lab died"
    assert len({cause_of("crashed", often.format(times), None) for times in (2, 3)}) == 1
    assert "unexpectedly" in of("node1", 1, 3).text
    short = "it needed more memory than its node could give: its process had {} GB, the node {} had {} of 8 GB in use"
    assert len({cause_of("out_of_memory", short.format(*each), None) for each in ((1, "a", 2), (3.5, "b", 4))}) == 1


def test_where_a_trial_was_when_its_time_was_over_is_no_part_of_it() -> None:
    said = "it took longer than its time limit of 2 s"
    traces = [f'  File "fit.py", line {line}, in fit\n' for line in (3, 4)]
    assert {cause_of("timed_out", said, trace) for trace in traces} == {Cause("", said.replace("2", "#"))}


failing = st.builds(
    Failing,
    cause=st.builds(Cause, st.sampled_from(["A", "B"]), st.sampled_from(["s", "t"])),
    by_status=st.dictionaries(st.sampled_from(["failed", "crashed"]), st.integers(1, 9), min_size=1),
)


@given(st.lists(failing), st.randoms(use_true_random=False))
def test_in_whatever_order_they_come_the_same_comes_of_them(some: list[Failing], chance: random.Random) -> None:
    other = list(some)
    chance.shuffle(other)
    cut = chance.randint(0, len(other))
    assert merged(some) == merged([*merged(other[:cut]), *merged(other[cut:])])
    for each in merged(some):
        assert each.count == sum(one.count for one in some if one.cause == each.cause)


def test_beyond_the_limit_they_are_one_row_which_is_the_last() -> None:
    def one(number: int) -> Failing:
        return Failing(cause=Cause("E", f"t{number}"), by_status={"failed": 1})

    found = merged(map(one, range(3 * LIMIT)))
    again = merged([*found, one(0), one(5 * LIMIT)])
    assert len(found) == len(again) == LIMIT + 1
    assert (found[-1].cause, found[-1].count) == (MORE, 2 * LIMIT)
    assert (again[0].cause, again[0].count, again[-1].count) == (Cause("E", "t0"), 2, 2 * LIMIT + 1)
