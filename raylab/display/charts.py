"""Charts that need no network: Altair's own, but that Jupyter and a saved page show them without loading a library.

Altair's usual renderer, and its pages, load Vega from the network each time. Here a front end of Jupyter gets what
JupyterLab and VS Code draw themselves, with a picture beside it for all others; a page that is saved has the libraries
in it. Altair's settings stay as they are: where a person has chosen a renderer, that one draws.
"""

from __future__ import annotations

import io
import json
from base64 import b64encode
from typing import Any

from raylab.extras import needed

with needed("altair", extra="plot", purpose="a plot"):
    import altair as alt
with needed("vl_convert", extra="plot", purpose="a plot"):
    import vl_convert  # noqa: F401  # Altair draws PNG and SVG with it, and takes the libraries of a page from it

__all__ = ["Chart", "FacetChart", "LayerChart", "alt", "offline", "png", "svg"]

LAB_MIME = "application/vnd.vegalite.v5+json"
"""What JupyterLab 4 and VS Code draw without a network. Vega-Lite 6 reads what raylab draws as version 5 does."""

LAB_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"

SCALE = 2.0
"""A picture has so many dots for each of its pixels: sharp on the screens of today."""

ACTIONS = {"export": True, "source": False, "compiled": False, "editor": False}
"""What the menu of a page offers: PNG and SVG. Vega's editor lies in the network."""


class InScript(json.JSONEncoder):
    """JSON that may stand in a script of a page: what a trial raised may say `</script>`, which would end it."""

    def encode(self, o: Any) -> str:
        return super().encode(o).replace("<", "\\u003c")


def _of_page(words: dict[str, Any]) -> dict[str, Any]:
    """How a page is written, in Altair's words, but for what a person says otherwise."""
    usual = {"inline": True, "embed_options": {"actions": ACTIONS}}
    return {**usual, **words, "json_kwds": {"cls": InScript, **(words.get("json_kwds") or {})}}


class Offline(alt.TopLevelMixin):  # type: ignore[misc]
    """What a chart that needs no network does otherwise than Altair's."""

    def _repr_mimebundle_(self, *args: Any, **kwds: Any) -> Any:
        if alt.renderers.active != "default":
            return super()._repr_mimebundle_(*args, **kwds)
        document = self.to_dict() | {"$schema": LAB_SCHEMA}
        picture = png(self)
        width, height = (int.from_bytes(picture[at : at + 4], "big") / SCALE for at in (16, 20))  # of PNG's first chunk
        shown = {LAB_MIME: document, "image/png": b64encode(picture).decode(), "text/plain": repr(self)}
        return shown, {"image/png": {"width": round(width), "height": round(height)}}

    def save(self, fp: Any, format: Any = None, **kwds: Any) -> None:
        """As Altair's `save`: PNG, SVG, PDF, JSON or HTML, by the suffix; a page has all that it needs in it."""
        is_page = format == "html" or str(fp).endswith(".html")
        super().save(fp, format, **(_of_page(kwds) if is_page else kwds))

    def to_html(self, *args: Any, **kwds: Any) -> str:
        """As Altair's `to_html`; the page has all that it needs in it."""
        page: str = super().to_html(*args, **_of_page(kwds))
        return page


class Chart(Offline, alt.Chart):  # type: ignore[misc]
    """Altair's `Chart`, shown without a network."""


class LayerChart(Offline, alt.LayerChart):  # type: ignore[misc]
    """Altair's `LayerChart`, shown without a network."""


class FacetChart(Offline, alt.FacetChart):  # type: ignore[misc]
    """Altair's `FacetChart`, shown without a network."""


OWN: dict[type, type] = {alt.Chart: Chart, alt.LayerChart: LayerChart, alt.FacetChart: FacetChart}


def offline(chart: Any) -> Any:
    """The chart, as one that needs no network; what Altair makes of it by editing stays one where its kind does."""
    object.__setattr__(chart, "__class__", OWN[type(chart)])  # a plain assignment would become a word of the chart
    return chart


def png(chart: Any) -> bytes:
    """The picture of a chart, in SCALE dots a pixel."""
    file = io.BytesIO()
    chart.save(file, format="png", scale_factor=SCALE)
    return file.getvalue()


def svg(chart: Any) -> str:
    """The picture of a chart as an `<svg>` element: self-contained, and it asks nothing of a network."""
    file = io.StringIO()
    chart.save(file, format="svg")
    return file.getvalue()
