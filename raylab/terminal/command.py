"""The command `raylab`: start a cluster, see how far a lab is, wait for it, take its results out.

For people at a terminal and for scripts: what is asked for goes to stdout, everything else to stderr, an error is one
line, and the exit code says what a script wants to know. No command but `start` makes anything new, and looking starts
no lab: the commands that read leave one that somebody ended at rest, and read its notebook. Nothing heavy is imported
before it is needed: `raylab --help` is there at once.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from raylab.client.figures import width
from raylab.client.speech import NOTHING_CANCELLED, Interruptible, say
from raylab.errors import LabBusy, LabNotFound, LabUnavailable, RaylabError, SweepNotFound, told
from raylab.terminal.screen import Canvas, Row, aligned, table

if TYPE_CHECKING:
    import polars as pl

    from raylab.client.attachment import Client
    from raylab.client.resting import Resting
    from raylab.client.started import Started

DONE, NOT_READY, BAD_INPUT, NOT_FOUND, UNAVAILABLE, INTERRUPTED = 0, 1, 2, 3, 4, 130
DAMAGED = NOT_READY

CODES = """\
exit codes:
  0  done; with `wait`, everything is in
  1  not ready: the timeout is over, what is left stands still or its lab is at rest, or a lab still has trials to
     run; with `verify` and `repair`: something is damaged
  2  bad usage or bad input
  3  there is no such lab, sweep or notebook
  4  the cluster or the lab does not answer, or cannot go on
  130  Ctrl-C; it cancels nothing, and of a change that was under way a line says what is known
"""

POLL_S = 20.0

NO_TOKEN = "none: whoever reaches these ports can run code here"

NO_SECOND = "no other machine can: the address of this one leads to itself; --node-ip-address gives another"

SUFFIXES = (".parquet", ".csv", ".arrow", ".feather", ".ipc", ".ndjson")
"""Of the files that `raylab.terminal.export.write` knows."""


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code.

    Args:
        words: the command line without the program's name; that of this process if None.

    Raises:
        SystemExit: for `--help`, and with code 2 for what cannot be parsed.
    """
    given = parser().parse_args(words)
    try:
        code: int = given.run(given)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `raylab results ... | head`: nobody reads any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (RaylabError, ValueError, OSError) as error:
        say(told(error) if isinstance(error, OSError) else str(error))
        return exit_code(error)
    return code


def exit_code(error: Exception) -> int:
    """What an error means to a script: the groups of `raylab.errors`.

    Example:
        >>> exit_code(LabNotFound("there is no lab 'x'"))
        3
    """
    if isinstance(error, LabBusy):
        return NOT_READY
    if isinstance(error, LookupError):
        return NOT_FOUND
    if isinstance(error, ConnectionError | RuntimeError):
        return UNAVAILABLE
    return BAD_INPUT


# -- the words


