"""What working trees differed in from their commits, as it was kept with the code."""

from __future__ import annotations

from raylab.core.request import SweepRecord
from raylab.notebook import layout
from raylab.notebook.store import Reader

__all__ = ["by_version", "diffs"]


def diffs(reader: Reader, record: SweepRecord) -> dict[str, bytes]:
    """Those of a sweep's code versions, by hash. One that is lost or damaged is left out: `verify` finds it."""
    found: dict[str, bytes] = {}
    for digest in dict.fromkeys(version.diff for version in record.versions if version.diff):
        try:
            data = reader.get(path := layout.diff_path(digest))
        except OSError:
            continue
        if layout.fits_name(path, data):
            found[digest] = data
    return found


def by_version(reader: Reader, record: SweepRecord) -> list[bytes | None]:
    """That of each code version of a sweep, as git says it; None where none is kept, or it is lost."""
    found = diffs(reader, record)
    return [found.get(version.diff) for version in record.versions]
