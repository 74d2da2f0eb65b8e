"""A second machine joins the cluster of a first one and leaves it: here two of them on one machine, each with its own.

With addresses, networks and power of their own they are in test_hosts.py.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from clusters import Client, Cluster, clean_environment, eventually, free_port, one_starts

import raylab

LONG = """
import os, time
def long(x, log, gate):
    with open(log, "a") as file:
        file.write(f"{os.getpid()}\\n")
    while not os.path.exists(gate):
        time.sleep(0.02)
    return {"y": x}
raylab.Lab("lab").submit(long, {"x": [1], "log": [log], "gate": [gate]}, name="long", num_cpus=2)
"""


class Machine:
    """What is a machine's own: a home, a `RAYLAB_HOME`, a temp dir."""

    def __init__(self, root: Path, name: str) -> None:
        self.root = root / name
        (self.root / "home").mkdir(parents=True)
        self.labs = self.root / "labs"
        self.env = clean_environment() | {"RAYLAB_HOME": str(self.labs), "HOME": str(self.root / "home")}

    def raylab(self, *words: str, env: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "raylab.terminal.command", *words]
        return subprocess.run(
            command,
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def start(self, *words: str, env: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
        with one_starts():
            return self.raylab("start", *words, "--temp-dir", str(self.root / "r"), env=env)

    def pids(self) -> list[int]:
        """What runs with its temp dir, found in another way than the command finds it."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if f"{self.root}/r/" in path.read_bytes().decode(errors="replace"):
                    found.append(int(path.parent.name))
            except OSError:
                continue
        return found


@pytest.fixture
def machines() -> Iterator[tuple[Machine, Machine]]:
    root = Path(tempfile.mkdtemp(prefix="rl-", dir="/tmp"))  # short: it becomes part of socket paths
    found = Machine(root, "a"), Machine(root, "b")
    yield found
    for machine in reversed(found):
        machine.raylab("stop")
        for pid in machine.pids():
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(root, ignore_errors=True)


@pytest.mark.timeout(300)  # it starts clusters, on machines that may be busy
@pytest.mark.long
def test_a_second_machine_joins_and_leaves_and_takes_nothing_along(
    machines: tuple[Machine, Machine], tmp_path: Path, gate: Path
) -> None:
    head, second = machines
    log = tmp_path / "log"
    address = f"127.0.0.1:{free_port()}"
    ports = ["--port", address.rpartition(":")[2], "--client-port", str(free_port())]
    started = head.start("--num-cpus", "1", "--node-ip-address", "127.0.0.1", *ports)
    assert started.returncode == 0, started.stderr
    assert "join          no other machine can" in started.stdout

    joined = second.start("--address", address, "--num-cpus", "2")
    assert joined.returncode == 0, joined.stderr
    assert joined.stdout.splitlines()[0] == (
        f"this machine has joined the Ray cluster at {address}; `raylab stop` ends it"
    )
    again = second.start("--address", address)
    assert (again.returncode, again.stdout.splitlines()[1:]) == (0, joined.stdout.splitlines()[1:])
    assert again.stdout.startswith(f"this machine is in the Ray cluster at {address} already")
    refused = head.start("--address", address)
    assert refused.returncode == 4
    assert "is the head of the cluster" in refused.stderr

    Client(LONG, None, env=second.env, log=str(log), gate=str(gate)).wait()  # a lab is found from any of them
    eventually(log.exists)
    head_pids = set(head.pids())
    left = second.raylab("stop")
    assert left.stdout.startswith(f"this machine has left the Ray cluster at {address}")
    assert second.pids() == []
    assert head_pids <= set(head.pids()), "the head goes on"
    eventually(lambda: "waits for resources" in head.raylab("status", "lab").stdout)
    assert second.raylab("stop").stdout.startswith("no cluster")

    gate.touch()
    assert second.start("--address", address, "--num-cpus", "2").returncode == 0
    assert head.raylab("wait", "lab", "--timeout", "100", "--quiet").returncode == 0
    rows = raylab.Notebook(head.labs / "lab").results("long", status="all", metadata=True)
    assert rows.select("_status", "_attempt").rows() == [("done", 1)], "who leaves blames no trial"


@pytest.mark.timeout(300)
def test_in_the_foreground_it_ends_with_the_command(machines: tuple[Machine, Machine]) -> None:
    machine = machines[0]
    ports = ["--port", str(free_port()), "--client-port", str(free_port()), "--temp-dir", str(machine.root / "r")]
    command = [sys.executable, "-u", "-m", "raylab.terminal.command", "start", "--block", "--num-cpus", "1", *ports]
    with ExitStack() as stack:
        with one_starts():
            block = stack.enter_context(subprocess.Popen(command, env=machine.env, stdout=subprocess.PIPE, text=True))
            assert block.stdout is not None
            assert "Ctrl-C or SIGTERM ends it" in block.stdout.readline()
        already = machine.start("--block")
        assert already.returncode == 4
        assert "--block ends only what it started" in already.stderr
        block.send_signal(signal.SIGTERM)
        assert "was ended" in block.communicate(timeout=100)[0]
    assert block.returncode == 0
    assert machine.pids() == []


def test_another_ray_is_said_before_anything_starts(
    cluster: Cluster, machines: tuple[Machine, Machine], tmp_path: Path
) -> None:
    (tmp_path / "ray-2.1.0.dist-info").mkdir()
    (tmp_path / "ray-2.1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: ray\nVersion: 2.1.0\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = machines[1].start("--address", cluster.address, env={"PYTHONPATH": path})
    assert done.returncode == 4
    assert "this machine has Ray 2.1.0" in done.stderr
    assert "`pip install ray==" in done.stderr
    assert done.stderr.count("\n") == 1
    assert machines[1].pids() == []
