"""What a notebook's cell shows: cards of a lab, a sweep, counts, a design, each as HTML and as text.

A card is a piece of a page: its styles go with it and hold inside of it, it follows the theme of the page, loads
nothing and runs nothing. Whatever it shows was given to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from raylab.core.shown import DesignShown
from raylab.core.status import Progress, Status
from raylab.display import card_text
from raylab.display.html import render

MOST_SWEEPS = 20
"""Rows of a lab's card: a screen of them. Of more, those at work come first, then the newest."""

MOST_PARAMETERS = 12
"""Columns of a design's first points: what fits beside each other. All are described."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The same as HTML and as text."""

    html: str
    text: str

    def bundle(self) -> dict[str, str]:
        """By MIME type."""
        return {"text/plain": self.text, "text/html": self.html}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """When somebody looked.

    Attributes:
        at: this moment.
        live: whether the card is drawn again when there is news.
    """

    at: datetime
    live: bool = False


def of_sweep(sweep: Status, lab: str, look: Look) -> Card:
    """One sweep: state and reason, how far, what failed and why, who asked for it."""
    causes = [each.told() for each in sweep.causes]
    others = sweep.failed - sum(each.count for each in sweep.causes)
    facts = {"counts": card_text.counts(sweep), "causes": causes, "others": max(0, others)}
    html = render("card_sweep.html", sweep=sweep, lab=lab, look=look, **facts)
    return Card(html=html, text=card_text.of_sweep(sweep, lab))


def of_lab(name: str, place: str, sweeps: Sequence[Status], look: Look, hidden: int = 0) -> Card:
    """A lab: a table of its sweeps.

    Args:
        name: of the lab.
        place: of its notebook.
        sweeps: those to show, as they were submitted.
        look: when that was.
        hidden: how many are archived.
    """
    shown = chosen(sweeps)
    left = len(sweeps) - len(shown)
    html = render("card_lab.html", name=name, place=place, sweeps=shown, left=left, hidden=hidden, look=look)
    return Card(html=html, text=card_text.of_lab(name, place, shown, left, hidden))


def of_progress(progress: Progress) -> Card:
    """Counts of a sweep, or of several."""
    html = render("card_progress.html", sweep=progress, counts=card_text.counts(progress))
    return Card(html=html, text=card_text.of_progress(progress))


def of_design(design: DesignShown, text: str) -> Card:
    """A design: its parameters, and its first points.

    Args:
        design: as it is shown.
        text: the same as text.
    """
    return Card(html=render("card_design.html", design=design, most=MOST_PARAMETERS), text=text)


def of_silence(what: str, why: str) -> Card:
    """What is to be shown, and in a sentence why there is nothing of it.

    Example:
        >>> of_silence("lab percolation", "it is not running").text
        'lab percolation: it is not running'
    """
    return Card(html=render("card_silence.html", what=what, why=why), text=card_text.of_silence(what, why))


def chosen(sweeps: Sequence[Status], most: int = MOST_SWEEPS) -> list[Any]:
    """Those that a card has room for, as they were submitted: first of all those that have something outstanding, then
    the newest."""
    wanted = sorted(range(len(sweeps)), key=lambda at: (not sweeps[at].outstanding, -at))[:most]
    return [sweeps[at] for at in sorted(wanted)]
