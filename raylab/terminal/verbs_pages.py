"""The verbs that make pages for a browser: `raylab report`, `board`. They start no lab."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from raylab.client.speech import UNCHANGED, Interruptible, say
from raylab.terminal.verbs_read import ALL, LAB, NOTEBOOK, SWEEP, look, only_sweep
from raylab.terminal.words import ADDRESS, DONE, Misuse, number, verb, word

if TYPE_CHECKING:
    from raylab.pages.portraits import Source


class _Ending(Protocol):
    def end(self) -> None: ...


T = TypeVar("T", bound=_Ending)


@verb(
    "write a page about a lab or one of its sweeps, to be read, printed and handed on",
    LAB,
    SWEEP,
    word("-o", "--output", type=Path, required=True, metavar="FILE", help="the page, as FILE.html"),
    ADDRESS,
    NOTEBOOK,
    ALL,
    word(
        "--diff",
        action="store_true",
        help="with what was changed since the commit that a sweep was submitted from; it may hold secrets",
    ),
    more="The page needs no network and no raylab. Values of environment variables are left out.",
    example="raylab report perc coarse -o coarse.html",
)
def report(
    lab: str | None,
    sweep: str | None,
    output: Path,
    address: str | None,
    notebook: Path | None,
    all: bool,
    diff: bool,
) -> int:
    from raylab.pages.report import made
    from raylab.terminal.export import check_place, placed

    if output.suffix.lower() not in (".html", ".htm"):
        raise Misuse(f"argument -o/--output: a report is a page, FILE.html, not {str(output)!r}")
    check_place(output)
    with Interruptible(lambda: f"interrupted; {UNCHANGED}, and nothing was written"):
        found = _source(lab, address, notebook)
        name = sweep if notebook is None else only_sweep(lab, sweep)
        page = made(found, name, archived=all, diff=diff)
        with placed(output) as file:
            file.write(page.encode(errors="replace"))
    say(f"the report is written to {output}")
    return DONE


@verb(
    "show a lab in the browser of this machine, kept up to date, until Ctrl-C",
    LAB,
    ADDRESS,
    NOTEBOOK,
    word(
        "--port",
        type=number(int, 1, 65535, "a port is a number from 1 to 65535"),
        default=0,
        metavar="N",
        help="of this machine (default: any that is free)",
    ),
    word("--open", action="store_true", help="open it in the browser"),
    more="It prints the address, which is all that one needs to know to look; nothing of the lab can be changed there.",
    example="raylab board perc --open",
)
def board(lab: str | None, address: str | None, notebook: Path | None, port: int, open: bool) -> int:
    import secrets
    import webbrowser

    from raylab.pages.apart import Apart
    from raylab.pages.board import app
    from raylab.pages.serving import HERE, listening, serve
    from raylab.pages.watch import Gallery, Watch

    if lab is None and notebook is None:
        raise Misuse("which lab? `raylab ls` lists them")
    if lab is not None and notebook is not None:
        raise Misuse("with --notebook, give no lab")
    token = secrets.token_urlsafe(24)

    def ready() -> None:
        print(where, flush=True)
        if open:
            webbrowser.open(where)

    with (
        Interruptible(lambda: "interrupted; the board has ended, nothing of the lab has changed"),
        closing(listening(port)) as place,
        ended(Apart(lab, address, notebook)) as asker,
        ended(Watch(asker)) as watch,
        ended(Gallery(asker)) as gallery,
    ):
        where = f"http://{HERE}:{place.getsockname()[1]}/{token}/"
        serve(app(watch, gallery, token), place, ready)
    return DONE


@contextmanager
def ended(thing: T) -> Iterator[T]:
    """It ends with the block."""
    try:
        yield thing
    finally:
        thing.end()


def _source(lab: str | None, address: str | None, notebook: Path | None) -> Source:
    """Who tells of the lab: its client, or its notebook."""
    if notebook is None:
        return look(lab, address)
    from raylab.client.resting import OnDisk
    from raylab.offline import Notebook

    return OnDisk(Notebook(notebook))
