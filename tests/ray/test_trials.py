"""What a trial finds in its process: random numbers, threads, files, warnings and Ray, whatever ran there before."""

from __future__ import annotations

from pathlib import Path

import pytest
from clusters import Cluster, answer

import raylab


@pytest.fixture
def lab_name(common_lab: str) -> str:
    """One lab has them all, so that they run in processes that others have used."""
    return common_lab


DRAWS = {
    "captured": "return {'y': choice(range(10**6)) + normal(x) + frozen.rvs()}",
    "sets": "import random; return {'y': ''.join(w for w in set('abcdefgh') for _ in range(random.randrange(1, 9)))}",
}

MORE_DRAWS = {
    "top": "return {'y': np.random.normal(x) + random.random()}",
    "numpy": "import numpy as np; return {'y': float(np.random.normal(x))}",
    "gauss": "import random; return {'y': random.gauss(x, 1)}",
    "choice": "from random import choice; return {'y': choice(range(10**9))}",
    "scipy": "import scipy.stats; return {'y': float(scipy.stats.norm(x, 1).rvs())}",
}
"""What tests/worker/test_seeding.py shows without a cluster."""


@pytest.mark.parametrize("draws", [DRAWS, pytest.param(MORE_DRAWS, marks=pytest.mark.long)], ids=["some", "more"])
def test_four_hundred_trials_have_four_hundred_values_and_the_same_ones_another_time(
    cluster: Cluster, lab_name: str, tmp_path: Path, draws: dict[str, str]
) -> None:
    """Also where a module of one's own seeds at its top, and with processes that hash strings as those of
    `raylab start` do."""
    (tmp_path / "simulator.py").write_text(
        "import random\nrandom.seed(42)\ndef walk(x):\n    return {'y': random.gauss(x, 1)}\n"
    )
    script = """
    import json, time
    import simulator
    lab = raylab.Lab(name)
    def made(body):
        space = {"__name__": "__main__"}
        exec("import random, numpy as np, scipy.stats\\nrandom.seed(1)\\nnp.random.seed(1)", space)
        exec("from random import choice\\nfrom numpy.random import normal\\nfrozen = scipy.stats.norm(0, 1)", space)
        exec(f"def walk(x):\\n    import time\\n    time.sleep(0.002)\\n    {body}", space)
        return space["walk"]
    experiments = {**{name: made(body) for name, body in draws.items()}, "module": simulator.walk}
    for again, order in (("", "random"), ("-again", "design")):
        for sweep, experiment in experiments.items():
            lab.submit(experiment, {"x": [0.0]}, name=sweep + again, repeats=400, seed=1, order=order)
        assert lab.wait(timeout=150), lab.progress()
    """
    cluster.client(script, cwd=tmp_path, draws=draws, name=lab_name)
    notebook = raylab.Notebook(cluster.home / lab_name)
    processes: set[int] = set()
    for name in [*draws, "module"]:
        frames = [notebook.results(f"{name}{again}", metadata=["_pid"]).sort("_repeat") for again in ("", "-again")]
        assert frames[0]["y"].to_list() == frames[1]["y"].to_list(), name
        assert frames[0]["y"].n_unique() == 400, name
        processes.update(*(frame["_pid"] for frame in frames))
    assert len(processes) > 1  # on a busy machine all trials of one sweep may run in one


@pytest.mark.long  # by default: tests/worker/test_threads.py
def test_the_threads_of_a_trial_are_its_cpus_in_any_order_of_sweeps(cluster: Cluster, lab_name: str) -> None:
    script = """
    def look(x):
        import os, time
        import numpy as np
        from threadpoolctl import threadpool_info
        np.ones((300, 300)) @ np.ones((300, 300))
        time.sleep(0.05)
        blas = [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]
        return {"env": os.environ["OMP_NUM_THREADS"], "blas": blas[0], "pid": os.getpid()}
    lab = raylab.Lab(name)
    had = {}                                                      # what each process has had, in turn
    # Ray may end a process that idles: so until one has had one CPU, then two, then one again.
    for number, cpus in enumerate((1, 2) * 6):
        sweep = lab.submit(look, {"x": range(6)}, name=f"{number}-cpus-{cpus}", num_cpus=cpus)
        assert sweep.wait(timeout=150)
        rows = sweep.results()
        assert set(rows["blas"]) == {cpus} and set(rows["env"]) == {str(cpus)}, rows
        for pid in set(rows["pid"]):
            had.setdefault(pid, []).append(cpus)
        if any("121" in "".join(map(str, turns)) for turns in had.values()):
            break
    else:
        raise AssertionError(f"no process had one CPU, two, and one again: {had}")
    own = {"env_vars": {"OMP_NUM_THREADS": "3"}}
    sweep = lab.submit(look, {"x": range(2)}, name="own", runtime_env=own)
    assert sweep.wait(timeout=150)
    assert set(sweep.results()["blas"]) == {3}, sweep.results()
    """
    cluster.client(script, name=lab_name)


