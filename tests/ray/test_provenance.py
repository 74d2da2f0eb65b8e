"""Where rows come from, on a real cluster: from a handle, a name and the command; workers with other packages."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from clusters import Client, Cluster

import raylab
from raylab.worker.environment import environment

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")

SUBMIT = """
import json, sys
sys.path.insert(0, project)
import raylab
from of_another_project import trial
lab = raylab.Lab(name)
sweep = lab.submit(trial, {"x": range(8)}, name="origins", if_exists="continue")
assert sweep.wait(timeout=150, progress=False)
print(json.dumps(sweep.info(), default=str))
"""


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=ada", "-c", "user.email=ada@example.org"]
    done = subprocess.run(["git", *who, "-C", folder, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def project(folder: Path) -> Path:
    """A repository with an experiment."""
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "of_another_project.py").write_text("import numpy as np\n\ndef trial(x):\n    return {'y': x}\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def info(cluster: Cluster, *words: str) -> Any:
    done = cluster.command("info", *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_from_the_handle_the_notebook_and_the_command(cluster: Cluster, common_lab: str, tmp_path: Path) -> None:
    """The first version comes from a driver, the second one over `ray://`."""
    root = project(tmp_path / "project")
    driver, far = cluster.address, cluster.client_address
    with Client(SUBMIT, driver, cwd=tmp_path, env=cluster.environment(), project=str(root), name=common_lab) as client:
        assert client.ended(120) == 0, client.stderr
        first = json.loads(client.stdout.splitlines()[-1])["code"][0]
    assert (first["commit"], first["branch"], first["dirty"]) == (git(root, "rev-parse", "HEAD"), "main", False)
    assert (first["host"], first["python"]) == (platform.node(), platform.python_version())
    assert first["command"].endswith(".py")
    assert first["imports"] == {"numpy": environment().packages["numpy"]}
    (workers,) = first["workers"]
    assert (workers["nodes"], workers["differs"]) == ([platform.node()], [])
    assert workers["packages"]["numpy"] == first["imports"]["numpy"]

    (root / "of_another_project.py").write_text("import numpy as np\n\ndef trial(x):\n    return {'y': x + 1}\n")
    with Client(SUBMIT, far, cwd=tmp_path, env=cluster.environment(), project=str(root), name=common_lab) as client:
        assert client.ended(120) == 0, client.stderr
        _, second = json.loads(client.stdout.splitlines()[-1])["code"]
    assert second["diff"] == git(root, "diff", "HEAD") + "\n"
    (of_lab,) = {info(cluster, common_lab)["notebook"], str(cluster.home / common_lab)}
    notebook = raylab.Notebook(of_lab).info("origins")
    assert [version["diff"] for version in notebook["code"]] == [None, second["diff"]]
    told = info(cluster, common_lab, "origins", "--diff")
    assert json.loads(json.dumps(notebook["code"], default=lambda moment: moment.isoformat())) == told["code"]


@pytest.mark.long
def test_a_worker_with_another_version_of_what_is_imported_is_told_once(
    cluster: Cluster, common_lab: str, tmp_path: Path
) -> None:
    root, old = project(tmp_path / "project"), tmp_path / "old"
    for package in ("numpy", "polars"):
        (old / f"{package}-0.1.dist-info").mkdir(parents=True)
        (old / f"{package}-0.1.dist-info" / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.1\n"
        )
    script = """
    import sys
    sys.path.insert(0, project)
    from of_another_project import trial
    lab = raylab.Lab(name)
    place = {"env_vars": {"PYTHONPATH": old}}
    sweep = lab.submit(trial, {"x": range(8)}, name="apart", runtime_env=place)
    assert sweep.wait(timeout=150, progress=False)
    assert lab.wait("apart", timeout=150) and sweep.wait(timeout=150)
    (workers,) = sweep.info()["code"][0]["workers"]
    assert workers["packages"]["numpy"] == workers["packages"]["polars"] == "0.1"
    assert len(workers["differs"]) == 1, workers["differs"]
    plain = lab.submit(trial, {"x": range(8)}, name="plain")
    assert plain.wait(timeout=150, progress=False)
    assert plain.info()["code"][0]["workers"][0]["differs"] == []
    """
    words = {"project": str(root), "old": str(old), "name": common_lab}
    code = "import raylab\n" + "\n".join(line.removeprefix("    ") for line in script.splitlines())
    with Client(code, cluster.address, env=cluster.environment(), **words) as client:
        assert client.ended(150) == 0, client.stderr
        lines = [line for line in client.stderr.splitlines() if "numpy" in line]
    here = environment().packages["numpy"]
    assert lines == [f"raylab: apart: on {platform.node()} numpy is 0.1, was submitted with {here}"]
