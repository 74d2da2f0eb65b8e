"""What a plot shows where little or nothing is said."""

from __future__ import annotations

import re
from typing import Any

import pytest

from raylab.display.choosing import Choice, Columns, choose
from raylab.display.variables import Kind, Variable


def axis(name: str, levels: int, kind: Kind = "number") -> Variable:
    return Variable(name=name, kind=kind, levels=levels, low=0.0, high=1.0)


def columns(*axes: Variable, points: int | None = None, results: dict[str, bool] | None = None) -> Columns:
    size = 1
    for each in axes:
        size *= each.levels
    return Columns(
        parameters={each.name: each for each in axes},
        points=size if points is None else points,
        results={"y": True, "word": False, "z": True} if results is None else results,
        metadata={"_elapsed_s": True, "_node": False},
    )


P, Q, R = axis("p", 101), axis("q", 21), axis("r", 3)
KIND, SORT = axis("kind", 3, "text"), axis("sort", 2, "truth")


def shown(choice: Choice) -> tuple[Any, ...]:
    return choice.mark, choice.results, choice.x, choice.y, choice.color, choice.facet, choice.over


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (columns(P), ("means", ("y",), "p", None, None, None, ())),
        (columns(KIND), ("means", ("y",), "kind", None, None, None, ())),
        (columns(P, Q), ("map", ("y",), "p", "q", None, None, ())),
        (columns(Q, P), ("map", ("y",), "q", "p", None, None, ())),
        (columns(axis("a", 3), axis("b", 3)), ("map", ("y",), "a", "b", None, None, ())),
        (columns(R, P), ("means", ("y",), "p", None, "r", None, ())),
        (columns(KIND, P), ("means", ("y",), "p", None, "kind", None, ())),
        (columns(P, KIND, SORT), ("means", ("y",), "p", None, "kind", "sort", ())),
        (columns(P, Q, KIND), ("map", ("y",), "p", "q", None, "kind", ())),
        (columns(P, KIND, SORT, axis("more", 2, "text")), ("means", ("y",), "p", None, "kind", "sort", ("more",))),
        (columns(KIND, SORT), ("means", ("y",), "kind", None, "sort", None, ())),
        (columns(axis("names", 500, "text"), P), ("means", ("y",), "p", None, None, None, ("names",))),
        (columns(axis("one", 1), P), ("means", ("y",), "p", None, None, None, ())),
        (columns(axis("one", 1)), ("distribution", ("y",), None, None, None, None, ())),
        (columns(), ("distribution", ("y",), None, None, None, None, ())),
        (columns(axis("day", 30, "time"), P), ("map", ("y",), "day", "p", None, None, ())),
        (columns(P, results={"word": False}), ("shares", ("word",), "p", None, None, None, ())),
        (columns(results={"word": False}), ("shares", ("word",), None, None, None, None, ())),
        (columns(P, results={}), ("means", (), "p", None, None, None, ())),
    ],
)
def test_without_arguments(there: Columns, expected: tuple[Any, ...]) -> None:
    assert shown(choose(there)) == expected


def test_points_that_lie_anywhere_are_a_map_of_points_or_points_over_the_first_parameter() -> None:
    two = columns(axis("p", 200), axis("q", 200), points=200)
    assert (choose(two).mark, choose(two).is_scattered) == ("map", True)
    assert not choose(columns(axis("p", 200), axis("q", 200))).is_scattered
    three = columns(axis("p", 200), axis("q", 200), axis("s", 200), KIND, points=200)
    assert shown(choose(three)) == ("means", ("y",), "p", None, "kind", None, ("q", "s"))


@pytest.mark.parametrize(
    ("there", "words", "expected"),
    [
        (columns(P, Q, KIND), {"x": "q"}, ("means", ("y",), "q", None, "kind", None, ("p",))),
        (columns(P, Q), {"y": "z"}, ("map", ("z",), "p", "q", None, None, ())),
        (columns(P, R), {"y": ["y", "z"]}, ("means", ("y", "z"), "p", None, "r", None, ())),
        (columns(P, KIND, SORT), {"y": ["y", "z"]}, ("means", ("y", "z"), "p", None, "kind", None, ("sort",))),
        (columns(P, R), {"x": "p", "y": "r"}, ("map", ("y",), "p", "r", None, None, ())),
        (columns(P, R), {"y": "r"}, ("map", ("y",), "p", "r", None, None, ())),
        (columns(P, R), {"y": "r", "color": "z"}, ("map", ("z",), "p", "r", None, None, ())),
        (columns(P, R), {"color": "z"}, ("map", ("z",), "p", "r", None, None, ())),
        (columns(P, R), {"x": "z", "y": "y"}, ("trials", ("y",), "z", None, "r", None, ("p",))),
        (columns(P, R), {"x": "z"}, ("trials", ("y",), "z", None, "r", None, ("p",))),
        (columns(P), {"color": "z"}, ("trials", ("y",), "p", None, "z", None, ())),
        (
            columns(P),
            {"x": "_elapsed_s", "color": "_node"},
            ("trials", ("y",), "_elapsed_s", None, "_node", None, ("p",)),
        ),
        (columns(P), {"y": "_elapsed_s"}, ("means", ("_elapsed_s",), "p", None, None, None, ())),
        (columns(P, R), {"y": "word"}, ("shares", ("word",), "p", None, None, None, ("r",))),
        (columns(P, R), {"facet": "r"}, ("means", ("y",), "p", None, None, "r", ())),
        (columns(P, R), {"x": "r", "color": "p"}, ("means", ("y",), "r", None, "p", None, ())),
        (columns(P, results={}), {"y": "later"}, ("means", ("later",), "p", None, None, None, ())),
        (columns(axis("ε", 9)), {"x": "ϵ"}, ("means", ("y",), "ε", None, None, None, ())),
    ],
)
def test_what_is_said_holds_and_the_rest_follows(
    there: Columns, words: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    assert shown(choose(there, **words)) == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            {"x": "pp"},
            "x names a parameter or a result; there is no 'pp'. Did you mean 'p'? The parameters are 'p', 'kind'",
        ),
        ({"y": "wordy"}, "there is no 'wordy'. Did you mean 'word'?"),
        ({"color": 3}, "color is the name of a parameter or a result; got 3"),
        ({"facet": "y"}, "facet takes a parameter; 'y' is a result"),
        ({"y": ["y", "p"]}, "y takes results, or one parameter for a map; got 'y', 'p'"),
        ({"y": ["y", "word"]}, "several results are drawn where all are numbers; 'word' is none"),
        ({"y": "p", "color": "kind"}, "a result is shown by color; 'kind' is a parameter"),
        ({"y": "p", "color": "word"}, "color takes a number here; 'word' is none"),
        ({"y": "word", "color": "kind"}, "the values of 'word', which are no numbers, are told apart by colour"),
        ({"x": "z", "y": ["y", "z"]}, "over a result one other is drawn; got 'y', 'z'"),
    ],
)
def test_what_cannot_be_shown_says_what_can(words: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        choose(columns(P, KIND), **words)
