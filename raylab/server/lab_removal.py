"""Deleting a lab as a whole, on the node that knows where its notebook lies: the notebook first, then the name.

Cut anywhere, it can be done again; meanwhile no lab of this name is known, and one made anew has a new notebook.
"""

from __future__ import annotations

from collections.abc import Mapping

from raylab.notebook import layout
from raylab.notebook.demolition import demolish, end
from raylab.notebook.place import store_at
from raylab.server.known_labs import forget, places


def is_left(name: str) -> bool:
    """Whether somebody was cut who deleted the notebook of this lab."""
    return any(layout.is_removing(store_at(place)) for place in places(name))


def remove(name: str, writer: Mapping[str, str]) -> bool:
    """Delete a lab's notebook and forget the name, as far as one call goes; whether it is done. Of a lab whose notebook
    is gone already, the name is forgotten.

    Args:
        name: the lab's.
        writer: who deletes.
    """
    store = store_at(places(name)[0])
    if {layout.NOTEBOOK, layout.REMOVING} & set(store.names("")) and not demolish(store, writer):
        return False
    forget(name)
    if layout.is_removing(store):
        end(store)
    return True
