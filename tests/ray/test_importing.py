"""`raylab import`, where a cluster runs."""

from __future__ import annotations

from pathlib import Path

from clusters import Cluster

DATA = Path(__file__).parents[1] / "data" / "epyc"


def test_a_notebook_of_epyc_comes_into_a_new_lab_and_the_same_again_adds_nothing(
    cluster: Cluster, lab_name: str
) -> None:
    for there in ("is there", "was there already"):
        done = cluster.command("import", str(DATA / "notebook.h5"), lab_name)
        assert done.returncode == 0, done.stderr
        assert f"first {there}: 6 results, 1 of them of runs that failed" in done.stdout
        assert done.stdout.count("\n") == 5
        assert "1 pending run of 'arrays' in the file: left out" in done.stderr
    other = cluster.command("import", str(DATA / "notebook-v1.json"), lab_name, "--name", "first")
    assert (other.returncode, other.stdout) == (2, "")
    assert "it is not what" in other.stderr
    retried = cluster.command("retry", lab_name, "first")
    assert retried.returncode == 2
    assert "did not come along" in retried.stderr
    assert cluster.command("import", "nowhere.json", lab_name).returncode == 2
    assert cluster.command("results", lab_name, "first").returncode == 0
