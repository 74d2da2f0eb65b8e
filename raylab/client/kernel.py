"""A Jupyter kernel, be it JupyterLab's, VS Code's or Colab's: whether this process is one, and a place in a cell's
output that can be drawn again. The one home of IPython, which is there where it is needed; asks nobody."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any


def in_kernel() -> bool:
    """Whether what is displayed goes to a front end that can replace it: a kernel's, not IPython's at a terminal."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    shell = get_ipython()
    kinds = {kind.__name__ for kind in type(shell).__mro__}
    return shell is not None and "TerminalInteractiveShell" not in kinds


class Output:
    """A place in a cell's output, which shows what was put there last. No widget is needed."""

    def __init__(self) -> None:
        self._place: Any = None

    def show(self, bundle: Mapping[str, Any], about: Mapping[str, Any] | None = None) -> None:
        """Show it there.

        Args:
            bundle: the same by MIME type, of which the front end takes the richest that it knows.
            about: what is to be known of it, by MIME type, as the size of a picture.
        """
        from IPython.display import display

        given: dict[str, Any] = {"raw": True, "metadata": dict(about or {})}
        if self._place is None:
            self._place = display(dict(bundle), display_id=True, **given)  # type: ignore[no-untyped-call]
        else:
            self._place.update(dict(bundle), **given)


@contextmanager
def without_advice() -> Iterator[None]:
    """Importing inside says nothing of ipywidgets that are missing: tqdm warns then, and Ray, which imports it, advises
    on top of that to install them. Nothing of raylab's needs them."""
    if "ipykernel" not in sys.modules or find_spec("ipywidgets") is not None:
        yield
        return
    ray = logging.getLogger("ray.widgets.util")
    level = ray.level
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        ray.setLevel(logging.WARNING)
        try:
            yield
        finally:
            ray.setLevel(level)
