"""The name that was meant, told by whoever has no such one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from said import refused

import raylab
from raylab.core.closest import did_you_mean, some_of
from raylab.core.statuses import check_failed
from raylab.notebook.frames import check_status


def line(x: int, Beta: int = 1) -> dict[str, int]:  # noqa: N803
    return {"y": x * Beta}


@pytest.mark.parametrize(("word", "meant"), [("beta", "Beta"), ("Apha", "alpha"), ("x", ""), (7, ""), ("", "")])
def test_names_are_alike_whatever_their_capitals(word: object, meant: str) -> None:
    assert did_you_mean(word, ["alpha", "Beta"]) == (f". Did you mean {meant!r}?" if meant else "")


def test_of_many_names_a_sentence_has_the_first() -> None:
    assert some_of(map(str, range(1000))).endswith("'19' and 980 more")


def test_what_is_misspelt_is_answered_with_what_was_meant(lab: raylab.Lab) -> None:
    sweep = lab.submit(line, {"x": [1]}, name="coarse")
    design = raylab.Factorial(x=[1, 2])
    wrong: list[tuple[Callable[[], Any], str]] = [
        (lambda: lab.sweep("Corse"), "coarse"),
        (lambda: lab.results("COARSE"), "coarse"),
        (lambda: lab.submit(line, {"x": [1], "beta": [1]}), "Beta"),
        (lambda: lab.submit(line, {"x": [1]}, if_exists="contnue"), "continue"),
        (lambda: lab.submit(line, {"x": [1]}, order="Design"), "design"),
        (lambda: lab.submit(line, {"x": [1]}, memory={"X": {1: 1e9}}), "x"),
        (lambda: sweep.results(metadata=["node"]), "_node"),
        (lambda: sweep.change(prio=1), "priority"),
        (lambda: check_status("fail"), "failed"),
        (lambda: check_failed("Crash"), "crashed"),
        (lambda: design.axis("X"), "x"),
        (lambda: design.where(pl.col("X") > 1), "x"),
    ]
    for call, meant in wrong:
        with refused(Exception, f". Did you mean {meant!r}?"):
            call()


def test_what_a_newcomer_gives_for_an_experiment_is_answered_with_the_way(lab: raylab.Lab) -> None:
    with refused(raylab.ExperimentError, "{'y': 1}", "without calling it", "f(...)"):
        lab.submit(line(1), {"x": [1]})
    with refused(raylab.DesignError, "got function", "the experiment first, the design second"):
        lab.submit({"x": [1]}, line)  # type: ignore[arg-type]
    with refused(raylab.ExperimentError, "there is no axis", "{'x': [...]}", "lab['x'] = [...]"):
        lab.submit(line)
    for design in ([1, 2], range(2), "x"):
        with refused(raylab.DesignError, "given by its name, as {'x': [1, 2, 3]}"):
            lab.submit(line, design)


def test_amounts_are_refused_under_the_name_of_their_argument(lab: raylab.Lab) -> None:
    words: dict[str, Any] = {"num_cpus": "how many CPUs", "num_gpus": "how many GPUs", "memory": "how many bytes"}
    for word, says in words.items():
        with refused(raylab.DesignError, f"{word} is {says} each trial needs", "got -1"):
            lab.submit(line, {"x": [1]}, **{word: -1})


def test_what_is_no_word_is_refused_where_words_are_taken(lab: raylab.Lab) -> None:
    sweep = lab.submit(line, {"x": [1]})
    with refused(ValueError, "metadata is True, or a list", "there is no 1"):
        sweep.results(metadata=1)  # type: ignore[arg-type]
    with refused(ValueError, "status is one or several", "got None"):
        sweep.results(status=None)  # type: ignore[arg-type]
    with refused(ValueError, "seconds are timeout=60"):
        lab.wait(60)  # type: ignore[arg-type]
    with refused(raylab.DesignError, "the name of a parameter is a string; got 1"):
        lab[1] = [1]  # type: ignore[index]
    with refused(raylab.SweepNotFound, "none 'q'"):
        del lab["q"]
