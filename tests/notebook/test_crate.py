"""A parcel for the archive: read back by others' programs, whole, and without what is kept back."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import platform
import re
import shutil
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
import yaml
from polars.testing import assert_frame_equal
from rocrate.rocrate import ROCrate
from said import refused
from sweeps import Bench

import raylab
from raylab.core.authors import Author, read_licence
from raylab.core.citation import citation
from raylab.core.crate import METADATA, About
from raylab.core.design import Factorial, Joined, Points
from raylab.core.events import RecordDeath
from raylab.errors import NameRefused, NotebookDamaged, SweepNotFound
from raylab.notebook.rows import METADATA as METADATA_COLUMNS
from raylab.offline import Notebook
from raylab.server.conductor import death_batch

WORDS: dict[str, Any] = {
    "title": "What heat does",
    "description": "Runs of the heat equation: all of them.",
    "licence": "CC-BY-4.0",
    "authors": ["Josiah Carberry <jc@example.org> 0000-0002-1825-0097", "Zoë"],
}


def heat(p: float, size: int = 2) -> dict[str, float]:
    if p == 3:
        raise ValueError("three")
    return {"y": p * size}


@pytest.fixture
def notebook(tmp_path: Path) -> Notebook:
    bench = Bench(tmp_path / "lab")
    for name in ("coarse", "a fine one"):
        bench.submit(name, heat, Factorial(p=range(5)))
        bench.run(name, 0, 3)
        bench.seal(name)
        bench.run(name, 3, 5)
    return Notebook(tmp_path / "lab")


def read(place: Path) -> ROCrate:
    """As people read it who have no raylab."""
    with warnings.catch_warnings(action="error"):
        return ROCrate(place)


def paths(place: Path) -> list[str]:
    return sorted(file.relative_to(place).as_posix() for file in place.rglob("*") if file.is_file())


def actions(crate: ROCrate) -> dict[str, Any]:
    return {action["name"]: action for action in _listed(crate.root_dataset["mentions"])}


def assert_whole(place: Path) -> None:
    """All files are told of, and are what is told of them."""
    crate = read(place)
    told = {entity.id: entity for entity in crate.get_entities() if "File" in _listed(entity.type)}
    assert {path for path in paths(place) if path != METADATA} == {_unquoted(ident) for ident in told}
    for ident, entity in told.items():
        data = (place / _unquoted(ident)).read_bytes()
        assert (entity["contentSize"], entity["sha256"]) == (str(len(data)), hashlib.sha256(data).hexdigest())
        assert "/" in entity["encodingFormat"]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _unquoted(ident: str) -> str:
    from urllib.parse import unquote

    return unquote(ident)


def test_the_rocrate_library_reads_it_back(notebook: Notebook, tmp_path: Path) -> None:
    place = notebook.crate(tmp_path / "parcel", **WORDS)
    assert place == tmp_path / "parcel"
    assert_whole(place)
    crate = read(place)
    assert crate.name == "What heat does"
    assert crate.root_dataset["license"].id == "https://spdx.org/licenses/CC-BY-4.0"
    assert [author["name"] for author in crate.root_dataset["author"]] == ["Josiah Carberry", "Zoë"]
    found = actions(crate)
    assert list(found) == ["coarse, code version 1", "a fine one, code version 1"]
    for name, action in found.items():
        assert action.type == "CreateAction"
        (result,) = _listed(action["result"])
        frame = pl.read_parquet(place / _unquoted(result.id))
        truth = notebook.results(name.partition(",")[0], status="all", metadata=True).sort("_seq")
        assert_frame_equal(frame, truth)
        assert action["actionStatus"] == "http://schema.org/CompletedActionStatus"
        assert action["startTime"] <= action["endTime"]
        assert action["agent"]["name"] == "ada"
        assert action["instrument"]["version"] == "1"
        (parameters, *_) = action["object"]
        assert json.loads((place / _unquoted(parameters.id)).read_text())["parameters"] == ["p"]


def test_a_zip_has_the_same(notebook: Notebook, tmp_path: Path) -> None:
    folder, place = notebook.crate(tmp_path / "parcel", **WORDS), notebook.crate(tmp_path / "parcel.zip", **WORDS)
    with zipfile.ZipFile(place) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "unpacked")
    assert paths(tmp_path / "unpacked") == paths(folder)
    assert_whole(tmp_path / "unpacked")
    assert actions(read(place)).keys() == actions(read(folder)).keys()


def test_what_was_asked_is_there_as_json(lab: raylab.Lab, tmp_path: Path) -> None:
    sweep = lab.submit(heat, {"p": [0.5, 1.5], "size": [2, 4, 6]}, name="s", repeats=2, seed=7, description="a trial")
    assert sweep.wait(timeout=60, progress=False)
    sweep.extend({"p": [0.5, 1.5, 2.5], "size": [2, 4, 6]}, repeats=2)
    assert sweep.wait(timeout=60, progress=False)
    sweep.change(priority=3)
    sweep.lock()
    place = Notebook(tmp_path / "lab").crate(tmp_path / "parcel")
    parameters, requests, told = (
        json.loads((place / f"sweeps/s/{name}.json").read_text()) for name in ("parameters", "requests", "sweep")
    )
    assert (parameters["points"], parameters["repeats"], parameters["trials"], parameters["seed"]) == (9, 2, 18, 7)
    first, second = parameters["designs"]
    assert first["axes"] == [{"name": "p", "levels": [0.5, 1.5]}, {"name": "size", "range": [2, 8, 2]}]
    assert [segment["design"] for segment in parameters["segments"]] == [0, 1]
    assert [each["kind"] for each in requests] == ["submitted", "grown", "policy", "locked"]
    assert (requests[0]["segments"], requests[0]["versions"], requests[1]["segments"]) == ([0], [1], [1])
    assert (told["done"], told["state"], told["priority"], told["description"]) == (18, "locked", 3, "a trial")
    assert second["axes"]


DESIGNS: dict[str, Any] = {
    "no parameter": Factorial(),
    "odd names": Factorial({"a/b": [1], "*": ["x"], "^_.*$": [2], "diff": [True]}),
    "odd levels": Factorial(v=[None, (1, 2), {"a": [b"x"]}, 10**30, float("nan"), "é", Path("/x"), dt.date.min]),
    "points": Points([{"n": 1}, {"n": 2, "warm": True}]),
    "joined.ö": Joined([Factorial(x=[1, 2]), Points(x=[7.5])]),
    "computed": Factorial(p=[n / 1000 for n in range(1001)]),
}


@pytest.mark.parametrize("name", DESIGNS)
def test_every_design_is_packed(tmp_path: Path, name: str) -> None:
    bench = Bench(tmp_path / "lab", "lab of ö")
    bench.submit(name, lambda **params: {"y": len(params)}, DESIGNS[name], repeats=2)
    bench.run(name)
    place = Notebook(tmp_path / "lab").crate(tmp_path / "parcel")
    assert_whole(place)
    parameters = json.loads((place / "sweeps" / name / "parameters.json").read_text())
    assert parameters["trials"] == 2 * DESIGNS[name].size
    rows = pl.read_parquet(place / "sweeps" / name / "results.parquet")
    assert rows["_status"].to_list() == ["done"] * parameters["trials"]


def test_a_salvaged_notebook_is_packed_without_the_code_that_was_lost(notebook: Notebook, tmp_path: Path) -> None:
    for file in (tmp_path / "lab" / "code").iterdir():
        file.unlink()
    salvaged = notebook.copy(tmp_path / "salvaged", salvage=True)
    place = salvaged.crate(tmp_path / "parcel")
    assert_whole(place)
    assert not list(place.rglob("experiment.pkl"))
    assert pl.read_parquet(place / "sweeps/coarse/results.parquet").height == 5


def test_each_code_version_is_an_action_of_its_own(lab: raylab.Lab, tmp_path: Path) -> None:
    def broken() -> Callable[..., Any]:
        def fit(x: int) -> dict[str, int]:
            if x > 2:
                raise ValueError("no")
            return {"y": x}

        return fit

    def mended() -> Callable[..., Any]:
        def fit(x: int) -> dict[str, int]:
            return {"y": -x}

        return fit

    assert lab.submit(broken(), {"x": range(5)}, name="s").wait(timeout=60, progress=False)
    with warnings.catch_warnings(action="ignore"):
        assert lab.submit(mended(), {"x": range(5)}, name="s", if_exists="continue").wait(timeout=60, progress=False)
    place = Notebook(tmp_path / "lab").crate(tmp_path / "parcel")
    assert_whole(place)
    one, two = actions(read(place)).values()
    assert [each["instrument"].id for each in (one, two)] == ["sweeps/s/code/1/", "sweeps/s/code/2/"]
    assert one["endTime"] <= two["endTime"]
    sources = [(place / f"sweeps/s/code/{number}/experiment.py").read_text() for number in (1, 2)]
    assert "raise ValueError" in sources[0]
    assert sources[1].splitlines()[-1] == '    return {"y": -x}'
    assert "text" not in (place / "sweeps/s/code/1/ingredients.json").read_text()
    pickles = [(place / f"sweeps/s/code/{number}/experiment.pkl").read_bytes() for number in (1, 2)]
    assert pickles[0] != pickles[1]
    rows = pl.read_parquet(place / "sweeps/s/results.parquet")
    assert sorted(rows["_code"]) == [1, 1, 1, 2, 2]
    assert pl.read_parquet(place / "sweeps/s/superseded.parquet")["_code"].to_list() == [1, 1]
    assert {result.id for result in two["result"]} == {"sweeps/s/results.parquet", "sweeps/s/superseded.parquet"}


def test_each_code_version_has_the_environment_that_it_ran_in(lab: raylab.Lab, tmp_path: Path) -> None:
    for number in ("1", "2"):
        variables = {"runtime_env": {"env_vars": {"MODE": number}}}
        with warnings.catch_warnings(action="ignore"):
            sweep = lab.submit(lambda x: {"y": x}, {"x": range(3)}, name="s", if_exists="continue", **variables)
        assert sweep.wait(timeout=60, progress=False)
        sweep.extend({"x": range(5)})
        assert sweep.wait(timeout=60, progress=False)
    place = Notebook(tmp_path / "lab").crate(tmp_path / "parcel", env_vars=True)
    found = [action["environment"]["value"] for action in actions(read(place)).values()]
    assert found == ["1", "2"]


def test_what_trials_printed_is_there(lab: raylab.Lab, tmp_path: Path) -> None:
    def loud(x: int) -> dict[str, int]:
        print(f"this is {x}")
        return {"y": x}

    assert lab.submit(loud, {"x": range(3)}, name="loud", capture="all").wait(timeout=60, progress=False)
    assert lab.submit(loud, {"x": range(3)}, name="quiet", capture="none").wait(timeout=60, progress=False)
    place = Notebook(tmp_path / "lab").crate(tmp_path / "parcel")
    logs = pl.read_parquet(place / "sweeps/loud/logs.parquet")
    assert sorted(logs["log"]) == ["this is 0\n", "this is 1\n", "this is 2\n"]
    assert {result.id for result in actions(read(place))["loud, code version 1"]["result"]} == {
        "sweeps/loud/results.parquet",
        "sweeps/loud/logs.parquet",
    }
    assert not (place / "sweeps/quiet/logs.parquet").exists()
    assert_whole(place)


@pytest.mark.parametrize("unknown", [None, math.nan])
def test_of_trials_that_their_process_died_with_nobody_knows_how_long_they_took(
    tmp_path: Path, unknown: float | None
) -> None:
    bench, notebook = Bench(tmp_path / "lab"), Notebook(tmp_path / "lab")
    for position, status in ((2, "crashed"), (3, "timed_out"), (4, "out_of_memory")):
        bench.submit(status, heat, Factorial(p=range(5)))
        order = RecordDeath(sweep=status, position=position, attempt=1, status=status, error="it died")
        batch = death_batch(notebook._records()[status], order)
        at = batch.rows.schema.get_field_index("_elapsed_s")
        assert batch.rows.column(at).to_pylist() == [None]
        rows = batch.rows.set_column(at, batch.rows.schema.field(at), pa.array([unknown], pa.float64()))
        bench.commit(status, [replace(batch, rows=rows)])
    place = notebook.crate(tmp_path / "parcel")
    for status in ("crashed", "timed_out", "out_of_memory"):
        assert pl.read_parquet(place / f"sweeps/{status}/results.parquet")["_status"].to_list() == [status]
        action = actions(read(place))[f"{status}, code version 1"]
        assert action["startTime"] == action["endTime"]
    assert_whole(place)


def test_modules_are_there_as_files(lab: raylab.Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "src" / "cratemodels").mkdir(parents=True)
    (tmp_path / "src" / "cratemodels" / "__init__.py").write_text("")
    (tmp_path / "src" / "cratemodels" / "ising.py").write_text("def energy(x):\n    return {'e': -x}\n")
    monkeypatch.syspath_prepend(tmp_path / "src")
    from cratemodels.ising import energy  # type: ignore[import-not-found]

    assert lab.submit(energy, {"x": [1, 2]}, name="s").wait(timeout=60, progress=False)
    place = Notebook(tmp_path / "lab").crate(tmp_path / "parcel")
    assert (place / "sweeps/s/code/1/modules/cratemodels/ising.py").read_text().startswith("def energy")
    assert_whole(place)


def test_how_a_run_ended_is_told(lab: raylab.Lab, tmp_path: Path, gate: Path) -> None:
    def held(x: int, gate: str) -> dict[str, int]:
        import os
        import time

        while x and not os.path.exists(gate):  # noqa: PTH110
            time.sleep(0.005)
        return {"y": x}

    def bad(x: int) -> None:
        raise ValueError("never")

    assert lab.submit(bad, {"x": range(3)}, name="bad").wait(timeout=60, progress=False)
    held_ones = lab.submit(held, {"x": range(3), "gate": [str(gate)]}, name="held", order="design")
    for _ in held_ones.updates(timeout=60):
        break
    place = Notebook(tmp_path / "lab").crate(tmp_path / "running")
    bad_one, running = actions(read(place)).values()
    assert (bad_one["actionStatus"], bad_one["error"]) == (
        "http://schema.org/FailedActionStatus",
        "ValueError: never",
    )
    assert running["actionStatus"] == "http://schema.org/ActiveActionStatus"
    held_ones.cancel()
    gate.touch()
    place = Notebook(tmp_path / "lab").crate(tmp_path / "cancelled", sweeps="held")
    (cancelled,) = actions(read(place)).values()
    assert cancelled["actionStatus"] == "http://schema.org/FailedActionStatus"
    assert "trials were given up" in cancelled["error"]


def test_a_sweep_that_has_not_begun_is_there_without_an_end(tmp_path: Path) -> None:
    Bench(tmp_path / "lab").submit("s", heat, Factorial(p=range(5)))
    place = Notebook(tmp_path / "lab").crate(tmp_path / "parcel")
    (action,) = actions(read(place)).values()
    assert action["actionStatus"] == "http://schema.org/PotentialActionStatus"
    assert "endTime" not in action.properties()
    assert pl.read_parquet(place / "sweeps/s/results.parquet").height == 0


def test_archived_and_replaced_sweeps_are_there_where_they_are_named(lab: raylab.Lab, tmp_path: Path) -> None:
    for value in (1, 2):
        with warnings.catch_warnings(action="ignore"):
            made = lab.submit(lambda x, v=value: {"y": v}, {"x": [1]}, name="s", if_exists="replace")
        made.wait(progress=False)
    lab.submit(heat, {"p": [1]}, name="old").wait(progress=False)
    lab.archive("old")
    notebook = Notebook(tmp_path / "lab")

    def sweeps(number: int, **words: Any) -> list[str]:
        return sorted(path.name for path in (notebook.crate(tmp_path / f"p{number}", **words) / "sweeps").iterdir())

    assert sweeps(1) == ["s"]
    assert sweeps(2, sweeps="old") == ["old"]
    assert sweeps(3, sweeps=["old", "s~1", "s"]) == ["old", "s", "s~1"]
    first = pl.read_parquet(tmp_path / "p3/sweeps/s~1/results.parquet")
    assert first["y"].to_list() == [1]
    assert_whole(tmp_path / "p3")


def test_what_there_is_not_is_refused_and_nothing_is_left(notebook: Notebook, tmp_path: Path) -> None:
    with refused(SweepNotFound, "'fine'", "'coarse', 'a fine one'"):
        notebook.crate(tmp_path / "parcel", sweeps="fine")
    with refused(ValueError, "a licence is"):
        notebook.crate(tmp_path / "parcel", licence="mine")
    with refused(ValueError, "an author is"):
        notebook.crate(tmp_path / "parcel", authors=["<x>"])
    with refused(NameRefused, "is there already"):
        notebook.crate(tmp_path / "lab")
    Bench(tmp_path / "none")
    with refused(SweepNotFound, "has no sweep"):
        Notebook(tmp_path / "none").crate(tmp_path / "parcel")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lab", "none"]


def damages(root: Path) -> Iterator[Path]:
    yield next((root / "code").iterdir())
    yield next((root / "sweeps/coarse").glob("*.arrow"))
    yield max((root / "sweeps/coarse/journal").iterdir())


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("gone", [True, False])
def test_damage_is_named_and_nothing_is_left(notebook: Notebook, tmp_path: Path, at: int, gone: bool) -> None:
    file = list(damages(tmp_path / "lab"))[at]
    if gone and at == 2:
        pytest.skip("nobody can tell that the newest file is gone")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.unlink() if gone else file.write_bytes(data)
    with pytest.raises(NotebookDamaged):
        notebook.crate(tmp_path / "parcel")
    assert [path.name for path in tmp_path.iterdir()] == ["lab"]


def test_secrets_are_kept_back(lab: raylab.Lab, tmp_path: Path) -> None:
    secret = f"{'hush'}-{'hush'}"  # as such it does not stand in this module, which travels
    environment = {"env_vars": {"MODE": secret}, "pip": [f"a @ https://ada:{secret}@example.org/a.whl"]}
    with warnings.catch_warnings(action="ignore"):  # that there is no such node
        lab.submit(heat, {"p": [1]}, name="s", runtime_env=environment, num_gpus=9)
    notebook = Notebook(tmp_path / "lab")
    place = notebook.crate(tmp_path / "parcel")
    for path in paths(place):
        assert secret.encode() not in (place / path).read_bytes(), path
    (action,) = actions(read(place)).values()
    (variable,) = _listed(action["environment"])
    assert (variable["name"], "value" in variable.properties()) == ("MODE", False)
    asked = notebook.crate(tmp_path / "asked", env_vars=True)
    (variable,) = _listed(next(iter(actions(read(asked)).values()))["environment"])
    assert variable["value"] == secret
    assert "ada:" not in (asked / "sweeps/s/sweep.json").read_text()


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
def test_where_the_code_came_from_is_there_and_its_diff_where_it_is_asked_for(
    lab: raylab.Lab, tmp_path: Path, patient_git: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project := tmp_path / "project").mkdir()
    git = ["git", "-c", "user.name=ada", "-c", "user.email=ada@example.org", "-C", str(project)]
    (project / "run.py").write_text("committed\n")
    remote = ["remote", "add", "origin", "https://ada:pw@example.org/lab.git"]
    for words in (["init", "-q"], remote, ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *words], check=True)
    (project / "run.py").write_text("edited\n")
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(project / "run.py"), raising=False)
    monkeypatch.setenv("RAYLAB_DIFF", "1")
    names: dict[str, Any] = {"__name__": "__main__"}
    exec("def cell(x):\n    import numpy\n    return {'y': int(numpy.abs(x))}", names)
    assert lab.submit(names["cell"], {"x": [1, 2]}, name="s").wait(timeout=60, progress=False)

    place = Notebook(tmp_path / "lab").crate(tmp_path / "parcel")
    assert_whole(place)
    provenance = json.loads((place / "sweeps/s/code/1/provenance.json").read_text())
    assert provenance["remote"] == "https://example.org/lab.git"
    assert provenance["dirty"] is True
    assert provenance["python"] == platform.python_version()
    assert len(provenance["workers"]) == 1
    assert all(b"edited" not in (place / path).read_bytes() for path in paths(place))
    (action,) = actions(read(place)).values()
    tool = action["instrument"]
    assert tool["url"] == "https://example.org/lab.git"
    needs = {need["name"]: need["softwareVersion"] for need in tool["softwareRequirements"]}
    assert needs["Python"] == platform.python_version()
    assert {"ray", "raylab"} <= set(needs)
    assert provenance["command"] in action["description"]

    place = Notebook(tmp_path / "lab").crate(tmp_path / "asked", diff=True)
    assert "+edited" in (place / "sweeps/s/code/1/working-tree.diff").read_text()
    assert_whole(place)


def test_the_readme_says_how_to_read_it(notebook: Notebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = notebook.crate(tmp_path / "parcel", **WORDS)
    text = (place / "README.md").read_text()
    assert "What heat does" in text
    assert "Josiah Carberry, Zoë" in text
    assert "[a fine one](sweeps/a%20fine%20one/)" in text
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(place)
    names: dict[str, Any] = {}
    exec(block, names)
    assert names["done"].height == 4
    told = [name for row in re.findall(r"^\| (`_.*?) \|", text, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)]
    assert sorted(told) == sorted(["_seq", *METADATA_COLUMNS]), "each column once"


def test_the_citation_is_one(notebook: Notebook, tmp_path: Path) -> None:
    import jsonschema

    schema = json.loads((Path(__file__).parents[1] / "data" / "cff-1.2.0.json").read_text())
    for number, words in enumerate([WORDS, {}, {"licence": "https://example.org/terms", "title": "a: b # 'c' \"d\""}]):
        place = notebook.crate(tmp_path / f"parcel{number}", **words)
        said = yaml.safe_load((place / "CITATION.cff").read_text())
        jsonschema.validate(said, schema)
        assert said["title"] == words.get("title", "Results of the lab lab")
    first = yaml.safe_load((tmp_path / "parcel0/CITATION.cff").read_text())
    assert first["license"] == "CC-BY-4.0"
    assert first["authors"][0] == {
        "family-names": "Carberry",
        "given-names": "Josiah",
        "email": "jc@example.org",
        "orcid": "https://orcid.org/0000-0002-1825-0097",
    }


def test_a_licence_of_any_name_is_cited_as_the_format_takes_it() -> None:
    import jsonschema
    from packaging.licenses._spdx import LICENSES

    schema = json.loads((Path(__file__).parents[1] / "data" / "cff-1.2.0.json").read_text())
    schema_of_citations = jsonschema.validators.validator_for(schema)(schema)  # once: seven hundred licences
    named = []
    for each in LICENSES.values():
        if "+" not in each["id"]:
            about = About(title="t", description="", licence=read_licence(each["id"]), authors=(Author(name="Ada"),))
            said = citation(about, dt.date(2026, 1, 1))
            schema_of_citations.validate(said)
            named += [said["license"]] if "license" in said else []
    assert {"CC-BY-4.0", "CC0-1.0", "MIT", "Apache-2.0", "GPL-3.0-or-later", "ODbL-1.0"} <= set(named)


def test_the_origin_stays_as_it_is(notebook: Notebook, tmp_path: Path) -> None:
    before = {path: (tmp_path / "lab" / path).read_bytes() for path in paths(tmp_path / "lab")}
    shutil.rmtree(notebook.crate(tmp_path / "parcel"))
    assert {path: (tmp_path / "lab" / path).read_bytes() for path in paths(tmp_path / "lab")} == before
