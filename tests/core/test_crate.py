"""What `ro-crate-metadata.json` says hangs together, whatever the names of files, sweeps and people are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from raylab.core.authors import Author, read_licence
from raylab.core.crate import METADATA, PROFILE, About, File, Run, metadata

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
ABOUT = About(
    title="Heat",
    description="What heat does.",
    licence=read_licence("CC-BY-4.0"),
    authors=(Author(name="Ada Lovelace", orcid="https://orcid.org/0000-0002-1825-0097"), Author(name="Zoë")),
)


def file(path: str) -> File:
    return File(path=path, what="a file", size=3, sha256="0" * 64)


def run(**words: Any) -> Run:
    given = {
        "sweep": "coarse",
        "version": 1,
        "user": "ada",
        "what": "f at 3 points",
        "folder": "sweeps/coarse/code/1/",
        "label": "f",
        "objects": ["sweeps/coarse/parameters.json"],
        "results": ["sweeps/coarse/results.parquet"],
        "state": "Completed",
    }
    return Run(**{**given, **words})


def files_of(*runs: Run) -> list[File]:
    paths = [path for each in runs for path in (*each.objects, *each.results, f"{each.folder}experiment.pkl")]
    return [file(path) for path in dict.fromkeys(["README.md", *paths])]


def entities(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = {entity["@id"]: entity for entity in document["@graph"]}
    assert len(found) == len(document["@graph"])  # each id once
    return found


def references(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for part in value:
            yield from references(part)
    elif isinstance(value, dict):
        if value.keys() == {"@id"}:
            yield value["@id"]
        else:
            for name, part in value.items():
                yield from references(part if name != "additionalType" else None)


names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1).filter(
    lambda name: name not in (".", "..")
)


@given(names, names, st.integers(1, 3), names)
def test_every_reference_leads_to_an_entity_and_every_file_hangs_on_the_root(
    sweep: str, user: str, versions: int, member: str
) -> None:
    folder = f"sweeps/{sweep}"
    runs = [
        run(
            sweep=sweep,
            version=version,
            user=user,
            folder=f"{folder}/code/{version}/",
            objects=[f"{folder}/parameters.json"],
            results=[f"{folder}/results.parquet"],
            packages={"numpy": "2.0"},
            software={"Python": "3.11.4", "raylab": "0.1.0"},
            variables={"MODE": None},
            image="quay.io/lab/tool:1",
        )
        for version in range(1, versions + 1)
    ]
    files = [*files_of(*runs), file(f"{folder}/code/1/modules/{member}")]
    document = json.loads(json.dumps(metadata(ABOUT, NOW, files, runs)))
    found = entities(document)
    outside = {"https://w3id.org/ro/crate/1.1"}
    assert set(references(document["@graph"])) - set(found) - outside == set()
    parts = {part["@id"] for part in found["./"]["hasPart"]}
    data = {ident for ident, each in found.items() if {"File", "Dataset"} & set(_listed(each["@type"]))} - {"./"}
    assert parts == data
    assert {ident for ident, each in found.items() if each["@type"] == "File"} >= {_quoted(each.path) for each in files}
    actions = [each for each in found.values() if each["@type"] == "CreateAction"]
    assert len(actions) == versions
    assert [part["@id"] for part in _listed(found["./"]["mentions"])] == [each["@id"] for each in actions]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _quoted(path: str) -> str:
    from urllib.parse import quote

    return quote(path)


def test_the_root_says_what_people_said_and_by_which_profile() -> None:
    found = entities(metadata(ABOUT, NOW, files_of(run()), [run()]))
    root = found["./"]
    assert (root["name"], root["description"], root["datePublished"]) == ("Heat", "What heat does.", "2026-11-30")
    assert root["conformsTo"] == {"@id": PROFILE}
    assert found[METADATA]["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert found[root["license"]["@id"]]["name"] == "CC-BY-4.0"
    ada, zoe = (found[each["@id"]] for each in root["author"])
    assert (ada["@id"], ada["familyName"]) == ("https://orcid.org/0000-0002-1825-0097", "Lovelace")
    assert (zoe["name"], zoe["@type"]) == ("Zoë", "Person")


def test_without_a_licence_it_says_so() -> None:
    about = About(title="t", description="d", licence=None, authors=ABOUT.authors)
    found = entities(metadata(about, NOW, files_of(run()), [run()]))
    assert "No licence was given" in found[found["./"]["license"]["@id"]]["description"]


def test_an_action_has_what_the_profile_asks_for() -> None:
    one = run(
        user="bob",
        state="Failed",
        error="ValueError: no",
        started_us=1_000_000,
        ended_us=2_500_000,
        url="https://example.org/lab.git",
        packages={"numpy": "2.0"},
        software={"Python": "3.11.4"},
        variables={"MODE": "fast", "KEY": None},
        image="rayproject/ray:2.60@sha256:ab",
    )
    found = entities(metadata(ABOUT, NOW, files_of(one), [one]))
    action = found["#run-coarse-1"]
    assert action["startTime"] == "1970-01-01T00:00:01.000+00:00"
    assert action["endTime"] == "1970-01-01T00:00:02.500+00:00"
    assert (action["actionStatus"], action["error"]) == ("http://schema.org/FailedActionStatus", "ValueError: no")
    assert found[action["agent"]["@id"]]["name"] == "bob"
    assert action["object"] == {"@id": "sweeps/coarse/parameters.json"}
    assert action["result"] == {"@id": "sweeps/coarse/results.parquet"}
    tool = found[action["instrument"]["@id"]]
    assert {"SoftwareApplication", "SoftwareSourceCode", "Dataset"} == set(tool["@type"])
    assert (tool["version"], tool["url"]) == ("1", "https://example.org/lab.git")
    assert tool["name"] == "f, code version 1 of the sweep coarse"
    assert tool["hasPart"] == {"@id": "sweeps/coarse/code/1/experiment.pkl"}
    needs = {found[each["@id"]]["name"]: found[each["@id"]] for each in tool["softwareRequirements"]}
    assert needs["numpy"]["@id"] == "https://pypi.org/project/numpy/2.0/"
    assert needs["Python"]["softwareVersion"] == "3.11.4"
    mode, key = (found[each["@id"]] for each in action["environment"])
    assert (mode["name"], mode["value"]) == ("MODE", "fast")
    assert key["name"] == "KEY"
    assert "value" not in key
    image = found[action["containerImage"]["@id"]]
    assert (image["registry"], image["name"], image["tag"], image["sha256"]) == (
        "docker.io",
        "rayproject/ray",
        "2.60",
        "ab",
    )


def test_what_nobody_knows_is_left_out() -> None:
    found = entities(metadata(ABOUT, NOW, files_of(run()), [run()]))
    assert not {"startTime", "endTime", "error", "environment", "containerImage"} & set(found["#run-coarse-1"])
