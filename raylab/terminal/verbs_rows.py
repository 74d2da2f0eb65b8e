"""The verbs that give rows: `raylab results`, `failures`. They start no lab."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raylab.client.speech import UNCHANGED, Interruptible, say
from raylab.display.figures import width
from raylab.errors import SweepNotFound
from raylab.terminal.as_json import print_json
from raylab.terminal.formats import BINARY, FORMATS, LABELLED, SUFFIXES, format_of
from raylab.terminal.screen import causes
from raylab.terminal.verbs_read import LAB, NOTEBOOK, look, only_sweep
from raylab.terminal.words import ADDRESS, DONE, JSON, Misuse, verb, word

if TYPE_CHECKING:
    from raylab.terminal.gathering import Asked

SWEEPS = word(
    "sweeps",
    nargs="*",
    metavar="SWEEP",
    help="of this sweep (default: the only one there is); of several, with a column _sweep in front",
)


def _statuses(text: str) -> list[str]:
    from raylab.notebook.frames import check_status

    return check_status(text.split(","))


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise ValueError(f"columns are names with commas between them, as p,L,spans; not {text!r}")
    return names


@verb(
    "show or write what sweeps have brought so far",
    LAB,
    SWEEPS,
    ADDRESS,
    NOTEBOOK,
    word("-o", "--output", type=Path, metavar="FILE", help=f"write to FILE, as its suffix says: {' '.join(SUFFIXES)}"),
    word("--format", choices=tuple(FORMATS), help="of FILE, whatever its suffix; without FILE, of what is printed"),
    word(
        "--status",
        type=_statuses,
        default=["done"],
        metavar="WORDS",
        help="done (default), failed, crashed, out_of_memory, timed_out, several with commas, or all; with any but "
        "done, the columns _status and _error come too",
    ),
    word(
        "--where", metavar="SQL", help='only rows of which this is true: "p > 0.5 AND L = 64"; also of _elapsed_s, ...'
    ),
    word(
        "--columns",
        type=_names,
        metavar="A,B,...",
        help="only these columns, in this order; metadata, too: _node",
    ),
    word("--metadata", action="store_true", help="with all the columns about the trials"),
    word("--table", metavar="NAME", help="the rows of a result that is a frame, a dict or a list of dicts"),
    word(
        "--summary", action="store_true", help="of one sweep, what the results come to: mean, interval, quartiles, ..."
    ),
    word("--of", action="append", metavar="RESULT", help="of this result, with --summary; may be given several times"),
    word("--by", action="append", metavar="PARAMETER", help="by its levels, likewise; without it by point"),
    word("--json", action="store_true", help="the same as --format json: a list with an object for each row"),
    more="Off a terminal, CSV is printed. A FILE that is there is replaced, once the new one is complete. What a "
    "format cannot hold is written as text that says it, and told in a line. --where and --columns are about what is "
    "shown: of a --summary its rows, which are no trials.",
    example='raylab results perc coarse --where "p > 0.5 AND L = 64" --columns p,L,spans -o steep.parquet',
)
def results(
    lab: str | None,
    sweeps: list[str],
    address: str | None,
    notebook: Path | None,
    output: Path | None,
    format: str | None,
    status: list[str],
    metadata: bool,
    table: str | None,
    summary: bool,
    of: list[str] | None,
    by: list[str] | None,
    where: str | None,
    columns: list[str] | None,
    json: bool,
) -> int:
    from raylab.terminal.export import check_place
    from raylab.terminal.narrowing import Narrowing
    from raylab.terminal.source import Source

    if (of or by) and not summary:
        raise Misuse("--of and --by say what --summary is about: give that, too")
    if summary and (metadata or status != ["done"] or table is not None):
        raise Misuse("--summary counts all trials, so it takes neither --status nor --metadata nor --table")
    if json and format not in (None, "json"):
        raise Misuse(f"--json is --format json, and --format says {format}: give one of them")
    format = "json" if json else format
    form = format or ("csv" if output is None else _format(output))
    if output is not None:
        check_place(output)
    elif sys.stdout.isatty() and form in BINARY:
        raise Misuse(f"{form} is nothing to be read on a terminal: give a file with -o, or print into one")
    narrows = where is not None or columns is not None
    if form == LABELLED and (summary or metadata or status != ["done"] or table is not None or narrows):
        words = "--summary, --metadata, --status, --table, --where and --columns"
        raise Misuse(f"{form} is the results over the axes of one sweep, without {words}")
    # Of trials that came to nothing also what became of them.
    beside = metadata or ([] if status == ["done"] else ["_status", "_error"])
    narrowing = Narrowing(where=where, columns=columns, metadata=beside)
    with (
        _said_by_the_command(lab, notebook, "results", "SWEEP ...` takes one or several of them"),
        warnings.catch_warnings(record=True, action="always", category=UserWarning) as told,
        Interruptible(lambda: f"interrupted; {UNCHANGED}, and nothing was written"),
    ):
        found = Source(lab, sweeps, address, notebook)
        if form == LABELLED:
            remarks = _write_labelled(found.dataset(), output)
        else:
            asked = found.summary(of, by, narrowing) if summary else found.rows(status, narrowing, table)
            remarks = _show(asked, format) if output is None else _write(asked, output, form)
    for remark in told:
        say(str(remark.message))
    for line in remarks:
        say(line)
    return DONE


def _format(path: Path) -> str:
    try:
        return format_of(path)
    except ValueError as error:
        raise Misuse(f"argument -o/--output: {error}") from error


def _write(asked: Asked, path: Path, form: str) -> list[str]:
    """Write the rows to a file; what to say of it."""
    from raylab.terminal.export import write
    from raylab.terminal.gathering import gathered

    count, notes = write(gathered(asked, path.absolute().parent), path, form)
    return [*notes.lines(), f"{count:,} row{'s' * (count != 1)} written to {path}"]


def _write_labelled(dataset: Any, path: Path | None) -> list[str]:
    """Write a Dataset to a file, or print it; what to say of it."""
    from raylab.terminal.cells import Notes
    from raylab.terminal.export import placed
    from raylab.terminal.netcdf import write_netcdf

    notes = Notes()
    if path is None:
        data = io.BytesIO()
        write_netcdf(data, dataset, notes)
        sys.stdout.buffer.write(data.getbuffer())
        return notes.lines()
    with placed(path) as file:
        write_netcdf(file, dataset, notes)
    sizes = " × ".join(f"{name} {size:,}" for name, size in dataset.sizes.items())
    return [*notes.lines(), f"{sizes} written to {path}"]


def _show(asked: Asked, form: str | None) -> list[str]:
    """Print the rows; what to say of them."""
    from raylab.terminal.cells import Notes
    from raylab.terminal.export import WRITERS, show
    from raylab.terminal.gathering import gathered, together

    notes = Notes()
    if form is None and sys.stdout.isatty():
        show(together(asked), width(sys.stdout) or 80)
    else:
        sys.stdout.flush()
        WRITERS[form or "csv"](sys.stdout.buffer, gathered(asked, None), notes)
        sys.stdout.buffer.flush()
    return notes.lines()


@contextmanager
def _said_by_the_command(lab: str | None, notebook: Path | None, verb: str, takes: str) -> Iterator[None]:
    """Where there are several sweeps and none was named, say the command's way to name one, not Python's."""
    try:
        yield
    except SweepNotFound as error:
        text, several, _ = str(error).partition(". Several are read with")
        where = lab if notebook is None else f"--notebook {notebook}"
        raise SweepNotFound(f"{text}; `raylab {verb} {where} {takes}" if several else text) from None


@verb(
    "show what failed of a sweep, or why",
    LAB,
    word("sweep", nargs="?", metavar="SWEEP", help="of this sweep (default: the only one there is)"),
    word("--by", choices=("cause",), help="the causes, the most frequent first, each with an example"),
    ADDRESS,
    NOTEBOOK,
    word("--where", metavar="SQL", help='only rows of which this is true: "p > 0.5 AND _attempt = 1"'),
    word("--columns", type=_names, metavar="A,B,...", help="only these columns, in this order"),
    JSON,
    more="What is to be run again (`raylab retry`) is no failure.",
    example="raylab failures perc coarse --by cause",
)
def failures(
    lab: str | None,
    sweep: str | None,
    by: str | None,
    address: str | None,
    notebook: Path | None,
    where: str | None,
    columns: list[str] | None,
    json: bool,
) -> int:
    from raylab.terminal.cells import plain
    from raylab.terminal.export import show
    from raylab.terminal.narrowing import Narrowing

    if by is not None and columns is not None and not json:
        raise Misuse("causes are shown as sentences; --columns picks among them with --json, or without --by")
    narrowing = Narrowing(where=where, columns=columns, metadata=columns is None)

    with _said_by_the_command(lab, notebook, "failures", "SWEEP` takes one of them"):
        if notebook is not None:
            from raylab.offline import Notebook

            frame = Notebook(notebook).failures(only_sweep(lab, sweep), by=by)
        else:
            frame = look(lab, address).failures(sweep, by)
    frame = narrowing.of(frame)
    if json:
        print_json(plain(frame, nested=True).to_dicts())
    elif frame.is_empty():
        say("nothing failed")
    elif by is None and sys.stdout.isatty():
        show(frame, width(sys.stdout) or 80)
    elif by is None:
        sys.stdout.write(plain(frame).write_csv())
    else:
        print("\n".join(causes(frame.to_dicts(), width(sys.stdout))))
    return DONE