def test_a_file_that_travels_is_where_the_trial_runs(cluster: Cluster, lab_name: str, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("35")
    script = """
    import os
    def read(x):
        import pathlib
        pathlib.Path("out.txt").write_text("mine")
        return {"y": x * int(pathlib.Path("table.csv").read_text()), "here": str(pathlib.Path.cwd())}
    def here(x):
        import os
        found = os.getcwd()
        os.chdir("/")
        return {"here": found}
    lab = raylab.Lab(name)
    plain = lab.submit(here, {"x": range(4)}, name="here-before")
    sweep = lab.submit(read, {"x": [1, 2]}, include=table)
    again = lab.submit(here, {"x": range(4)}, name="here-after")
    assert lab.wait(timeout=150)
    assert sweep.results().sort("x")["y"].to_list() == [35, 70], sweep.failures()
    assert all(f"raylab-run-{os.getuid()}" in place for place in sweep.results()["here"])
    assert "/" not in {*plain.results()["here"], *again.results()["here"]}
    """
    cluster.client(script, name=lab_name, table=str(tmp_path / "table.csv"))


def test_warnings_are_each_trials_own_and_their_texts_are_grouped(cluster: Cluster, lab_name: str) -> None:
    script = """
    import json
    def fits(x):
        import warnings
        warnings.warn(f"no convergence after {x} steps", RuntimeWarning)
        if x % 2:
            warnings.warn("odd")
        return {"y": x}
    sweep = raylab.Lab(name).submit(fits, {"x": range(400)}, name="warned")
    assert sweep.wait(timeout=150)
    rows = sweep.results(metadata=["_warnings"])
    assert (rows["_warnings"] == 1 + rows["x"] % 2).all(), rows
    print(json.dumps(sweep.warnings().rows()))
    """
    expected = [
        ["RuntimeWarning", "no convergence after # steps", 400, 400, "no convergence after 0 steps", 0, 0],
        ["UserWarning", "odd", 200, 200, "odd", 1, 0],
    ]
    assert answer(cluster.client(script, name=lab_name)) == expected
    assert raylab.Notebook(cluster.home / lab_name).warnings("warned").rows() == list(map(tuple, expected))


def test_to_end_rays_connection_is_a_failed_row_and_all_else_of_ray_works(cluster: Cluster, lab_name: str) -> None:
    script = """
    import ray
    from ray import shutdown, init
    def script(x):
        import ray
        if not ray.is_initialized():
            ray.init()
        if x == "shutdown":
            ray.shutdown()
        if x == "captured":
            shutdown()
        if x == "captured init":
            init()
        if x == "init":
            ray.init()
        if x == "address":
            ray.init("ray://127.0.0.1:1", ignore_reinit_error=True)
        if x == "harmless":
            ray.init(ignore_reinit_error=True)
            init(ignore_reinit_error=True, num_cpus=1)
        @ray.remote(num_cpus=0)
        def square(y):
            return y * y
        @ray.remote(num_cpus=0)
        class Counter:
            def __init__(self): self.n = 0
            def add(self): self.n += 1; return self.n
        counter = Counter.remote()
        inherited = ray.get_runtime_context().runtime_env
        assert not inherited, f"of the lab's actor: {inherited}"
        return {"y": ray.get(square.remote(4)) + ray.get(counter.add.remote()) + ray.get(ray.put(1))}
    bad = ["shutdown", "captured", "init", "captured init", "address"]
    sweep = raylab.Lab(name).submit(script, {"x": [*bad, "harmless", "tasks"]})
    assert sweep.wait(timeout=150), sweep.progress()
    assert dict(sweep.progress().by_status) == {"done": 2, "failed": 5}, sweep.failures()["_error"].to_list()
    assert set(sweep.results()["y"]) == {18}
    for row in sweep.failures().to_dicts():
        call = "shutdown" if row["x"] in ("shutdown", "captured") else "init"
        assert row["_error"].startswith(f"RuntimeError: ray.{call}() was called in a trial"), row
        assert "leave out" in row["_error"]
    """
    cluster.client(script, name=lab_name)
