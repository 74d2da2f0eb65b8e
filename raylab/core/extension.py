"""Extensions: the segments that one adds to a sweep.

After it every point that is asked for is in the sweep, with at least so many repeats. A grid minus grids is computed
axis by axis and never listed; a list of points is.

Promises: nothing that is there is numbered anew; asked twice, the second time adds nothing. New points stand in designs
of their own, each of which brings all its points; more repeats are a segment beside the one that brought the points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from itertools import accumulate, islice, product
from typing import TypeAlias

import numpy as np

from raylab.core import box
from raylab.core.algebra import times
from raylab.core.area import LISTED, Area, cut, few, minus, overlap
from raylab.core.axes import Axis, axis_of, distinct, is_listed, picked
from raylab.core.box import Box, Runs
from raylab.core.common_points import Ground, meeting
from raylab.core.design import Design, Factorial, Points, Sampled, Selected
from raylab.core.growth import Growth
from raylab.core.inherited_classes import Classed, inherited
from raylab.core.kinds import MISSING
from raylab.core.order import MAX_SIZE
from raylab.core.partition import Part, Partition
from raylab.core.places import chosen, runs_of
from raylab.core.request import SweepRecord
from raylab.core.segment import Need, Segment
from raylab.core.selected import MOST_POINTS
from raylab.core.stretches import gone_on_with
from raylab.core.summands import in_any_order, summands
from raylab.errors import DesignError

__all__ = ["grow"]

FEW_GRIDS = 32
"""What is left of a grid that misses single points is so many grids at most, else a list."""

FEW_LEVELS = 1_000
"""So many levels of a range that do not stand together are listed, some kB; more are a range for each run."""


Classify: TypeAlias = Callable[[Sequence[Classed], Design], Partition]
"""Says of which classes new points are, by those of the points that are there."""


def grow(record: SweepRecord, design: Design | None, repeats: int | None, classify: Classify | None = None) -> Growth:
    """The growth of a sweep to these points and repeats.

    Args:
        record: the sweep.
        design: the points that are to be there, of the sweep's parameters; None for all that are.
        repeats: how many each of them has at least; None leaves those that are there as they are, and gives new ones
            as many as the sweep had first.
        classify: says of which classes new points are; by default they inherit them (`core/inherited_classes.py`).

    Raises:
        DesignError: the parameters are other ones, or the points too many to be compared, listed or counted.
    """
    sweep = _Growing(record, classify or partial(inherited, record))
    if design is None:
        for tract in sweep.tracts:
            sweep.ask(tract, [tract.ground.whole], repeats)
    else:
        _check_parameters(sweep.tracts, design)
        for part in summands(design):
            for new in sweep.look_for(part, repeats):
                sweep.bring(new, repeats or record.asked.repeats)
    return Growth(
        folder=record.folder,
        seen=len(record.segments),
        segments=tuple(sweep.segments),
        exact=all(tract.is_just(repeats) for tract in sweep.tracts),
    )


@dataclass(slots=True)
class _Tract:
    """The points that one design has brought to a sweep.

    Attributes:
        ground: the design.
        first_point: the number of its first point in the sweep.
        regions: parts of it, in each of which the points have so many repeats.
        unasked: the part that nobody asked for.
        parts: of which class its points are.
    """

    ground: Ground
    first_point: int
    regions: list[tuple[Box, int]]
    unasked: Area
    parts: list[Part]

    @staticmethod
    def of(design: Design, first_point: int, repeats: int) -> _Tract:
        ground = Ground(design)
        return _Tract(ground, first_point, [(ground.whole, repeats)], [ground.whole], [])

    def ask(self, wanted: Area) -> None:
        """These of its points are asked for."""
        for piece in wanted:
            self.unasked = minus(self.unasked, piece, self.ground.sizes)

    def fewer(self, wanted: Area, repeats: int) -> dict[int, Area]:
        """The points among these that have fewer repeats, by how many they have."""
        found: dict[int, Area] = {}
        for region, count in self.regions:
            if count < repeats:
                pieces = [each for piece in wanted for each in overlap([region], piece, self.ground.sizes)]
                found[count] = few([*found.get(count, ()), *pieces])
        return {count: area for count, area in sorted(found.items()) if area}

    def repeat(self, piece: Box, before: int, after: int) -> None:
        """These of its points, which had so many repeats, have more."""
        others = [(region, count) for region, count in self.regions if count != before]
        rest = minus((region for region, count in self.regions if count == before), piece, self.ground.sizes)
        self.regions = [*others, *((region, before) for region in rest), (piece, after)]

    def by_class(self, area: Area) -> Iterator[Part]:
        """These of its points, class by class."""
        for klass, points in self.parts:
            for piece in overlap(area, points, self.ground.sizes):
                yield Part(klass, piece)

    def is_just(self, repeats: int | None) -> bool:
        """Whether all its points were asked for, in so many repeats."""
        return not self.unasked and all(count == repeats for _, count in self.regions)


class _Growing:
    """A sweep on its way to what was asked for: the points that it has, and the segments that come."""

    def __init__(self, record: SweepRecord, classify: Classify) -> None:
        self.tracts = _tracts(record)
        self.segments: list[Segment] = []
        self._record = record
        self._classify = classify
        self._position = record.positions
        self._trial = max(segment.last_trial for segment in record.segments)
        self._point = record.points

    def look_for(self, design: Design, repeats: int | None) -> Iterator[Design]:
        """Raise the points of a design that are there to so many repeats; yield designs of those that are not, each of
        which has to be brought before the next is asked for."""
        text = design.dumps()
        twin = next((tract for tract in self.tracts if tract.ground.text == text), None)
        if twin is not None:
            self.ask(twin, [twin.ground.whole], repeats)
            return
        for part in in_any_order(design):
            yield from self._new(part, repeats)

    def _new(self, design: Design, repeats: int | None) -> Iterator[Design]:
        ground, new = _once(design)
        # First the grids: a grid without grids is grids.
        for tract in sorted(self.tracts, key=lambda tract: tract.ground.axes is None):
            if design.is_sampled:
                wanted, there = gone_on_with(tract.ground.design, design)
            else:
                wanted, there = meeting(tract.ground, ground)
            for piece in there:
                new = minus(new, piece, ground.sizes)
            self.ask(tract, wanted, repeats)
        yield from list(_designs(ground, new))

    def ask(self, tract: _Tract, wanted: Area, repeats: int | None) -> None:
        """Raise these points of a design to so many repeats."""
        tract.ask(wanted)
        for before, area in tract.fewer(wanted, repeats or 0).items():
            assert repeats is not None
            for piece in area:
                tract.repeat(piece, before, repeats)
            self._add(tract, area, before, repeats)

    def bring(self, design: Design, repeats: int) -> None:
        """Add the points of a design, none of which is there."""
        classed = [(tract.ground, tract.parts) for tract in self.tracts]
        tract = _Tract.of(design, self._point, repeats)
        tract.parts = list(self._classify(classed, design).parts) or [Part(0, tract.ground.whole)]
        self.tracts.append(tract)
        self._point += design.size
        self._add(tract, [tract.ground.whole], 0, repeats)

    def _add(self, tract: _Tract, area: Area, before: int, after: int) -> None:
        """Segments of these points, for the repeats from one number up to another."""
        ground, repeats = tract.ground, after - before
        trials = ground.design.size * repeats
        if self._trial + trials > MAX_SIZE:
            raise DesignError(
                f"with {trials:,} more trials they are more than a lab can count (2^62); ask for fewer points, or "
                "submit them under another name"
            )
        for klass, piece in tract.by_class(area):
            is_whole = box.size(piece) == ground.design.size
            segment = Segment(
                design=ground.text,
                size=ground.design.size,
                repeats=repeats,
                order=self._record.asked.order,
                key=self._record.seed,
                seed=self._record.seed,
                first_position=self._position,
                first_trial=self._trial,
                first_point=tract.first_point,
                first_repeat=before,
                part=() if is_whole else piece,
                grid=() if is_whole else ground.sizes,
                need=Need(klass),
            )
            self.segments.append(segment)
            self._position = segment.stop
        self._trial += trials


def _tracts(record: SweepRecord) -> list[_Tract]:
    """All points of a sweep, a summand at a time. The segments that bring points of one design bring all of them,
    together."""
    found: dict[int, _Tract] = {}
    for segment in record.segments:
        if segment.selection:
            continue
        designs = summands(Design.loads(segment.design))
        starts = accumulate((design.size for design in designs), initial=0)
        for design, start in zip(designs, starts, strict=False):
            first = segment.first_point + start
            if first not in found:
                found[first] = _Tract.of(design, first, segment.repeats)
            tract = found[first]
            piece = segment.part or tract.ground.whole
            if segment.part and len(designs) > 1:  # by numbers, as all parts of what is no grid are
                piece = (box.shifted(box.common(segment.part[0], ((start, start + design.size),)), -start),)
            if not box.size(piece):
                continue
            if not segment.first_repeat:
                tract.parts.append(Part(segment.need.klass, piece))
            else:
                tract.repeat(piece, segment.first_repeat, segment.first_repeat + segment.repeats)
    return list(found.values())


def _check_parameters(tracts: Iterable[_Tract], design: Design) -> None:
    there = [tract.ground.design for tract in tracts]
    names = there[0].parameters
    other = [f"{name!r} is missing" for name in names if name not in design.parameters]
    new = [repr(name) for name in design.parameters if name not in names]
    if other or new:
        ways = ["give each of them its value at every point"] * bool(other)
        ways += [f"leave out {', '.join(new)}, as results are left out where rows are handed back"] * bool(new)
        raise DesignError(
            f"a sweep grows by points of its own parameters, {', '.join(map(repr, names)) or 'none'}; in the extension "
            f"{', '.join([*other, *(f'{name} is new' for name in new)])}. So {', and '.join(ways)}; or submit another "
            "sweep with name="
        )
    lacking = set(design.optional).difference(*(each.optional for each in there))
    if lacking:
        raise DesignError(
            f"some points of the extension have no {', '.join(map(repr, sorted(lacking)))}, which all points of the "
            "sweep have. Give it a value at every point, or submit another sweep with name="
        )


def _once(design: Design) -> tuple[Ground, Area]:
    """The points of a design, each of them where it stands first."""
    ground = Ground(design)
    if ground.factors and design.repeated():
        ground = Ground(reduce(times, (each for factor in ground.factors for each in _designs(*_once(factor)))))
    if design.is_sampled or (ground.axes is None and ground.once):
        return ground, [ground.whole]
    if ground.axes is None:
        first = {row: at for at, row in reversed(list(enumerate(ground.rows)))}
        return ground, [(runs_of(np.array(list(first.values()))),)]
    if not ground.once:
        ground = Ground(_grid({name: distinct(axis) for name, axis in ground.axes.items()}))
    return ground, [ground.whole]


def _designs(ground: Ground, area: Area) -> Iterator[Design]:
    """These points as designs: grids as they are; what stands between single points, or in a list, as a list or, where
    that would be long, as a selection."""
    for piece in area:
        if isinstance(ground.design, Sampled):  # a stretch, with which another one can go on
            yield from (ground.design.part(start, stop) for start, stop in piece[0])
        elif ground.factors and len(piece) == len(ground.factors):
            parts = [list(_designs(Ground(each), [(runs,)])) for each, runs in zip(ground.factors, piece, strict=True)]
            yield from (reduce(times, some) for some in product(*parts))
        elif ground.axes is None:
            yield _some(ground.design, piece[0])
        elif len(piece) == len(ground.sizes):
            yield from _grids(ground, piece)
        else:
            grids = list(islice(cut(piece[0], ground.sizes), FEW_GRIDS + 1))
            if len(grids) <= FEW_GRIDS:
                for grid in grids:
                    yield from _grids(ground, grid)
            elif box.count(piece[0]) <= LISTED:
                yield _listed(ground.design, piece[0])
            elif ground.design.size <= MOST_POINTS:
                yield Selected(ground.design, piece[0])
            else:
                for grid in few(cut(piece[0], ground.sizes)):
                    yield from _grids(ground, grid)


def _grids(ground: Ground, piece: Box) -> Iterator[Design]:
    """The points of a box: one grid, or a few where the levels of an axis are long runs of a computed one."""
    axes = ground.axes or {}
    parts = [_parts(name, axis, runs) for (name, axis), runs in zip(axes.items(), piece, strict=False)]
    for some in product(*parts):
        yield _grid(dict(zip(axes, some, strict=True)))


def _grid(axes: Mapping[str, Axis]) -> Design:
    """The grid of these axes; only Points have levels that say that there is no value."""
    lacking = {name for name, axis in axes.items() if any(each is MISSING for each in axis.others)}
    if not lacking:
        return Factorial(axes)
    made: Design = Factorial()
    for name, axis in axes.items():
        made = times(made, Points({name: axis}) if name in lacking else Factorial({name: axis}))
    return made


def _parts(name: str, axis: Axis, runs: Runs) -> list[Axis]:
    count = box.count(runs)
    if axis.is_computed and count > FEW_LEVELS and 1 < len(runs) <= FEW_GRIDS:
        return [part for run in runs for part in _parts(name, axis, (run,))]
    if is_listed(axis, runs):
        _check_listed(count, f"new levels of {name!r}")
    return [picked(axis, runs)]


def _check_listed(count: int, what: str) -> None:
    if count > LISTED:
        raise DesignError(
            f"{count:,} {what} would have to be listed, and {LISTED:,} can be at most. Give them as ranges, as axes of "
            "a Factorial, or a part at a time"
        )


def _some(design: Design, runs: Runs) -> Design:
    """Some points of what is no grid."""
    count = box.count(runs)
    if count == design.size and not isinstance(design, Points):
        return design
    if isinstance(design, Points) or (count <= FEW_LEVELS and not design.is_sampled):
        return _listed(design, runs)
    return design.within(np.array(runs)) if isinstance(design, Selected) else Selected(design, runs)


def _listed(design: Design, runs: Runs) -> Design:
    count = box.count(runs)
    _check_listed(count, "new points")
    at = chosen(runs, np.arange(count))
    columns = {name: axis_of(tuple(axis.take(design.places(name, at)))) for name, axis in design.axes.items()}
    return Points(columns) if columns else Points([{}] * count)
