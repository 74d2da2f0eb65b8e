"""Random numbers of trials that draw from the process's own generators: each trial's own, and the same each time."""

from __future__ import annotations

import json
import pickle
import random
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sweeps import leased, packaged, rows_of, table_of

from raylab.code.pack import Code, pack
from raylab.core.design import Design, Factorial, Points
from raylab.worker.experiment import Experiment

NOWHERE = Factorial(x=[0.0])


def by_numpy() -> Any:
    def walk(x: float) -> dict[str, float]:
        import numpy as np

        return {"y": float(np.random.normal(x))}

    return walk


def by_random() -> Any:
    def walk(x: float) -> dict[str, float]:
        import random

        return {"y": random.gauss(x, 1)}

    return walk


def by_choice() -> Any:
    def walk(x: float) -> dict[str, float]:
        from random import choice

        return {"y": float(choice(range(10**9)))}

    return walk


def by_scipy() -> Any:
    def walk(x: float) -> dict[str, float]:
        import scipy.stats

        return {"y": float(scipy.stats.norm(x, 1).rvs())}

    return walk


class SetUp(Experiment):
    """Draws before its own part begins."""

    def set_up(self, params: dict[str, Any]) -> None:
        import numpy as np

        self.drawn = float(np.random.normal())

    def do(self, params: dict[str, Any]) -> dict[str, float]:
        return {"y": self.drawn}


class Epyc:
    def set(self, params: dict[str, Any]) -> Epyc:
        return self

    def run(self) -> dict[str, Any]:
        import random

        return {"metadata": {}, "results": {"y": random.random()}}


