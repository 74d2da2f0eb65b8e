"""What a lab takes a submission for, and what it says of that: by several processes, with real results."""

from __future__ import annotations

import pytest
from clusters import Cluster
from parts import REFUSED

pytestmark = pytest.mark.ray

SAID = """
import json, os, warnings
def said(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = call()
    return made, [str(each.message) for each in caught], [each.filename for each in caught]
"""


def _dedent(code: str) -> str:
    lines = code.splitlines()
    return "\n".join(line[4:] if line.startswith("    ") else line for line in lines)


FRAME = """
import pandas as pd
def fit(scale):
    return {"mean": float(measured["v"].mean()) * scale}
measured = pd.DataFrame({"v": values})
measured.describe()
lab = raylab.Lab(name)
sweep, told, where = said(lambda: lab.submit(fit, {"scale": [1, 2]}, seed=1))
assert sweep.wait(timeout=150, progress=False)
print(json.dumps([sweep.name, told, sweep.results().sort("scale")["mean"].to_list()]))
"""


@pytest.mark.long
def test_another_value_of_a_frame_is_another_sweep_and_a_line_says_so(cluster: Cluster, common_lab: str) -> None:
    import json

    def run(values: list[float], fresh: bool = False) -> list[object]:
        said = cluster.client(SAID + FRAME, name=common_lab, values=values, fresh=fresh)
        return json.loads(said.splitlines()[-1])

    assert run([1.0, 2.0, 3.0]) == ["fit", [], [2.0, 4.0]]
    assert run([1.0, 2.0, 3.0], fresh=True) == ["fit", [], [2.0, 4.0]]
    name, (told,), means = run([100.0, 200.0, 300.0])
    assert (name, means) == ("fit-2", [200.0, 400.0])
    assert told == (
        "'fit-2' is another sweep than 'fit': global measured: its value has changed; "
        "if that does not matter: ignore=('measured',)"
    )
    assert run([100.0, 200.0, 300.0]) == ["fit-2", [], [200.0, 400.0]]


def test_a_runtime_env_is_heard_word_for_word(cluster: Cluster, common_lab: str, tmp_path_factory) -> None:
    script = """
    import pathlib, sys
    os.chdir(folder)
    pathlib.Path("table.csv").write_text("35")
    pathlib.Path("plug.py").write_text("TWO = 2")
    def read(x):
        import importlib, pathlib, sys
        there = pathlib.Path(sys.path[0], "table.csv")
        plug = importlib.import_module("plug").TWO
        return {"y": x * int(there.read_text()) * plug, "a": os.environ.get("A")}
    lab = raylab.Lab(name)
    axes = {"x": [1, 2]}
    here = {"working_dir": ".", "env_vars": {"A": "1"}}
    sweep, told, _ = said(lambda: lab.submit(read, axes, name="here", runtime_env=here))
    assert told == [] and sweep.wait(timeout=150, progress=False)
    rows = sweep.results().sort("x")
    assert rows["y"].to_list() == [70, 140] and rows["a"].to_list() == ["1", "1"], rows
    assert sweep.info()["runtime_env"] == {"env_vars": {"A": "1"}}
    assert lab.submit(read, axes, name="here", runtime_env=here).name == "here"
    with refused(raylab.SweepExists, "environment env_vars A: its value has changed"):
        lab.submit(read, axes, name="here", runtime_env={**here, "env_vars": {"A": "2"}})
    pathlib.Path("table.csv").write_text("36")
    with refused(raylab.SweepExists, "file table.csv: changed", "ignore=('table.csv',)"):
        lab.submit(read, axes, name="here", runtime_env=here)
    assert lab.submit(read, axes, name="here", runtime_env=here, ignore="table.csv").name == "here"
    for bad, words in (
        ({"pipp": ["scipy"]}, ["'pipp'", "'pip'"]),
        ({"working_dir": "s3://bucket/code.zip"}, ["working_dir", "address"]),
        ({"working_dir": "nowhere"}, ["working_dir", "nowhere", "not there"]),
        ({"py_modules": ["https://example.org/x.zip"]}, ["py_modules", "address"]),
        ({"excludes": ["*.tmp"]}, ["excludes"]),
        ("pip", ["runtime_env is a dict"]),
    ):
        with refused(raylab.DesignError, *words):
            lab.submit(read, axes, name="bad", runtime_env=bad)
    assert "bad" not in lab.sweeps()["name"]
    """
    folder = tmp_path_factory.mktemp("project")
    cluster.client(SAID + REFUSED + _dedent(script), name=common_lab, folder=str(folder), fresh=True)


def test_what_the_job_brought_does_not_travel_and_that_is_told_once(
    cluster: Cluster, common_lab: str, tmp_path_factory
) -> None:
    script = """
    import ray
    os.chdir(folder)
    ray.init(address=os.environ["RAY_ADDRESS"], runtime_env={"working_dir": ".", "env_vars": {"A": "1"}})
    lab = raylab.Lab(name)
    def look(x):
        return {"a": os.environ.get("A")}
    sweep, told, where = said(lambda: lab.submit(look, {"x": [1]}, name="one"))
    assert len(told) == 1 and "working_dir of this process's job" in told[0], told
    assert "ray" not in where[0].rpartition("/")[2], where
    assert said(lambda: lab.submit(look, {"x": [1]}, name="two"))[1] == []
    assert sweep.wait(timeout=150, progress=False) and sweep.results()["a"].to_list() == ["1"]
    """
    folder = tmp_path_factory.mktemp("project")
    cluster.client(SAID + _dedent(script), name=common_lab, folder=str(folder), fresh=True)
