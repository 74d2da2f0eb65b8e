"""Real clusters and real clients for the tests: each a process tree of its own, ended whatever happens.

A `Cluster` is a private Ray head on free ports with a temporary `RAYLAB_HOME`. `kill()` ends all of it at once with
SIGKILL (GCS, raylet, workers, the lab's actor), as a power cut would; `restart()` starts another one on the same
`RAYLAB_HOME`. A `Client` is a "laptop": Python code in a process and a folder of its own. A `WarmClient` is a process
that runs one script after the other, as a Jupyter kernel does.

Nothing outlives the tests: each tree is a session of the operating system, and a small guard process ends it when the
process that started it is gone, however it went. Only what was started here is ever ended. The same holds for a
`SmallDisk`, which can be filled.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

ANSWER_S = 200.0
"""How long a client may take unless a test says otherwise."""

IDLE = {"RAY_kill_idle_workers_interval_ms": "20000"}
"""Of what `raylab start` sets a part: a test's sweeps share their processes, and the labs of many tests keep few."""

GAVE_UP, STARTS = "timed out during startup", 5
"""What Ray says where a node was not up within 30 s, on the busiest machine too; and how often it may say so."""

AGENTS = ("dashboard-agent-grpc-port", "dashboard-agent-listen-port", "metrics-export-port", "runtime-env-agent-port")
"""Ray's words for the ports of a node's agents."""

END_LABS = """
import ray
from raylab.server.protocol import NAMESPACE
for name in names:
    try:
        ray.kill(ray.get_actor(name, NAMESPACE))
    except ValueError:
        pass                                     # it was not running
"""

COMMAND = """
import sys
from raylab.terminal.command import main
sys.exit(main(words))
"""

LAB = "ray::RayLabActor"
"""The title of a lab's process."""

LEASE = "ray::lease "
"""How the title of a process begins that runs trials."""

COMMON_LAB = "common"
"""The lab that tests of several modules share."""

_ports = itertools.count(21_000 + os.getpid() * 37 % 1_900)
_names = itertools.count(1)


PATIENCE_S = 100.0
"""How long a test waits for what is to come: a minute or more on a machine that twenty others use. Nobody waits so long
but where it does not come."""


def eventually(condition: Callable[[], T], timeout: float = PATIENCE_S, every: float = 0.05) -> T:
    """The condition's value as soon as it is true; fails when that takes longer than `timeout` seconds."""
    until = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(f"still {value!r} after {timeout:.0f} s: {condition}")
        time.sleep(every)


def free_port() -> int:
    """A free port, none of those that Ray takes for workers (10002-19999) and for ray:// sessions (23000-23999)."""
    for port in _ports:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port
    raise AssertionError("unreachable")


# -- processes of a session


def session_pids(session: int) -> list[int]:
    """The living processes of a session of the operating system."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                state, _, _, sid = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(sid) == session and state != "Z":
                    found.append(int(entry.name))
    return found


def end_session(session: int, timeout: float = PATIENCE_S) -> None:
    """End every process of a session with SIGKILL, all at once, and see to it that none is left."""

    def none_left() -> bool:
        pids = session_pids(session)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not pids

    eventually(none_left, timeout)


def processes_of(home: Path) -> list[str]:
    """What still runs with this home."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if f"\0HOME={home}\0".encode() in b"\0" + (entry / "environ").read_bytes():
                    found.append((entry / "cmdline").read_text().replace("\0", " "))
            except OSError:  # somebody else's, or gone
                continue
    return found


