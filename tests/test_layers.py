"""The layers hold: imports run downwards only, inside a layer they run in no circle, each dependency has its homes."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import raylab

ROOT = Path(raylab.__file__).parent

LAYERS = (
    {"errors", "extras"},
    {"core"},
    {"notebook"},
    {"display"},
    {"worker"},
    {"code"},
    {"rerun"},
    {"offline"},
    {"server"},
    {"query"},
    {"client"},
    {"sweep", "trying"},
    {"lab"},
    {"compat"},
    {"pages"},
    {"terminal", "testing"},
)
"""From the bottom, by the first name after `raylab`; a new module has to be given its place here."""

HOMES = {
    "ray": ("raylab.terminal.", "raylab.client.", "raylab.server.", "raylab.worker.ray_internals", "raylab.code."),
    "polars": (
        "raylab.notebook.cube",
        "raylab.notebook.dense",
        "raylab.notebook.failures",
        "raylab.notebook.formula",
        "raylab.notebook.frames",
        "raylab.notebook.inventory",
        "raylab.notebook.named_tables",
        "raylab.notebook.outer",
        "raylab.notebook.crate_rows",
        "raylab.notebook.frame_files",
        "raylab.notebook.row_stream",
        "raylab.notebook.selecting",
        "raylab.notebook.by_point",
        "raylab.notebook.picking",
        "raylab.notebook.point_rows",
        "raylab.notebook.statistics",
        "raylab.offline",
        "raylab.rerun.",
        "raylab.notebook.siblings",
        "raylab.display.variables",
        "raylab.display.plot_columns",
        "raylab.display.plot_means",
        "raylab.display.plot_trials",
        "raylab.display.timeline",
        "raylab.display.durations",
        "raylab.notebook.union",
        "raylab.client.attachment",
        "raylab.client.querying",
        "raylab.query.answer",
        "raylab.query.process",
        "raylab.compat.epyc.table",
        "raylab.client.demands",
        "raylab.client.resting",
        "raylab.client.waiting",
        "raylab.lab",
        "raylab.sweep",
        "raylab.trying",
        "raylab.terminal.export",
        "raylab.terminal.cells",
        "raylab.terminal.gathering",
        "raylab.terminal.narrowing",
        "raylab.terminal.sheet",
        "raylab.terminal.text_files",
    ),
    "altair": ("raylab.display.charts",),
    "vl_convert": ("raylab.display.charts",),
    "xlsxwriter": ("raylab.terminal.sheet",),
    "h5netcdf": ("raylab.terminal.netcdf",),
    "threadpoolctl": ("raylab.worker.threads",),
    "pathspec": ("raylab.code.named_files",),
    "psutil": ("raylab.terminal.processes", "raylab.terminal.network", "raylab.query.host"),
    "h5py": ("raylab.compat.epyc.files",),
    "pandas": ("raylab.compat.epyc.table",),
    "xarray": ("raylab.notebook.xarrays",),
    "tqdm": ("raylab.client.bar",),
    "IPython": ("raylab.client.kernel",),
    "rich": ("raylab.terminal.board", "raylab.terminal.live"),
    "argcomplete": ("raylab.terminal.completion",),
    "jinja2": ("raylab.display.html",),
    "markupsafe": ("raylab.display.html", "raylab.display.page"),
    "starlette": ("raylab.pages.board",),
    "uvicorn": ("raylab.pages.serving",),
    "yaml": ("raylab.notebook.crate",),
    "scipy": ("raylab.core.scipy_stats", "raylab.notebook.statistics"),
    "packaging": ("raylab.core.authors",),
    "pyarrow": ("raylab.notebook.", "raylab.worker.batch", "raylab.code.frame_digest"),
    "numpy": ("raylab.",),
}

IMPURE = {"asyncio", "logging", "os", "pathlib", "random", "secrets", "socket", "subprocess", "threading", "time"}
"""What the core does without: it gets times and random numbers as arguments."""

NAMED = {"raylab.core.kinds": {"pathlib"}}
"""But for types that are only named: a path may be a level, and none is followed."""


@cache
def modules() -> dict[str, ast.Module]:
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = ("raylab", *path.relative_to(ROOT).with_suffix("").parts)
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return found


def imports(tree: ast.AST) -> Iterator[str]:
    """All that is imported anywhere in it: at the top, in functions, under TYPE_CHECKING."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            for alias in node.names:
                if (node.module, alias.name) == ("raylab", "__version__"):
                    continue  # a constant of the face, which itself imports nothing
                deeper = f"{node.module}.{alias.name}"
                yield deeper if deeper in modules() else node.module


@cache
def arrows() -> frozenset[tuple[str, str]]:
    """Which module of raylab imports which; the face, which points everywhere and imports nothing, left out."""
    found = {(name, to) for name, tree in modules().items() if name != "raylab" for to in imports(tree)}
    return frozenset((name, to) for name, to in found if to in modules())


def layer(module: str) -> int:
    word = module.split(".")[1]
    return next(number for number, words in enumerate(LAYERS) if word in words)


def test_every_module_has_its_layer() -> None:
    words = {name.split(".")[1] for name in modules() if "." in name}
    assert words - set().union(*LAYERS) == set()


