"""What is trusted with what: no port of the lab's own, and nobody but a worker loads what a user sent."""

from __future__ import annotations

from pathlib import Path

import pytest
from clusters import Cluster, answer

import raylab
from raylab.client.tokens import wants_token

LISTENING = """
import json, os
import ray

# Detached, as the lab is: Ray was seen to end another kind at its birth, as if nobody held it.
@ray.remote(num_cpus=0, lifetime="detached", name=f"{name}-bare")
class Bare:
    async def pid(self):
        return os.getpid()

import psutil
def ports(pid):
    return [found.laddr.port for found in psutil.Process(pid).net_connections("inet") if found.status == "LISTEN"]

lab = raylab.Lab(name)
assert lab.submit(lambda x: {"y": x}, {"x": range(100)}, name="listening").wait(timeout=150)
bare = Bare.remote()
print(json.dumps([len(ports(lab.info()["pid"])), len(ports(ray.get(bare.pid.remote())))]))
ray.kill(bare)
"""

TRAPS = """
import os
class Trap:
    '''Notes which process loads it.'''
    def __init__(self, log):
        self.log = log
    def __reduce__(self):
        return load, (self.log,)
    def __call__(self, x):
        return {"pid": os.getpid(), "odd": Trap(self.log + ".result")}

def load(log):
    note(log)
    return Trap(log)

def note(log):
    with open(log, "a") as file:
        file.write(f"{os.getpid()}\\n")

class Sly(Exception):
    '''Notes which process loads it; raised where the experiment is loaded.'''
    def __init__(self, log):
        super().__init__("sly words")
        self.log = log
    def __reduce__(self):
        return met, (self.log,)

def met(log):
    note(log)
    return Sly(log)

class Burst(raylab.Experiment):
    def __init__(self):
        raise Sly(log + ".error")
    def do(self, params):
        return {}
"""


def test_the_lab_opens_no_port_of_its_own(cluster: Cluster, common_lab: str) -> None:
    labs, bare = answer(cluster.client(LISTENING, name=common_lab))
    assert labs <= bare, "beyond what Ray opens for any actor"


@pytest.mark.parametrize(
    ("env", "wanted"),
    [
        ({}, False),
        ({"RAY_AUTH_TOKEN": "0" * 64}, True),
        ({"RAY_AUTH_TOKEN": "0" * 64, "RAY_AUTH_MODE": "disabled"}, False),
        ({"RAY_AUTH_MODE": "token"}, True),
    ],
)
def test_raylab_start_says_truly_whether_a_token_is_wanted(
    env: dict[str, str], wanted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": str(tmp_path), **env}.items():
        monkeypatch.setenv(name, value)
    assert wants_token() is wanted


def test_nobody_but_a_worker_loads_what_a_user_sent(cluster: Cluster, common_lab: str, tmp_path: Path) -> None:
    log = tmp_path / "loaded"
    submit = """
    lab = raylab.Lab(name)
    sweep = lab.submit(Trap(log), {"x": range(30)}, name="trap", seed=1)
    assert lab.submit(Trap(log), {"x": range(30)}, name="trap", seed=1).wait(timeout=150)
    broken = lab.submit(Burst, {"x": [1]}, name="burst")
    import time
    while not broken.progress().reason:
        time.sleep(0.05)
    assert "Sly: sly words" in broken.progress().reason, broken.progress()
    broken.cancel()
    import os
    print(os.getpid())
    """
    look = """
    import json, os
    lab = raylab.Lab(name, create=False)
    first = lab.info()["pid"]
    os.kill(first, 9)                                    # the next one reads all of the notebook again
    sweep = lab.sweep("trap")
    sweep.info(), sweep.design, sweep.failures(), lab.sweeps(), lab.results("trap", status="all", metadata=True)
    assert lab.info()["pid"] != first
    print(json.dumps([first, lab.info()["pid"], os.getpid()]))
    """
    submitter = answer(cluster.client(TRAPS + _dedent(submit), name=common_lab, log=str(log), fresh=True))
    others = answer(cluster.client(look, name=common_lab))
    notebook = raylab.Notebook(cluster.home / common_lab)
    workers = set(notebook.results("trap")["pid"])
    root = Path(notebook.place)
    for path in (cluster.home, root, *root.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path
    assert notebook.verify().is_empty()

    def loaded(kind: str = "") -> set[int]:
        path = Path(f"{log}{kind}")
        return {int(line) for line in path.read_text().split()} if path.exists() else set()

    assert loaded() == workers | {submitter}, "who submits looks whether its own object is the same when it is loaded"
    assert loaded(".result") == set(), "results are kept as bytes until somebody asks for them"
    assert loaded(".error") == set(), "an exception of the user's is told in words"
    assert not workers & set(others)


def _dedent(code: str) -> str:
    return "\n".join(line.removeprefix("    ") for line in code.splitlines())
