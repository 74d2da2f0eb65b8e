"""A board as somebody starts it, over a real cluster: it outlives its lab, and the cluster."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from browser import Sight, chromium
from clusters import Cluster, Tree, eventually

SUBMIT = """
def double(x):
    return {"y": 2 * x}
lab = raylab.Lab(name)
assert lab.submit(double, {"x": range(5)}, name=sweep).wait(timeout=90, progress=False)
print(lab.info()["pid"])
"""


@contextmanager
def board(cluster: Cluster, address: str, lab: str, folder: Path) -> Iterator[tuple[Tree, str]]:
    """The command in a process of its own, and where it says that its page is."""
    env = cluster.environment() | {"RAYLAB_HOME": str(cluster.home)}
    command = [sys.executable, "-m", "raylab.terminal.command", "board", lab, "--address", address]
    tree = Tree(command, cwd=folder, env=env)

    def said() -> str:
        assert tree.running, tree.said()
        return tree.out.read_text().strip()

    try:
        yield tree, eventually(said, 100)
    finally:
        tree.kill()


def test_a_board_goes_on_when_its_lab_is_killed_and_ends_at_ctrl_c(
    cluster: Cluster, lab_name: str, tmp_path: Path
) -> None:
    pid = int(cluster.client(SUBMIT, name=lab_name, sweep="first"))
    with board(cluster, cluster.address, lab_name, tmp_path) as (tree, address), chromium() as browser:
        with Sight(browser, address) as sight:
            sight.shows("first")
            os.kill(pid, signal.SIGKILL)
            cluster.client(SUBMIT, name=lab_name, sweep="second")
            sight.shows("second")
            assert "Traceback" not in sight.text()
            assert sight.complaints == []
        tree.process.send_signal(signal.SIGINT)
        assert tree.process.wait(100) == 130
        eventually(lambda: not tree.pids(), 100)
        assert tree.err.read_text().splitlines()[-1] == (
            "raylab: interrupted; the board has ended, nothing of the lab has changed"
        )
        assert "Traceback" not in tree.said()


@pytest.mark.long
def test_a_board_goes_on_when_its_cluster_has_ended(own_cluster: Cluster, lab_name: str, tmp_path: Path) -> None:
    """Ray ends whatever is connected to it a minute later."""
    own_cluster.client(SUBMIT, name=lab_name, sweep="first")
    there = board(own_cluster, own_cluster.address, lab_name, tmp_path)
    with there as (tree, address), chromium() as browser, Sight(browser, address) as sight:
        sight.shows("first")
        own_cluster.kill()
        sight.page.get_by_text("the lab does not answer").first.wait_for(timeout=300_000)
        assert "first" in sight.text()
        assert tree.running
        assert "Traceback" not in sight.text()
