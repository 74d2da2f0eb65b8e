"""A report: a lab or one of its sweeps as one document. Reads; changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from raylab.display.page import report
from raylab.display.portrait import LabFacts
from raylab.errors import SweepNotFound
from raylab.pages.portraits import Source, portrait


def lab_facts(source: Source) -> LabFacts:
    """What there is to say of the lab that a source tells of."""
    about: dict[str, Any] = source.info()
    return LabFacts(name=about["name"], user=about["user"] or "", notebook=about["notebook"], remark=source.remark)


def made(source: Source, name: str | None, *, archived: bool = False, diff: bool = False) -> str:
    """The document.

    Args:
        source: who tells of the lab.
        name: of the sweep; all of them if None.
        archived: with those that are archived.
        diff: with the diff of the working tree that a sweep was submitted from; it may hold secrets.

    Raises:
        SweepNotFound: there is no such sweep.
        LabUnavailable: the lab does not answer.
    """
    facts = lab_facts(source)
    found = source.overview(name, archived)
    portraits = []
    for now in found:
        try:
            portraits.append((now, portrait(source, now, diff=diff)))
        except SweepNotFound:  # it was removed meanwhile
            if name is not None:
                raise
    return report(facts, portraits, datetime.now(UTC), whole=name is None)