KINDS: Mapping[str, Callable[[], Any]] = {
    "numpy": by_numpy,
    "random": by_random,
    "choice": by_choice,
    "scipy": by_scipy,
    "set_up": SetUp,
    "class": lambda: SetUp,
    "epyc": Epyc,
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_trial_has_numbers_of_its_own_the_same_in_any_order_and_lease(kind: str) -> None:
    code = pack(KINDS[kind]())
    package = packaged(code, NOWHERE, repeats=400)
    first = {row["_repeat"]: row["y"] for row in table_of(leased(package)).to_pylist()}
    assert len(set(first.values())) == 400
    other = packaged(code, NOWHERE, repeats=400, order="design")
    random.seed(3)
    np.random.seed(3)
    again = [row for start in range(0, 400, 150) for row in parts(other, start, min(400, start + 150))]
    assert {row["_repeat"]: row["y"] for row in again} == first
    assert {row["y"] for row in table_of(leased(packaged(code, NOWHERE, repeats=400, seed=2))).to_pylist()}.isdisjoint(
        first.values()
    )


def parts(package: Any, start: int, stop: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table_of(leased(package, start, stop)).to_pylist()
    return rows


def test_by_hand_the_seed_of_a_row_gives_its_numbers_again() -> None:
    def draws(x: float) -> dict[str, float]:
        import random

        import numpy as np

        return {"a": random.random(), "b": float(np.random.random())}

    for row in rows_of(draws, NOWHERE, repeats=5):
        random.seed(row["_seed"])
        np.random.seed(row["_seed"])
        assert (row["a"], row["b"]) == (random.random(), float(np.random.random()))


def test_the_generators_of_a_trial_are_different_streams() -> None:
    def draws(x: float, seed: int, rng: Any) -> dict[str, list[float]]:
        import random

        import numpy as np

        own = np.random.default_rng(seed)
        drawn = ([random.random() for _ in range(50)], np.random.random(50), rng.random(50), own.random(50))
        return {"drawn": [float(number) for part in drawn for number in part]}

    rows = rows_of(draws, NOWHERE, repeats=3)
    assert all(len({round(number, 9) for number in row["drawn"]}) == 200 for row in rows)


def test_a_retry_draws_the_same_numbers_again() -> None:
    def fails_once(x: float) -> dict[str, Any]:
        import random

        import raylab

        drawn = vars(raylab).setdefault("drawn_by_attempts", [])
        drawn.append(random.random())
        if len(drawn) < 3:
            raise ValueError("once more")
        return {"drawn": list(drawn)}

    import raylab

    vars(raylab).pop("drawn_by_attempts", None)
    (row,) = rows_of(fails_once, NOWHERE, retries=5)
    assert len(set(row["drawn"])) == 1
    assert len(row["drawn"]) == 3


# -- an axis of that name


def everything() -> Any:
    def draws(x: int, seed: Any, rng: Any) -> dict[str, Any]:
        import random

        import numpy as np

        own = rng if isinstance(rng, int) else float(rng.random())
        return {"a": random.random(), "b": float(np.random.random()), "own": own, "got": seed}

    return draws


NUMBERS = [0, 1, 7, -7, 2**31, 2**32 - 1, 2**32, 2**63, -(2**63), 10**40, -(10**40)]


def test_with_an_axis_called_seed_all_numbers_are_common_to_its_points() -> None:
    rows = rows_of(everything(), Factorial(seed=NUMBERS, x=[1, 2]), repeats=2)
    drawn = {tuple(row[name] for name in ("a", "b", "own")) for row in rows}
    assert len(drawn) == len(NUMBERS)
    assert len({part for each in drawn for part in each}) == 3 * len(NUMBERS)
    by_seven = next(row for row in rows if row["_point"] == 2 * NUMBERS.index(7))
    random.seed(7)
    np.random.seed(7)
    expected = (random.random(), float(np.random.random()), float(np.random.default_rng(7).random()))
    assert (by_seven["a"], by_seven["b"], by_seven["own"]) == expected


def test_with_an_axis_called_rng_the_seed_follows_it_too() -> None:
    rows = rows_of(everything(), Factorial(rng=[3, -3, 2**40], x=[1, 2]))
    assert [row["got"] for row in rows] == [3, 3, -3, -3, 2**40, 2**40]
    assert len({(row["a"], row["b"]) for row in rows}) == 3


def test_of_a_seed_that_is_no_number_the_trial_makes_its_own() -> None:
    rows = rows_of(everything(), Factorial(seed=["five", None, 0.5], x=[1, 2]))
    assert len({row["a"] for row in rows}) == len({row["b"] for row in rows}) == len({row["own"] for row in rows}) == 6


def test_a_point_without_the_axis_has_its_own_seed() -> None:
    def draws(x: int, seed: int) -> dict[str, Any]:
        import random

        return {"a": random.random(), "got": seed}

    rows = rows_of(draws, Points([{"x": 1, "seed": 5}, {"x": 2}, {"x": 3, "seed": 5}]))
    assert rows[0]["a"] == rows[2]["a"] != rows[1]["a"]
    assert rows[1]["got"] == rows[1]["_seed"]


def test_an_axis_called_seed_seeds_classes_and_epycs_protocol_too() -> None:
    for experiment in (SetUp(), Epyc()):
        rows = rows_of(experiment, Factorial(seed=[1, 2], x=range(3)))
        assert len({row["y"] for row in rows}) == 2


# -- what is imported, and what other processes do


ELSEWHERE = """
import pickle, sys
from sweeps import leased, table_of
package, runs, path = pickle.load(open(sys.argv[1], "rb"))
sys.path[:0] = path
rows = [row for start, stop in runs for row in table_of(leased(package, start, stop)).to_pylist()]
import json
print(json.dumps([[row["_point"], row["_repeat"], row["y"]] for row in rows]))
"""


def elsewhere(folder: Path, code: Code, design: Design, runs: list[tuple[int, int]], **words: Any) -> dict[Any, Any]:
    """What comes of some positions in a process of its own."""
    package = replace(packaged(code, design, **words), modules=code.modules)
    (folder / "package").write_bytes(pickle.dumps((package, runs, [str(folder / "site")])))
    words = {"cwd": Path(__file__).parents[1] / "helpers", "capture_output": True, "text": True, "check": True}
    done = subprocess.run([sys.executable, "-c", ELSEWHERE, str(folder / "package")], **words)
    return {(point, repeat): y for point, repeat, y in json.loads(done.stdout)}


def lazily(module: str) -> Any:
    source = f"""
    def walk(x):
        import random
        import numpy as np
        import {module}
        return {{"y": [random.random(), float(np.random.random()), *{module}.drawn]}}
    """
    return of_a_script(source, "walk")


def of_a_script(source: str, name: str) -> Any:
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(textwrap.dedent(source), space)
    return space[name]


MODULE = """
import random
import numpy as np
random.seed(42)
np.random.seed(42)
np.random.set_state(np.random.get_state())
import {inner}
table = [random.random() for _ in range(1000)]
drawn = [table[-1], float(np.random.random())]
"""


def test_what_a_trial_imports_does_not_touch_its_numbers_and_draws_the_same_in_each_process(tmp_path: Path) -> None:
    """A module of another package, imported by the first trial of each process, and one that this one imports."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "outer_of_trials.py").write_text(MODULE.format(inner="inner_of_trials"))
    (site / "inner_of_trials.py").write_text(MODULE.format(inner="math"))
    code = pack(lazily("outer_of_trials"))
    one = elsewhere(tmp_path, code, NOWHERE, [(0, 30)], repeats=30)
    rest = elsewhere(tmp_path, code, NOWHERE, [(20, 30), (5, 10)], repeats=30)
    assert rest.items() <= one.items()
    assert len(one) == 30
    assert len(rest) == 15
    assert len({y[0] for y in one.values()}) == len({y[1] for y in one.values()}) == 30


def test_a_module_of_ones_own_that_seeds_at_its_top_makes_no_trials_alike(tmp_path: Path) -> None:
    (tmp_path / "simulator_of_trials.py").write_text(
        "import random\nrandom.seed(42)\nWEIGHT = random.random()\n"
        "def walk(x):\n    return {'y': [random.gauss(x, 1), WEIGHT]}\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        import simulator_of_trials  # type: ignore[import-not-found]

        code = pack(simulator_of_trials.walk)
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("simulator_of_trials", None)
    assert code.modules is not None
    one = elsewhere(tmp_path, code, NOWHERE, [(0, 40)], repeats=40)
    two = elsewhere(tmp_path, code, NOWHERE, [(10, 40), (0, 10)], repeats=40, order="design")
    assert one == two
    assert len({y[0] for y in one.values()}) == 40
    assert len({y[1] for y in one.values()}) == 1


def test_what_a_class_draws_when_it_is_made_is_the_same_in_each_process(tmp_path: Path) -> None:
    class Net(Experiment):
        def __init__(self) -> None:
            import random

            self.weight = random.random()

        def do(self, params: dict[str, Any]) -> dict[str, float]:
            return {"y": self.weight}

    code = pack(Net)
    one, two = (elsewhere(tmp_path, code, NOWHERE, [(0, 3)], repeats=3) for _ in range(2))
    assert one == two
    assert len(set(one.values())) == 1


TORCH = """
import random
_state = [0]
def manual_seed(seed): _state[0] = seed
def get_rng_state(): return _state[0]
def set_rng_state(state): _state[0] = state
def rand():
    _state[0] = (_state[0] * 6364136223846793005 + 1442695040888963407) % 2**64
    return _state[0] / 2**64
random.seed(1)
"""


def test_torch_is_seeded_also_in_the_trial_that_imports_it(tmp_path: Path) -> None:
    """With a stand-in of the same names: torch itself is no dependency of the tests."""

    def walk(x: float) -> dict[str, float]:
        import torch  # type: ignore[import-not-found]

        return {"y": torch.rand()}

    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "torch.py").write_text(TORCH)
    code = pack(walk)
    one = elsewhere(tmp_path, code, NOWHERE, [(0, 20)], repeats=20)
    two = elsewhere(tmp_path, code, NOWHERE, [(15, 20), (0, 15)], repeats=20)
    assert one == two
    assert len(set(one.values())) == 20


def test_the_traceback_of_an_import_that_fails_is_as_short_as_by_hand(tmp_path: Path) -> None:
    (tmp_path / "breaks_in_trials.py").write_text("import random\n1 / 0\n")
    (row,) = rows_of(lazily("breaks_in_trials"), NOWHERE)  # not on the path yet
    assert row["_error"] == "ModuleNotFoundError: No module named 'breaks_in_trials'"
    sys.path.insert(0, str(tmp_path))
    try:
        (row,) = rows_of(lazily("breaks_in_trials"), NOWHERE)
    finally:
        sys.path.remove(str(tmp_path))
    assert row["_error"] == "ZeroDivisionError: division by zero"
    assert row["_traceback"].count("  File ") == 2


def test_what_is_not_drawn_from_is_not_touched() -> None:
    code = pack(of_a_script("def quiet(x):\n    return {'y': x}\n", "quiet"))
    package = packaged(code, NOWHERE, repeats=3)
    leased(package)  # to load it seeds, once
    random.seed(5)
    before = random.getstate()
    leased(package)
    assert random.getstate() == before
