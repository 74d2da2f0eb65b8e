"""The verbs that ask and read: `raylab ls`, `status`, `watch`, `wait`, `results`, `failures`. They start no lab."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raylab.client.figures import width
from raylab.client.speech import NOTHING_CANCELLED, Interruptible, say
from raylab.errors import SweepNotFound
from raylab.terminal.screen import Canvas, aligned, causes, table
from raylab.terminal.words import ADDRESS, DONE, JSON, NOT_READY, Misuse, number, verb, word

if TYPE_CHECKING:
    import polars as pl

    from raylab.client.attachment import Client
    from raylab.client.resting import Resting

POLL_S = 20.0
SECONDS = number(float, 0, float("inf"), "seconds from 0 on")

SUFFIXES = (".parquet", ".csv", ".arrow", ".feather", ".ipc", ".ndjson")
"""Of the files that `raylab.terminal.export.write` knows."""

LAB = word("lab", nargs="?", metavar="LAB", help="the lab's name")
SWEEP = word("sweep", nargs="?", metavar="SWEEP", help="of one sweep (default: all there are)")
SWEEPS = word(
    "sweeps",
    nargs="*",
    metavar="SWEEP",
    help="of this sweep (default: the only one there is); of several, with a column _sweep in front",
)
ALL = word("--all", action="store_true", help="with those that are archived")
NOTEBOOK = word(
    "--notebook", type=Path, metavar="PATH", help="read this folder; needs no cluster, and no LAB before SWEEP"
)


@verb("list the labs of a cluster", ADDRESS, ALL, JSON)
def ls(address: str | None, all: bool, json: bool) -> int:
    from raylab.lab import labs

    found = labs(address, archived=all).to_dicts()
    if json:
        _print_json(found)
    elif not found:
        say("no labs yet; raylab.Lab(NAME) in Python makes one")
    else:
        rows = [
            (lab["name"], lab["user"], "running" if lab["running"] else "at rest", lab["notebook"]) for lab in found
        ]
        print("\n".join(aligned([("LAB", "USER", "ACTOR", "NOTEBOOK"), *rows], "<<<<")))
    return DONE


def _print_json(rows: Iterable[Mapping[str, Any]]) -> None:
    """Times are text in it, as ISO 8601 has them."""
    print(json.dumps(list(rows), indent=1, ensure_ascii=False, default=lambda moment: moment.isoformat()))


@verb("show how far the sweeps of a lab are", LAB, SWEEP, ADDRESS, NOTEBOOK, ALL, JSON)
def status(
    lab: str | None, sweep: str | None, address: str | None, notebook: Path | None, all: bool, json: bool
) -> int:
    if notebook is not None:
        from raylab.offline import Notebook, overview

        name = only_sweep(lab, sweep)
        found = overview(Notebook(notebook), name, all)
    else:
        found = look(lab, address).overview(sweep, all)
    if json:
        _print_json(each.told() for each in found)
    else:
        print("\n".join(table(found, width(sys.stdout))))
    return DONE


def look(lab: str | None, address: str | None) -> Client | Resting:
    """The lab of this name, as it is."""
    from raylab.client import resting

    if lab is None:
        raise Misuse("which lab? `raylab ls` lists them")
    return resting.look(lab, address)


def only_sweep(lab: str | None, sweep: str | None) -> str | None:
    """With --notebook the first name is the sweep's."""
    if sweep is not None:
        raise Misuse("with --notebook, give a sweep and no lab")
    return lab


@verb("show it again whenever there is news, until all is in", LAB, SWEEP, ADDRESS, more="Ctrl-C cancels nothing.")
def watch(lab: str | None, sweep: str | None, address: str | None) -> int:
    with Interruptible(lambda: NOTHING_CANCELLED):
        return _follow(look(lab, address), sweep)


def _follow(lab: Client | Resting, sweep: str | None) -> int:
    canvas = Canvas(sys.stdout)
    which = None if sweep is None else lab.pinned(sweep)
    mark, sweeps = lab.news(which, None, None)
    while True:
        canvas.draw(table(sweeps, width(sys.stdout)))
        if not any(each.outstanding for each in sweeps):
            return DONE
        if not lab.at_work:
            return NOT_READY
        mark, sweeps = lab.news(which, mark, POLL_S)


@verb(
    "wait until all is in, with a bar",
    LAB,
    SWEEP,
    ADDRESS,
    word("--timeout", type=SECONDS, metavar="S", help="seconds to wait at most"),
    word("--quiet", action="store_true", help="no bar, the exit code says it all"),
)
def wait(lab: str | None, sweep: str | None, address: str | None, timeout: float | None, quiet: bool) -> int:
    return DONE if look(lab, address).wait(sweep, timeout, not quiet) else NOT_READY


