"""A Ray cluster on this machine that stays: started in the background, found again, ended, and no other one touched.

Every process of the cluster inherits a mark in its environment. So what belongs to it is known for sure, whatever else
runs on the machine, whichever process died before, and even if a process id was used again (`ray stop` would end every
Ray there is). What was started is remembered in `RAYLAB_HOME`, one small file for each machine.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import ray
from ray.util import get_node_ip_address

from raylab.cluster.places import home
from raylab.errors import LabUnavailable, NameRefused
from raylab.notebook.store import Store

psutil: Any = import_module("psutil")  # Ray brings it along, in a folder that `import ray` puts on the path

MARK = "RAYLAB_CLUSTER"

PORT = 6379
CLIENT_PORT = 10001
"""Ray's own defaults, so that `ray.init()` and `ray://host` find the cluster as they would any other."""

SPARE_CLIENT_PORT = 20001
"""Where to go on looking: Ray gives 10002 to 19999 to its workers."""

PORTS_TRIED = 200

START_S = 90.0
"""`ray start` takes 4 to 10 s; a busy machine may take several times that."""

GRACE_S = 10.0
"""Between asking the raylet to end and killing it; Ray's own `ray stop` gives 16, it took 0.1."""

LONGEST_SOCKET = 107
"""What a unix socket's path may be on Linux; Ray adds about 62 characters to its temp dir."""

LAB, TRIAL, RAYLET, REST = range(4)
"""The order in which processes are ended."""

WORKERS_PER_CPU = 4
"""Idle workers that Ray keeps. A sweep that brings modules has processes of its own (1 to 2 s each to start), and at
Ray's default of one a CPU two such sweeps restart theirs all the time: 12 s for what takes 2 (research: A4)."""

IDLE = {"RAY_kill_idle_workers_interval_ms": "60000"}
"""How often Ray ends idle workers. The job of a lab's trials is over as soon as the lab is there (it was created by a
short process), and of such a job Ray ends every idle worker at its next look, five times a second unless told so: a
worker without a lease for a moment was gone, and the next lease waited 1 to 2 s for another one (tried: 4 of 4)."""

FORKS = {"GRPC_ENABLE_FORK_SUPPORT": "0"}
"""What serves a `ray://` client is forked by a process in which gRPC runs. Its handlers start threads in the child, and
now and then one crashes before the child is another program (a segmentation fault in `event_engine`, 4 of 65
connections; without the handlers none of 110); the client hears of it after 40 s."""

HASHES = {"PYTHONHASHSEED": "0"}
"""Else strings hash otherwise in each process, and a trial that goes through a set of them uses the same random numbers
otherwise: its row could not be made again."""

MEMORY = {"RAY_worker_killing_policy_by_group": "true"}
"""Where memory runs out, Ray kills one process at a time, a trial's as long as there is one. Its newer policy goes on
until 5 % of the memory are free again, and was seen to take the lab along with a trial of 1 GB (it comes back)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A cluster that `start` started.

    Attributes:
        address: for a process on this machine.
        client_address: for a client, here or elsewhere.
        temp_dir: where Ray has its logs and sockets.
        mark: what its processes carry in their environment.
    """

    address: str
    client_address: str
    temp_dir: str
    mark: str


def start(
    *,
    num_cpus: int | None = None,
    port: int | None = None,
    client_port: int | None = None,
    temp_dir: str | os.PathLike[str] | None = None,
) -> tuple[Head, bool]:
    """Start a cluster in the background, unless the one that was started before still runs.

    Args:
        num_cpus: how many it may use; all of the machine if None.
        port: for processes of this machine; the first free one from 6379 on if None.
        client_port: for `ray://`; 10001 if that is free and None is given, else one above 20000.
        temp_dir: for Ray's logs and sockets; Ray's own choice if None.

    Returns:
        The cluster, and whether it is new.

    Raises:
        NameRefused: the temp dir's path is too long for a socket.
        LabUnavailable: Ray did not start; its words are in the message.
    """
    folder = Path(temp_dir or _default_temp_dir()).expanduser().absolute()
    _check_length(folder)
    with _memory() as memory:
        known = _remembered(memory)
        if known is not None:
            if _serves(known):
                return known, False
            _end(known)  # what is left of one that died
        ip: str = get_node_ip_address()  # type: ignore[no-untyped-call]
        port = port or _free(PORT, PORT)
        client_port = client_port or _free(CLIENT_PORT, SPARE_CLIENT_PORT)
        head = Head(
            address=f"{ip}:{port}",
            client_address=f"ray://{ip}:{client_port}",
            temp_dir=str(folder),
            mark=secrets.token_hex(16),
        )
        _remember(memory, head)  # before it starts: what is half started can be ended too
        try:
            _launch(head, port, client_port, num_cpus)
        except BaseException:
            _end(head)
            _remember(memory, None)
            raise
    return head, True


