"""The first points in this process: the rows are those of the sweep, what is raised is raised, all is put back."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import textwrap
import threading
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import raylab
import raylab.testing
from raylab import Experiment, Factorial, Points
from raylab.errors import DesignError, ExperimentError
from raylab.trying import run_here

OURS = str(Path(raylab.__file__).parent)


def draws(p: float, k: int, seed: int, rng: np.random.Generator) -> dict[str, Any]:
    """From every source of random numbers that a trial has."""
    drawn = {"rng": rng.normal(), "random": random.random(), "numpy": np.random.rand()}
    return {"p2": p * 2, "seed": seed, **drawn, "k" if k > 1 else "other": "x"}


class Walk(Experiment):
    def set_up(self, params: dict[str, Any]) -> None:
        self.steps = getattr(self, "steps", 0) + 1

    def do(self, params: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"at": at, "y": self.rng.normal() * params["p"], "seed": self.seed} for at in range(params["k"])]


class Epycs:
    def set(self, params: dict[str, Any]) -> None:
        self.params = params

    def run(self) -> dict[str, Any]:
        ok = {"status": True, "start_time": None}
        return {"parameters": self.params, "metadata": ok, "results": {"y": self.params["p"] + random.random()}}


DESIGNS: dict[str, Any] = {
    "factorial": Factorial(p=[0.5, 1.5], k=[1, 2, 3]),
    "points": Points(p=[0.5, 1.5, 0.25], k=[3, 2, 1]),
    "mapping": {"p": np.linspace(0, 1, 3), "k": range(1, 3)},
    "frame": pl.DataFrame({"p": [0.5, 0.25], "k": [1, 4]}),
    "rows": [{"p": 0.5, "k": 1}, {"p": 0.25, "k": 2}],
    "mixed": Factorial(p=[0.5, 1], k=[1, 2]),
    "sobol": raylab.Sobol(8, p=(0.0, 1.0), k=raylab.integers(1, 4)).seeded(5),
}
EXPERIMENTS: dict[str, Any] = {"function": draws, "class": Walk, "instance": Walk(), "epyc": Epycs()}
LOCK, RNG = threading.Lock(), np.random.default_rng(1)
STABLE = ["_point", "_repeat", "_seed", "_status", "_attempt", "_code", "_error", "_num_cpus"]


@pytest.fixture(scope="module")
def lab() -> Any:
    with raylab.testing.lab() as lab:
        yield lab


@pytest.mark.parametrize(
    ("experiment", "design"),
    [*(("function", design) for design in DESIGNS), *((each, "points") for each in EXPERIMENTS)],
)
@pytest.mark.parametrize("repeats", [1, 2])
def test_the_rows_are_those_of_the_sweep(lab: raylab.Lab, experiment: str, design: str, repeats: int) -> None:
    own, points = EXPERIMENTS[experiment], DESIGNS[design]
    here = run_here(own, points, n=2, seed=11, repeats=repeats, metadata=STABLE)
    sweep = lab.submit(own, points, name=f"{experiment}-{design}-{repeats}", seed=11, repeats=repeats)
    sweep.wait(progress=False)
    there = sweep.results(metadata=STABLE).filter(pl.col("_point") < 2)
    assert here["_seed"].n_unique() == 2 * repeats
    assert here.equals(there.select(here.columns))
    assert set(there.columns) - set(here.columns) <= {"k__result", "other"}, "but for what a later point alone has"


def test_the_columns_are_those_of_results() -> None:
    assert run_here(draws, DESIGNS["points"], n=1).columns == [
        "p",
        "k",
        "p2",
        "seed",
        "rng",
        "random",
        "numpy",
        "k__result",
    ]
    whole = run_here(lambda p: p, {"p": [1]}, metadata=True)
    assert {"_seq", "_point", "_seed", "_elapsed_s", "_pid"} < {*whole.columns}
    assert whole["_pid"].to_list() == [os.getpid()]
    assert run_here(lambda p: None, {"p": [1, 2]}).columns == ["p"]


def test_n_counts_points_in_all_their_repeats() -> None:
    for n, rows in [(1, 3), (2, 6), (np.int64(2), 6), (99, 12)]:
        assert run_here(lambda p: p, {"p": range(4)}, n=n, repeats=3).height == rows
    assert run_here(lambda p, k: p, Factorial(p=range(10**5), k=range(10**4))).height == 3


def test_a_line_says_what_all_would_take_and_how_to_draw_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    first = run_here(draws, DESIGNS["factorial"], n=2)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("raylab: 2 of 6 trials ran in ")
    assert "; all 6 would take about " in said.err
    seed = int(said.err.partition("; seed=")[2].split()[0])
    assert run_here(draws, DESIGNS["factorial"], n=2, seed=seed).equals(first)
    assert "seed=" not in capsys.readouterr().err
    assert not run_here(draws, DESIGNS["factorial"], n=2).equals(first), "each time another one is drawn"


def test_an_unseeded_sampled_design_is_drawn_by_the_seed() -> None:
    design = raylab.LatinHypercube(16, p=(0.0, 1.0))
    here = run_here(lambda p: p, design, n=16, seed=3)
    assert here["value"].to_list() == [point["p"] for point in design.settled(3)]
    assert not here.equals(run_here(lambda p: p, design, n=16, seed=4))


def test_warnings_are_counted() -> None:
    def warns(p: int) -> None:
        for _ in range(p):
            warnings.warn("it does not converge", stacklevel=1)

    with warnings.catch_warnings(action="always"):
        found = run_here(warns, {"p": [0, 2]}, repeats=2, metadata=["_warnings"])
    assert found["_warnings"].to_list() == [0, 0, 2, 2]


# -- what is raised


def test_what_a_trial_raises_is_raised_where_it_happens() -> None:
    ran = []

    def fragile(p: int) -> float:
        ran.append(p)
        return 1 / (p - 1)

    with pytest.raises(ZeroDivisionError) as caught:
        run_here(fragile, {"p": [0, 1, 2]}, seed=7, repeats=1)
    assert ran == [0, 1]
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert frames[-1].name == "fragile"
    assert len([frame for frame in frames if frame.filename.startswith(OURS)]) == 1
    assert caught.value.__notes__ == ["raylab: point 1 of 'fragile', seed=7: p=1"]


def test_what_an_experiment_of_any_kind_raises_is_raised() -> None:
    class Breaks(Experiment):
        def do(self, params: dict[str, Any]) -> None:
            raise KeyError("do")

        def tear_down(self) -> None:
            torn.append(True)

    class Caught(Epycs):
        def run(self) -> dict[str, Any]:
            error = KeyError("caught")
            return {"parameters": {}, "metadata": {"status": False, "exception": error}, "results": {}}

    torn: list[bool] = []
    for experiment in (Breaks(), Breaks, Caught()):
        with pytest.raises(KeyError):
            run_here(experiment, {"p": [1]})
    assert torn == [True, True]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_a_process_passes(error: type[BaseException]) -> None:
    def ends(p: int) -> None:
        raise error

    with pytest.raises(error):
        run_here(ends, {"p": [1]})


# -- what is refused


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"n": 0}, "n is how many points"),
        ({"n": 2.0}, "n is how many points"),
        ({"n": True}, "n is how many points"),
        ({"repeats": 0}, "repeats is how often"),
        ({"seed": -1}, "seed is a whole number"),
        ({"design": {"p": []}}, "has no levels"),
        ({"design": None}, "a design is a Factorial"),
        ({"design": {"q": [1]}}, "does not take 'q'"),
        ({"design": {"p": [1], "_x": [1]}}, "begins with '_'"),
        ({"design": {"p": [object()]}}, "cannot be kept exactly"),
        ({"metadata": ["_nothing"]}, "there is no '_nothing'"),
        ({"experiment": 3}, "cannot be run"),
        ({"experiment": lambda p: LOCK}, "cannot be pickled, because of global LOCK"),
        ({"experiment": lambda p: RNG.normal()}, "takes a generator of random numbers along: global RNG"),
    ],
)
def test_what_submit_refuses_is_refused_before_anything_runs(words: dict[str, Any], why: str) -> None:
    ran = []
    asked: dict[str, Any] = {"experiment": lambda p: ran.append(p), "design": {"p": [1]}, **words}
    with pytest.raises(ValueError, match=why):
        run_here(asked.pop("experiment"), asked.pop("design"), **asked)
    assert not ran


def test_a_result_that_cannot_be_kept_is_refused() -> None:
    with pytest.raises(ExperimentError, match=r"its record has 72\.0 MB, and can have 64.0 MB at most"):
        run_here(lambda p: np.zeros(9 * 2**20), {"p": [1]})


def test_what_submit_remarks_on_is_remarked_on(lab: raylab.Lab) -> None:
    with pytest.warns(UserWarning, match="stands twice in the design") as told:
        run_here(lambda p: p, Points(p=[1, 1]))
    assert told[0].filename == __file__
    rows = pl.DataFrame({"p": [1, 2], "_seed": [3, 4]})
    with pytest.warns(UserWarning, match="_seed: these columns are about trials"):
        assert run_here(lambda p: p, rows)["p"].to_list() == [1, 2]
    with pytest.raises(DesignError, match="nothing to submit"):
        run_here(lambda p: p, rows.clear())


# -- the process


def test_the_process_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def meddles(p: int) -> None:
        random.seed(p)
        np.random.seed(p)
        os.chdir(tmp_path)
        os.environ["MEDDLED"] = "1"
        sys.path.append("meddled")
        np.seterr(all="ignore")
        warnings.simplefilter("ignore")

    def state() -> Any:
        numpys = np.random.get_state()
        return random.getstate(), numpys[1].tolist(), Path.cwd(), dict(os.environ), [*sys.path], np.geterr(), [  # type: ignore[index]
            *warnings.filters
        ]  # fmt: skip

    random.seed(12)
    before = state()
    run_here(meddles, {"p": [1, 2]})
    assert state() == before


def test_of_an_object_with_state_a_copy_runs() -> None:
    walk = Walk()
    for _ in range(2):
        run_here(walk, DESIGNS["points"], seed=1)
    assert vars(walk) == {}, "neither what trials left nor seed and rng"
    kept: list[int] = []
    run_here(lambda p: kept.append(p), {"p": [1, 2]})
    assert kept == [1, 2], "a function is itself: what it reaches is this process's"


def test_ray_is_not_loaded(tmp_path: Path) -> None:
    script = """
    import sys
    import raylab

    class Walk(raylab.Experiment):
        def do(self, params):
            return {"y": self.rng.normal()}

    def f(p):
        return Walk

    for experiment in (Walk, Walk(), lambda p: p, f):
        raylab.run_here(experiment, raylab.Factorial(p=[1, 2]), repeats=2)
    print(sorted(name for name in sys.modules if name.partition(".")[0] == "ray"))
    """
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(script))
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
    assert done.stderr.count("raylab: 4 of 4 trials ran in ") == 4
