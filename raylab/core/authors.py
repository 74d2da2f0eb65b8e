"""Authors and licences of what is published, as a person writes them in a line."""

from __future__ import annotations

import re
from dataclasses import dataclass

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

ORCID = re.compile(r"(?:https?://orcid\.org/)?(?P<digits>\d{4}-\d{4}-\d{4}-\d{3}[\dX])")
_EMAIL = re.compile(r"<(?P<address>[^<>\s@]+@[^<>\s@]+\.[^<>\s@.]{2,})>")
_URL = re.compile(r"https?://[^\s/?#]+\S*")
_SPDX = "https://spdx.org/licenses/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Somebody who is to be named.

    Attributes:
        name: as it is printed.
        email: empty if none was given.
        orcid: as a URL; empty if none was given.
    """

    name: str
    email: str = ""
    orcid: str = ""

    @property
    def parts(self) -> tuple[str, str]:
        """Family and given names: what stands before a comma is the family's, else the last word is.

        Example:
            >>> Author(name="Ada King Lovelace").parts, Author(name="de la Cruz, Juana").parts
            (('Lovelace', 'Ada King'), ('de la Cruz', 'Juana'))
        """
        if "," in self.name:
            family, _, given = self.name.partition(",")
        else:
            given, _, family = self.name.rpartition(" ")
        return family.strip(), given.strip()


def read_author(text: str) -> Author:
    """The author that a line names.

    Args:
        text: `Name`, then `<email>` and an ORCID, either of which may be missing.

    Raises:
        ValueError: the line is no such thing, or the ORCID has a wrong digit.

    Example:
        >>> read_author("Josiah Carberry <jc@example.org> 0000-0002-1825-0097")
        Author(name='Josiah Carberry', email='jc@example.org', orcid='https://orcid.org/0000-0002-1825-0097')
    """
    *words, last = line(text).split(" ")
    orcid = ORCID.fullmatch(last)
    rest = " ".join(words) if orcid else line(text)
    email = _EMAIL.search(rest)
    name = " ".join((rest[: email.start()] + rest[email.end() :] if email else rest).split())
    if not name.strip(",") or re.search(r"[<>@/]|\d{4}-", name):
        raise ValueError(
            f"an author is a name, then perhaps <an e-mail address> and an ORCID, as in 'Josiah Carberry "
            f"<jc@example.org> 0000-0002-1825-0097'; got {text!r}"
        )
    if orcid and not _is_right(orcid["digits"]):
        raise ValueError(f"{orcid['digits']} is no ORCID, its last digit does not fit the others; got {text!r}")
    url = f"https://orcid.org/{orcid['digits']}" if orcid else ""
    return Author(name=name, email=email["address"] if email else "", orcid=url)


def _is_right(orcid: str) -> bool:
    """Whether the last digit is that of ISO 7064, MOD 11-2."""
    digits, last = orcid.replace("-", "")[:-1], orcid[-1]
    total = 0
    for digit in digits:
        total = (total + int(digit)) * 2
    return "0123456789X"[(12 - total % 11) % 11] == last


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """Under which something may be used.

    Attributes:
        url: where it says what it says.
        name: as people call it.
        spdx: its identifier in the SPDX list; empty if it has none.
    """

    url: str
    name: str
    spdx: str = ""


def read_licence(text: str) -> Licence:
    """The licence that an SPDX identifier, or a URL, names.

    Raises:
        ValueError: it is neither; an expression that joins several licences, or says "or later" by a `+`, is none.

    Example:
        >>> read_licence("cc-by-4.0")
        Licence(url='https://spdx.org/licenses/CC-BY-4.0', name='CC-BY-4.0', spdx='CC-BY-4.0')
    """
    given = line(text)
    if _URL.fullmatch(given) and not given.startswith(_SPDX):
        return Licence(url=given, name=given)
    try:
        spdx = str(canonicalize_license_expression(given.removeprefix(_SPDX).removesuffix(".html")))
    except InvalidLicenseExpression:
        spdx = ""
    if not spdx or {" ", "+"} & set(spdx) or spdx.startswith("LicenseRef-"):
        raise ValueError(
            f"a licence is one identifier of the SPDX list (CC-BY-4.0, CC0-1.0, MIT; {_SPDX} has them all), or a URL "
            f"where its text is; got {text!r}"
        )
    return Licence(url=f"{_SPDX}{spdx}", name=spdx, spdx=spdx)


def line(text: str) -> str:
    """The text with single spaces; ValueError where it holds what no line has, or is no text."""
    if not isinstance(text, str):
        raise ValueError(f"a title, a description, a licence and an author are strings; got {text!r}")
    line = " ".join(text.split())
    if not line.isprintable():
        raise ValueError(f"{text!r} holds characters that cannot be printed")
    return line
