"""The public face is the contract's: names, signatures, and nothing paid for before it is used."""

from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys
from typing import Any

import pytest

import raylab
from raylab import (
    Design,
    Experiment,
    Factorial,
    Lab,
    LatinHypercube,
    Notebook,
    Points,
    Progress,
    Random,
    Sobol,
    Sweep,
)

LAB = {
    "__init__": "name, *, address=None, notebook=None, create=True",
    "submit": (
        "experiment, design=None, *, name=None, repeats=1, seed=None, order='random', description='', units=None, "
        "notify=None, if_exists='fail', retries=0, time_limit=None, priority=0, max_concurrency=None, "
        "max_failures=None, capture='failed', ignore=(), num_cpus=1, num_gpus=0, memory=None, grow=None, "
        "resources=None, ray_remote_args=None, runtime_env=None, include=()"
    ),
    "sweep": "name",
    "sweeps": "*, archived=False",
    "results": "name=None, *, status='done', metadata=False, table=None, columns=None",
    "scan": "name=None, *, status='done', metadata=False, table=None, columns=None",
    "query": (
        "function, name=None, *, status='done', metadata=False, table=None, columns=None, memory=None, timeout=600.0"
    ),
    "update_results": "name=None",
    "number_of_results": "name=None",
    "ready": "name=None",
    "ready_fraction": "name=None",
    "progress": "name=None",
    "wait": "name=None, *, timeout=None, progress=True",
    "watch": "name=None, *, timeout=None",
    "pause": "name",
    "resume": "name",
    "cancel": "name",
    "archive": "name, *, undo=False",
    "remove": "name",
    "info": "",
    "notify": "to",
    "shutdown": "*, force=False",
    "__setitem__": "axis, levels",
    "__getitem__": "axis",
}
SWEEP = {
    "info": "",
    "progress": "",
    "ready": "",
    "ready_fraction": "",
    "number_of_results": "",
    "update_results": "",
    "wait": "*, timeout=None, progress=True",
    "watch": "*, timeout=None, plot=False",
    "results": "*, status='done', metadata=False, table=None, columns=None",
    "scan": "*, status='done', metadata=False, table=None, columns=None",
    "query": "function, *, status='done', metadata=False, table=None, columns=None, memory=None, timeout=600.0",
    "to_xarray": "",
    "failures": "*, by=None",
    "summary": "of=None, *, by=None, confidence=0.95",
    "plot": "x=None, y=None, color=None, facet=None",
    "log": "point, repeat=0, *, attempt=None",
    "warnings": "",
    "updates": "*, since=0, timeout=None",
    "rerun": "point, repeat=0, *, code=None, debugger=False",
    "extend": "design=None, *, repeats=None",
    "retry": "*, status=('failed', 'crashed', 'timed_out')",
    "change": "**policy",
    "pause": "",
    "resume": "",
    "cancel": "",
    "lock": "",
    "archive": "*, undo=False",
    "remove": "",
}
NOTEBOOK = {
    "__init__": "path",
    "sweeps": "*, archived=False",
    "results": "name=None, *, status='done', metadata=False, table=None, columns=None",
    "scan": "name=None, *, status='done', metadata=False, table=None, columns=None",
    "progress": "name=None",
    "to_xarray": "name=None",
    "failures": "name=None, *, by=None",
    "summary": "name=None, of=None, *, by=None, confidence=0.95",
    "plot": "name=None, *, x=None, y=None, color=None, facet=None",
    "warnings": "name=None",
    "rerun": "name=None, point=None, repeat=0, *, code=None, debugger=False",
    "info": "name=None",
    "log": "name=None, point=None, repeat=0, *, attempt=None",
    "verify": "",
    "copy": "place, *, salvage=False",
    "crate": (
        "place, *, sweeps=None, title=None, description=None, licence=None, authors=(), diff=False, env_vars=False"
    ),
}
EXPERIMENT = {"set_up": "params", "do": "params", "tear_down": ""}
PROGRESS = {"total", "done", "failed", "cancelled", "running", "waiting", "retrying", "by_status", "eta_s"}
PROGRESS |= {"state", "reason", "ready", "ready_fraction", "rate", "nodes"}
VERBS = [
    (kind, name, words)
    for kind, table in ((Lab, LAB), (Sweep, SWEEP), (Notebook, NOTEBOOK), (Experiment, EXPERIMENT))
    for name, words in table.items()
]


def words_of(function: Any) -> str:
    """The parameters without self and types."""
    parameters = [p.replace(annotation=p.empty) for p in inspect.signature(function).parameters.values()]
    return str(inspect.Signature([p for p in parameters if p.name != "self"]))[1:-1]


