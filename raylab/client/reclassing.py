"""Reclassing: the classes of a sweep that grows by a submission with amounts of its own.

Trials stay in their classes. The amounts of a class are those that are asked for now for its points; new points are of
a class with their amounts, or of a new one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raylab.client.demands import RESOURCES, Demands, demands, follows
from raylab.core import box
from raylab.core.common_points import Ground
from raylab.core.cutting import MOST_CLASSES
from raylab.core.design import Design
from raylab.core.inherited_classes import Classed
from raylab.core.partition import WHOLE, Part, Partition
from raylab.core.request import SweepRecord
from raylab.core.resubmission import told_apart
from raylab.core.segment import Need
from raylab.errors import DesignError

Amounts = Mapping[str, float | None]


class Classes:
    """The classes of a sweep, on their way to what is asked for now.

    Args:
        record: the sweep.
        given: what each trial asks for now, as `demands` takes it; some of it differs from point to point.

    Attributes:
        amounts: what each class asks for.

    Raises:
        DesignError: the amounts tell trials of one class apart.
    """

    def __init__(self, record: SweepRecord, given: Mapping[str, Any]) -> None:
        self._given = given
        self._names = [name for name, demand in given.items() if follows(demand)]
        found: dict[int, Amounts] = {}
        for segment in record.segments:
            if segment.selection or segment.first_repeat:
                continue
            klass = segment.need.klass
            try:
                parts = self._parts(Design.loads(segment.design), segment.part)
            except DesignError:  # levels of which nothing is said now
                parts = [self._as_before(record, klass)]
            if any(each != found.setdefault(klass, each) for each in parts):
                raise told_apart(record)
        self.amounts = [found.get(klass, self._as_before(record, klass)) for klass in range(max(found) + 1)]

    def _as_before(self, record: SweepRecord, klass: int) -> Amounts:
        policy = record.policy.at(Need(klass))
        before = {**policy.resources, "time_limit": policy.time_limit}
        return {RESOURCES[name]: before.get(RESOURCES[name]) for name in self._names}

    def _parts(self, design: Design, points: box.Box) -> list[Amounts]:
        """The amounts that are asked for now for some points of a design."""
        found = demands(design, **self._given)
        classes = found.partition.classes_in(points or box.whole(found.partition.grid))
        if classes is None:
            classes = {part.klass for part in found.partition.parts}
        return [self._of(found, klass) for klass in sorted(classes)] or [self._of(found, None)]

    def _of(self, found: Demands, klass: int | None) -> Amounts:
        own = {} if klass is None else found.classes[klass]
        return {RESOURCES[name]: own.get(RESOURCES[name], found.numbers[name]) for name in self._names}

    def partition(self, there: Sequence[Classed], design: Design) -> Partition:
        """The classes of new points.

        Raises:
            DesignError: an amount cannot be used, or there would be too many classes.
        """
        found = demands(design, **self._given)
        if found.partition.parts:
            parts = [Part(self._class(self._of(found, part.klass)), part.points) for part in found.partition.parts]
            return Partition(found.partition.grid, tuple(parts))
        klass = self._class(self._of(found, None))
        if not klass:
            return WHOLE
        ground = Ground(design)
        return Partition(ground.sizes, (Part(klass, ground.whole),))

    def _class(self, amounts: Amounts) -> int:
        if amounts not in self.amounts:
            self.amounts.append(amounts)
        if len(self.amounts) > MOST_CLASSES:
            raise DesignError(
                f"with the new points there would be {len(self.amounts)} classes of amounts, and a sweep has "
                f"{MOST_CLASSES} at most; round the amounts to those that are there, or submit another sweep with name="
            )
        return self.amounts.index(amounts)
