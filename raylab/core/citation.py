"""What `CITATION.cff` says of a parcel: the Citation File Format, version 1.2.0."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from raylab.core.authors import Author
from raylab.core.crate import About

CITATION = "CITATION.cff"

_NAMED = re.compile(
    r"CC0-1\.0|CC-BY(-NC)?(-ND|-SA)?-[1-4]\.0|[AL]?GPL-3\.0-(only|or-later)|L?GPL-2\.[01]-(only|or-later)|ODbL-1\.0|"
    r"ODC-By-1\.0|PDDL-1\.0|MIT|MIT-0|ISC|0BSD|BSD-[23]-Clause|Apache-2\.0|MPL-2\.0|EUPL-1\.2|Unlicense"
)
"""Licences that are called by their identifier. CFF 1.2.0 knows those of the SPDX list of 2021 and takes no other; any
licence may be called by its URL."""


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
        is_named = bool(_NAMED.fullmatch(about.licence.spdx))
        said["license" if is_named else "license-url"] = about.licence.spdx if is_named else about.licence.url
    return {key: value for key, value in said.items() if value}


def _author(author: Author) -> dict[str, str]:
    family, given = author.parts
    said = {"family-names": family, "given-names": given, "email": author.email, "orcid": author.orcid}
    return {key: value for key, value in said.items() if value}
