"""A disk that lost something, a lab that says so, and the way out: salvage, attach to that, submit again."""

from __future__ import annotations

from pathlib import Path

import pytest
from clusters import Cluster, answer

import raylab
from raylab.terminal.command import main

SUBMIT = """
import json
def halved(x, seed):
    return {"half": x / 2, "drawn": seed}
lab = raylab.Lab(lab)
for name in ("sick", "well"):
    assert lab.submit(halved, {"x": range(40)}, name=name, seed=1).wait(timeout=150)
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

HEAL = """
import json

# The same experiment; where it stands in this script makes its pickle another one.
def halved(x, seed):
    return {"half": x / 2, "drawn": seed}

try:
    raylab.Lab(lab, notebook=new)
except raylab.NameRefused as error:
    assert f"raylab shutdown {lab}" in str(error), error
else:
    raise AssertionError("the lab is at work on another notebook")
raylab.Lab(lab).shutdown(force=True)
lab = raylab.Lab(lab, notebook=new)
assert lab.info()["notebook"] == new
said = lab.progress("sick")
assert said.state == "paused" and "submit the sweep again as it was" in said.reason, said
assert lab.update_results("sick") == 0
sweep = lab.submit(halved, {"x": range(40)}, name="sick", seed=1)
assert sweep.name == "sick"
assert sweep.wait(timeout=150)
assert sweep.number_of_results() == sweep.update_results() == 40
rows = sweep.results(metadata=True).sort("x")
assert sorted(rows["_seq"]) == list(range(40))
assert rows["half"].to_list() == [x / 2 for x in range(40)]
assert rows["drawn"].to_list() == lab.results("well").sort("x")["drawn"].to_list()
"""


@pytest.mark.long  # what it shows, tests/notebook/test_salvage.py and tests/server/test_known_labs.py show by default
def test_damaged_results_and_code_are_said_salvaged_and_run_again(
    cluster: Cluster, lab_name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.client(SUBMIT, lab=lab_name)
    root: Path = cluster.home / lab_name
    (part,) = (root / "sweeps/sick").glob("*.arrow")
    part.write_bytes(b"")
    for path in (root / "code").iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    reason = answer(cluster.client(LOOK, lab=lab_name))
    assert part.name in reason
    assert "`raylab copy OLD NEW --salvage`" in reason

    assert main(["verify", str(root)]) == 1
    assert part.name in capsys.readouterr().out
    new = tmp_path / "new"
    assert main(["copy", str(root), str(new), "--salvage"]) == 0
    assert "the sweeps concerned are paused" in capsys.readouterr().out
    assert main(["verify", str(new)]) == 0

    cluster.client(HEAL, lab=lab_name, new=str(new))
    assert raylab.Notebook(new).verify().is_empty()
    assert raylab.Notebook(new).results("sick").height == 40
