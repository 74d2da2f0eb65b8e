"""Random generators in what travels: the process's own by reference, any other refused or told; and what is seeded."""

from __future__ import annotations

import collections
import dataclasses
import functools
import importlib
import pickle
import random
import secrets
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import scipy.stats
import sklearn.linear_model

from raylab.code.pack import pack
from raylab.errors import ExperimentError
from raylab.worker.experiment import Experiment, adapt
from raylab.worker.unpack import load


def cell(text: str, name: str = "f", **names: object) -> Any:
    """A function of `__main__`: it travels with its globals."""
    space = {"__name__": "__main__", **names}
    exec(text, space)
    return space[name]


def takes(value: object) -> Any:
    """An experiment with a global N."""
    return cell("def f(x): return N", N=value)


def travelled(value: object) -> Any:
    """A value as it comes out of an experiment that has travelled."""
    return load(pack(takes(value)).pickle, None).experiment(1)  # type: ignore[operator]


# the process's own --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "seed"),
    [
        (random.choice, lambda: random.seed(5)),
        (random.random, lambda: random.seed(5)),
        (random.gauss, lambda: random.seed(5)),
        (np.random.normal, lambda: np.random.seed(5)),
        (scipy.stats.norm.rvs, lambda: np.random.seed(5)),
        (scipy.stats.norm(0, 1).rvs, lambda: np.random.seed(5)),
        (np.random.mtrand._rand.normal, lambda: np.random.seed(5)),
    ],
)
def test_the_generators_of_the_process_are_the_worker_s_own_afterwards(method, seed):
    there = travelled(method)
    arguments = ([1, 2, 3, 4, 5, 6, 7, 8, 9],) if method == random.choice else ()

    seed()
    drawn = there(*arguments)
    assert drawn != there(*arguments)
    seed()
    assert method(*arguments) == drawn


def test_they_are_found_at_any_depth():
    frozen = scipy.stats.norm(0, 1)
    assert travelled({"a": [(frozen,)]})["a"][0][0].random_state is np.random.mtrand._rand
    assert travelled(functools.partial(max, random._inst)).args == (random._inst,)
    assert travelled(np.random.mtrand._rand) is np.random.mtrand._rand
    assert travelled(np.random.mtrand._rand._bit_generator) is np.random.mtrand._rand._bit_generator
    model = sklearn.linear_model.SGDClassifier(random_state=np.random.mtrand._rand)
    assert travelled(model).random_state is np.random.mtrand._rand
    assert travelled(secrets.choice).__self__ is secrets._sysrand
    imported = cell("from random import choice\nfrom numpy.random import normal\ndef f(x): return choice, normal")
    choice, normal = load(pack(imported).pickle, None).experiment(1)
    assert choice.__self__ is random._inst
    assert normal.__self__ is np.random.mtrand._rand


