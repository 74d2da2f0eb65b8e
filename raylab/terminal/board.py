"""A lab's sweeps as a picture in lines, for a terminal of any size: bars, rates, failures by cause, nodes.

Decides what is shown and where; `live` draws it. What strangers wrote is text in it, never markup.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from raylab.core.harmless import harmless
from raylab.core.shown import plural
from raylab.core.status import Progress, Status
from raylab.display.figures import STATES, duration, percent, places, speed
from raylab.display.reasons import reasons
from raylab.terminal.screen import COLUMNS, GAP, SHORTEST_NAME, cells, fitting

LEAST_BAR, MOST_BAR = 10, 60
"""Characters of a bar."""

NAMES = 5
"""Of a line no more than this part is a sweep's name: 16 characters of 80, 40 of 200."""

STYLES = {
    "running": "bold green",
    "ready": "green",
    "locked": "green",
    "paused": "bold yellow",
    "infeasible": "bold yellow",
    "disk_full": "bold red",
    "fenced": "bold red",
    "cancelled": "dim",
    "at rest": "dim",
}
"""Of the states. Each is a word as well: nothing is said by a colour alone."""

PARTS = (("done", "█", "#", "green"), ("failed", "▓", "x", "red"), ("running", "▒", "+", "cyan"))
REST = ("░", ".", "dim")
"""The parts of a bar: their signs, those of a terminal that has ASCII only, their styles."""

ORDER = ("running", "disk_full", "infeasible", "paused", "fenced", "at rest", "cancelled", "ready", "locked")
"""What moves stands first, what is over last."""


def board(
    lab: str, sweeps: Sequence[Status], columns: int, lines: int, *, away: str = "", plain: bool = False
) -> list[Text]:
    """The picture: no line is longer than the terminal, nor are there more.

    Args:
        lab: its name.
        sweeps: those to show.
        columns, lines: of the terminal.
        away: what to say of a lab that does not answer; empty if it does.
        plain: with signs of ASCII only.
    """
    found = _head(lab, sweeps, columns, away)
    ordered = sorted(sweeps, key=lambda each: (ORDER.index(each.state), each.submitted_us, each.name))
    room = max(1, lines - len(found) - 1)  # below the headings
    blocks = _blocks(ordered, columns, plain)
    shown = 0
    body: list[Text] = blocks.pop(0) if blocks else [Text("no sweeps yet", "dim")]
    for at, block in enumerate(blocks):
        last = at == len(blocks) - 1
        left = room - (len(body) - 1) - (not last)  # a line says how many more there are
        if left < 1:
            break
        body += block[:left]
        shown += 1
    if shown < len(ordered):
        body = [*body[:room], _more(ordered[shown:])]
    for line in (every := [*found, *body][:lines]):
        line.truncate(columns, overflow="ellipsis")
    return every


def _head(lab: str, sweeps: Sequence[Status], columns: int, away: str) -> list[Text]:
    """How far all of it is, and where it runs."""
    whole = Progress.of(sweeps)
    at_work = sum(each.state == "running" for each in sweeps)
    words = [
        f"{at_work:,} of {plural(len(sweeps), 'sweep')} running",
        f"{whole.ready:,}/{whole.asked:,} trials ready ({percent(whole.ready, whole.asked)})",
        f"{whole.failed:,} failed" if whole.failed else "",
        speed(whole.rate) if whole.outstanding and whole.rate else "",
        f"{duration(whole.eta_s)} left" if whole.outstanding and whole.eta_s is not None else "",
    ]
    first = Text.assemble((" ".join(harmless(lab).split()), "bold"), "  ", ", ".join(filter(None, words)))
    found = [first]
    if whole.nodes:
        running = sum(whole.nodes.values())
        where = f"{plural(running, 'trial')} at once on {plural(len(whole.nodes), 'node')}: {places(whole.nodes)}"
        found.append(Text(" ".join(harmless(where).split()), "cyan"))
    if away:
        found.append(Text(" ".join(harmless(away).split()), "bold red"))
    return found