class Tree:
    """A process and all that it starts, in a session of their own."""

    def __init__(self, command: list[str], *, cwd: Path, env: Mapping[str, str], **more: Any) -> None:
        self.out, self.err = cwd / "stdout.txt", cwd / "stderr.txt"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                command,
                cwd=cwd,
                env=dict(env),
                stdout=out,
                stderr=err,
                start_new_session=True,
                **{"stdin": subprocess.DEVNULL, **more},
            )
        self.session = self.process.pid
        # The guard's stdin closes when this process is gone; then it ends the session.
        self._guard = subprocess.Popen(
            [sys.executable, "-S", __file__, str(self.session)], stdin=subprocess.PIPE, start_new_session=True
        )

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def pids(self) -> list[int]:
        """Its living processes."""
        return session_pids(self.session)

    def kill(self) -> None:
        """End all of it at once."""
        end_session(self.session)
        self.process.wait()
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        self._guard.wait()

    def said(self) -> str:
        """All that it wrote."""
        return self.out.read_text() + self.err.read_text()


# -- clusters


@contextlib.contextmanager
def one_starts() -> Iterator[None]:
    """Of all tests of this user only those in this block start a cluster: its processes take five seconds of a core,
    and Ray gives up where one of them is not there after 15 s."""
    place = Path(tempfile.gettempdir()) / f"raylab-tests-{os.getuid()}.lock"
    with place.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed, also by the death of this process
        yield