class Parser(argparse.ArgumentParser):
    """argparse's, whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {message}; see {self.prog} --help\n")


def parser() -> Parser:
    """All commands and their words."""
    shape = argparse.RawDescriptionHelpFormatter
    top = Parser(
        prog="raylab",
        description="Labs on a Ray cluster: submit a sweep from Python, close the laptop, come back to the results.",
        epilog=CODES,
        formatter_class=shape,
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, run: Callable[[argparse.Namespace], int], what: str, more: str = "") -> Any:
        about = f"{what[0].upper()}{what[1:]}. {more}".strip()
        found = commands.add_parser(name, help=what, description=about, epilog=CODES, formatter_class=shape)
        found.set_defaults(run=run, parser=found)
        return found

    _add_cluster_commands(command)
    _add_asking_commands(command)
    _add_mending_commands(command)
    _add_ending_commands(command)
    return top


def _add_cluster_commands(command: Callable[..., Any]) -> None:
    start = command(
        "start",
        _start,
        "start a Ray cluster on this machine that stays, or join another machine's",
        "Trials run in the\nfolder where it is started; labs lie in RAYLAB_HOME (~/raylab) of the first machine, the "
        "head. A second one joins\nwith the line that the head prints, `raylab start --address HEAD`. Both need the "
        "same Ray and Python (minor\nversion), and the same token if there is one (~/.ray/auth_token).",
    )
    start.add_argument(
        "--address", type=_head, metavar="HEAD[:PORT]", help="join the cluster of this machine (default: start one)"
    )
    start.add_argument("--num-cpus", type=_count, metavar="N", help="CPUs it may use here (default: all)")
    start.add_argument("--port", type=_port, metavar="P", help="for machines that join (default: 6379 if free)")
    start.add_argument("--client-port", type=_port, metavar="Q", help="for ray:// (default: 10001 if free)")
    start.add_argument(
        "--node-ip-address", metavar="IP", help="of this machine, as the others reach it (default: a guess)"
    )
    start.add_argument("--temp-dir", type=Path, metavar="D", help="for Ray's logs and sockets (default: Ray's own)")
    start.add_argument(
        "--block",
        action="store_true",
        help="stay in the foreground until Ctrl-C or SIGTERM, then end what was started (systemd, srun, containers)",
    )
    command(
        "stop",
        _stop,
        "end what `raylab start` started on this machine, and nothing else",
        "Where the machine had\njoined another one's cluster, that goes on without it.",
    )


def _add_asking_commands(command: Callable[..., Any]) -> None:
    _address(command("ls", _ls, "list the labs of a cluster"))
    status = command("status", _status, "show how far the sweeps of a lab are")
    watch = command("watch", _watch, "show it again whenever there is news, until all is in", "Ctrl-C cancels nothing.")
    wait = command("wait", _wait, "wait until all is in, with a bar")
    results = command("results", _results, "show or write what sweeps have brought so far")
    for each in (status, watch, wait, results):
        each.add_argument("lab", nargs="?", metavar="LAB", help="the lab's name")
        if each is results:
            text = "of this sweep (default: the only one there is); of several, with a column _sweep in front"
            each.add_argument("sweeps", nargs="*", metavar="SWEEP", help=text)
        else:
            each.add_argument("sweep", nargs="?", metavar="SWEEP", help="of one sweep (default: all there are)")
        _address(each)
    for each in (status, results):
        text = "read this folder; needs no cluster, and no LAB before SWEEP"
        each.add_argument("--notebook", type=Path, metavar="PATH", help=text)
    wait.add_argument("--timeout", type=_seconds, metavar="S", help="seconds to wait at most")
    wait.add_argument("--quiet", action="store_true", help="no bar, the exit code says it all")
    results.add_argument(
        "-o", "--output", type=_output, metavar="FILE", help=f"write to FILE, as its suffix says: {' '.join(SUFFIXES)}"
    )
    results.add_argument(
        "--status",
        type=_statuses,
        default=["done"],
        metavar="WORDS",
        help="done (default), failed, crashed, out_of_memory, timed_out, several with commas, or all; with any but "
        "done, the columns _status and _error come too",
    )
    results.add_argument("--metadata", action="store_true", help="with all the columns about the trials")


def _add_mending_commands(command: Callable[..., Any]) -> None:
    verify = command("verify", _verify, "check every file of a notebook", "Needs no lab and no cluster.")
    verify.add_argument("lab", metavar="LAB|FOLDER", help="a lab of this machine, or the folder of a notebook")
    repair = command(
        "repair",
        _repair,
        "set damaged files of a notebook aside",
        "What was in them is lost; its trials are outstanding again.\nNothing is deleted. A lab that works on the "
        "notebook has to be shut down and attached again.",
    )
    repair.add_argument("folder", type=Path, metavar="FOLDER", help="of the notebook")


def _add_ending_commands(command: Callable[..., Any]) -> None:
    cancel = command("cancel", _cancel, "give up what a sweep has not recorded", "Submitting it again goes on.")
    cancel.add_argument("lab", metavar="LAB")
    cancel.add_argument("sweep", metavar="SWEEP")
    cancel.add_argument("--yes", action="store_true", help="do not ask")
    shutdown = command(
        "shutdown", _shutdown, "end a lab's actor", "The notebook stays; attaching starts the lab again."
    )
    shutdown.add_argument("lab", metavar="LAB")
    shutdown.add_argument("--force", action="store_true", help="with trials outstanding, too")
    for each in (cancel, shutdown):
        _address(each)


def _address(parser: argparse.ArgumentParser) -> None:
    text = "of the Ray cluster: HOST:PORT or ray://HOST:PORT (default: RAY_ADDRESS, or the one on this machine)"
    parser.add_argument("--address", metavar="A", help=text)


def _number(text: str, kind: Callable[[str], float], least: float, most: float, what: str) -> Any:
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{what}, not {text!r}")
    return value


def _count(text: str) -> Any:
    return _number(text, int, 1, 2**31, "a whole number from 1 on")


def _port(text: str) -> Any:
    return _number(text, int, 1, 65535, "a port from 1 to 65535")


def _head(text: str) -> str:
    from raylab.terminal.network import host_and_port

    try:
        host_and_port(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _seconds(text: str) -> Any:
    return _number(text, float, 0, float("inf"), "seconds from 0 on")


def _output(text: str) -> Path:
    path = Path(text)
    if path.suffix not in SUFFIXES:
        raise argparse.ArgumentTypeError(f"a file that ends in one of {' '.join(SUFFIXES)}, not {text!r}")
    return path


def _statuses(text: str) -> list[str]:
    from raylab.notebook.frames import check_status

    try:
        return check_status(text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


# -- the cluster


def _start(given: argparse.Namespace) -> int:
    from raylab.terminal import background

    if given.address is not None and (given.port or given.client_port):
        given.parser.error("--port and --client-port are the head's; a machine that joins takes --address alone")
    with background.ended_by_signals():
        found, new = _begin(given)
        if given.block and not new:
            raise LabUnavailable(f"{_is(found, new)}, and --block ends only what it started; `raylab stop` first")
        ends = "Ctrl-C or SIGTERM ends it" if given.block else "`raylab stop` ends it"
        print(f"{_is(found, new)}; {ends}")
        print(_where(found), flush=True)
        return _block(found) if given.block else DONE


def _begin(given: argparse.Namespace) -> tuple[Started, bool]:
    from raylab.terminal import background

    more: dict[str, Any] = {"num_cpus": given.num_cpus, "ip": given.node_ip_address, "temp_dir": given.temp_dir}
    if given.address is not None:
        return background.join(given.address, **more)
    return background.start(port=given.port, client_port=given.client_port, **more)


def _is(found: Started, new: bool) -> str:
    """What this machine is by now."""
    if not found.is_head:
        cluster = f"the Ray cluster at {found.address}"
        return f"this machine has joined {cluster}" if new else f"this machine is in {cluster} already"
    return "a Ray cluster was started, and stays" if new else "a Ray cluster runs here already"


def _where(found: Started) -> str:
    from raylab.client.tokens import FILE
    from raylab.server.known_labs import home

    lines = [("this machine", found.ip)]
    if found.is_head:
        lines = [
            ("this machine", found.address),
            ("elsewhere", found.client_address),
            ("join", NO_SECOND if _is_loopback(found.ip) else f"raylab start --address {found.address}"),
            ("labs", str(home())),
        ]
    token = f"needed: the file {FILE} of the head, on each other machine" if found.token else NO_TOKEN
    return "\n".join(f"  {name:<13} {value}" for name, value in [*lines, ("token", token)])


def _is_loopback(ip: str) -> bool:
    import ipaddress

    return ipaddress.ip_address(ip).is_loopback


def _block(found: Started) -> int:
    """Stay until somebody ends it, or it ends by itself."""
    from raylab.terminal import background

    try:
        background.stay(found)
        died = True
    except KeyboardInterrupt:
        died = False
    with background.deaf():  # a second Ctrl-C must not leave half of it behind
        left = background.stop(found.mark)
    if died and left is not None:  # else `raylab stop` has ended it
        raise LabUnavailable(
            f"Ray has ended by itself on this machine, which was in the cluster at {found.address}; what was left of "
            f"it was ended too, and its logs are in {found.temp_dir}"
        )
    print(_ended(found))
    return DONE


def _stop(given: argparse.Namespace) -> int:
    from raylab.terminal import background

    ended = background.stop()
    print("no cluster that `raylab start` started runs here" if ended is None else _ended(ended))
    return DONE


def _ended(known: Started) -> str:
    """What became of what ran on this machine."""
    if known.is_head:
        return (
            f"the Ray cluster at {known.address} was ended\n"
            "nothing is lost: the notebooks stay, and what was running runs again when its lab is next attached to"
        )
    return (
        f"this machine has left the Ray cluster at {known.address}\n"
        "nothing is lost: what was running here runs again on the other machines"
    )


# -- asking


def _look(given: argparse.Namespace) -> Client | Resting:
    from raylab.client.resting import look

    if given.lab is None:
        given.parser.error("which lab? `raylab ls` lists them")
    return look(given.lab, given.address)


def _ls(given: argparse.Namespace) -> int:
    from raylab.lab import labs

    found = labs(given.address)
    if found.is_empty():
        say("no labs yet; raylab.Lab(NAME) in Python makes one")
        return DONE
    rows = [
        (lab["name"], lab["user"], "running" if lab["running"] else "at rest", lab["notebook"])
        for lab in found.iter_rows(named=True)
    ]
    print("\n".join(aligned([("LAB", "USER", "ACTOR", "NOTEBOOK"), *rows], "<<<<")))
    return DONE


def _status(given: argparse.Namespace) -> int:
    if given.notebook is not None:
        from raylab.notebook.notebook import Notebook, overview, sweeps_frame

        name = _only_sweep(given)
        found = overview(Notebook(given.notebook), name)
        rows: Sequence[Row] = list(sweeps_frame(found).iter_rows(named=True))
    else:
        rows = _look(given).overview(given.sweep)
    print("\n".join(table(rows, width(sys.stdout))))
    return DONE


def _only_sweep(given: argparse.Namespace) -> str | None:
    """With --notebook the first name is the sweep's."""
    if given.sweep is not None:
        given.parser.error("with --notebook, give a sweep and no lab")
    name: str | None = given.lab
    return name