def test_imports_run_downwards_only() -> None:
    upwards = [f"{name} -> {to}" for name, to in arrows() if to == "raylab" or layer(to) > layer(name)]
    assert upwards == []


def test_nothing_runs_in_a_circle() -> None:
    todo = {name: {to for start, to in arrows() if start == name} for name in modules()}
    while free := [name for name, needs in todo.items() if not needs & todo.keys()]:
        for name in free:
            del todo[name]
    assert not todo, f"in a circle, or above one: {sorted(todo)}"


def test_no_test_module_imports_another() -> None:
    """pytest has it under a name with its folders: it would be there twice, each with state of its own."""
    tests = Path(__file__).parent.rglob("test_*.py")
    found = [
        (file.name, word)
        for file in tests
        for word in imports(ast.parse(file.read_bytes()))
        if word.startswith("test_")
    ]
    assert found == []


@pytest.mark.parametrize("name", sorted(name for name in modules() if name != "raylab"))
def test_each_dependency_stays_in_its_homes(name: str) -> None:
    for top in {word.split(".")[0] for word in imports(modules()[name])} - {"raylab"} - sys.stdlib_module_names:
        assert top in HOMES, f"{name} imports {top}, which is no dependency of raylab"
        assert any(name == home or (home[-1] == "." and name.startswith(home)) for home in HOMES[top]), (
            f"{name} imports {top}, whose homes are {', '.join(HOMES[top])}"
        )


@pytest.mark.parametrize("name", sorted(name for name in modules() if name.startswith("raylab.core")))
def test_the_core_touches_no_clock_no_disk_and_no_chance(name: str) -> None:
    assert {word.split(".")[0] for word in imports(modules()[name])} & IMPURE == NAMED.get(name, set())


def test_the_face_imports_nothing_when_it_is_imported() -> None:
    body = [node for node in modules()["raylab"].body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert {word for node in body for word in imports(node)} == {"__future__", "typing"}


@pytest.mark.parametrize(
    "folder",
    ["core", "compat", "notebook", "worker", "code", "rerun", "server", "query", "client", "pages", "terminal"],
)
def test_a_folder_itself_says_only_what_it_is(folder: str) -> None:
    body = modules()[f"raylab.{folder}"].body
    assert ast.get_docstring(modules()[f"raylab.{folder}"])
    assert len(body) == 1


# what a fresh process pays ------------------------------------------------------------------------------------------


def loaded_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


def ours(loaded: set[str]) -> set[str]:
    return {name for name in loaded if name.startswith("raylab.")}


def test_a_worker_loads_no_more_than_ray_and_arrow_bring_themselves() -> None:
    """`ray.cloudpickle` brings all of ray, and that brings tqdm and psutil; a worker process has them anyway."""
    worker = loaded_after("import raylab.worker.lease")
    given = loaded_after("import ray, numpy, pyarrow")
    tops = {name.split(".")[0] for name in worker} - {name.split(".")[0] for name in given}
    assert tops - sys.stdlib_module_names <= {"raylab"}
    assert "polars" not in worker
    assert not {"tqdm.auto", "tqdm.notebook"} & worker - given


def test_a_worker_loads_nothing_of_the_lab_or_the_client() -> None:
    worker = ours(loaded_after("import raylab.worker.lease"))
    assert {name.split(".")[1] for name in worker} == {"errors", "extras", "core", "notebook", "worker"}
    assert not {"raylab.core.ledger", "raylab.notebook.frames", "raylab.notebook.writer"} & worker


WITHOUT_PANDAS = """
import sys

class Hidden:
    def find_spec(name, path=None, target=None):
        if name == "pandas":
            raise ImportError(name)

sys.meta_path.insert(0, Hidden)
"""

FIRST_ROWS = """
import numpy as np
from raylab.core.design import Factorial
from raylab.notebook.parameters import Parameters
from raylab.notebook.rows import Trials, wire
one = np.zeros(1, np.int64)
trials = Trials(points=one, repeats=one, seeds=one, started=np.zeros(1), elapsed=np.zeros(1), results=[{"x": 1.0}])
wire(trials, Parameters(Factorial(p=[0.5, 2.0], n=[1, 5], k=range(3))), "node", 1)
"""


def test_a_workers_first_rows_do_without_the_functions_of_arrow() -> None:
    """They take a tenth of a second to load. (Where pandas is installed Arrow loads it, and pandas loads them.)"""
    assert "pyarrow.compute" not in loaded_after(f"{WITHOUT_PANDAS}{FIRST_ROWS}")


def test_the_lab_itself_loads_no_polars() -> None:
    lab = loaded_after("import raylab.server.actor")
    assert "polars" not in lab
    assert not {"raylab.lab", "raylab.sweep", "raylab.client.bar", "raylab.notebook.frames"} & lab


def test_a_client_loads_no_lab() -> None:
    client = ours(loaded_after("import raylab.lab"))
    assert not {"raylab.server.actor", "raylab.server.conductor", "raylab.core.ledger", "raylab.core.queue"} & client


@pytest.mark.parametrize(
    "module", ["errors", "core.ledger", "core.request", "notebook.store", "worker.experiment", "terminal.command"]
)
def test_what_needs_no_dependency_loads_none(module: str) -> None:
    assert not {"numpy", "polars", "pyarrow", "ray", "tqdm"} & loaded_after(f"import raylab.{module}")