class Cluster:
    """A private Ray cluster of one node on this machine, to which others can be added.

    Args:
        num_cpus: its slots.
        token: whether it wants a token of its clients.
        env: more environment for its nodes.

    Attributes:
        home: its RAYLAB_HOME.
        address: for drivers.
        client_address: for clients (ray://).
    """

    def __init__(self, *, num_cpus: int = 2, token: bool = False, env: Mapping[str, str] = {}) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="rl-", dir="/tmp"))  # short: it becomes part of socket paths
        self.home = self.root / "labs"
        self.num_cpus = num_cpus
        self.token = f"{os.getpid():064x}" if token else ""
        self.address = self.client_address = ""
        self._env = dict(env)
        self._tree: Tree | None = None
        self._nodes: list[Tree] = []
        self._warm: dict[str, WarmClient] = {}
        self._starts = 0
        self._ports: tuple[int, ...] = ()

    def __enter__(self) -> Cluster:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, timeout: float = PATIENCE_S) -> None:
        """Start a head on new ports; returns when it answers."""
        with one_starts():
            for _ in range(STARTS):
                head = self._begin()
                if eventually(lambda head=head: not head.running or self._is_up(), timeout) and head.running:
                    return
                said = head.said()
                self.kill()
                if GAVE_UP not in said:
                    break
        raise AssertionError(f"the cluster did not start: {said}")

    def _begin(self) -> Tree:
        self._starts += 1
        folder = self.root / f"r{self._starts}"
        folder.mkdir()
        self._ports = port, client_port = free_port(), free_port()
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--disable-usage-stats"]
        command += [f"--port={port}", f"--ray-client-server-port={client_port}", "--node-ip-address=127.0.0.1"]
        command += [f"--num-cpus={self.num_cpus}", "--num-gpus=0", "--object-store-memory=200000000"]
        # Nobody here scales a cluster, or reads on a client what workers print: five seconds of a core each cluster.
        command += ["--include-dashboard=false", "--no-monitor", "--include-log-monitor=false", f"--temp-dir={folder}"]
        # Else two clusters of a machine get in each other's way.
        command += ["--min-worker-port=0", "--max-worker-port=0"]
        # For a port that is not given a node waits 15 s, until the agent that chooses it is there, and then gives up.
        command += [f"--{agent}={free_port()}" for agent in AGENTS]
        self._tree = Tree(command, cwd=folder, env=self.environment(head=True))
        self.address, self.client_address = f"127.0.0.1:{port}", f"ray://127.0.0.1:{client_port}"
        return self._tree

    def add_node(self, *, num_cpus: int = 1, num_gpus: int = 0, timeout: float = PATIENCE_S) -> Tree:
        """Let another node join, on this machine as well; returns when it has. `kill()` ends it with the rest."""
        folder = self.root / f"n{len(self._nodes) + 1}"
        folder.mkdir()
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", f"--address={self.address}", "--block"]
        command += ["--node-ip-address=127.0.0.1", f"--num-cpus={num_cpus}", f"--num-gpus={num_gpus}"]
        command += ["--object-store-memory=100000000", "--min-worker-port=0", "--max-worker-port=0"]
        with one_starts():
            node = Tree(command, cwd=folder, env=self.environment(head=True))
            self._nodes.append(node)

            def has_joined() -> bool:
                assert node.running, f"the node did not start: {node.said()}"
                return "Ray runtime started" in node.out.read_text()

            eventually(has_joined, timeout)
        return node

    def _is_up(self) -> bool:
        assert self._tree is not None
        return "Ray runtime started" in self._tree.out.read_text() and all(_answers(port) for port in self._ports)

    def pids(self) -> list[int]:
        """Its living processes."""
        return [pid for tree in (self._tree, *self._nodes) if tree is not None for pid in tree.pids()]

    def workers(self, title: str = "ray::") -> list[int]:
        """Its worker processes whose title begins so; LEASE are those that run trials at the moment."""
        return [pid for pid in self.pids() if _title(pid).startswith(title)]

    def logs(self) -> str:
        """What its labs and workers logged, as far as it says anything."""
        found = []
        for path in sorted(self.root.glob("r*/session_2*/logs/*.err")):
            if path.name.startswith(("worker", "ray_client_server")):
                lines = [line for line in path.read_text(errors="replace").splitlines() if not line.startswith(":")]
                found += [f"--- {path.name}", *lines[-60:]] if lines else []
        return "\n".join(found)

    def kill(self) -> None:
        """All of it is gone at once, by SIGKILL; the labs' folder stays."""
        for warm in self._warm.values():
            warm.kill()
        self._warm.clear()
        for node in self._nodes:
            node.kill()
        self._nodes.clear()
        if self._tree is not None:
            self._tree.kill()
            self._tree = None

    def restart(self) -> None:
        """All is killed, and a new cluster started, on new ports, with the same RAYLAB_HOME."""
        self.kill()
        self.start()

    def close(self) -> None:
        """Kill it and remove its folders."""
        self.kill()
        shutil.rmtree(self.root, ignore_errors=True)

    def environment(self, *, head: bool = False) -> dict[str, str]:
        """What a process of this cluster (`head`), or one that talks to it, has in its environment."""
        home = self.root / "home"  # nobody's own: a token that lies in the real one must play no part
        (home / ".ray").mkdir(parents=True, exist_ok=True)
        env = clean_environment() | {"HOME": str(home)}
        if head:
            from raylab.terminal.settings import FORKS, HASHES  # here: the guard below runs without any package

            env |= {
                "RAYLAB_HOME": str(self.home),
                "RAY_num_workers_soft_limit": "6",
                **FORKS,
                **HASHES,
                **IDLE,
                **self._env,
            }
        if self.token:
            (home / ".ray" / "auth_token").write_text(self.token)
        if self.token and head:
            env |= {"RAY_AUTH_MODE": "token"}
        return env

    def end_labs(self) -> None:
        """End the labs that are there, but for the common one: each takes a hundredth of a core and two processes."""
        there = {path.name for path in self.home.iterdir()} if self.home.exists() else set()
        if names := there - {COMMON_LAB}:
            self.client(END_LABS, names=sorted(names))

    def client(self, code: str, *, address: str | None = None, fresh: bool = False, **values: Any) -> str:
        """Run a script as a client of this cluster; what it printed.

        In the process that ran the last one, unless it changed that; so it must not be the subject of the test.

        Args:
            code: the script.
            address: of the cluster, if it is another one than `self.address`.
            fresh: in a process of its own. So are those with a folder or an environment of their own.
            values: as for `Client`.
        """
        if fresh or address == "" or {"cwd", "env"} & values.keys():
            return self.begin(code, address=address, **values).wait()
        return self._client(address or self.address).run(code, **values)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the command `raylab` with these words as somebody who uses this cluster, without anybody to ask.

        In the process that ran the last script: a process of the command's own costs two seconds of a core and more.
        What it says only where the machine is busy is left out.
        """
        done = self._client(self.address).command(words)
        done.stderr = without_waiting(done.stderr)
        return done

    def _client(self, address: str) -> WarmClient:
        if address in self._warm and not self._warm[address].usable:
            self._warm.pop(address).kill()
        if address not in self._warm:
            self._warm[address] = WarmClient(address, self.environment())
        return self._warm[address]

    def begin(self, code: str, *, address: str | None = None, env: Mapping[str, str] = {}, **more: Any) -> Client:
        """Start a client of this cluster without waiting for it."""
        return Client(code, address or self.address, env={**self.environment(), **env}, **more)


# -- disks


class SmallDisk:
    """A file system of its own in memory, small enough to be filled. Needs the right to mount.

    Args:
        megabytes: its size.

    Attributes:
        path: where it is mounted.

    Raises:
        OSError: this process may not mount.
    """

    def __init__(self, megabytes: int) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="rl-disk-", dir="/tmp"))
        self._ballast = self.path / "ballast"
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "tmpfs", str(self.path)]
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
        if mounted.returncode:
            self.path.rmdir()
            raise OSError(f"cannot mount: {mounted.stderr.strip()}")
        self._guard = subprocess.Popen(
            [sys.executable, "-S", __file__, "--unmount", str(self.path)], stdin=subprocess.PIPE, start_new_session=True
        )

    def fill(self) -> None:
        """Take all the room there is, to the last byte that can be had."""
        with self._ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            for size in (2**20, 4_096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"\0" * size)

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount it; what was on it is gone."""
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        self._guard.wait()

    def __enter__(self) -> SmallDisk:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _unmount(path: str) -> None:
    # Lazily, for whoever still has a file open there; umount(8) is not in Python.
    subprocess.run(["umount", "-l", path], capture_output=True, check=False)
    with contextlib.suppress(OSError):
        Path(path).rmdir()