def _blocks(sweeps: Sequence[Status], columns: int, plain: bool) -> list[list[Text]]:
    """The headings, then the lines of each sweep."""
    if not sweeps:
        return []
    longest = max(SHORTEST_NAME, columns // NAMES)
    rows = [cells(sweep) for sweep in sweeps]
    rows = [{**row, "name": _shortened(row["name"], longest)} for row in rows]
    kept = fitting(rows, columns, spare=LEAST_BAR + len(GAP))
    head = {name: title for name, (title, _) in COLUMNS.items()}
    sizes = {name: max(cell_len(row[name]) for row in [head, *rows]) for name in kept}
    bar = min(MOST_BAR, columns - sum(size + len(GAP) for size in sizes.values()))
    if bar < LEAST_BAR:  # a narrow terminal: names give way, then the bar
        sizes["name"] = max(SHORTEST_NAME, sizes["name"] + bar - LEAST_BAR)
        bar = max(0, min(LEAST_BAR, columns - sum(size + len(GAP) for size in sizes.values())))
    titles = Text(style="dim")
    _fill(titles, head, sizes, Text(" " * bar), "")
    found = [[titles]]
    for sweep, row in zip(sweeps, rows, strict=True):
        line = Text()
        _fill(line, row, sizes, _bar(sweep, bar, plain), STYLES[sweep.state])
        found.append([line, *_below(sweep, kept, columns)])
    return found


def _fill(line: Text, row: Mapping[str, str], sizes: Mapping[str, int], bar: Text, style: str) -> None:
    """The cells of a row, each in its column, the bar behind the name."""
    for name, size in sizes.items():
        cell = _shortened(row[name], size)
        blank = " " * (size - cell_len(cell))
        own = {"state": style, "name": "bold" if style else "", "failed": "red" if row[name] != "0" and style else ""}
        line.append(blank * (COLUMNS[name][1] == ">"))
        line.append(cell, own.get(name, ""))
        line.append(blank * (COLUMNS[name][1] == "<"))
        line.append(GAP)
        if name == "name" and len(bar):
            line.append_text(bar)
            line.append(GAP)
    line.rstrip()


def _shortened(text: str, size: int) -> str:
    """A text of so many cells at most; a wide character has two."""
    return text if cell_len(text) <= size else set_cell_size(text, size - 1) + "…"


def _bar(sweep: Status, size: int, plain: bool) -> Text:
    """What is done, what failed, what runs. Whatever there is of a part is seen; it is full only when all is in."""
    counts = {name: getattr(sweep, name) for name, *_ in PARTS}
    sizes = {name: max(1, size * count // max(1, sweep.asked)) if count else 0 for name, count in counts.items()}
    largest = max(sizes, key=sizes.__getitem__)
    is_full = sweep.ready >= sweep.asked > 0
    excess = sum(sizes.values()) - (size if is_full else size - 1)
    if excess > 0 or is_full:
        sizes[largest] = max(0, sizes[largest] - excess)
    found = Text()
    for name, sign, ascii_sign, style in PARTS:
        found.append((ascii_sign if plain else sign) * sizes[name], style)
    sign, ascii_sign, style = REST
    found.append((ascii_sign if plain else sign) * (size - len(found)), style)
    return found[:size]


def _below(sweep: Status, kept: Sequence[str], columns: int) -> list[Text]:
    """Why it stands still, and why trials failed: a line each."""
    said = [(text, "yellow") for text in [" ".join(sweep.reason.split())] if text]
    if sweep.failed:
        causes = reasons(sweep)
        first = f"{sweep.failed:,} failed, the first with {sweep.first_error}" if sweep.first_error else ""
        why = first if causes in ("", "all alike") and first not in sweep.reason else causes
        said.append((why, "red"))
    return [Text(f"  {harmless(' '.join(text.split()))}", style) for text, style in said if text]


def _more(sweeps: Sequence[Status]) -> Text:
    """What there was no room for."""
    states = Counter(STATES.get(each.state, each.state) for each in sweeps)
    which = ", ".join(f"{count:,} {state}" for state, count in states.items())
    return Text(f"… and {plural(len(sweeps), 'more sweep')}: {which}", "dim")
