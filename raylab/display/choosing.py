"""Choosing what a plot shows: which mark, and what stands on each axis, as far as a person does not say it.

Pure: it knows names and kinds of columns, no rows and no library that draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from raylab.core.closest import did_you_mean, some_of
from raylab.core.names import read_name
from raylab.display.variables import Variable

Mark: TypeAlias = Literal["means", "map", "trials", "shares", "distribution"]
"""`means`: of results, over a parameter. `map`: a result's mean by colour, over two parameters. `trials`: a point each.
`shares`: how often each value of a result came. `distribution`: how often a result fell where."""

COLORS = 20
"""So many texts are told apart by colour, where nobody asks for it."""

SHADES = 8
"""So many numbers are."""

PANELS = 12
"""So many panels are drawn, where nobody asks for them."""

FEW, TIMES = 4, 3
"""Of two axes of numbers, one of so many levels is told apart by colour, if the other has TIMES as many: that is
easier to read than a map of a few stripes."""

Words: TypeAlias = str | Sequence[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a plot shows.

    Attributes:
        mark: how.
        results: which results; several have a panel each.
        x, y: the columns on the axes; `y` only of a map. None of a distribution.
        color, facet: the columns that are told apart by colour, and by panels.
        over: the parameters that are not told apart.
        is_scattered: of a map, whether its points lie anywhere, as those of a sampled design.
    """

    mark: Mark
    results: tuple[str, ...] = ()
    x: str | None = None
    y: str | None = None
    color: str | None = None
    facet: str | None = None
    over: tuple[str, ...] = ()
    is_scattered: bool = False

    @property
    def shown(self) -> tuple[str, ...]:
        """The columns by which rows are told apart."""
        return tuple(dict.fromkeys(each for each in (self.x, self.y, self.color, self.facet) if each is not None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What there is to choose from.

    Attributes:
        parameters: those of the design, in its order.
        points: how many points were looked at to know them.
        results: whether each result has numbers, by name, in the order of the experiment; empty while nothing is in.
        metadata: what else is known of trials: whether it is a number, by name.
    """

    parameters: Mapping[str, Variable]
    points: int
    results: Mapping[str, bool]
    metadata: Mapping[str, bool]

    @property
    def varying(self) -> list[Variable]:
        return [each for each in self.parameters.values() if each.levels > 1]

    @property
    def numbers(self) -> list[str]:
        return [name for name, has_numbers in self.results.items() if has_numbers]

    def of_trials(self, name: str | None) -> bool:
        """Whether a column says something of trials, and not of points."""
        return name is not None and name not in self.parameters

    def is_number(self, name: str) -> bool:
        return self.results.get(name, self.metadata.get(name, not self.results))

    def are_scattered(self, one: Variable, other: Variable) -> bool:
        """Whether the points have nearly all different levels of both, as those of a sampled design."""
        return self.points > 3 and min(one.levels, other.levels) > self.points / 2


def choose(
    columns: Columns, x: str | None = None, y: Words = None, color: str | None = None, facet: str | None = None
) -> Choice:
    """What is shown where this is asked for.

    Args:
        columns: what there is.
        x, y, color, facet: as of `Sweep.plot`.

    Raises:
        ValueError: there is no such column, or it cannot stand there; the message says what can.
    """
    given = {"x": x, "color": color, "facet": facet}
    x, color, facet = (None if name is None else _known(columns, word, name) for word, name in given.items())
    ys = [_known(columns, "y", name) for name in _several(y)]
    if columns.of_trials(facet):
        raise ValueError(f"facet takes a parameter; {facet!r} is a result. {_there(columns)}")
    down = [name for name in ys if name in columns.parameters]
    if down and len(ys) > 1:
        raise ValueError(f"y takes results, or one parameter for a map; got {', '.join(map(repr, ys))}")
    if down:
        return _over_two(columns, x, down[0], color, facet)
    if columns.of_trials(x) or columns.of_trials(color):
        two = _two_of(columns, x, ys, facet)
        if two is not None:
            return _map(columns, *two, _number(columns, "color", color), facet)
        return _trials(columns, x, ys, color, facet)
    results = tuple(ys) or _usual(columns)
    texts = [name for name in results if not columns.is_number(name)]
    if texts and len(results) > 1:
        raise ValueError(f"several results are drawn where all are numbers; {texts[0]!r} is none. {_there(columns)}")
    if texts:
        return _shares(columns, results, x, color, facet)
    if not columns.varying and x is None:
        return _rest(columns, Choice(mark="distribution", results=results, color=color, facet=facet))
    if x is None and color is None and (two := _wide(columns, facet)) is not None:
        return _mapped(columns, *two, results, facet)
    return _means(columns, results, x, color, facet)


# what is asked for ------------------------------------------------------------------------------------------------


def _several(y: Words) -> list[str]:
    return [] if y is None else [y] if isinstance(y, str) else list(dict.fromkeys(y))


def _known(columns: Columns, word: str, name: Any) -> str:
    """The name of a column, as it is there.

    Raises:
        ValueError: there is none, and something is known.
    """
    if not isinstance(name, str):
        raise ValueError(f"{word} is the name of a parameter or a result; got {name!r}")
    if read_name(name) in columns.parameters:
        return read_name(name)
    if name in columns.results or name in columns.metadata or (not columns.results and word == "y"):
        return name
    close = did_you_mean(name, [*columns.parameters, *columns.results])
    raise ValueError(f"{word} names a parameter or a result; there is no {name!r}{close or '.'} {_there(columns)}")


def _there(columns: Columns) -> str:
    results = some_of(columns.results) if columns.results else "not known yet"
    return f"The parameters are {some_of(columns.parameters)}, the results {results}"


def _usual(columns: Columns) -> tuple[str, ...]:
    """The first result with numbers; else the first one, if something is in."""
    return tuple((columns.numbers or [*columns.results])[:1])


def _number(columns: Columns, word: str, name: str | None) -> tuple[str, ...]:
    if name is None:
        return _usual(columns)
    if not columns.is_number(name):
        raise ValueError(f"{word} takes a number here; {name!r} is none. {_there(columns)}")
    return (name,)


# what is shown ----------------------------------------------------------------------------------------------------


def _over_two(columns: Columns, x: str | None, y: str, color: str | None, facet: str | None) -> Choice:
    """A map over a parameter that stands on the axis y, and another one."""
    if color is not None and not columns.of_trials(color):
        raise ValueError(f"over two parameters a result is shown by color; {color!r} is a parameter. {_there(columns)}")
    if x is None:
        others = [each for each in columns.varying if each.name not in (y, color, facet)]
        others.sort(key=lambda each: not each.is_continuous)
        if not others:
            raise ValueError(f"y is the parameter {y!r}, and x is not given: no other parameter varies")
        x = others[0].name
    if columns.of_trials(x):
        return _trials(columns, x, [y], color, facet)
    return _map(columns, x, y, _number(columns, "color", color), facet)


def _map(columns: Columns, x: str, y: str, results: Sequence[str], facet: str | None) -> Choice:
    if texts := [name for name in results if not columns.is_number(name)]:
        raise ValueError(f"a map shows numbers by colour; {texts[0]!r} is none. {_there(columns)}")
    scattered = columns.are_scattered(columns.parameters[x], columns.parameters[y])
    made = Choice(mark="map", results=tuple(results), x=x, y=y, facet=facet, is_scattered=scattered)
    return _rest(columns, made)


def _mapped(columns: Columns, x: str, y: str, results: Sequence[str], facet: str | None) -> Choice:
    """A map that nobody asked for: a third parameter has panels."""
    return _map(columns, x, y, results, facet or (_panels(columns, [x, y]) if len(results) == 1 else None))


def _two_of(columns: Columns, x: str | None, ys: Sequence[str], facet: str | None) -> tuple[str, str] | None:
    """The two parameters of a map, where a result is to be shown by colour and nothing but one of them is given."""
    if ys or columns.of_trials(x):
        return None
    free = [each.name for each in columns.varying if each.is_continuous and each.name not in (x, facet)]
    two = [*([x] if x else []), *free][:2]
    return (two[0], two[1]) if len(two) == 2 and (x or len(free) == 2) else None


def _wide(columns: Columns, facet: str | None) -> tuple[str, str] | None:
    """The two parameters of a map, where nothing is said: those of numbers with the most levels, in the design's order;
    None where lines are easier to read, or points of more than two sampled parameters would hide each other."""
    free = [each for each in columns.varying if each.is_continuous and each.name != facet]
    if len(free) < 2:
        return None
    first, second = sorted(free, key=lambda each: -each.levels)[:2]
    if columns.are_scattered(first, second) and len(free) > 2:
        return None
    if second.levels <= FEW and first.levels >= TIMES * second.levels:
        return None
    one, other = (each.name for each in free if each in (first, second))
    return one, other


def _means(columns: Columns, results: tuple[str, ...], x: str | None, color: str | None, facet: str | None) -> Choice:
    """Results over a parameter: one of numbers, if there is one."""
    says_nothing = x is None and color is None
    if x is None:
        free = [each for each in columns.varying if each.name not in (color, facet)] or [*columns.parameters.values()]
        x = max(
            free, key=lambda each: (each.is_continuous, each.levels if not each.is_continuous or says_nothing else 0)
        ).name
    if color is None:
        color = _colored(columns, [x, facet])
    if facet is None and says_nothing and len(results) < 2:
        facet = _panels(columns, [x, color])
    return _rest(columns, Choice(mark="means", results=results, x=x, color=color, facet=facet))


def _trials(columns: Columns, x: str | None, ys: Sequence[str], color: str | None, facet: str | None) -> Choice:
    """A point for each trial."""
    if len(ys) > 1:
        raise ValueError(f"over a result one other is drawn; got {', '.join(map(repr, ys))}")
    if x is None:
        free = [each.name for each in columns.varying if each.name not in (color, facet)]
        x = free[0] if free else next((name for name in columns.numbers if name not in (color, *ys)), None)
    results = tuple(ys) or tuple(name for name in columns.numbers if name not in (x, color))[:1] or _usual(columns)
    if x is None or not results:
        raise ValueError(f"a point for each trial needs a column for x and one for y. {_there(columns)}")
    if color is None:
        color = _colored(columns, [x, facet, *results])
    return _rest(columns, Choice(mark="trials", results=results, x=x, color=color, facet=facet))


def _shares(columns: Columns, results: tuple[str, ...], x: str | None, color: str | None, facet: str | None) -> Choice:
    """How often each value of a result came, over a parameter."""
    if color is not None:
        raise ValueError(
            f"the values of {results[0]!r}, which are no numbers, are told apart by colour, and so color is not taken"
        )
    if x is None:
        free = [each for each in columns.varying if each.name != facet]
        x = max(free, key=lambda each: each.is_continuous).name if free else None
    return _rest(columns, Choice(mark="shares", results=results, x=x, facet=facet))


def _colored(columns: Columns, taken: Iterable[str | None]) -> str | None:
    """The first parameter with few enough levels to be told apart by colour: texts before numbers."""
    taken = set(taken)
    texts = _first(columns, taken, lambda each: not each.is_continuous and each.levels <= COLORS)
    return texts or _first(columns, taken, lambda each: each.is_continuous and each.levels <= SHADES)


def _panels(columns: Columns, taken: Iterable[str | None]) -> str | None:
    return _first(columns, set(taken), lambda each: each.levels <= PANELS)


def _first(columns: Columns, taken: set[str | None], fits: Callable[[Variable], bool]) -> str | None:
    return next((each.name for each in columns.varying if each.name not in taken and fits(each)), None)


def _rest(columns: Columns, choice: Choice) -> Choice:
    """The choice with the parameters that are not told apart."""
    over = tuple(each.name for each in columns.varying if each.name not in choice.shown)
    return replace(choice, over=over)
