"""Code versions of a sweep, as people read them: what each differs in, where it came from and ran, and that results are
of several."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from raylab.core.difference import differences
from raylab.core.provenance import Environment, Workers
from raylab.core.provenance import differences as other_packages
from raylab.core.request import Version

__all__ = ["history", "mixed"]


def history(
    versions: Sequence[Version],
    workers: Collection[Workers] = (),
    environments: Mapping[str, Environment] = {},
    diffs: Mapping[str, bytes] = {},
) -> list[dict[str, Any]]:
    """A dict for each version: its number, who submitted it when, what it differs in from the one before, where it came
    from, and what its workers had.

    Args:
        versions: of a sweep, the first one first.
        workers: which have run them.
        environments: what clients and workers had, by digest.
        diffs: those of the working trees, by hash, as far as they are there.

    Example:
        >>> first = Version(code="", modules=None, ingredients={"global N": "2"}, user="ada")
        >>> second = Version(code="", modules=None, ingredients={"global N": "3"}, user="ada")
        >>> [version["differs"] for version in history([first, second])]
        [[], ['global N: 3, was 2']]
    """
    return [
        {
            "version": number,
            "user": version.user,
            "submitted": datetime.fromtimestamp(version.time_us / 1e6, UTC),
            "differs": differences(before.ingredients, version.ingredients),
            **version.provenance.told(environments),
            **_diff(diffs.get(version.diff)),
            "workers": list(_workers(version, [each for each in workers if each.version == number], environments)),
        }
        for number, (before, version) in enumerate(zip([versions[0], *versions], versions, strict=False), 1)
    ]


def _diff(data: bytes | None) -> dict[str, Any]:
    """A diff as text, where bytes that are no UTF-8 are escapes, and its size."""
    if data is None:
        return {"diff": None, "diff_bytes": 0}
    return {"diff": data.decode("utf-8", "backslashreplace"), "diff_bytes": len(data)}


def _workers(
    version: Version, workers: Collection[Workers], environments: Mapping[str, Environment]
) -> Iterator[dict[str, Any]]:
    """The environments in which a version has run, each with its nodes, and with what differs from its client's."""
    came = version.provenance
    client = environments.get(came.environment)
    for each in workers:
        if (there := environments.get(each.environment)) is not None:
            differs = [] if client is None else list(other_packages(client, there, came.imports))
            yield {"nodes": list(each.nodes), **there.told(), "differs": differs}


def mixed(sweep: str, numbers: Sequence[int]) -> str:
    """That results of a sweep are of several code versions."""
    *others, last = numbers
    return (
        f"the results of {sweep!r} are of versions {', '.join(map(str, others))} and {last} of its code: "
        'metadata=["_code"] tells which row is of which, info()["code"] of the sweep what they differ in'
    )