def clean_environment() -> dict[str, str]:
    """This process's environment without what belongs to another cluster or lab."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "RAYLAB_"))}


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def without_waiting(err: str) -> str:
    """What a process said, but for what it says where the machine is busy."""
    waiting = (
        "raylab: connecting to",
        "raylab: attaching to",
        "raylab: waiting for",
        "raylab: starting the lab",
        "raylab: still ",
    )
    return "".join(line for line in err.splitlines(keepends=True) if not line.startswith(waiting))


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


# -- clients


def _script(folder: Path, code: str, values: Mapping[str, Any]) -> Path:
    """Write a script that has these values as variables."""
    path = folder / f"client_{os.getpid()}_{next(_names)}.py"
    known = "".join(f"{name} = {value!r}\n" for name, value in values.items())
    path.write_text(f"import raylab\n{known}{textwrap.dedent(code)}")
    return path


class Client:
    """A laptop: Python code that runs as a script, in a process and a folder of its own.

    Args:
        code: the script; indentation common to all lines does not matter.
        address: of the cluster, put into RAY_ADDRESS; None leaves that unset.
        cwd: the script's folder; a temporary one if None.
        env: the environment, all of it; `clean_environment()` if None.
        values: become variables of the script.
    """

    def __init__(
        self,
        code: str,
        address: str | None,
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        **values: Any,
    ) -> None:
        self._scratch = Path(tempfile.mkdtemp(prefix="rl-client-", dir="/tmp"))
        script = _script(cwd or self._scratch, code, values)
        environment = dict(clean_environment() if env is None else env)
        if address is not None:
            environment["RAY_ADDRESS"] = address
        self._tree = Tree([sys.executable, str(script)], cwd=self._scratch, env=environment)

    @property
    def running(self) -> bool:
        return self._tree.running

    @property
    def stdout(self) -> str:
        """What it printed so far."""
        return self._tree.out.read_text()

    @property
    def stderr(self) -> str:
        return self._tree.err.read_text()

    def printed(self, words: str, timeout: float = ANSWER_S) -> str:
        """All that it printed, as soon as these words are there."""

        def look() -> str:
            assert words in self.stdout or self.running, f"ended without {words!r}: {self.stdout}\n{self.stderr}"
            return self.stdout if words in self.stdout else ""

        return eventually(look, timeout)

    def kill(self) -> None:
        """Shut the laptop's lid for good."""
        if self._scratch.exists():
            self._tree.kill()
            shutil.rmtree(self._scratch, ignore_errors=True)

    def wait(self, timeout: float = ANSWER_S) -> str:
        """Wait for its end; what it printed.

        Raises:
            AssertionError: it failed, or took too long; with all that it wrote.
        """
        try:
            code = self._tree.process.wait(timeout)
            stdout, said = self.stdout, self._tree.said()
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the client runs for {timeout:.0f} s:\n{self._tree.said()}") from None
        finally:
            self.kill()
        assert code == 0, f"the client ended with {code}:\n{said}"
        return stdout

    def ended(self, timeout: float = ANSWER_S) -> int:
        """Wait for its end and keep what it wrote; its exit code."""
        return self._tree.process.wait(timeout)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


