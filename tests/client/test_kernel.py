"""In a real kernel, without ipywidgets: cards, one output that is drawn again, a bar, no warning. No Ray runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

STORY = (
    "import sys\nsys.modules['ipywidgets'] = None\nimport raylab\nraylab.Lab",
    "import tqdm.auto, ray",
    "opened = raylab.testing.lab('shown')\nlab = opened.__enter__()",
    "sweep = lab.submit(lambda x: x, {'x': range(30)}, name='numbers')\nsweep.watch()",
    "sweep.wait()",
    "lab.watch()",
    "sweep",
    "lab",
    "sweep.progress()",
    "sweep.design",
    "raylab.Notebook(lab.info()['notebook'])",
    """
import os, signal, threading
import raylab.client.waiting as waiting

def held(x):
    import time
    time.sleep(600)

ends = waiting.is_over

def looked(sweeps, left):
    waiting.is_over = ends
    threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT]).start()
    return ends(sweeps, left)

waiting.is_over = looked
lab.submit(held, {"x": [1, 2]}, name="held").watch()
""",
    "6 * 7",
    "sweep.watch(plot=True)",
    "sweep.plot()",
)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What each cell left there, by its source."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in STORY])
    kernel = NotebookClient(notebook, timeout=100, kernel_name="python3", shutdown_kernel="immediate")
    kernel.execute(
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}, cwd=str(tmp_path_factory.mktemp("kernel"))
    )
    return {cell.source: cell.outputs for cell in notebook.cells}


def streams(some: list[Any]) -> str:
    return "".join(each["text"] for each in some if each.output_type == "stream")


def test_nothing_warns_and_nothing_fails(outputs: dict[str, list[Any]]) -> None:
    said = "".join(map(streams, outputs.values()))
    assert [word for word in ("Warning", "ipywidgets", "IProgress") if word in said] == []
    assert [each for some in outputs.values() for each in some if each.output_type == "error"] == []


def test_a_plot_is_a_chart_that_front_ends_draw_themselves_beside_a_picture(outputs: dict[str, list[Any]]) -> None:
    card, live = outputs["sweep.watch(plot=True)"]
    (plain,) = outputs["sweep.plot()"]
    assert "text/html" in card["data"]
    for each in (live, plain):
        assert set(each["data"]) == {"application/vnd.vegalite.v5+json", "image/png", "text/plain"}
        assert len(next(iter(each["data"]["application/vnd.vegalite.v5+json"]["datasets"].values()))) == 30
        assert each["metadata"]["image/png"]["width"] > 300


def test_watching_draws_one_output_again_until_all_is_in(outputs: dict[str, list[Any]]) -> None:
    (one,) = outputs[STORY[3]]
    assert one.output_type == "display_data"
    for kind in ("text/plain", "text/html"):
        assert "30 of 30 trials" in one.data[kind]
    (table,) = outputs["lab.watch()"]
    assert "30/30" in table.data["text/html"]
    assert "30/30" in streams(outputs["sweep.wait()"]), "there is a bar without widgets"


@pytest.mark.parametrize(
    ("cell", "word"),
    [
        ("sweep", "numbers"),
        ("lab", "numbers"),
        ("sweep.progress()", "30 of 30"),
        ("sweep.design", "Factorial"),
        (STORY[10], "numbers"),
    ],
)
def test_what_stands_at_the_end_of_a_cell_shows_itself(outputs: dict[str, list[Any]], cell: str, word: str) -> None:
    (shown,) = outputs[cell]
    assert shown.output_type == "execute_result"
    assert word in shown.data["text/html"]
    assert word in shown.data["text/plain"]


def test_the_stop_button_leaves_the_card_and_one_quiet_line(outputs: dict[str, list[Any]]) -> None:
    found = outputs[STORY[11]]
    (card,) = [each for each in found if each.output_type == "display_data"]
    assert "sweep held of lab shown: running" in card.data["text/plain"]
    assert streams(found) == "raylab: interrupted; nothing was cancelled: of 'held' 0 of 2 trials are ready (0%)\n"
    assert outputs[STORY[12]][0].data["text/plain"] == "42", "the next cell runs"