def test_every_name_of_the_face_is_there() -> None:
    for name in raylab.__all__:
        assert getattr(raylab, name) is not None
    assert sorted(raylab.__all__) == dir(raylab)
    assert {"Lab", "Sweep", "Progress", "Notebook", "Factorial", "Points", "Experiment", "labs"} <= {*raylab.__all__}
    assert set(raylab.errors.__all__) <= set(raylab.__all__)


def test_what_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'raylab' has no attribute 'Labs'"):
        raylab.Labs  # noqa: B018  # the look itself is the test
    assert not hasattr(raylab, "Replicates")


def test_each_thing_comes_from_where_it_is_made() -> None:
    for name in raylab.__all__:
        thing = getattr(raylab, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert thing.__module__ == raylab._HOMES[name]


@pytest.mark.parametrize(("kind", "name", "words"), VERBS, ids=[f"{kind.__name__}.{name}" for kind, name, _ in VERBS])
def test_the_verbs_take_what_the_contract_says(kind: type, name: str, words: str) -> None:
    assert words_of(getattr(kind, name)) == words


@pytest.mark.parametrize(("kind", "name", "words"), VERBS, ids=[f"{kind.__name__}.{name}" for kind, name, _ in VERBS])
def test_the_verbs_are_documented(kind: type, name: str, words: str) -> None:
    assert (kind if name == "__init__" else getattr(kind, name)).__doc__ or name == "__getitem__"


@pytest.mark.parametrize(
    ("kind", "verbs", "more"),
    [
        (Lab, LAB, set()),
        (Sweep, SWEEP, {"design"}),
        (Notebook, NOTEBOOK, set()),
        (Experiment, EXPERIMENT, {"seed", "rng"}),
    ],
)
def test_there_is_nothing_else(kind: type, verbs: dict[str, str], more: set[str]) -> None:
    """A public name is a promise: it is in the contract, or it is not public."""
    assert {name for name in dir(kind) if not name.startswith("_")} == {v for v in verbs if v[0] != "_"} | more


def test_labs_lists_the_labs_of_a_cluster() -> None:
    assert words_of(raylab.labs) == "address=None, *, archived=False"


def test_the_first_points_run_here() -> None:
    assert words_of(raylab.run_here) == "experiment, design, *, n=3, seed=None, repeats=1, metadata=False"


def test_progress_has_the_contracts_numbers_and_is_frozen() -> None:
    assert {name for name in dir(Progress) if not name.startswith("_")} >= PROGRESS
    with pytest.raises(dataclasses.FrozenInstanceError):
        Progress.of([]).total = 3  # type: ignore[misc]


@pytest.mark.parametrize("kind", [Factorial, Points])
def test_designs_take_columns_by_position_or_by_name_whatever_they_are_called(kind: type[Design]) -> None:
    first, more = inspect.signature(kind).parameters.values()
    assert (first.kind, first.default) == (first.POSITIONAL_ONLY, None)
    assert more.kind == more.VAR_KEYWORD
    design = kind({"self": [1, 2]}, axes=[3, 4], rows=[5, 6])
    assert tuple(design.parameters) == ("self", "axes", "rows")
    assert len(design) == design.size
    assert list(design)[:1] == design.head(1) == [design[0]]


@pytest.mark.parametrize("kind", [Sobol, LatinHypercube, Random])
def test_sampled_designs_take_a_number_and_ranges_whatever_they_are_called(kind: type[Design]) -> None:
    n, ranges, more = inspect.signature(kind).parameters.values()
    assert (n.kind, ranges.kind, ranges.default, more.kind) == (
        n.POSITIONAL_ONLY,
        n.POSITIONAL_ONLY,
        None,
        n.VAR_KEYWORD,
    )
    design = kind(4, {"self": (0, 1), "two words": (0, 1)}, n=(0, 1), ranges=(2, 3)).seeded(1)  # type: ignore[call-arg]
    assert list(design[0]) == ["self", "two words", "n", "ranges"]


def test_a_lab_is_no_collection() -> None:
    assert Lab.__iter__ is None
    assert not hasattr(Lab, "__len__")


def loaded_after(code: str) -> set[str]:
    """What a fresh process has loaded after it."""
    script = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


def test_to_import_raylab_loads_nothing_of_it_and_no_dependency() -> None:
    loaded = loaded_after("import raylab")
    assert {name for name in loaded if name.startswith("raylab")} == {"raylab"}
    assert not {"numpy", "polars", "pyarrow", "ray", "tqdm"} & loaded


def test_a_name_of_the_face_loads_its_home_only() -> None:
    loaded = loaded_after("import raylab; raylab.LabBusy, raylab.Experiment")
    assert "raylab.worker.experiment" in loaded
    assert not {"raylab.lab", "numpy", "polars", "pyarrow", "ray", "tqdm"} & loaded
