"""A disk that lost something, a lab that says so, and the way out: repair, attach again, submit again."""

from __future__ import annotations

from pathlib import Path

import pytest
from clusters import Cluster, answer

import raylab
from raylab.notebook.damage import UNKNOWN_ROWS
from raylab.terminal.command import main

SUBMIT = """
import json
def halved(x, seed):
    return {"half": x / 2, "drawn": seed}
lab = raylab.Lab(lab)
for name in ("sick", "well"):
    assert lab.submit(halved, {"x": range(40)}, name=name, seed=1).wait(timeout=90)
lab.shutdown()
"""

LOOK = """
import json
lab = raylab.Lab(lab)
assert lab.results("well").height == 40
said = lab.progress("sick")
assert (said.state, said.ready) == ("paused", 0), said
print(json.dumps(said.reason))
"""

FENCED = """
lab = raylab.Lab(lab, create=False)
try:
    lab.submit(lambda x: {}, {"x": [1]}, name="new")
except raylab.LabFenced as error:
    assert "raylab repair" in str(error), error
else:
    raise AssertionError("the repair did not take the notebook over")
lab.shutdown(force=True)
"""

HEAL = """
import json

# The same experiment; where it stands in this script makes its pickle another one.
def halved(x, seed):
    return {"half": x / 2, "drawn": seed}

lab = raylab.Lab(lab)
said = lab.progress("sick")
assert said.state == "paused" and "submit the sweep again as it was" in said.reason, said
assert lab.update_results("sick") == 0
sweep = lab.submit(halved, {"x": range(40)}, name="sick", seed=1)
assert sweep.name == "sick"
assert sweep.wait(timeout=90)
assert sweep.number_of_results() == sweep.update_results() == 40
late = [seq for frame in sweep.updates(since=40) for seq in frame["_seq"]]     # a cursor of before
rows = sweep.results(metadata=True).sort("x")
assert sorted(late) == sorted(rows["_seq"])
assert rows["half"].to_list() == [x / 2 for x in range(40)]
assert rows["drawn"].to_list() == lab.results("well").sort("x")["drawn"].to_list()
print(json.dumps(min(late)))
"""


def test_damaged_results_and_code_are_said_repaired_and_run_again(
    cluster: Cluster, lab_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.client(SUBMIT, lab=lab_name)
    root: Path = cluster.home / lab_name
    (part,) = (root / "sweeps/sick").glob("*.arrow")
    part.write_bytes(b"")
    for path in (root / "code").iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    reason = answer(cluster.client(LOOK, lab=lab_name))
    assert part.name in reason
    assert "`raylab repair FOLDER`" in reason

    assert main(["verify", str(root)]) == 1
    assert part.name in capsys.readouterr().out
    assert main(["repair", str(root)]) == 0
    assert "has to be shut down and attached again" in capsys.readouterr().out
    assert main(["verify", str(root)]) == 0

    cluster.client(FENCED, lab=lab_name)
    assert answer(cluster.client(HEAL, lab=lab_name)) >= UNKNOWN_ROWS
    assert raylab.Notebook(root).verify().is_empty()
