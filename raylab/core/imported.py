"""Sweeps that were imported: records that came without the experiment."""

from __future__ import annotations

from raylab.core.request import Version
from raylab.errors import ExperimentError


def check_code(name: str, version: Version, what: str) -> None:
    """Refuse what needs an experiment where there is none.

    Args:
        name: of the sweep.
        version: of its code, which is wanted.
        what: what nothing of the sweep does, as the part of a sentence.

    Raises:
        ExperimentError: the version is records of trials that ran elsewhere.
    """
    if version.imported:
        raise ExperimentError(
            f"the sweep {name!r} was imported, and its experiment did not come along, so nothing of it {what}. Submit "
            f"the experiment with name={name!r} and if_exists='continue': what is done stays, what failed and what is "
            "new runs with it"
        )
