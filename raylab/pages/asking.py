"""What a board asks of a lab, whatever state it is in: at work, at rest, at work again. Reads; changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from raylab.client.resting import OnDisk, look_silently
from raylab.client.waiting import Mark
from raylab.core.status import Status
from raylab.display.portrait import Portrait
from raylab.errors import LabUnavailable
from raylab.offline import Notebook
from raylab.pages.portraits import Source, portrait
from raylab.pages.report import lab_facts
from raylab.pages.watch import News

REST_S = 5.0
"""A notebook that nobody is known to work on is looked at so often: a lab may have begun to, here or elsewhere. Of a
lab at rest on another machine each look is some short tasks on the head."""


class Asking:
    """Asks a lab, in this process.

    Args:
        look: finds it, as it is; asked again when the lab has ended, and when one at rest may be at work again.
        rest_s: how often one at rest is looked at.

    Raises:
        LabNotFound, NotebookDamaged, VersionMismatch, LabUnavailable: as `look`.
    """

    def __init__(self, look: Callable[[], Source], *, rest_s: float = REST_S) -> None:
        self._look = look
        self._rest_s = rest_s
        self._source = look()

    def news(self, mark: Mark | None) -> News:
        """How it stands, as soon as that is not what `mark` stands for, or after a while.

        Raises:
            LabUnavailable: nobody answers.
        """
        if not self._source.at_work:
            time.sleep(self._rest_s if mark is not None else 0.0)
            if self._source.woke():
                self._source = self._look()
        try:
            mark, sweeps = self._source.news(None, mark, None)
        except LabUnavailable:  # ended by somebody, perhaps: its notebook is there
            self._source = self._look()
            mark, sweeps = self._source.news(None, None, None)
        return News(mark=mark, lab=lab_facts(self._source), sweeps=sweeps)

    def portrait(self, name: str) -> tuple[Status, Portrait]:
        """How far a sweep is, and all else there is to say of it.

        Raises:
            SweepNotFound: there is none of this name.
            LabUnavailable: nobody answers.
        """
        source = self._source
        (now,) = source.overview(source.pinned(name))
        return now, portrait(source, now)


def asking(lab: str | None, address: str | None, notebook: Path | None) -> Asking:
    """Asks a lab by its name, or the notebook in a folder."""
    if notebook is not None:
        return Asking(lambda: OnDisk(Notebook(notebook)))
    assert lab is not None
    return Asking(lambda: look_silently(lab, address))
