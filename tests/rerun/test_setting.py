"""What a record was made with is told where it is other than here; what does not count is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from records import record

from raylab.core.provenance import Environment, Provenance, Workers
from raylab.core.request import Version
from raylab.rerun.setting import elsewhere
from raylab.worker.batch import NODE
from raylab.worker.environment import environment

HERE = environment()


def told(there: Environment | None, *, node: str = NODE, code: int = 1, ran: int = 1) -> list[tuple[str, Any, Any]]:
    client = replace(HERE, packages={**HERE.packages, "numpy": "0.1"})
    known = {each.digest: each for each in (client, there) if each is not None}
    came = Provenance(environment=client.digest, imports=("polars",))
    version = Version(code="", modules=None, ingredients={}, provenance=came)
    workers = () if there is None else (Workers(version=code, environment=there.digest, nodes=(node,)),)
    sweep = replace(record(), versions=(version, version), workers=workers)
    found = elsewhere(sweep, {"_code": code, "_node": node}, ran, known)
    return [(each.name, each.recorded, each.now) for each in found]


def test_nothing_where_all_is_the_same() -> None:
    assert told(HERE) == []


def test_what_the_worker_had_counts_and_without_it_what_the_client_had() -> None:
    assert told(None) == [("numpy", "0.1", HERE.packages["numpy"])]


@pytest.mark.parametrize("name", ["polars", "numpy"])
def test_a_package_that_counts(name: str) -> None:
    other = replace(HERE, packages={**HERE.packages, name: "0.2", "tqdm": "0.3"})
    assert told(other) == [(name, "0.2", HERE.packages[name])]


def test_python_the_platform_the_host_and_the_code() -> None:
    other = replace(HERE, python="3.0.0", platform="Another")
    assert told(other, node="far away", code=2, ran=1) == [
        ("code", 2, 1),
        ("Python", "3.0.0", HERE.python),
        ("platform", "Another", HERE.platform),
        ("host", "far away", NODE),
    ]


def test_variables_of_an_earlier_version_are_not_known_any_more() -> None:
    first, second = ({"environment env_vars A": f"sha256:{n}", "environment env_vars B": "sha256:0"} for n in (1, 2))
    versions = tuple(Version(code="", modules=None, ingredients=each) for each in (first, second))
    sweep = replace(record(), versions=versions)
    found = {ran: list(elsewhere(sweep, {"_code": ran, "_node": NODE}, ran, {})) for ran in (1, 2)}
    assert [(each.name, each.recorded, each.now) for each in found[1]] == [("env_vars A", "sha256:1", "sha256:2")]
    assert found[2] == []
