"""From a sweep and what a person wants of it to a growth: everything is checked here, before anything is stored.

The client computes it, on the sweep as the lab tells it: comparing points may take seconds, in which a lab could not
answer. The lab takes it only if the sweep has not grown since; else it is computed anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

from raylab.client.demands import follows
from raylab.client.plan import check_size
from raylab.client.reclassing import Classes
from raylab.code.local_modules import Finder
from raylab.core.closeness import close_levels
from raylab.core.design import Design
from raylab.core.extension import Classify, grow
from raylab.core.growth import Growth
from raylab.core.partition import WHOLE
from raylab.core.request import Submission, SweepRecord
from raylab.core.segment import Segment
from raylab.errors import DesignError
from raylab.notebook.new_levels import check_levels

RUN_BYTES = 24
"""What a run of a segment's part has in a request: two numbers of up to 10 digits."""


def growth_to(
    record: SweepRecord, design: Design | None, repeats: int | None, classify: Classify | None = None
) -> Growth:
    """The growth of a sweep to these points and repeats; see `core.extension.grow`.

    Raises:
        DesignError: the parameters are other ones; a parameter gets values of another kind than it has; the growth is
            too large to be computed, counted or kept.
    """
    if design is not None:
        check_levels([Design.loads(text) for text in record.designs], design)
    growth = grow(record, design, repeats, classify)
    check_size(sum(map(_nbytes, growth.segments)), design or Design.loads(record.asked.design))
    return growth


def _nbytes(segment: Segment) -> int:
    return len(segment.design) + RUN_BYTES * sum(map(len, segment.part))


def growth_of(record: SweepRecord, submission: Submission, given: Mapping[str, Any]) -> Growth:
    """The growth of a sweep to what a submission asks for. Where the submission does not want the sweep to grow, one
    that cannot be computed says that the sweep is another one.

    Args:
        record: the sweep.
        submission: what was handed over.
        given: what each trial asks for, as `client.demands.demands` takes it.

    Raises:
        DesignError: as `growth_to`; the amounts tell trials of one class apart, or cannot be used.
    """
    design, may_grow = Design.loads(submission.design), submission.if_exists in ("extend", "continue")
    try:
        if any(map(follows, given.values())):
            classes = Classes(record, given)
            growth = growth_to(record, design, submission.repeats, classes.partition)
            growth = replace(growth, classes=tuple(classes.amounts))
        else:
            growth = growth_to(record, design, submission.repeats, lambda there, new: WHOLE)
    except DesignError:
        if may_grow:
            raise
        return Growth(folder=record.folder, seen=len(record.segments), segments=(), exact=False)
    return growth if may_grow else replace(growth, segments=(), exact=growth.exact and not growth.segments)


def check_modules(record: SweepRecord, design: Design) -> None:
    """Refuse levels of classes whose modules did not travel with the sweep.

    Raises:
        DesignError: there is one.
    """
    known = set(chain.from_iterable(Design.loads(text).modules() for text in record.designs))
    known |= {name.partition(" ")[2] for name in record.ingredients if name.startswith("module ")}
    finder = Finder()
    for module in sorted(design.modules() - known):
        if finder.find(module) is not None:
            raise DesignError(
                f"a level is of a class of {module}, a module that did not travel with the sweep {record.name!r}. "
                "Submit the experiment with these points and another name=, and the module travels with it"
            )


def close(record: SweepRecord, design: Design) -> list[str]:
    """A sentence for each parameter that gets new levels which are almost old ones."""
    found = close_levels(list(map(Design.loads, record.designs)), design)
    return [
        f"{name}: new levels within 10^-12 of old ones: {count:,}. They count as new; if the same levels are meant, "
        "take them from the sweep's design"
        for name, count in found.items()
    ]


def standing(record: SweepRecord, growth: Growth) -> list[str]:
    """A sentence where nothing of what is added runs for now."""
    if not growth.added or not (record.cancelled or record.paused):
        return []
    how = "cancelled" if record.cancelled else f"paused ({record.paused})"
    added = "1 trial was added, which runs" if growth.added == 1 else f"{growth.added:,} trials were added, which run"
    return [f"the sweep {record.name!r} is {how}, and stays so: {added} once it goes on, by resume()"]
