"""From Jupyter: cells in a real kernel."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import nbformat
import pytest
from clusters import Cluster, eventually
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

import raylab

STORY = Path(__file__).parents[2] / "examples" / "disconnected.ipynb"


@pytest.fixture
def lab_name(common_lab: str) -> str:
    """One lab has the sweeps of all these tests."""
    return common_lab


def run_cells(cluster: Cluster, *cells: str) -> list[str]:
    """Run cells in a kernel of their own, which ends with the last; what each printed."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    kernel = NotebookClient(notebook, timeout=150, kernel_name="python3", shutdown_kernel="immediate")
    kernel.execute(env={**cluster.environment(), "RAY_ADDRESS": cluster.address})
    return [
        "".join(_said(output.get("text", "")) for output in cell.outputs if output.output_type == "stream")
        for cell in notebook.cells
    ]


def _said(text: str) -> str:
    """Without what a raylet of a busy machine says to all its clients."""
    return "".join(line for line in text.splitlines(keepends=True) if "(raylet)" not in line)


def test_define_submit_end_the_kernel_and_come_back(cluster: Cluster, lab_name: str) -> None:
    run_cells(
        cluster,
        "import raylab\nSCALE = 2\ndef helper(x):\n    return SCALE * x",
        "def experiment(x, seed):\n    return {'y': helper(x), 'seed_was': seed}",
        f"lab = raylab.Lab({lab_name!r})\nlab['x'] = range(100)\nlab.submit(experiment, name='cells')",
    )
    said = run_cells(
        cluster,
        f"import raylab\nlab = raylab.Lab({lab_name!r}, create=False)\nlab.wait('cells', timeout=150)",
        "rows = lab.results('cells')\nprint(rows.height, (rows['y'] == 2 * rows['x']).all())",
        "print(lab.update_results('cells'), lab.update_results('cells'))",
    )
    assert said[1:] == ["100 True\n", "100 0\n"]


@pytest.mark.long
def test_run_the_cell_see_the_error_fix_the_function_run_the_cell_again(cluster: Cluster, lab_name: str) -> None:
    submit = "sweep = lab.submit(fit, {'x': range(20)}, name='fit'); print(sweep.wait(timeout=150, progress=False))"
    refused = (
        "try:\n    lab.submit(fit, {'x': range(20)}, name='fit')\nexcept raylab.SweepExists as error:\n    print(error)"
    )
    said = run_cells(
        cluster,
        f"import raylab\nlab = raylab.Lab({lab_name!r})",
        "def fit(x):\n    return {'y': x / nothing}",
        submit,
        "print(sweep.progress().failed, sweep.failures()['_error'][0])",
        "def fit(x):\n    return {'y': x / 2}",
        submit,
        "print(sweep.results().height, sweep.failures().height, sweep.update_results())",
        submit + "\nprint(lab.sweeps().filter(name='fit').height)",
        "def fit(x):\n    return {'y': x / 3}",
        refused,
        "print(lab.submit(fit, {'x': range(20)}).name)",
        "print(lab.submit(fit, {'x': range(20)}).name, lab.wait(timeout=150, progress=False))",
    )
    assert said[2:4] == ["True\n", "20 NameError: name 'nothing' is not defined\n"]
    assert said[5].endswith("True\n") or said[5].startswith("True\n")  # two streams, in either order
    assert (
        "'fit' takes the place of the one before, of which nothing was done and something failed: function fit"
        in said[5]
    )
    assert said[6:8] == ["20 0 20\n", "True\n1\n"]
    assert "function fit: its source has changed" in said[9]
    assert "fit-2\n" in said[10]
    assert "'fit-2' is another sweep than 'fit': function fit: its source has changed" in said[10]
    assert said[11:] == ["fit-2 True\n"]


