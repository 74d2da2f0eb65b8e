"""What shows itself at the end of a notebook's cell: as HTML where the front end can, else as text. Nothing is drawn
here."""

from __future__ import annotations

from typing import Any, Protocol


class Bundle(Protocol):
    """The same as HTML and as text."""

    @property
    def html(self) -> str: ...
    @property
    def text(self) -> str: ...
    def bundle(self) -> dict[str, str]: ...


class Showing:
    """Shows itself as a card. Showing raises nothing and changes nothing."""

    __slots__ = ()

    def _card(self) -> Bundle:
        raise NotImplementedError

    def _repr_html_(self) -> str:
        return self._card().html

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Both, of one look; the front end takes the richest that it knows. IPython leaves out what was not asked for
        (`include`, `exclude`) itself."""
        return self._card().bundle()
