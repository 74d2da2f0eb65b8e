"""What `raylab start` brings to this machine, a cluster or a part in one: it stays, is found again, and ended.

A machine is the head of a cluster of its own (`start`) or joins the cluster of another one (`join`). What was started
is remembered in `RAYLAB_HOME`, one small file for each machine, and known by a mark that its processes inherit
(`terminal/processes.py`), so that `stop` ends all of it and nothing else.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO

from raylab.client import started
from raylab.client.started import Started
from raylab.client.tokens import wants_token
from raylab.errors import LabUnavailable, NameRefused
from raylab.notebook.posix import make_folder
from raylab.terminal import admission, network, processes, ray_start
from raylab.terminal.settings import default_temp_dir, environment

CLIENT_PORT = 10001
"""Ray's own default, as `network.PORT` is, so that `ray.init()` and `ray://host` find the cluster as any other."""

SPARE_CLIENT_PORT = 20001
"""Where to go on looking: Ray gives 10002 to 19999 to its workers."""

LOOK_S = 1.0
"""How often it is looked whether what runs in the foreground still runs."""

LONGEST_SOCKET = 107
"""What a unix socket's path may be on Linux; Ray adds about 62 characters to its temp dir."""


def start(
    *,
    num_cpus: int | None = None,
    port: int | None = None,
    client_port: int | None = None,
    ip: str | None = None,
    temp_dir: str | os.PathLike[str] | None = None,
) -> tuple[Started, bool]:
    """Start a cluster in the background, unless what was started before still runs.

    Args:
        num_cpus: how many it may use; all of the machine if None.
        port: for the machines of the cluster; the first free one from 6379 on if None.
        client_port: for `ray://`; 10001 if that is free and None is given, else one above 20000.
        ip: the address by which other machines reach this one; a guess if None.
        temp_dir: for Ray's logs and sockets; Ray's own choice if None.

    Returns:
        What runs, which may be this machine's part in another cluster; and whether it is new.

    Raises:
        NameRefused: the temp dir's path is too long for a socket, or the address is not this machine's.
        LabUnavailable: Ray did not start; its words are in the message.
    """
    folder = _folder(temp_dir)
    with _memory() as memory:
        known = _still_there(memory)
        if known is not None:
            return known, False
        ip = network.own() if ip is None else network.check_own(ip)
        port = port or ray_start.free_port(network.PORT, network.PORT)
        client_port = client_port or ray_start.free_port(CLIENT_PORT, SPARE_CLIENT_PORT)
        wanted = Started(
            address=network.joined(ip, port),
            client_address=f"ray://{network.joined(ip, client_port)}",
            ip=ip,
            temp_dir=str(folder),
            mark=secrets.token_hex(16),
            is_head=True,
            token=wants_token(),
        )
        words = ["--head", f"--port={port}", f"--ray-client-server-port={client_port}", "--include-dashboard=false"]
        with _begun(memory, wanted):
            _launch(wanted, words, num_cpus, {}, doors=[port, client_port])
    return wanted, True


def join(
    address: str,
    *,
    num_cpus: int | None = None,
    ip: str | None = None,
    temp_dir: str | os.PathLike[str] | None = None,
) -> tuple[Started, bool]:
    """Let this machine take part in the cluster of another one, with the settings that `start` gave to its head.

    Args:
        address: of the head: HOST or HOST:PORT.
        num_cpus: how many the cluster may use here; all if None.
        ip: the address by which the others reach this machine; the one from which the head was reached if None.
        temp_dir: for Ray's logs and sockets; Ray's own choice if None.

    Returns:
        What runs, and whether it is new.

    Raises:
        NameRefused: the address is none, or `ip` is not this machine's; the temp dir's path is too long for a socket.
        VersionMismatch: the cluster runs another Ray or Python.
        LabUnavailable: the head does not answer or wants a token, this machine has a cluster, or Ray did not start.
    """
    host, port = network.host_and_port(address)
    folder = _folder(temp_dir)
    with _memory() as memory:
        there, here = network.reach(host, port)
        head = network.joined(there, port)
        known = _still_there(memory)
        if known is not None:
            if known.is_head or known.address != head:
                raise LabUnavailable(f"this machine {_part(known)}; `raylab stop` ends that, then it can join another")
            return known, False
        let_in = admission.ask(head)
        wanted = Started(
            address=head,
            client_address="",
            ip=here if ip is None else network.check_own(ip),
            temp_dir=str(folder),
            mark=secrets.token_hex(16),
            is_head=False,
            token=let_in.token,
        )
        with _begun(memory, wanted):
            _launch(wanted, [f"--address={head}"], num_cpus, let_in.environment, doors=[])
    return wanted, True


def running() -> Started | None:
    """What was started here before and still runs."""
    known = started.remembered()
    return known if known is not None and _serves(known) else None


