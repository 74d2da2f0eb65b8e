"""What labels results (`core/labelled.py`) beside the rows: which labels a row has, and what these are, once.

A row has the digest of its labels. The contents lie in a cell of the first row that came with them: a worker sends each
once a lease, since a batch is taken only if those before it were, and the lab leaves out what its table has already. So
they are committed with the rows that need them, or before, and are copied, checked and deleted as rows are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import pyarrow as pa

from raylab.core.labelled import Labels
from raylab.notebook.arrow_types import BINARY, STRING

DIGEST = "_labels"
"""The column with the digest of a row's labels."""

CONTENTS = "_contents"
"""The column with the contents that came with a row, each beside its digest."""

KEPT = pa.list_(pa.struct([("digest", STRING), ("content", BINARY)]))

MAX_KNOWN = 1_000
"""Contents that are known not to be needed again: 16 bytes each in the metadata of the commits that brought them. Of a
sweep whose trials all have other coordinates, the later ones are kept as often as they are sent."""


def columns(labels: Sequence[Labels | None], sent: AbstractSet[str]) -> list[tuple[Any, Any]]:
    """The two columns, for as many rows.

    Args:
        labels: of each row; None where nothing is labelled.
        sent: the digests of what the lab has from this lease.
    """
    known, cells = set(sent), []
    for each in labels:
        new = {} if each is None else {key: data for key, data in each.contents.items() if key not in known}
        known.update(new)
        cells.append([{"digest": key, "content": data} for key, data in new.items()] or None)
    digests = pa.array([None if each is None else each.digest for each in labels], STRING)
    return [(pa.field(DIGEST, STRING), digests), (pa.field(CONTENTS, KEPT), pa.array(cells, KEPT))]


def brought(batch: pa.RecordBatch) -> list[str]:
    """The digests of the contents that a wire batch brings, in order."""
    if CONTENTS not in batch.schema.names:
        return []
    found: list[str] = batch.column(CONTENTS).flatten().field("digest").to_pylist()
    return found


def without(batches: Sequence[pa.RecordBatch], known: Collection[str]) -> tuple[list[pa.RecordBatch], list[str]]:
    """Wire batches without the contents that are known, or that one before has; and the digests of those that stay."""
    left, new, seen = [], list[str](), set(known)
    for batch in batches:
        own = dict.fromkeys(each for each in brought(batch) if each not in seen)
        left.append(_with_only(batch, own) if CONTENTS in batch.schema.names else batch)
        seen.update(own)
        new += own
    return left, new


def _with_only(batch: pa.RecordBatch, wanted: Mapping[str, Any]) -> pa.RecordBatch:
    at = batch.schema.get_field_index(CONTENTS)
    if len(wanted) == len(brought(batch)):
        return batch
    cells = [
        [each for each in cell if each["digest"] in wanted] or None if cell else None
        for cell in batch.column(at).to_pylist()
    ]
    return batch.set_column(at, batch.schema.field(at), pa.array(cells, KEPT))


def contents(tables: Iterable[pa.Table]) -> dict[str, bytes]:
    """All the contents in some tables of a sweep, by their digests."""
    found: dict[str, bytes] = {}
    for table in tables:
        if CONTENTS in table.column_names:
            for chunk in table.column(CONTENTS).chunks:
                for each in chunk.flatten().to_pylist():
                    found.setdefault(each["digest"], each["content"])
    return found