def running() -> Head | None:
    """The cluster that was started here before and still runs."""
    try:
        known = _parse(_file().read_text("utf-8"))
    except OSError:
        return None
    return known if known is not None and _serves(known) else None


def running_address() -> str | None:
    """Where that cluster is. Ray alone finds any cluster on the machine, somebody else's too."""
    found = running()
    return None if found is None else found.address


def stop() -> Head | None:
    """End the cluster that `start` started, all of it; None if none runs.

    The notebooks stay as they are. Trials that are running run again when somebody attaches to their lab.
    """
    with _memory() as memory:
        known = _remembered(memory)
        if known is None:
            return None
        found = _end(known)
        _remember(memory, None)
    return known if found else None


# -- starting


def _launch(head: Head, port: int, client_port: int, num_cpus: int | None) -> None:
    """Run `ray start`, and wait until both doors are open."""
    words = [sys.executable, "-P", "-m", "ray.scripts.scripts", "start", "--head"]
    words += [f"--node-ip-address={_host(head)}", f"--port={port}", f"--ray-client-server-port={client_port}"]
    words += [f"--temp-dir={head.temp_dir}", "--include-dashboard=false", "--disable-usage-stats"]
    words += [
        "--min-worker-port=0",
        "--max-worker-port=0",
    ]  # any: two clusters with Ray's own range take ports of each other
    words += [] if num_cpus is None else [f"--num-cpus={num_cpus}"]
    until = time.monotonic() + START_S
    with tempfile.TemporaryFile("w+") as output:  # no pipe: the cluster inherits it and would keep it open
        try:
            ended = subprocess.run(
                words,
                env=_environment(head, num_cpus),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C or a closed terminal here is nothing to the cluster
                timeout=START_S,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired as error:
            raise LabUnavailable(
                f"Ray did not start within {START_S:.0f} s; it was ended again, try once more"
            ) from error
        if ended:
            output.seek(0)
            raise LabUnavailable(f"Ray did not start: {_last_words(output)}")
    for door in (port, client_port):
        if not _opens(_host(head), door, until):
            raise LabUnavailable(
                f"Ray started and does not answer at port {door}; it was ended again. Its logs: {head.temp_dir}"
            )


def _environment(head: Head, num_cpus: int | None) -> dict[str, str]:
    """What the cluster, and so every lab and trial on it, has as its environment."""
    unwanted = {"RAY_ADDRESS", "RAY_JOB_CONFIG_JSON_ENV_VAR", "RAY_RUNTIME_ENV_HOOK"}  # a client's, not a cluster's
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    idle = str(WORKERS_PER_CPU * (num_cpus or _cpus()))
    return {
        "RAY_num_workers_soft_limit": idle,
        **IDLE,
        **FORKS,
        **MEMORY,
        **kept,
        **HASHES,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAYLAB_HOME": str(home()),  # absolute: labs and trials run in other folders
        MARK: head.mark,
    }


def _default_temp_dir() -> str:
    """Ray's own, where `ray.init()` looks for the note of what runs."""
    linux = os.environ.get("TMPDIR") if sys.platform.startswith("linux") else None
    return f"{os.environ.get('RAY_TMPDIR') or linux or '/tmp'}/ray"


def _cpus() -> int:
    """The CPUs that Ray will count: a container's share, not the machine's."""
    count: float = ray._private.utils.get_num_cpus(override_docker_cpu_warning=True)
    return max(1, int(count))


def _last_words(output: IO[str]) -> str:
    """What a person wants to know of Ray's output: the error, not the traceback."""
    lines = [line.strip() for line in output.read().splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def _check_length(folder: Path) -> None:
    longest = LONGEST_SOCKET - 62
    if len(os.fsencode(folder)) > longest:
        raise NameRefused(
            f"the temp dir {folder} has {len(os.fsencode(folder))} characters; Ray keeps sockets in it, so it can have "
            f"{longest} at most; give a shorter one"
        )


def _free(wanted: int, spare: int) -> int:
    """The wanted port, or the first free one from `spare` on."""
    ports: list[int] = [wanted, *range(spare, spare + PORTS_TRIED)]
    for port in ports:
        with socket.socket() as door:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                door.bind(("", port))
            except OSError:
                continue
            return port
    raise LabUnavailable(f"no port is free from {spare} to {spare + PORTS_TRIED - 1}; give one")


def _opens(host: str, port: int, until: float) -> bool:
    """Whether something answers at a port before `until`."""
    while time.monotonic() < until:
        try:
            socket.create_connection((host, port), timeout=1.0).close()
        except OSError:
            time.sleep(0.1)
        else:
            return True
    return False


def _host(head: Head) -> str:
    return head.address.rpartition(":")[0]


# -- ending


def _members(mark: str) -> list[Any]:
    """The processes that carry the mark, and their children (a worker's title covers a part of its environment)."""
    found = {}
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                found[process.pid] = process
                found.update((child.pid, child) for child in process.children(recursive=True))
        except (psutil.Error, OSError):
            continue  # somebody else's, or gone
    found.pop(os.getpid(), None)
    return list(found.values())


def _serves(head: Head) -> bool:
    """Whether it is a cluster still, and not only what is left of one: clients could do nothing with that."""
    return {"gcs_server", "raylet"} <= {_name(process) for process in _members(head.mark)}


def _end(head: Head) -> bool:
    """End a cluster; whether there was anything to end.

    The labs go first, at once: so they see no trial die, and blame none. Then the trials: one that was asked to end
    would raise, and could be taken for failed. Killing is safe, the notebook is the truth. Only the raylet is asked,
    because it gives back shared memory; the others would wait for one another.
    """
    members = _members(head.mark)
    asked = []
    for process in sorted(members, key=_turn):
        asking = _turn(process) == RAYLET
        asked += [process] if asking else []
        if asking or _turn(process) < RAYLET:
            _send(process, signal.SIGTERM if asking else signal.SIGKILL)
    psutil.wait_procs(asked, timeout=GRACE_S)
    while left := _members(head.mark):
        for process in left:
            _send(process, signal.SIGKILL)
        psutil.wait_procs(left, timeout=1.0)
    _forget_address(head)
    return bool(members)


def _turn(process: Any) -> int:
    """When a process goes: labs, trials and what they started, the raylet, the rest of Ray."""
    try:
        title = " ".join(process.cmdline()[:1])
    except psutil.Error:
        return REST
    if title.startswith("ray::"):
        return LAB if "LabActor" in title else TRIAL
    return RAYLET if _name(process) == "raylet" else REST


def _name(process: Any) -> str:
    try:
        return str(process.name())
    except psutil.Error:  # gone already
        return ""


def _send(process: Any, number: int) -> None:
    with suppress(psutil.Error):  # gone already
        process.send_signal(number)


def _forget_address(head: Head) -> None:
    """Take the cluster out of Ray's own note, where `ray.init` would look for it for half a minute."""
    note = Path(head.temp_dir) / "ray_current_cluster"
    with suppress(OSError):
        if note.read_text("utf-8").strip() == head.address:
            note.unlink()


# -- remembering


def _file() -> Path:
    return home() / f".cluster-{platform.node()}.json"  # a home on a shared disk is many machines'


@contextmanager
def _memory() -> Iterator[IO[str]]:
    """The file of what was started, locked: two people who start at once start one."""
    path = _file()
    Store(path.parent).make_folder()
    with open(path, "a+", encoding="utf-8", opener=_for_owner) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _remembered(memory: IO[str]) -> Head | None:
    memory.seek(0)
    return _parse(memory.read())


def _remember(memory: IO[str], head: Head | None) -> None:
    memory.seek(0)
    memory.truncate()
    memory.write("" if head is None else json.dumps(asdict(head)) + "\n")
    memory.flush()


def _parse(text: str) -> Head | None:
    """A cluster from its line; None if there is none, or if another version wrote it."""
    try:
        found = json.loads(text)
        return Head(**found) if isinstance(found, Mapping) else None
    except (ValueError, TypeError):
        return None
