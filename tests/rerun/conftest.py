"""A notebook of sweeps of every kind, made in a process that is gone, with modules that nobody has any more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import raylab

MODEL = """
import random
import numpy as np
import helper
from dataclasses import dataclass
from enum import Enum
from raylab import Experiment

class Kind(Enum):
    PLAIN = 1
    FANCY = 2

@dataclass(frozen=True)
class Frozen(Exception):
    x: int

class Thing:
    def __init__(self, x):
        self.x = x
        self.names = {f"name{i}" for i in range(20)}

def square(x):
    return {"y": x * x + helper.OFFSET}

def noisy(x, seed, rng):
    return {"own": seed, "rng": rng.random(), "random": random.random(), "numpy": np.random.random(), "x2": x * 0.1}

def fragile(x):
    print("trying", x)
    if x == 3:
        raise ValueError(f"{x} is bad")
    return {"y": x}

def rows(x):
    return [{"step": step, "y": x / (step + 1)} for step in range(3)]

def odd(x):
    return {"nan": float("nan"), "zero": -0.0, "list": [0.1, None], "dict": {"a": [1]}, "thing": Thing(x),
            "none": None, "array": np.arange(3) * 0.1, "mixed": x if x else "text"}

def kinds(kind):
    return {"name": kind.name, "here": type(kind).__module__, "is": kind is Kind[kind.name]}

def files(x):
    import os
    text = open("table.txt").read()
    open("scratch.txt", "w").write("mine")
    return {"text": text, "folder": os.path.basename(os.path.dirname(os.getcwd())).startswith("raylab-run")}

def unsteady(x):
    import os
    return {"y": x, "pid": os.getpid()}

def variables(x):
    import os
    return {"greeting": os.environ.get("GREETING"), "threads": os.environ.get("OMP_NUM_THREADS")}

def forking(x):
    import os
    if os.fork() == 0:
        return {"y": "the child"}
    return {"y": x}

def crashing(x):
    import os, signal
    if os.environ.get("CRASH"):
        os.kill(os.getpid(), signal.SIGSEGV)
    return {"y": x}

def wide(x):
    return {f"column{i}": i * x for i in range(1200)}

def greedy(x):
    import os, signal, sys
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.setrecursionlimit(2 * sys.getrecursionlimit())
    sys.stdout = sys.stderr = open(os.devnull, "w")
    return {"y": x}

def frozen(x):
    raise Frozen(x)

def late(x):
    import no_such_package
    return {"y": x}

class Coin(Experiment):
    def set_up(self, params):
        self.log = ["up"]
    def do(self, params):
        self.log.append("do")
        if params["x"] == 2:
            raise KeyError("two")
        return {"log": "-".join(self.log), "draw": int(self.rng.integers(1000)), "seed2": self.seed}
    def tear_down(self):
        self.log.clear()

class Epyc:
    def set(self, params):
        self.params = params
        return self
    def work(self):
        if self.params["x"] == 1:
            raise ValueError("one")
        return {"y": self.params["x"]}
    def run(self):
        try:
            return {"parameters": self.params, "metadata": {"epyc.experiment.status": True}, "results": self.work()}
        except Exception as error:
            meta = {"epyc.experiment.status": False, "epyc.experiment.exception": error}
            return {"parameters": self.params, "metadata": meta, "results": {}}

def named(params):
    return {"y": params["odd name"] * 2}
"""

MAKE = """
import sys, warnings
from pathlib import Path
import raylab, raylab.testing
import model

warnings.simplefilter("ignore")
LEVEL = 5
def of_main(x):
    return {"y": x + LEVEL}
class Mine(raylab.Experiment):
    def do(self, params):
        return {"y": params["x"] + 1}
class Named(raylab.Experiment):
    def do(self, params):
        return model.named(params)

with raylab.testing.lab("made", notebook=sys.argv[1]) as lab:
    x = {"x": range(5)}
    lab.submit(model.square, x, name="square", seed=1)
    lab.submit(model.noisy, x, name="noisy", seed=2, repeats=3)
    lab.submit(model.fragile, x, name="fragile", seed=3)
    lab.submit(model.rows, x, name="rows")
    lab.submit(model.odd, x, name="odd")
    lab.submit(model.kinds, {"kind": list(model.Kind)}, name="kinds")
    lab.submit(model.files, x, name="files", include=["table.txt"])
    lab.submit(model.unsteady, x, name="unsteady")
    lab.submit(model.variables, x, name="variables", num_cpus=1, runtime_env={"env_vars": {"GREETING": "hello"}})
    lab.submit(model.late, x, name="late")
    lab.submit(model.frozen, x, name="frozen")
    lab.submit(model.forking, x, name="forking")
    lab.submit(model.crashing, x, name="crashing")
    lab.submit(model.wide, {"x": [1, 2]}, name="wide")
    lab.submit(model.Coin, x, name="coin", seed=4)
    lab.submit(model.Epyc(), x, name="epyc")
    lab.submit(Named(), {"odd name": [1, 2]}, name="named")
    lab.submit(of_main, x, name="main")
    lab.submit(Mine(), x, name="mine")
    lab.submit(model.square, x, name="grown", seed=5)
    lab.wait(progress=False)
    grown = lab.sweep("grown")
    grown.extend({"x": [7, 8]})
    grown.extend(repeats=2)
    lab.wait(progress=False)
    lab.sweep("fragile").retry()
    lab.wait(progress=False)

    lab.submit(model.fragile, x, name="versions", seed=6)
    lab.wait(progress=False)
    def other(x):
        return {"y": -x}
    lab.submit(other, x, name="versions", if_exists="continue")
    lab.wait(progress=False)

    lab.submit(model.square, x, name="waiting", num_gpus=1)
    lab.submit(model.greedy, x, name="greedy", num_gpus=1)
"""


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The notebook's folder."""
    folder = tmp_path_factory.mktemp("past")
    (folder / "model.py").write_text(MODEL)
    (folder / "helper.py").write_text("OFFSET = 100\n")
    (folder / "table.txt").write_text("a table")
    (folder / "make.py").write_text(MAKE)
    place = folder / "notebook"
    # A lab in memory leaves the environment as it is; on a cluster GREETING would come of the sweep.
    environment = {**os.environ, "PYTHONHASHSEED": "0", "GREETING": "hello"}
    done = subprocess.run(
        [sys.executable, "make.py", str(place)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    for name in ("model.py", "helper.py", "table.txt", "make.py"):
        (folder / name).unlink()
    return place


@pytest.fixture
def notebook(made: Path) -> raylab.Notebook:
    """The notebook, read here."""
    return raylab.Notebook(made)
