"""Hosts on one machine, for tests of what happens between machines: cables are pulled, power is cut.

A host has network, mount, process, name and IPC spaces of its own: its own address, processes, host name, /tmp and
/dev/shm. The rest of the disk is shared. The hosts of a `Net` hang on a bridge, which lies in a network space of its
own as well: nothing leads to the machine's own network, so addresses and names cannot meet those of other tests. There
is no way out of the net either, as in a rack without a default route.

Nothing outlives the tests: a host is a process tree with a guard (`clusters.Tree`). When its first process is gone,
the kernel takes its processes, mounts and interfaces. It needs root, `unshare`, `nsenter` and `ip`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from clusters import Tree, clean_environment, eventually

import raylab

NET = "10.77.0"
"""Seen inside of one Net only."""

SPACES = ("--net", "--mount", "--uts", "--ipc", "--pid")

BOOT = r"""
set -e
mount --make-rprivate /
for path in $KEEP; do mkdir -p "$HOST/tmp/${path#/tmp/}"; mount --bind "$path" "$HOST/tmp/${path#/tmp/}"; done
mount --rbind "$HOST/tmp" /tmp
mount -t tmpfs -o size=1g,mode=1777 tmpfs /dev/shm
mount -t proc proc /proc
hostname "$NAME"
ip link set lo up
touch "$HOST/up"
exec "$PYTHON" -S -c '
import os, time
while True:                                     # the first process of a machine buries the orphans
    try:
        os.wait()
    except ChildProcessError:
        time.sleep(0.1)
'
"""

WIDE = "/usr/sbin:/sbin"
"""Where `ip` lies, which is not everybody's path."""


def why_not() -> str:
    """Why there can be no hosts here; empty if there can."""
    if os.geteuid() != 0:
        return "hosts in namespaces need root"
    for tool in ("ip", "unshare", "nsenter"):
        if shutil.which(tool, path=_path()) is None:
            return f"hosts in namespaces need the command {tool}" + (" (iproute2)" if tool == "ip" else "")
    script = "mount --make-rprivate / && ip link add br0 type bridge && ip link add veth0 type veth peer name veth1"
    tried = _run(["unshare", *SPACES, "--fork", "sh", "-c", script])
    return f"namespaces cannot be made here: {tried.stderr.strip()}" if tried.returncode else ""


class Net:
    """Some hosts on a bridge.

    Args:
        names: of the hosts.

    Attributes:
        shared: a folder that all hosts and the test see.

    Example:
        with Net("head", "worker") as net:
            net["head"].run("raylab", "start")
            net.unplug("worker")
    """

    def __init__(self, *names: str) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="rl-net-", dir="/tmp"))
        self.shared = self.root / "shared"
        self._names = names
        self._hosts: dict[str, Host] = {}
        self._switch: Tree | None = None

    def __getitem__(self, name: str) -> Host:
        return self._hosts[name]

    def __enter__(self) -> Net:
        try:
            self.shared.mkdir()
            (self.root / "switch").mkdir()
            command = ["unshare", "--net", "--fork", "--kill-child", "sleep", "infinity"]
            self._switch = Tree(command, cwd=self.root / "switch", env=_environment())
            eventually(lambda: len(self._switch.pids()) == 2)
            self._ip("link", "add", "br0", "type", "bridge")
            self._ip("link", "set", "br0", "up")
            for number, name in enumerate(self._names, 1):
                self._hosts[name] = Host(self.root, name, f"{NET}.{number}")
                self._connect(self._hosts[name])
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def unplug(self, name: str) -> None:
        """Pull the cable of a host at the bridge: packets vanish, and the host itself sees its interface up."""
        self._ip("link", "set", f"to-{name}", "nomaster")

    def plug(self, name: str) -> None:
        """Put it back."""
        self._ip("link", "set", f"to-{name}", "master", "br0")

    def close(self) -> None:
        """End all hosts and remove all that they left."""
        for host in self._hosts.values():
            host.power_off()
        if self._switch is not None:
            self._switch.kill()
        shutil.rmtree(self.root, ignore_errors=True)

    def _connect(self, host: Host) -> None:
        port = f"to-{host.name}"
        self._ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(host.first))
        self._ip("link", "set", port, "master", "br0", "up")
        for words in (["addr", "add", f"{host.ip}/24", "dev", "eth0"], ["link", "set", "eth0", "up"]):
            host.run("ip", *words)

    def _ip(self, *words: str) -> None:
        assert self._switch is not None
        _run(["nsenter", "-t", str(max(self._switch.pids())), "--net", "ip", *words]).check_returncode()