def _watch(given: argparse.Namespace) -> int:
    with Interruptible(lambda: NOTHING_CANCELLED):
        return _follow(_look(given), given.sweep)


def _follow(lab: Client | Resting, sweep: str | None) -> int:
    canvas = Canvas(sys.stdout)
    which = None if sweep is None else lab.pinned(sweep)
    mark, rows = lab.news(which, None, None)
    while True:
        canvas.draw(table(rows, width(sys.stdout)))
        if not sum(row["running"] + row["waiting"] for row in rows):
            return DONE
        if not lab.at_work:
            return NOT_READY
        mark, rows = lab.news(which, mark, POLL_S)


def _wait(given: argparse.Namespace) -> int:
    ready = _look(given).wait(given.sweep, given.timeout, not given.quiet)
    return DONE if ready else NOT_READY


def _results(given: argparse.Namespace) -> int:
    from raylab.terminal.export import check_place, plain, show, write

    if given.output is not None:
        check_place(given.output)
    frame = _rows(given)
    if given.output is not None:
        write(frame, given.output)
        say(f"{frame.height:,} rows written to {given.output}")
    elif sys.stdout.isatty():
        show(frame, width(sys.stdout) or 80)
    else:
        sys.stdout.write(plain(frame).write_csv())
    return DONE