def _output(text: str) -> Path:
    path = Path(text)
    if path.suffix not in SUFFIXES:
        raise ValueError(f"a file that ends in one of {' '.join(SUFFIXES)}, not {text!r}")
    return path


def _statuses(text: str) -> list[str]:
    from raylab.notebook.frames import check_status

    return check_status(text.split(","))


@verb(
    "show or write what sweeps have brought so far",
    LAB,
    SWEEPS,
    ADDRESS,
    NOTEBOOK,
    word(
        "-o", "--output", type=_output, metavar="FILE", help=f"write to FILE, as its suffix says: {' '.join(SUFFIXES)}"
    ),
    word(
        "--status",
        type=_statuses,
        default=["done"],
        metavar="WORDS",
        help="done (default), failed, crashed, out_of_memory, timed_out, several with commas, or all; with any but "
        "done, the columns _status and _error come too",
    ),
    word("--metadata", action="store_true", help="with all the columns about the trials"),
)
def results(
    lab: str | None,
    sweeps: list[str],
    address: str | None,
    notebook: Path | None,
    output: Path | None,
    status: list[str],
    metadata: bool,
) -> int:
    from raylab.terminal.export import check_place, write

    if output is not None:
        check_place(output)
    # Of trials that came to nothing also what became of them.
    columns = metadata or ([] if status == ["done"] else ["_status", "_error"])
    with (
        _said_by_the_command(lab, notebook, "results", "SWEEP ...` takes one or several of them"),
        warnings.catch_warnings(record=True, action="always", category=UserWarning) as told,
    ):
        frame = _rows(lab, sweeps, address, notebook, status, columns)
    for remark in told:
        say(str(remark.message))
    if output is not None:
        write(frame, output)
        say(f"{frame.height:,} rows written to {output}")
    else:
        _show_rows(frame)
    return DONE


@contextmanager
def _said_by_the_command(lab: str | None, notebook: Path | None, verb: str, takes: str) -> Iterator[None]:
    """Where there are several sweeps and none was named, say the command's way to name one, not Python's."""
    try:
        yield
    except SweepNotFound as error:
        text, several, _ = str(error).partition(". Several are read with")
        where = lab if notebook is None else f"--notebook {notebook}"
        raise SweepNotFound(f"{text}; `raylab {verb} {where} {takes}" if several else text) from None


def _show_rows(frame: pl.DataFrame) -> None:
    from raylab.terminal.export import plain, show

    if sys.stdout.isatty():
        show(frame, width(sys.stdout) or 80)
    else:
        sys.stdout.write(plain(frame).write_csv())


def _rows(
    lab: str | None,
    sweeps: list[str],
    address: str | None,
    notebook: Path | None,
    status: list[str],
    columns: bool | list[str],
) -> pl.DataFrame:
    if notebook is None:
        return look(lab, address).results(_one_or_several(sweeps), status, columns)
    from raylab.offline import Notebook

    names = [*([] if lab is None else [lab]), *sweeps]  # with --notebook, no lab's
    return Notebook(notebook).results(_one_or_several(names), status=status, metadata=columns)


def _one_or_several(names: list[str]) -> str | list[str] | None:
    """What `results` of Python takes: of one name it makes no column `_sweep`."""
    return names if len(names) > 1 else next(iter(names), None)


@verb(
    "show what failed of a sweep, or why",
    LAB,
    word("sweep", nargs="?", metavar="SWEEP", help="of this sweep (default: the only one there is)"),
    word("--by", choices=("cause",), help="the causes, the most frequent first, each with an example"),
    ADDRESS,
    NOTEBOOK,
    JSON,
    more="What is to be run again (`raylab retry`) is no failure.",
)
def failures(
    lab: str | None, sweep: str | None, by: str | None, address: str | None, notebook: Path | None, json: bool
) -> int:
    from raylab.terminal.export import plain

    with _said_by_the_command(lab, notebook, "failures", "SWEEP` takes one of them"):
        if notebook is not None:
            from raylab.offline import Notebook

            frame = Notebook(notebook).failures(only_sweep(lab, sweep), by=by)
        else:
            frame = look(lab, address).failures(sweep, by)
    if json:
        _print_json(plain(frame, nested=True).to_dicts())
    elif frame.is_empty():
        say("nothing failed")
    elif by is None:
        _show_rows(frame)
    else:
        print("\n".join(causes(frame.to_dicts(), width(sys.stdout))))
    return DONE