def test_another_process_needs_nothing_of_raylab_for_them():
    data = pack(takes([random.choice, np.random.normal])).pickle
    script = (
        "import pickle, sys, random; made = pickle.loads(pickle.loads(sys.stdin.buffer.read())['experiment'])(1)\n"
        "assert made[0].__self__ is random._inst and 'raylab' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], input=data, check=True)


# others -------------------------------------------------------------------------------------------------------------


class Holds:
    def __init__(self, generator: object) -> None:
        self.generator = generator


class Own(random.Random):
    pass


@dataclasses.dataclass
class Data:
    generator: object


class Slots:
    __slots__ = ("generator",)

    def __init__(self, generator: object) -> None:
        self.generator = generator


def _closure(generator: Any) -> Any:
    return lambda x: generator.random()


def _default(generator: Any) -> Any:
    return cell("def f(x, generator=G): return generator", G=generator)


def _attribute(generator: Any) -> Any:
    made = cell("def f(x): return f")
    made.generator = generator
    return made


GENERATORS = [
    np.random.default_rng(1),
    np.random.RandomState(1),
    np.random.PCG64(1),
    random.Random(1),
    Own(1),
    random.SystemRandom(),
]


@pytest.mark.parametrize("generator", GENERATORS, ids=lambda g: type(g).__name__)
def test_any_other_generator_is_refused_by_name_with_the_way_out(generator):
    kind = type(generator).__name__
    with pytest.raises(ExperimentError, match=rf"f takes a generator .*: global N \({kind}\)\. .*Take `rng` or `seed`"):
        pack(takes(generator))


@pytest.mark.parametrize(
    ("make", "where"),
    [
        (_closure, r"closure generator \(Generator\)"),
        (_default, r"default generator \(Generator\)"),
        (_attribute, r"attribute generator \(Generator\)"),
        (lambda g: functools.partial(takes(1), g), r"argument 0 \(Generator\)"),
        (lambda g: functools.partial(takes(1), x=g), r"argument x \(Generator\)"),
        (lambda g: takes({"a": [1, (g,)]}), r"item 0 \(Generator\), of item 1, of item 'a', of global N"),
        (lambda g: takes(Holds(g)), r"attribute generator \(Generator\), of global N"),
        (lambda g: takes(Holds(Holds(g))), r"attribute generator \(Generator\), of attribute generator"),
        (lambda g: takes(Data(g)), r"attribute generator \(Generator\), of global N"),
        (lambda g: takes(Slots(g)), r"attribute generator \(Generator\), of global N"),
        (lambda g: takes(collections.deque([g])), r"global N \(deque\), which holds a Generator"),
        (lambda g: takes(g.normal), r"global N|object"),
        (lambda g: takes(scipy.stats.norm(0, 1).__class__), None),
        (lambda g: takes(sklearn.linear_model.SGDClassifier(random_state=np.random.RandomState(1))), "random_state"),
        (lambda g: takes(takes(g)), r"global N \(Generator\), of global N"),
        (lambda g: cell("class C:\n    rng = G\n    def __call__(self, x): pass\nf = C()", G=g), r"member rng"),
        (lambda g: cell("class C:\n    def __call__(self, x): G\nf = C()", G=g), r"global G"),
        (lambda g: Epyc(g), r"attribute generator \(Generator\)"),
    ],
)
def test_they_are_found_and_named_wherever_they_are(make, where):
    experiment = make(np.random.default_rng(1))
    if where is None:
        pack(experiment)
        return
    with pytest.raises(ExperimentError, match=where):
        pack(experiment)


class Epyc(Holds):
    def set(self, params: object) -> None: ...

    def run(self) -> None: ...


class Draws(Experiment):
    def do(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"x": self.rng.random()}


def test_an_experiment_that_was_tried_by_hand_travels_without_its_generator():
    experiment = Draws()
    fresh = adapt(Draws()).attempt({}, 1, (1, 2)).rows
    adapt(experiment).attempt({}, 9, (9, 9))
    experiment.rng.random()

    there = load(pack(experiment).pickle, None).experiment
    assert vars(experiment)["_rng"] is not None
    assert adapt(there).attempt({}, 1, (1, 2)).rows == fresh
    given = Draws()
    given.rng = np.random.default_rng(5)
    pack(given)
    given.mine = given.rng
    with pytest.raises(ExperimentError, match=r"attribute mine \(Generator\)"):
        pack(given)


# at the top of modules ----------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Write modules and pack what a cell says that uses them; the warnings and the seeds."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def forget() -> None:
        for name in set(sys.modules) - before:
            if str(tmp_path) in str(vars(sys.modules[name]).get("__file__")):
                del sys.modules[name]

    def packed(text: str, **files: str) -> tuple[list[str], tuple[str, ...]]:
        forget()
        for name, source in files.items():
            (tmp_path / f"{name}.py").write_text(source)
        importlib.invalidate_caches()
        code = pack(cell(text))
        return code.warnings, pickle.loads(code.pickle)["seeds"]

    yield packed
    forget()


GENERATOR = "import numpy as np\ngenerator = np.random.default_rng(42)\ndef walk(x): return {'y': generator.normal(x)}"


@pytest.mark.parametrize(
    "script", ["from simulator import walk as f", "def f(x):\n    import simulator\n    return simulator.walk(x)"]
)
def test_a_generator_at_the_top_of_a_reached_module_is_told_by_its_name(project, script):
    (told,), seeds = project(script, simulator=GENERATOR)

    assert "simulator.generator." in told
    assert "starts from a copy" in told
    assert "Take `rng` or `seed`" in told
    assert seeds == ("random", "numpy")


def test_those_in_containers_objects_classes_and_defaults_of_a_module_are_told(project):
    text = """
import random, scipy.stats, numpy as np
from random import choice
table = {"a": random.Random(1)}
class Model:
    rng = np.random.default_rng(1)
    def __init__(self): self.own = np.random.default_rng(2)
    def go(self, rng=np.random.default_rng(3)): pass
model = Model()
draw = np.random.default_rng(4).normal
norm = scipy.stats.norm
def f(x, rng=np.random.RandomState(1)): return {}
"""
    (told,), _ = project("from simulator import f", simulator=text)

    for name in ("table['a']", "Model.rng", "model.own", "Model.go(a default)", "draw", "f(a default)"):
        assert f"simulator.{name}" in told
    assert "choice" not in told
    assert "norm." not in told


def test_modules_whose_functions_make_their_own_are_not_told(project):
    text = (
        "import numpy as np\nmake = lambda s: np.random.default_rng(s)\n"
        "def f(x, seed): return np.random.default_rng(seed)"
    )

    assert project("from simulator import f", simulator=text)[0] == []
    assert project("def f(x):\n    import simulator", simulator=text)[0] == []


# what is seeded -----------------------------------------------------------------------------------------------------

BOTH = ("random", "numpy")


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("def f(x): return {'y': 2 * x}", ()),
        ("f = lambda x: {'y': x}", ()),
        ("import math, os.path\nfrom collections import deque\ndef f(x): return math.sin(x), os.path, deque([x])", ()),
        ("import re, time\ndef f(x):\n    import json\n    return re.compile(x), time.time(), getattr(x, 'a')", ()),
        ("from raylab import Experiment\nclass E(Experiment):\n    def do(self, p): return {}\nf = E()", ()),
        ("import numpy as np\ndef f(x): return np.sin(x)", BOTH),
        ("def f(x):\n    import numpy\n    return numpy", BOTH),
        ("def f(x):\n    def g():\n        from random import random\n        return random()\n    return g()", BOTH),
        ("from random import choice\ndef f(x): return choice([1, x])", BOTH),
        ("import statistics\ndef f(x): return statistics.NormalDist().samples(x)", BOTH),
        ("import importlib\ndef f(x): return importlib.import_module(x)", BOTH),
        ("def f(x): return __import__('random').random()", BOTH),
        ("def f(x): return eval(x)", BOTH),
        ("def f(x):\n    def g(): exec(x)\n    return g", BOTH),
        ("run = eval\ndef f(x): return run(x)", BOTH),
        ("import builtins\ndef f(x): return builtins.eval(x)", BOTH),
        ("import sys\ndef f(x): return sys.modules['random'].random()", BOTH),
        ("import numpy as np\nN = np.float64(1)\ndef f(x): return N * x", BOTH),
        ("import torch_like\ndef f(x): return torch_like", BOTH),
        ("import torch\ndef f(x): return torch.rand(1)", (*BOTH, "torch")),
        ("def f(x):\n    from torch import nn\n    return nn", (*BOTH, "torch")),
    ],
)
def test_what_may_be_drawn_from_is_seeded(project, text, seeds):
    assert project(text, torch="", torch_like="import numpy")[1] == seeds


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("import math\ndef f(x): return math.sin(x)", ()),
        ("import deeper\ndef f(x): return deeper", BOTH),
        ("import math\ndef f(x): return eval('x')", BOTH),
        ("def f(x):\n    import scipy.stats", BOTH),
    ],
)
def test_what_local_modules_import_counts_whoever_imports_them(project, text, seeds):
    files = {"simulator": text, "deeper": "import deepest", "deepest": "def g():\n    import random"}

    assert project("from simulator import f", **files)[1] == seeds
    assert project("def f(x):\n    import simulator", **files)[1] == seeds


def test_a_compiled_module_of_ones_own_may_draw(project, tmp_path):
    (tmp_path / "simulator.pyc").write_bytes(b"")
    assert project("def f(x):\n    import simulator")[1] == BOTH


def test_a_library_that_needs_torch_draws_from_torch(monkeypatch):
    import raylab.code.packages as packages

    monkeypatch.setattr(packages, "_version", lambda name: "1")
    monkeypatch.setattr(packages, "_needs", {"lightish": ("Torch_Core",), "torch-core": ("torch",)}.get)
    from raylab.code.drawing import seeds
    from raylab.code.local_modules import Finder

    assert seeds({"lightish.trainer"}, {}, Finder()) == ("random", "numpy", "torch")
