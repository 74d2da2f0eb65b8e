"""Makes the notebooks beside it, with epyc 1.7.2: `python make.py`, where that is installed. raylab does not run it."""

import json
import traceback
from pathlib import Path

import epyc
import numpy as np

told = traceback.format_exc
traceback.format_exc = lambda: told().replace(f"{Path.cwd()}/", "").replace(f"{Path(epyc.__file__).parents[1]}/", "")


class Product(epyc.Experiment):
    def do(self, params):
        if params["k"] == 2 and params["x"] > 2:
            raise ValueError(f"bad {params['x']}")
        return {"y": params["x"] * params["k"], "word": f"v{params['k']}", "big": params["x"] > 1, "half": 0.5}


class Arrays(epyc.Experiment):
    def do(self, params):
        return {"listed": [1, 2, params["x"]], "words": ["a", "b"]}


def fill(nb):
    np.random.seed(1)
    lab = epyc.Lab(nb)
    nb.addResultSet("first", "some words")
    lab["x"], lab["k"] = [1.0, 2.0, 3.0], [1, 2]
    lab.runExperiment(Product())
    lab.deleteAllParameters()
    lab["x"], lab["k"] = range(3), 5
    nb.addResultSet("repeated")
    lab.runExperiment(epyc.RepeatedExperiment(Product(), 4))
    nb.addResultSet("summary")
    lab.runExperiment(epyc.SummaryExperiment(epyc.RepeatedExperiment(Product(), 4), ["y", "half"]))
    nb.addResultSet("arrays")
    lab["k"] = "word"
    lab.runExperiment(Arrays())
    nb.addPendingResult({"x": 7, "k": "word"}, "job-1")
    nb.addResultSet("cancelled")
    nb.addPendingResult({"x": 7}, "job-2")
    nb.cancelPendingResult("job-2")
    nb.commit()


fill(epyc.JSONLabNotebook("notebook.json", create=True, description="of epyc 1.7.2"))
fill(epyc.HDF5LabNotebook("notebook.h5", create=True, description="of epyc 1.7.2"))

results = json.loads(Path("notebook.json").read_text())["resultsets"]["first"]["results"]
by_point = {}
for each in results:
    key = "".join(f"{name}=[[{value}]];" for name, value in each["parameters"].items())
    by_point.setdefault(key, []).append(each)
old = {"description": "old", "pending": {"job-1": "k=[[2]];x=[[9.0]];"}, "results": by_point}
Path("notebook-v1.json").write_text(json.dumps(old, indent=4))  # as epyc before 1.0 wrote them
