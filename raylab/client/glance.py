"""What a cell shows of a lab and of its sweeps: asked within seconds; where there is no answer, a sentence says why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

import ray.exceptions

from raylab.client.session import in_time
from raylab.core.handle import Handle, Which
from raylab.core.status import Status
from raylab.display.cards import Card, Look, of_lab, of_silence, of_sweep
from raylab.errors import told

GLANCE_S = 5.0
"""How long whoever ends a cell with a lab waits for it; a lab that is restarted is back within 2 s."""


class Asked(Protocol):
    """A lab, at work or at rest."""

    name: str

    def overview(self, sweep: Which = None, archived: bool = False) -> list[Status]: ...


def sweep_card(lab: Asked, sweep: Handle) -> Card:
    """How far a sweep is, as a card."""

    def ask() -> Card:
        return drawn(lab.name, [sweep])(lab.overview(sweep), _now())

    return _within(f"sweep {sweep.name} of lab {lab.name}", ask)


def lab_card(lab: Asked, place: Callable[[], str]) -> Card:
    """The sweeps of a lab, as a card; `place` says where its notebook is."""

    def ask() -> Card:
        found = lab.overview(archived=True)
        there = [each for each in found if not each.archived]
        return of_lab(lab.name, place(), there, _now(), len(found) - len(there))

    return _within(f"lab {lab.name}", ask)


def drawn(lab: str, sweep: Which) -> Callable[[Sequence[Status], Look], Card]:
    """What makes a card: of one sweep where one is meant, else a table."""
    if isinstance(sweep, str | Handle) or (isinstance(sweep, list) and len(sweep) == 1):
        return lambda found, look: of_sweep(found[0], lab, look)
    return partial(_table, lab)


def _table(lab: str, found: Sequence[Status], look: Look) -> Card:
    return of_lab(lab, "", found, look)


def _now() -> Look:
    return Look(at=datetime.now(UTC))


def _within(what: str, ask: Callable[[], Card]) -> Card:
    try:
        return in_time(ask, GLANCE_S)
    except ray.exceptions.GetTimeoutError:
        return of_silence(what, f"no answer within {GLANCE_S:.0f} s; nothing is lost, and it is safe to ask again")
    except Exception as error:
        return of_silence(what, told(error))
