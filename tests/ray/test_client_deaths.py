"""A client's death means nothing: killed at any moment of `submit`, its modules gone, its cluster gone as well."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest
from clusters import Cluster, eventually

import raylab

VICTIM = """
import os, threading
import ray

LOAD = bytes(1_000_000)
def victim(x, seed):
    return {"y": x + len(LOAD)}

def die():
    os.kill(os.getpid(), 9)

def submit(sweep):
    lab.submit(victim, {"x": range(50)}, name=sweep, repeats=2, seed=1)
lab = raylab.Lab(name)
"""

DIE = """
if moment == "timer":
    threading.Timer(delay, die).start()
elif moment == "sent":                                  # the call is on its way, its answer never read
    def get(*_, **__):
        threading.Event().wait(delay)
        die()
    ray.get = get
elif moment == "answered":
    answer = ray.get
    ray.get = lambda *given, **words: (answer(*given, **words), die())
submit(sweep)
print("acknowledged", flush=True)
die()
"""

MOMENTS = [
    ("timer", 0.0),
    ("timer", 0.01),
    ("timer", 0.03),
    ("timer", 0.1),
    ("sent", 0.0),
    ("sent", 0.002),
    ("sent", 0.01),
    ("sent", 0.05),
    ("answered", 0.0),
    ("never", 0.0),
]


def test_a_submit_whose_client_is_killed_is_there_wholly_or_not_at_all(
    cluster: Cluster, lab_name: str, rounds: int
) -> None:
    cluster.client(VICTIM, name=lab_name)
    moments = MOMENTS if rounds > 1 else [*MOMENTS[1:8:3], *MOMENTS[8:]]
    acknowledged = {f"{name}-{number}" for number, (name, _) in enumerate(moments) if name in ("answered", "never")}
    with ExitStack() as stack:
        victims = {}
        for number, (moment, delay) in enumerate(moments):
            address = cluster.client_address if moment == "sent" and delay == 0.01 else cluster.address
            sweep = f"{moment}-{number}"
            client = cluster.begin(
                VICTIM + DIE, address=address, name=lab_name, sweep=sweep, moment=moment, delay=delay
            )
            victims[sweep] = stack.enter_context(client)
        for sweep, client in victims.items():
            assert client.ended() == -9, client.stderr
            acknowledged |= {sweep} if "acknowledged" in client.stdout else set()
    look = """
    there = {row["name"]: row for row in lab.sweeps().to_dicts()}
    assert acknowledged <= there.keys() <= set(victims), there.keys()
    assert all(row["total"] == 100 and row["repeats"] == 2 for row in there.values()), there
    for sweep in there:
        assert lab.wait(sweep, timeout=150)
    print(len(there), "of", len(victims))
    for sweep in victims:                               # another client, another process: the same sweep
        submit(sweep)
    assert lab.wait(timeout=150)
    """
    cluster.client(VICTIM + _dedent(look), name=lab_name, victims=list(victims), acknowledged=acknowledged)
    notebook = raylab.Notebook(cluster.home / lab_name)
    for sweep in victims:
        rows = notebook.results(sweep, status="all", metadata=True)
        assert rows.height == rows.select("_point", "_repeat").n_unique() == 100
        assert set(rows["_status"]) == {"done"}
        assert (rows["y"] == rows["x"] + 1_000_000).all()


@pytest.mark.long
def test_a_new_cluster_goes_on_with_modules_that_only_the_client_had(own_cluster: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    (folder / "parts").mkdir(parents=True)
    (folder / "parts" / "__init__.py").write_text("from parts.deep import FACTOR\n")
    (folder / "parts" / "deep.py").write_text("FACTOR = 7\n")
    (folder / "model.py").write_text(
        "import time\nimport parts\n\ndef run(x):\n    time.sleep(0.02)\n"
        "    return {'y': parts.FACTOR * x, 'where': parts.__file__}\n"
    )
    submit = 'import model\nraylab.Lab("lab").submit(model.run, {"x": range(400)}, name="model")'
    own_cluster.client(submit, cwd=folder)
    shutil.rmtree(folder)
    notebook = own_cluster.home / "lab"
    eventually(lambda: raylab.Notebook(notebook).progress("model").ready > 20)
    own_cluster.restart()
    assert raylab.Notebook(notebook).progress("model").ready < 400
    own_cluster.client('assert raylab.Lab("lab", create=False).wait(timeout=150)')
    rows = raylab.Notebook(notebook).results("model", status="all", metadata=True)
    assert rows["_point"].n_unique() == rows.height == 400
    assert (rows["y"] == 7 * rows["x"]).all()
    assert not rows["where"].str.starts_with(str(tmp_path)).any()


def _dedent(code: str) -> str:
    return "\n".join(line.removeprefix("    ") for line in code.splitlines())


EPYC = """
import os
from raylab.compat import epyc

class MyExperiment(epyc.Experiment):
    def do(self, params):
        return {"y": params["x"] ** 2}

myExperiment = MyExperiment
"""

SUBMITS = """
nb = epyc.JSONLabNotebook('myexperiment.json')
lab = epyc.ClusterLab(nb)
lab['x'] = range(1000)
lab.runExperiment(myExperiment())
os.kill(os.getpid(), 9)
"""

COMES_BACK = """
nb = epyc.JSONLabNotebook('myexperiment.json')
lab = epyc.ClusterLab(nb)
lab.updateResults()
print('We have {r} results available ({f} of the total'.format(r=lab.numberOfResults(), f=lab.readyFraction()))
assert lab.wait() and lab.ready()
frame = nb.dataframe()
assert list(frame['y']) == [x ** 2 for x in range(1000)], frame
assert raylab.Lab("myexperiment", create=False).number_of_results() == 1000
"""


def test_the_page_that_raylab_started_from_runs_with_only_its_import_changed(cluster: Cluster) -> None:
    """Its own words; it spells `JSONLabNotebook` with an r too many. The first process dies when it has submitted."""
    first = cluster.begin(EPYC + SUBMITS)
    with first:
        assert first.ended(90) == -9, first.stderr
    printed = cluster.client(COMES_BACK.replace("nb =", "import raylab\nfrom raylab.compat import epyc\nnb =", 1))
    assert "results available (" in printed
