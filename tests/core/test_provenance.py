"""Where a code version comes from, as requests tell it, and what is said of its workers."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from asked import submission, submitted

from raylab.core.history import History, fold
from raylab.core.provenance import MOST_NODES, NOWHERE, Environment, Provenance, Tree, Workers, heard
from raylab.core.request import Request, SweepRecord, Version
from raylab.core.versions import history

CLIENT = Environment(python="3.11.4", platform="Linux", packages={"numpy": "2.4.6", "scipy": "1.16.0", "ray": "2.60"})
WORKER = Environment(python="3.11.9", platform="Linux", packages={"numpy": "2.3.0", "ray": "2.59"})
FROM = Provenance(
    command="python run.py",
    folder="/lab",
    host="laptop",
    environment=CLIENT.digest,
    imports=("numpy", "scipy"),
    tree=Tree(commit="4be1", branch="main", dirty=True, untracked=("a", "b"), more_untracked=3),
)


def ran(*nodes: str, version: int = 1, environment: Environment = WORKER) -> Request:
    body = asdict(Workers(version=version, environment=environment.digest, nodes=nodes))
    return Request(kind="workers", sweep="trial", folder="sweeps/trial", body=json.loads(json.dumps(body)))


def asked(**changes: Any) -> Request:
    made = Request.submitted(
        submission(provenance=FROM, **changes),
        name="trial",
        folder="sweeps/trial",
        seed=1,
        code="aa",
        modules=None,
        diff="dd",
    )
    return replace(made, body=json.loads(json.dumps(made.body)))


def the_record(*requests: Request) -> tuple[SweepRecord, History]:
    found = fold([Request.environment(CLIENT), Request.environment(WORKER), *requests])
    return found["trial"], found


def test_a_version_comes_back_from_json_as_it_was() -> None:
    record, _ = the_record(asked())
    assert record.versions[0] == Version(
        code="aa", modules=None, ingredients=submission().ingredients, user="ada", diff="dd", provenance=FROM
    )
    assert record.hashes == ("aa", "dd")
    again = fold([replace(record.request(), body=json.loads(json.dumps(record.request().body)))])["trial"]
    assert again.versions == record.versions


def test_each_version_has_its_own() -> None:
    other = replace(FROM, folder="/elsewhere", tree=None)
    version = Version(code="bb", modules=None, ingredients={}, provenance=other)
    body = json.loads(json.dumps(asdict(version)))
    later = Request(kind="continued", sweep="trial", folder="sweeps/trial", user="eve", time_us=9, body=body)
    record, found = the_record(asked(), later)
    first, second = history(record.versions, record.workers, found.environments, {"dd": b"the diff"})
    assert (first["folder"], first["commit"], first["diff"]) == ("/lab", "4be1", "the diff")
    assert (second["folder"], second["commit"], second["diff"], second["user"]) == ("/elsewhere", None, None, "eve")


def test_a_request_that_tells_nothing_of_it_is_read() -> None:
    """Of a sweep that a salvage found in its table only, of another raylab."""
    record = fold([submitted("trial")])["trial"]
    assert record.versions[0].provenance == NOWHERE
    (told,) = history(record.versions)
    assert (told["commit"], told["command"], told["python"], told["packages"], told["workers"]) == (
        *(None, None, None),
        *({}, []),
    )
    assert "not known" in told["git"]


def test_workers_gather_by_version_and_environment() -> None:
    record, _ = the_record(asked(), ran("a"), ran("b", "a"), ran("c", version=2), ran("d", environment=CLIENT))
    assert [(each.version, each.environment, each.nodes) for each in record.workers] == [
        (1, WORKER.digest, ("a", "b")),
        (2, WORKER.digest, ("c",)),
        (1, CLIENT.digest, ("d",)),
    ]


def test_so_many_nodes_are_named_and_no_more() -> None:
    many = Workers(version=1, environment="e", nodes=tuple(map(str, range(MOST_NODES))))
    (found,) = heard([many], Workers(version=1, environment="e", nodes=("new",)))
    assert found == many


def test_of_a_sweep_that_was_replaced_or_removed_nothing_is_heard_any_more() -> None:
    again = Request.submitted(submission(), name="trial", folder="sweeps/trial~2", seed=1, code="bb", modules=None)
    found = fold([asked(), again, ran("late")])
    assert found["trial"].workers == found.aside["trial~1"].workers == ()
    assert not fold([asked(), Request(kind="removed", sweep="trial", folder="sweeps/trial"), ran("late")])


def test_only_what_the_experiment_imports_is_remarked_on() -> None:
    record, found = the_record(asked(), ran("a", "b", "c", "d", "e"), ran("x", environment=CLIENT))
    assert record.remark(found.environments) == (
        "on a, b, c and 2 more numpy is 2.3.0, was submitted with 2.4.6; "
        "on a, b, c and 2 more scipy is not installed, was submitted with 1.16.0"
    )
    (told,) = history(record.versions, record.workers, found.environments)
    assert [workers["differs"] for workers in told["workers"]] == [
        ["numpy is 2.3.0, was submitted with 2.4.6", "scipy is not installed, was submitted with 1.16.0"],
        [],
    ]
    assert told["imports"] == {"numpy": "2.4.6", "scipy": "1.16.0"}


@pytest.mark.parametrize("known", [[], [Request.environment(CLIENT)], [Request.environment(WORKER)]])
def test_what_is_not_known_is_not_remarked_on(known: list[Request]) -> None:
    found = fold([*known, asked(), ran("a")])
    assert found["trial"].remark(found.environments) == ""


def test_the_same_environment_stands_once() -> None:
    found = fold([Request.environment(CLIENT), asked(), Request.environment(CLIENT), ran("a")])
    assert list(found.environments) == [CLIENT.digest]
    assert found.environments_of(found["trial"]) == {CLIENT.digest: CLIENT}
    assert json.loads(json.dumps(asdict(CLIENT))) == Request.environment(CLIENT).body
