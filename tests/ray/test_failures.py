"""Failures by cause on a cluster, where trials also die with their process: from a handle, a name, the command and the
notebook; of code that lies in a folder of its own in each worker; and from a lab that was killed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from clusters import Cluster

import raylab

MODULE = '''
import os

def fit(x, mark):
    """Finds a fit, or does not."""
    if not os.path.exists(mark):
        return {"y": x}
    if x == 7:
        os._exit(3)
    if x % 4 == 0:
        raise ValueError(f"no fit at {x}")
    return {"y": x}
'''


@pytest.mark.long  # by default: tests/server/test_failures.py
def test_why_trials_failed_is_told_from_a_handle_a_name_the_command_and_the_notebook(
    cluster: Cluster, common_lab: str, tmp_path: Path
) -> None:
    (tmp_path / "fits_of_tests.py").write_text(MODULE)
    mark = tmp_path / "mark"
    mark.touch()
    script = """
    import os, sys
    sys.path.insert(0, folder)
    from fits_of_tests import fit
    lab = raylab.Lab(name)
    sweep = lab.submit(fit, {"x": range(40), "mark": [mark]}, name="fits", seed=1)
    assert sweep.wait(timeout=150)
    why = sweep.failures(by="cause")
    assert why["count"].to_list() == [10, 1] and why["statuses"].to_list() == [["failed"], ["crashed"]], why.rows()
    assert why.row(0)[:4] == ("ValueError", "no fit at #", "fits_of_tests.py:11", None), why.row(0)
    assert why["example"][0] == "no fit at 0" and why["rerun"].to_list() == ["sweep.rerun(0)", "sweep.rerun(7)"]
    assert "process died while" in why["message"][1] and "worker-" not in why["message"][1], why["message"][1]
    assert lab.sweep("fits").failures(by="cause").equals(why)

    os.kill(lab.info()["pid"], 9)
    (status,) = lab._client.overview("fits")
    assert [(each.cause.type, each.count) for each in status.causes] == [("ValueError", 10), ("", 1)], status
    os.remove(mark)
    assert sweep.retry() == 11 and sweep.wait(timeout=150)
    assert sweep.failures(by="cause").is_empty() and not lab._client.overview("fits")[0].causes
    open(mark, "w").close()
    assert sweep.extend({"x": range(40, 60), "mark": [mark]}) == 20 and sweep.wait(timeout=150)
    """
    cluster.client(_dedent(script), name=common_lab, mark=str(mark), folder=str(tmp_path))

    def command(*words: str) -> str:
        done = cluster.command(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    found = json.loads(command("failures", common_lab, "fits", "--by", "cause", "--json"))
    assert [(each["type"], each["count"], each["_point"]) for each in found] == [("ValueError", 5, 40)]
    assert command("failures", common_lab, "fits", "--by", "cause").startswith("5  ValueError: no fit at #\n")
    assert "5 failed, the first with ValueError: no fit at" in command("status", common_lab, "fits")
    (row,) = raylab.Notebook(cluster.home / common_lab).failures("fits", by="cause").to_dicts()
    assert (row["count"], row["rerun"]) == (5, "notebook.rerun('fits', 40)")


def _dedent(script: str) -> str:
    return "\n".join(line[4:] if line.startswith("    ") else line for line in script.splitlines()) + "\n"
