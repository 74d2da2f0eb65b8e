"""Colours that people with any kind of sight tell apart, on paper as well.

Okabe and Ito, "Color Universal Design" (2008), without vermilion, which marks what failed, and yellow, which white
paper swallows; beyond six Paul Tol's "muted" ("Colour schemes", SRON technical note, 2021). Numbers are shades of
viridis (Smith and van der Walt, 2015) without its palest tenth.
"""

from __future__ import annotations

FAILED = "#D55E00"
OUTSIDE = "#666666"

FEW = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#555555")
MORE = ("#332288", "#88CCEE", "#44AA99", "#117733", "#999933", "#DDCC77", "#CC6677", "#882255", "#AA4499")
SHADES = "viridis"
EXTENT = (0.0, 0.9)

STATUSES = {
    "done": "#0072B2",
    "failed": "#D55E00",
    "crashed": "#000000",
    "out_of_memory": "#CC79A7",
    "timed_out": "#E69F00",
}


def for_texts(count: int) -> list[str] | None:
    """Colours for so many texts; None beyond those that were made to be told apart."""
    return list(FEW) if count <= len(FEW) else list(MORE) if count <= len(MORE) else None