def stop(mark: str | None = None) -> Started | None:
    """End what was started on this machine, all of it; None if nothing runs.

    The notebooks stay as they are. Trials that are running run again: on the other machines of the cluster if this one
    had joined it, else when somebody attaches to their lab.

    Args:
        mark: end only what has this mark.
    """
    with _memory() as memory:
        known = _remembered(memory)
        if known is None or mark not in (None, known.mark):
            return None
        found = _end(known)
        _remember(memory, None)
    return known if found else None


def stay(known: Started) -> None:
    """Wait as long as it runs. Returns when a process is gone without which it serves nobody."""
    daemons = processes.named(known.mark, _daemons(known))
    while len(daemons) == len(_daemons(known)) and all(processes.lives(process) for process in daemons):
        time.sleep(LOOK_S)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM (systemd, Slurm) and SIGHUP (a closed terminal) mean what Ctrl-C means: KeyboardInterrupt."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def deaf() -> Iterator[None]:
    """No signal that asks to end interrupts this: half ended is worse."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# -- starting


def _folder(temp_dir: str | os.PathLike[str] | None) -> Path:
    folder = Path(temp_dir or default_temp_dir()).expanduser().absolute()
    longest = LONGEST_SOCKET - 62
    if len(os.fsencode(folder)) > longest:
        raise NameRefused(
            f"the temp dir {folder} has {len(os.fsencode(folder))} characters; Ray keeps sockets in it, so it can have "
            f"{longest} at most; give a shorter one"
        )
    return folder


@contextmanager
def _begun(memory: IO[str], wanted: Started) -> Iterator[None]:
    """Remember it before it starts: what is half started can be ended too, and is."""
    _remember(memory, wanted)
    try:
        yield
    except BaseException:
        _end(wanted)
        _remember(memory, None)
        raise


def _launch(
    wanted: Started, words: list[str], num_cpus: int | None, more: Mapping[str, str], *, doors: list[int]
) -> None:
    """Run `ray start`, and wait until it serves and its doors are open."""
    words += [f"--node-ip-address={wanted.ip}", f"--temp-dir={wanted.temp_dir}"]
    words += [] if num_cpus is None else [f"--num-cpus={num_cpus}"]
    until = time.monotonic() + ray_start.START_S
    ray_start.ray_start(words, environment(wanted.mark, num_cpus) | dict(more))
    if not _serves(wanted):
        raise LabUnavailable(f"Ray started and has ended again; its logs: {wanted.temp_dir}")
    for door in doors:
        if not ray_start.opens(wanted.ip, door, until):
            raise LabUnavailable(
                f"Ray started and does not answer at port {door}; it was ended again. Its logs: {wanted.temp_dir}"
            )


# -- what runs, and its end


def _daemons(known: Started) -> set[str]:
    """The processes without which it serves nobody."""
    return {processes.GCS, processes.RAYLET} if known.is_head else {processes.RAYLET}


def _serves(known: Started) -> bool:
    """Whether it works still, and not only what is left of it: clients could do nothing with that."""
    return len(processes.named(known.mark, _daemons(known))) >= len(_daemons(known))


def _end(known: Started) -> bool:
    """End it; whether there was anything to end."""
    found = processes.end(known.mark, head=known.is_head)
    _forget_address(known)
    return found


def _part(known: Started) -> str:
    """What this machine is."""
    return f"{'is the head of' if known.is_head else 'has joined'} the cluster at {known.address}"


def _forget_address(known: Started) -> None:
    """Take the cluster out of Ray's own note, where `ray.init` would look for it for half a minute."""
    if not known.is_head and network.host_and_port(known.address)[0] in {ip for _, ip in network.all_own()}:
        return  # the head is on this machine as well, and it is the head's note
    note = Path(known.temp_dir) / "ray_current_cluster"
    with suppress(OSError):
        if note.read_text("utf-8").strip() == known.address:
            note.unlink()


# -- remembering


@contextmanager
def _memory() -> Iterator[IO[str]]:
    """The file of what was started, locked: two people who start at once start one."""
    path = started.file()
    make_folder(path.parent)
    with open(path, "a+", encoding="utf-8", opener=_for_owner) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _still_there(memory: IO[str]) -> Started | None:
    """What was started before, if it works still; what is left of one that died is ended."""
    known = _remembered(memory)
    if known is None or _serves(known):
        return known
    _end(known)
    return None


def _remembered(memory: IO[str]) -> Started | None:
    memory.seek(0)
    return started.parse(memory.read())


def _remember(memory: IO[str], known: Started | None) -> None:
    memory.seek(0)
    memory.truncate()
    memory.write("" if known is None else json.dumps(asdict(known)) + "\n")
    memory.flush()