def _rows(given: argparse.Namespace) -> pl.DataFrame:
    """What was asked for; of trials that came to nothing also what became of them."""
    metadata = given.metadata or ([] if given.status == ["done"] else ["_status", "_error"])
    try:
        if given.notebook is None:
            return _look(given).results(_one_or_several(given.sweeps), given.status, metadata)
        from raylab.notebook.notebook import Notebook

        names = [name for name in (given.lab, *given.sweeps) if name is not None]  # with --notebook, no lab's
        return Notebook(given.notebook).results(_one_or_several(names), status=given.status, metadata=metadata)
    except SweepNotFound as error:
        text, several, _ = str(error).partition(". Several are read with")  # the rest is Python's way
        where = given.lab if given.notebook is None else f"--notebook {given.notebook}"
        ways = f"; `raylab results {where} SWEEP ...` takes one or several of them" if several else ""
        raise SweepNotFound(text + ways) from None


def _one_or_several(names: list[str]) -> str | list[str] | None:
    """What `results` of Python takes: of one name it makes no column `_sweep`."""
    return names if len(names) > 1 else next(iter(names), None)


# -- mending


def _verify(given: argparse.Namespace) -> int:
    from raylab.notebook.store import Store
    from raylab.notebook.verify import inspect

    folder = _folder(given.lab)
    found = inspect(Store(folder))
    findings = found.findings
    if not findings:
        print(f"all is whole: {found.files:,} files, {found.rows:,} rows, {found.bytes:,} bytes in {folder}")
        return DONE
    cells = [("FILE", "SWEEP", "ROWS", "TRIALS", "WHAT")]
    for each in findings:
        rows = "?" if each.rows is None else f"{each.rows:,}"
        if each.rows and each.first_row is not None:
            rows += f" from {each.first_row:,}"
        trials = "?" if each.trials is None else f"{each.trials:,}"
        cells.append((each.file, each.sweep or "", rows, trials, " ".join(each.what.split())))
    print("\n".join(aligned(cells, "<<>><")))
    say(f"put back copies of these files, or mend what is left: raylab repair {folder}")
    return DAMAGED


