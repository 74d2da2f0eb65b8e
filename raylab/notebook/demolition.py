"""Deleting a whole notebook for good, and nothing else that lies in its folder.

Promises: with `notebook.json` the notebook is gone, at once, for every reader; before that it is whole. No writer puts
anything into the place any more, wherever it was stopped, nor into the next notebook there. Cut anywhere, it can be
done again; whoever makes a notebook there does so first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice

from raylab.notebook import layout
from raylab.notebook.store import Store
from raylab.notebook.table import Table
from raylab.notebook.table_files import file_names

__all__ = ["demolish", "end"]

AT_ONCE = 20_000
"""How many files one call deletes: at 0.1 ms each, 2 s."""


def _begin(store: Store, writer: Mapping[str, str]) -> None:
    """Let the notebook be gone; its files are still to be deleted."""
    mark = (json.dumps(dict(writer), indent=1) + "\n").encode()
    store.put(layout.REMOVING, mark, mark)
    if layout.NOTEBOOK not in store.names(""):
        return
    # A lab that is at work on it, on another cluster, hears who has taken it, and stops.
    Table(store, layout.REQUESTS, writer).end({})
    for name in store.names("tmp"):
        if name.endswith("/"):
            store.disown(name[:-1])
    store.remove(layout.NOTEBOOK)
    store.settle("")


def demolish(store: Store, writer: Mapping[str, str]) -> bool:
    """Delete a notebook, or what is left of one, as far as one call goes.

    Args:
        store: where it lies.
        writer: who deletes.

    Returns:
        Whether nothing is left of it but the mark; `end` takes that.

    Raises:
        OSError: the disk refuses; the same call goes on.
    """
    _begin(store, writer)
    paths = list(islice(_files(store), AT_ONCE))
    for path in paths:
        store.remove(path)
    if paths:
        return False
    for folder in _folders(store):
        store.settle(folder)  # what holds something else does not go as a whole
        store.drop(folder)
    store.settle("")
    return True


def end(store: Store) -> None:
    """Take the mark away, and the folder if nothing else lies in it."""
    store.remove(layout.REMOVING)
    store.settle("")
    for folder in ("tmp", ""):
        store.drop(folder)


def _tables(store: Store) -> list[str]:
    return [*layout.table_folders(store), layout.REQUESTS]


def _files(store: Store) -> Iterator[str]:
    """What raylab has put there, but for the mark."""
    for folder in _tables(store):
        journal, parts = file_names(store, folder)
        yield from (f"{folder}/{name}" for name in parts)
        yield from (f"{folder}/journal/{name}" for name in journal)
    yield from layout.code_paths(store)
    there = store.names("")
    yield from (name for name in (layout.README, layout.COPYING) if name in there)
    yield from (f"tmp/{name}" for name in store.names("tmp") if not name.endswith("/"))


def _folders(store: Store) -> Iterator[str]:
    """Those of these files, the inner ones first."""
    for folder in _tables(store):
        yield from (f"{folder}/journal", folder)
    yield from (layout.SWEEPS, layout.LOGS, layout.CODE)
