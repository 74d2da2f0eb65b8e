"""Authors and licences as people write them."""

from __future__ import annotations

import pytest

from raylab.core.authors import Author, read_author, read_licence

ORCID = "0000-0002-1825-0097"
URL = f"https://orcid.org/{ORCID}"


@pytest.mark.parametrize(
    ("text", "author"),
    [
        ("Ada Lovelace", Author(name="Ada Lovelace")),
        ("  Ada   Lovelace ", Author(name="Ada Lovelace")),
        ("Ada <ada@example.org>", Author(name="Ada", email="ada@example.org")),
        (f"Ada Lovelace {ORCID}", Author(name="Ada Lovelace", orcid=URL)),
        (f"Ada <ada@example.org> {URL}", Author(name="Ada", email="ada@example.org", orcid=URL)),
        ("Ada 0000-0002-1694-233X", Author(name="Ada", orcid="https://orcid.org/0000-0002-1694-233X")),
        ("José Ñuño-O'Brien", Author(name="José Ñuño-O'Brien")),
        ("The LHCb 2 Collaboration", Author(name="The LHCb 2 Collaboration")),
    ],
)
def test_an_author_is_a_name_with_what_else_is_known(text: str, author: Author) -> None:
    assert read_author(text) == author


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ORCID,
        "<ada@example.org>",
        "Ada <ada>",
        "Ada <ada@localhost>",
        "Ada ada@example.org",
        "Ada 0000-0002-1825-009",
        "Ada <a@b> <c@d>",
        ",",
    ],
)
def test_what_is_no_author_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"as in 'Josiah Carberry <jc@example.org> 0000-0002-1825-0097'"):
        read_author(text)


def test_what_is_no_string_is_named() -> None:
    for read in (read_author, read_licence):
        with pytest.raises(ValueError, match=r"are strings; got 17"):
            read(17)  # type: ignore[arg-type]


def test_an_orcid_with_a_wrong_digit_is_refused() -> None:
    with pytest.raises(ValueError, match="0000-0002-1825-0079 is no ORCID"):
        read_author("Ada 0000-0002-1825-0079")


@pytest.mark.parametrize(
    ("text", "spdx", "url"),
    [
        ("CC-BY-4.0", "CC-BY-4.0", "https://spdx.org/licenses/CC-BY-4.0"),
        ("mit", "MIT", "https://spdx.org/licenses/MIT"),
        ("https://spdx.org/licenses/CC0-1.0.html", "CC0-1.0", "https://spdx.org/licenses/CC0-1.0"),
        ("https://example.org/terms", "", "https://example.org/terms"),
    ],
)
def test_a_licence_is_an_identifier_or_a_url(text: str, spdx: str, url: str) -> None:
    assert (read_licence(text).spdx, read_licence(text).url) == (spdx, url)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "CC BY 4.0",
        "my own",
        "MIT OR Apache-2.0",
        "LicenseRef-mine",
        "ftp://x",
        "https://",
        "https:///x",
        "https://a b",
        "MIT+",
    ],
)
def test_what_is_no_licence_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match=r"CC-BY-4\.0, CC0-1\.0, MIT"):
        read_licence(text)
