"""What `CITATION.cff` says of a parcel: the Citation File Format, version 1.2.0."""

from __future__ import annotations

from datetime import date
from typing import Any

from raylab.core.authors import Author
from raylab.core.crate import About

CITATION = "CITATION.cff"


def citation(about: About, published: date) -> dict[str, Any]:
    """The document, as YAML takes it.

    Example:
        >>> said = citation(About(title="Heat", description="", licence=None, authors=(Author(name="Ada"),)), date.min)
        >>> said["title"], said["authors"]
        ('Heat', [{'family-names': 'Ada'}])
    """
    said = {
        "cff-version": "1.2.0",
        "message": "If you use what is in here, please cite it as below.",
        "type": "dataset",
        "title": about.title,
        "abstract": about.description,
        "authors": list(map(_author, about.authors)),
        "date-released": published.isoformat(),
    }
    if about.licence is not None:
        is_listed = bool(about.licence.spdx)
        said["license" if is_listed else "license-url"] = about.licence.spdx or about.licence.url
    return {key: value for key, value in said.items() if value}


def _author(author: Author) -> dict[str, str]:
    family, given = author.parts
    said = {"family-names": family, "given-names": given, "email": author.email, "orcid": author.orcid}
    return {key: value for key, value in said.items() if value}
