"""The pages that are made of a lab: a report to keep, and the page of a board, which is alive. Text only.

Promises: a page holds all that it needs and asks nothing of any network, and its own policy forbids it to; the same
facts are the same page.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from raylab import __version__
from raylab.core.policy import Policy
from raylab.core.provenance import few
from raylab.core.status import Progress, Status
from raylab.display.figures import percent
from raylab.display.html import render, source
from raylab.display.portrait import LabFacts, Portrait
from raylab.display.working_tree import changed

REPORT_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""A Content-Security-Policy: the page runs no script and loads nothing."""


def asks(account: Mapping[str, Any]) -> str:
    """What each trial asks for, and how it is ended and tried again, as `info()` of a sweep tells it.

    Example:
        >>> asks({"resources": {"CPU": 2}, "time_limit": 60.0, "retries": 1})
        '2 CPU, at most 60 s, 1 retry'
    """
    found = [Policy(resources=dict(account["resources"])).amounts]
    if account["time_limit"] is not None:
        found.append(f"at most {account['time_limit']:g} s")
    if retries := account["retries"]:
        found.append("1 retry" if retries == 1 else f"{retries} retries")
    return ", ".join(filter(None, found))


WORDS: dict[str, Any] = {"asks": asks, "changed": changed, "few": few}


def report(lab: LabFacts, portraits: Sequence[tuple[Status, Portrait]], as_of: datetime, *, whole: bool) -> str:
    """A document about a lab or one of its sweeps, to be kept, printed and handed on.

    Args:
        lab: what there is to say of it.
        portraits: its sweeps, each with how far it is.
        as_of: when that was so.
        whole: whether it is about the lab, with a table of its sweeps; else about the one sweep.
    """
    title = lab.name if whole else f"{portraits[0][0].name}, {lab.name}"
    given = {"lab": lab, "portraits": portraits, "as_of": as_of, "whole": whole, "version": __version__}
    return render("report.html", title=title, policy=REPORT_POLICY, **given, **WORDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What of a board's page changes as the lab goes on.

    Attributes:
        title: of the page.
        html: this part of it.
    """

    title: str
    html: str

    @property
    def mark(self) -> str:
        """What tells it from any other, as an ETag."""
        return f'"{hashlib.sha256(f"{self.title} {self.html}".encode(errors="replace")).hexdigest()[:32]}"'

    @property
    def title_word(self) -> str:
        """The title as a header of HTTP takes it."""
        return quote(self.title, errors="replace")


def lab_part(lab: LabFacts, sweeps: Sequence[Status], link: Callable[[str], str]) -> Part:
    """A lab with its sweeps.

    Args:
        lab: what there is to say of it.
        sweeps: how far each is.
        link: the address of a sweep's page, by its name.
    """
    now = Progress.of(sweeps)
    html = render("lab_part.html", lab=lab, sweeps=sweeps, link=link)
    return Part(title=f"{_far(now)}{lab.name}", html=html)


def sweep_part(lab: LabFacts, sweep: Status, portrait: Portrait | None, home: str) -> Part:
    """One sweep.

    Args:
        lab: what there is to say of its lab.
        sweep: how far it is.
        portrait: the rest; None while it is being read.
        home: the address of the lab's page.
    """
    html = render("sweep_part.html", lab=lab, sweep=sweep, portrait=portrait, home=home, **WORDS)
    return Part(title=f"{_far(sweep)}{sweep.name} · {lab.name}", html=html)


def trouble_part(lab: LabFacts, said: str, home: str) -> Part:
    """That there is nothing to show, and why, in a sentence."""
    return Part(title=lab.name, html=render("trouble_part.html", lab=lab, said=said, home=home))


def board(part: Part, nonce: str) -> str:
    """The whole page, which keeps itself up to date."""
    given = {"mark": part.mark, "part": Markup(part.html), "script": source("board.js")}
    return render("board.html", title=part.title, policy=board_policy(nonce), nonce=nonce, **given)


def board_policy(nonce: str) -> str:
    """The Content-Security-Policy of a page whose own script has this nonce: it asks its own server, and nobody else.
    (What a page says of itself cannot forbid frames; a header of the server does.)"""
    return f"{REPORT_POLICY}; script-src 'nonce-{nonce}'; connect-src 'self'"


def _far(now: Progress) -> str:
    return f"{percent(now.ready, now.asked)} " if now.outstanding else ""
