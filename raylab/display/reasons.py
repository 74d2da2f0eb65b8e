"""Why trials failed, in a few words: for the end of a wait, and below a sweep in the command's tables. Text only."""

from __future__ import annotations

from raylab.core.causes import Failing
from raylab.core.status import Status

LONGEST = 60
"""Characters of what was said: a cause fits into a line of a terminal."""


def reasons(sweep: Status) -> str:
    """The commonest causes of what failed; nothing where the first error says all there is to say."""
    told = sum(each.count for each in sweep.causes)
    if not told or sweep.failed == 1:
        return ""
    if len(sweep.causes) == 1 and told == sweep.failed:
        return "all alike"
    rest = sweep.failed - told
    others = [f"{rest:,} other{'s' * (rest > 1)}"] if rest > 0 else []
    return ", ".join([*map(_reason, sweep.causes), *others])


def _reason(failing: Failing) -> str:
    cause = failing.cause
    kind = cause.type or failing.statuses[0]
    said = " ".join(cause.text.split())
    words = kind + (f": {said}" if said else "")
    place = f" ({cause.where.rpartition('/')[2]})" if cause.where else ""
    return f"{failing.count:,} × {words if len(words) <= LONGEST else words[: LONGEST - 1] + '…'}{place}"
