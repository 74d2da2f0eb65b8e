"""HTML from templates, for pages and notebooks; the home of jinja2.

Promises: what is put into a template is text, never markup, whoever wrote it, and has no control characters. Templates
lie beside this module; they ask nobody and load nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from raylab.core.harmless import harmless
from raylab.core.shown import plural
from raylab.core.status import Counts
from raylab.display.figures import STATES, duration, endings, percent, places, speed
from raylab.display.reasons import reasons

LEAST = 0.5
"""Hundredths of a bar: one pixel of 200, of a failure among a million trials."""


def render(template: str, **given: Any) -> str:
    """What a template makes of what it is given.

    Args:
        template: the name of a file in `templates/`.
        **given: its variables; text is escaped, but for `Markup`.
    """
    return _environment().get_template(template).render(given)


def styles(*more: str) -> Markup:
    """The style sheet that all pages have in common, and others after it; names hold inside of an element of the class
    `raylab`."""
    return Markup("").join(map(source, ("style.css", *more)))


def source(name: str) -> Markup:
    """A file of `templates/` as it is."""
    loader = _environment().loader
    assert loader is not None
    return Markup(loader.get_source(_environment(), name)[0])


def moment(value: datetime | int | None) -> str:
    """A time to the minute, in UTC; of an int the microseconds since the epoch.

    Example:
        >>> moment(1_700_000_000_000_000), moment(None)
        ('2023-11-14 22:13 UTC', '')
    """
    if isinstance(value, int):
        value = datetime.fromtimestamp(value / 1e6, UTC)
    return "" if value is None else f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def shares(counts: Counts) -> list[tuple[str, float]]:
    """The parts of a bar in hundredths of what was asked for: what is done, what failed, what runs.

    Whatever there is of a part is seen: it has LEAST at least, and the others give way.
    """
    numbers = {"done": counts.done, "failed": counts.failed, "running": counts.running}
    sizes = {name: max(LEAST, 100 * number / counts.asked) if number else 0.0 for name, number in numbers.items()}
    excess = max(1.0, sum(sizes.values()) / 100)
    return [(name, round(size / excess, 2)) for name, size in sizes.items()]


def _text(value: Any) -> Any:
    """What stands in a page for a value: text without control characters, nothing for None."""
    if value is None:
        return ""
    return value if isinstance(value, Markup) else harmless(str(value))


@cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("raylab.display"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_text,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "count": lambda number: f"{number:,}",
        "duration": duration,
        "endings": endings,
        "moment": moment,
        "places": places,
        "plural": plural,
        "reasons": reasons,
        "shares": shares,
        "speed": speed,
        "state": lambda state: STATES.get(state, state),
    }
    made.globals |= {"percent": percent, "styles": styles}
    return made