def _folder(lab: str) -> Path:
    """The notebook of a lab that this machine knows, or else a folder."""
    from raylab.server.known_labs import known

    there = {place.name: place for place in known()}
    if lab in there:
        return Path(there[lab].notebook)
    folder = Path(lab).expanduser().absolute()
    if not folder.is_dir():
        names = ", ".join(map(repr, there)) or "none"
        raise LabNotFound(f"there is no lab and no folder {lab!r}; labs on this machine are: {names}")
    return folder


def _repair(given: argparse.Namespace) -> int:
    from raylab import __version__
    from raylab.notebook.repair import repair
    from raylab.notebook.store import Store
    from raylab.server.protocol import person

    folder = given.folder.expanduser().absolute()
    who = {"user": person(), "host": platform.node(), "pid": str(os.getpid()), "actor": "raylab repair"}
    report = repair(Store(folder), who | {"raylab": __version__})
    if report.was_whole:
        print(f"all is whole in {folder}; nothing was done")
        return DONE
    print("\n".join(" ".join(line.split()) for line in report.done))
    print("a lab that works on this notebook has to be shut down and attached again: `raylab shutdown LAB --force`")
    if report.left:
        for each in report.left:
            say(f"still damaged: {each}")
        return DAMAGED
    print(f"all that is left in {folder} is whole")
    return DONE


# -- ending


def _cancel(given: argparse.Namespace) -> int:
    from raylab.client.attachment import Client

    lab = _look(given)  # a lab at rest is started only where there is something to cancel
    sweep = lab.pinned(given.sweep)  # this very one, whoever has its name once the question is answered
    left = lab.outstanding(sweep)
    if not left:
        print(f"{given.sweep}: nothing is left to cancel")
        return DONE
    if not given.yes:
        if not sys.stdin.isatty():
            given.parser.error("nobody is there to ask; say --yes")
        answer = input(f"give up {left:,} trials of {given.sweep!r}? What is recorded stays. [y/N] ")
        if answer.strip().lower() not in ("y", "yes"):
            print("nothing was cancelled")
            return NOT_READY
    at_work = lab if isinstance(lab, Client) else Client(given.lab, address=given.address)
    cancelled = at_work.cancel(sweep)
    print(f"{given.sweep}: {cancelled:,} trials are cancelled; what is recorded stays, submitting again goes on")
    if at_work is not lab:
        print(f"the lab {given.lab!r} was started for it; `raylab shutdown {given.lab}` ends it")
    return DONE


def _shutdown(given: argparse.Namespace) -> int:
    from raylab.client.calls import Connection
    from raylab.lab import labs

    there = {lab["name"]: lab for lab in labs(given.address).iter_rows(named=True)}
    if given.lab not in there:
        names = ", ".join(map(repr, there)) or "none"
        raise LabNotFound(f"there is no lab {given.lab!r} on this cluster; labs there are: {names}")
    # Not by attaching: that would wake a lab at rest, and one that is fenced or of another version does not let us in.
    connection = Connection(given.lab)
    if not connection.find():
        print(f"the lab {given.lab!r} is at rest already")
        return DONE
    try:
        connection.end(given.force)
    except LabBusy as error:
        left = str(error).partition(", so it stays")[0]
        raise LabBusy(
            f"{left}, so it stays; `raylab cancel {given.lab} SWEEP` gives up those of a sweep, `raylab shutdown "
            f"{given.lab} --force` leaves them in the notebook: they go on when somebody attaches"
        ) from None
    print(f"the lab {given.lab!r} is at rest; its notebook stays in {there[given.lab]['notebook']}")
    return DONE


if __name__ == "__main__":
    sys.exit(main())
