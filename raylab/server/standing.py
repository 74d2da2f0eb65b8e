"""How far a sweep in force is, from what the lab knows of it: the one place that puts it together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from raylab.core.causes import final
from raylab.core.request import SweepRecord
from raylab.core.segment import Need
from raylab.core.status import State, Status, infeasible, recorded, status
from raylab.core.telling import recipients_of, remark
from raylab.server.at_work import AtWork
from raylab.server.conductor import Conductor


def standing(lab: Conductor, sweep: AtWork) -> Status:
    """How far a sweep in force is."""
    record, queue = sweep.record, lab.ledger.queues.get(sweep.key)
    if queue is not None:
        counts, (state, reason) = lab.ledger.counts(sweep.key), lab.ledger.standing(sweep.key)
    else:  # its table is being opened, so nothing is recorded yet
        counts, (state, reason) = recorded(record, 0, {}), _unopened(record, lab.fits(record))
    if sweep.trouble:
        state, reason = "paused", sweep.trouble
    elif lab.recorder.trouble and state == "running":
        state, reason = "disk_full", lab.recorder.trouble
    found = status(
        record,
        counts,
        state,
        reason,
        rows=sweep.rows,
        first_error=sweep.first_error,
        causes=sweep.causes if queue is None else final(sweep.causes, queue.short),
        troubles=0 if queue is None else queue.troubles,
        environments=lab.sweeps.records.environments,
        nodes=sweep.nodes,
    )
    untold = _untold(lab, sweep)
    return replace(found, remark="; ".join(filter(None, [found.remark, untold]))) if untold else found


def _untold(lab: Conductor, sweep: AtWork) -> str:
    """Who is not told what becomes of the sweep."""
    records = lab.sweeps.records
    known = records.notices.get(sweep.key, {})
    return remark(recipients_of(sweep.record, records.recipients), known, sweep.untold) if known else ""


def whereabouts(lab: Conductor, sweep: AtWork, position: int) -> str:
    """What the trial at a position does that has no record, as the rest of a sentence."""
    queue = lab.ledger.queues.get(sweep.key)
    place = "waits" if queue is None else queue.place(position)
    if place != "waits":
        return _PLACES[place]
    if sweep.record.cancelled or sweep.record.replaced is not None:
        return f"was given up, since its sweep was {'cancelled' if sweep.record.cancelled else 'set aside'}"
    now = standing(lab, sweep)
    return f"waits to be run; the sweep is {now.state}{f': {now.reason}' if now.reason else ''}"


_PLACES = {
    "runs": "is still running, or is about to",
    "in hand": "has ended, and its record is being written",
    "recorded": "was recorded this moment; ask again",
}


def _unopened(record: SweepRecord, fits: Mapping[Need, int]) -> tuple[State, str]:
    """State and reason of a sweep whose table is being opened."""
    if record.cancelled:
        return "cancelled", ""
    if record.paused:
        return "paused", record.paused
    return ("running", "") if any(fits.values()) else ("infeasible", infeasible(record, list(fits)))