class WarmClient:
    """A process that stays connected and runs one script after the other; see the module `warm`.

    Attributes:
        usable: whether it lives, and the last script left it as it was.
    """

    def __init__(self, address: str, env: Mapping[str, str]) -> None:
        self._scratch = Path(tempfile.mkdtemp(prefix="rl-warm-", dir="/tmp"))
        self._answers, answers = os.pipe()
        command = [sys.executable, str(Path(__file__).with_name("warm.py")), str(answers)]
        more = {"stdin": subprocess.PIPE, "pass_fds": (answers,)}
        self._tree = Tree(command, cwd=self._scratch, env={**env, "RAY_ADDRESS": address}, **more)
        os.close(answers)
        self.usable = True

    def run(self, code: str, timeout: float = ANSWER_S, **values: Any) -> str:
        """Run a script and wait for its end; what it printed.

        Raises:
            AssertionError: it failed, or took too long; with all that it wrote.
        """
        ended = self._run(code, timeout, values)
        assert ended.returncode == 0, f"the client ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}"
        return ended.stdout

    def command(self, words: Sequence[str], timeout: float = ANSWER_S) -> subprocess.CompletedProcess[str]:
        """Run the command `raylab` and wait for its end."""
        return self._run(COMMAND, timeout, {"words": list(words)})

    def _run(self, code: str, timeout: float, values: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
        folder = Path(tempfile.mkdtemp(dir=self._scratch))
        stdin = self._tree.process.stdin
        assert stdin is not None
        self.usable = False
        with contextlib.suppress(BrokenPipeError):
            stdin.write(json.dumps([str(_script(folder, code, values)), str(folder)]).encode() + b"\n")
            stdin.flush()
        answered, _, _ = select.select([self._answers], [], [], timeout)
        line = os.read(self._answers, 2**16) if answered else b""
        written = [path.read_text() for path in (folder / "stdout.txt", folder / "stderr.txt") if path.exists()]
        said = "".join(written) or self._tree.said()
        if not line:
            why = f"ended with {self._tree.process.wait(timeout)}" if answered else f"runs for {timeout:.0f} s"
            self.kill()
            raise AssertionError(f"the client {why}:\n{said}")
        end = json.loads(line)
        self.usable = not end["changed"]
        return subprocess.CompletedProcess([], end["code"], *written)

    def kill(self) -> None:
        if self._scratch.exists():
            self._tree.kill()
            os.close(self._answers)
            assert self._tree.process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                self._tree.process.stdin.close()
            shutil.rmtree(self._scratch, ignore_errors=True)


def client(code: str, address: str | None, **more: Any) -> str:
    """Run code in a client and wait for its end; what it printed. See `Client` for the arguments."""
    return Client(code, address, **more).wait()


def answer(printed: str) -> Any:
    """The JSON in a client's last line."""
    return json.loads(printed.strip().splitlines()[-1])


if __name__ == "__main__":  # the guard
    sys.stdin.buffer.read()
    if sys.argv[1] == "--unmount":
        _unmount(sys.argv[2])
    else:
        end_session(int(sys.argv[1]))