@pytest.mark.long
def test_interrupting_a_wait_shows_one_line_and_no_page_of_traceback(cluster: Cluster, lab_name: str) -> None:
    """As the stop button does: the kernel gets an interrupt, the cell ends with KeyboardInterrupt."""
    submit = (
        "import os, threading, time, signal, raylab, raylab.client.waiting as waiting\n"
        "def held(x):\n    time.sleep(600)\n"
        f"lab = raylab.Lab({lab_name!r})\nsweep = lab.submit(held, {{'x': range(3)}})\n"
        "ends = waiting.is_over\n"
        "def looked(sweeps, left):\n"
        "    threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT]).start()\n"
        "    waiting.is_over = ends\n"
        "    return ends(sweeps, left)\n"
        "waiting.is_over = looked"
    )
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in (submit, "sweep.wait(progress=False)")]
    )
    kernel = NotebookClient(notebook, timeout=150, kernel_name="python3", shutdown_kernel="immediate")
    with pytest.raises(CellExecutionError):
        kernel.execute(env={**cluster.environment(), "RAY_ADDRESS": cluster.address})
    outputs = notebook.cells[1].outputs
    said = "".join(_said(each["text"]) for each in outputs if each.output_type == "stream").splitlines()
    assert said == ["raylab: interrupted; nothing was cancelled: of 'held' 0 of 3 trials are ready (0%)"]
    (error,) = [each for each in outputs if each.output_type == "error"]
    assert error.ename == "KeyboardInterrupt"
    shown = "\n".join(error.traceback)
    assert "site-packages" not in shown
    assert shown.count("\n") < 25, shown
    cluster.client("raylab.Lab(name).cancel('held')", name=lab_name)


# the example --------------------------------------------------------------------------------------------------------


@pytest.mark.timeout(400)  # two kernels, each of which attaches and draws a picture: half a minute on a quiet machine
def test_the_example_goes_on_where_its_kernel_was_killed(cluster: Cluster, tmp_path: Path, gate: Path) -> None:
    """Its kernel is killed while the sweep runs, and it is run again from the top: no trial runs twice."""
    ran = tmp_path / "ran"
    story = nbformat.read(STORY, as_version=4)
    nbformat.validate(story)
    assert [cell for cell in story.cells if cell.get("outputs") or cell.get("execution_count")] == []
    (experiment,) = [cell for cell in story.cells if "def walk(p, steps, rng):" in cell.source]
    noted = RECORDING.format(ran=str(ran), gate=str(gate))
    experiment.source = experiment.source.replace("rng):", "rng, seed):").replace("    place =", f"{noted}    place =")
    env = {**cluster.environment(), "RAY_ADDRESS": cluster.address}

    def ready() -> int:
        return raylab.Notebook(cluster.home / "disconnected").progress("walks").ready

    def kill_in_the_middle(cell: Any, cell_index: int) -> None:
        def kill() -> None:
            eventually(ready, timeout=100)
            os.kill(first.km.provisioner.pid, signal.SIGKILL)

        if cell.source == "sweep.watch()":
            threading.Thread(target=kill).start()

    first = NotebookClient(
        nbformat.from_dict(story), timeout=110, kernel_name="python3", on_cell_execute=kill_in_the_middle
    )
    with pytest.raises(DeadKernelError):
        first.execute(env=env)
    assert 0 < ready() < 440, "in the middle"
    gate.touch()

    second = nbformat.from_dict(story)
    NotebookClient(second, timeout=110, kernel_name="python3", shutdown_kernel="immediate").execute(env=env)
    outputs = [each for cell in second.cells for each in cell.get("outputs", ())]
    assert [each for each in outputs if each.output_type == "error"] == []
    rows = raylab.Notebook(cluster.home / "disconnected").results("walks", metadata=True)
    assert rows.height == 660
    assert rows["_attempt"].to_list() == [1] * rows.height
    assert sorted(map(int, ran.read_text().split())) == sorted(rows["_seed"]), "each ran once, and no other"
    cards = [each.data["text/plain"] for each in outputs if "text/html" in each.get("data", {})]
    assert "660 of 660 trials" in cards[-1]


RECORDING = """    import os, time
    with open({ran!r}, "a") as file:
        file.write(f"{{seed}}\\n")
    while os.path.getsize({ran!r}) > 1_000 and not os.path.exists({gate!r}):
        time.sleep(0.02)
"""
"""What makes a trial note that it runs, and those after the first ones wait for a gate."""
