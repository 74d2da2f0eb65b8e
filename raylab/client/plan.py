"""What a sweep runs: points, how often each, by which seed, in which order. What no lab can carry out is refused.

Loads no Ray: who tries an experiment without a lab is refused the same.
"""

from __future__ import annotations

import secrets

from raylab.core.closest import did_you_mean
from raylab.core.design import Design
from raylab.core.doubles import doubles
from raylab.core.kinds import is_whole
from raylab.core.order import KINDS, MAX_SIZE
from raylab.core.request import draw_seed
from raylab.errors import DesignError

LIMIT_BYTES = 64 * 2**20
"""What a request may have: the lab holds it in memory, and the notebook keeps it."""


def check_repeats(repeats: object) -> None:
    """Refuse what is no number of repeats.

    Raises:
        DesignError: it is none.
    """
    if not is_whole(repeats) or repeats < 1:  # type: ignore[operator]
        raise DesignError(f"repeats is how often each point runs, a whole number from 1 on; got {repeats!r}")


def check_plan(design: Design, repeats: int, seed: int | None, order: str) -> None:
    """Refuse a plan that no lab can carry out.

    Raises:
        DesignError: repeats, seed or order is none, or the trials are too many to count.
    """
    check_repeats(repeats)
    if design.size * repeats > MAX_SIZE:
        raise DesignError(f"{design.size} points in {repeats} repeats are more than a lab can count (2^62)")
    if seed is not None and (not is_whole(seed) or not 0 <= seed < 2**63):
        raise DesignError(f"seed is a whole number, 0 ≤ seed < 2^63, or None to have one drawn; got {seed!r}")
    if order not in KINDS:
        raise DesignError(f"order is {' or '.join(map(repr, KINDS))}; got {order!r}{did_you_mean(order, KINDS)}")
    check_size(sum(design.weights().values()), design)  # before a level of gigabytes is written down


def check_size(nbytes: int, design: Design) -> None:
    """Refuse a request of more than LIMIT_BYTES.

    Raises:
        DesignError: it has more, which levels of this design may have most of.
    """
    if nbytes <= LIMIT_BYTES:
        return
    weights = design.weights()
    heaviest = max(weights, key=lambda name: weights[name], default="")
    where = f", most of it in the levels of {heaviest!r}" if weights.get(heaviest) else ""
    raise DesignError(
        f"the request would have {nbytes / 2**20:,.0f} MB, and can have {LIMIT_BYTES / 2**20:.0f} MB at most{where}. "
        "Let the experiment capture the value (as a global or a closure), bring it as a file with include=, or let the "
        "level be the path of a file that the nodes reach"
    )


def as_new(design: Design, seed: int | None) -> tuple[Design, int | None]:
    """The points that a new sweep would have, and the seed that was drawn for it to know them; None where they are
    known without."""
    if design.is_seeded:
        return design, None
    if seed is not None:
        return design.settled(seed), None
    drawn = draw_seed(secrets.token_bytes(16))
    return design.settled(drawn), drawn


def doubled(design: Design) -> list[str]:
    """A sentence on what stands twice in a design, if anything does."""
    found = doubles(design)
    if not found:
        return []
    return [
        f"{'; '.join(found)}: this stands twice in the design, so its points run twice. They stay; independent runs of "
        "each point, with seeds of their own, are what repeats= is for"
    ]