class Host:
    """One machine. Its folder holds its home and what it has in /tmp.

    Attributes:
        first: its first process, as the test sees it.
    """

    def __init__(self, root: Path, name: str, ip: str) -> None:
        self.name, self.ip = name, ip
        self.folder = root / name
        self.home = self.folder / "home"
        for folder in (self.home, self.folder / "tmp"):
            folder.mkdir(parents=True)
        more = {"HOST": str(self.folder), "NAME": name, "KEEP": " ".join(_kept(root)), "PYTHON": sys.executable}
        command = ["unshare", *SPACES, "--fork", "--kill-child", "bash", "-c", BOOT]
        self._tree = Tree(command, cwd=self.folder, env=_environment() | more)
        self._begun: list[subprocess.Popen[bytes]] = []
        eventually(self._is_up)
        (self.first,) = set(self._tree.pids()) - {self._tree.session}

    def run(self, *words: str, env: Mapping[str, str] = {}, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Run a command on it; it must end well."""
        done = self.attempt(*words, env=env, timeout=timeout)
        assert done.returncode == 0, f"{self.name}: {words}: {done.returncode}: {done.stdout}\n{done.stderr}"
        return done

    def attempt(
        self, *words: str, env: Mapping[str, str] = {}, timeout: float = 120.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on it that may fail."""
        return _run(self._words(words), env=self.environment() | dict(env), timeout=timeout)

    def begin(self, *words: str, out: Path, env: Mapping[str, str] = {}) -> subprocess.Popen[bytes]:
        """Start a command on it and do not wait; what it says goes to a file."""
        with out.open("wb") as file:
            process = subprocess.Popen(
                self._words(words),
                env=self.environment() | dict(env),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._begun.append(process)
        return process

    def environment(self) -> dict[str, str]:
        """What a person has who works on it."""
        return _environment() | {"HOME": str(self.home)}

    def power_off(self) -> None:
        """Its processes are gone at once, and say good-bye to nobody if the cable was pulled before."""
        self._tree.kill()
        for process in self._begun:
            process.wait(20)  # what leads into the host ends with what it led to
        self._begun.clear()

    def _words(self, words: tuple[str, ...]) -> list[str]:
        """`raylab` and `python` are those of the tests."""
        own = {"raylab": [sys.executable, "-m", "raylab.terminal.command"], "python": [sys.executable]}
        spaces = ["--net", "--mount", "--uts", "--ipc", "--pid", f"--wd={self.home}"]
        return ["nsenter", "-t", str(self.first), *spaces, *own.get(words[0], [words[0]]), *words[1:]]

    def _is_up(self) -> bool:
        assert self._tree.running, f"the host {self.name} did not start: {self._tree.said()}"
        return (self.folder / "up").exists()


def _kept(root: Path) -> list[str]:
    """What of this machine's /tmp a host must see: the net's folder, and a Python or a checkout that lie there."""
    wanted = {root, Path(raylab.__file__).parents[1], Path(sys.prefix), Path(sys.base_prefix)}
    below = sorted(str(path) for path in wanted if path.is_relative_to("/tmp"))
    return [path for path in below if not any(path != other and Path(path).is_relative_to(other) for other in below)]


def _path() -> str:
    return f"{os.environ.get('PATH', '/usr/bin:/bin')}:{WIDE}"


def _environment() -> dict[str, str]:
    return clean_environment() | {"PATH": _path(), "PYTHONPATH": str(Path(raylab.__file__).parents[1])}


def _run(
    words: list[str], *, env: Mapping[str, str] | None = None, timeout: float = 30.0
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        env=dict(env) if env is not None else _environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
