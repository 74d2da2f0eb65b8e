"""What is published of a notebook, and what is kept back."""

from __future__ import annotations

import json

import pytest

from raylab.core.publishing import Publication

SECRETS = {
    "runtime_env": {"env_vars": {"TOKEN": "hush"}, "pip": {"packages": ["a @ https://ada:hush@example.org/a.whl"]}},
    "ingredients": {
        "environment env_vars TOKEN": "sha256:hush",
        "environment container": "sha256:hush",
        "global N": "2",
    },
    "container": {"image": "a/b:1", "run_options": ["--env", "TOKEN=hush"]},
    "words": [
        "https://ada:h@hush@example.org/a",
        "https://example.org/a?v=1&access_token=hush&w=2 https://example.org/b?X-Amz-Signature=hush#part",
        "git+ssh://git:hush@example.org/lab.git",
        ("x", {"env_vars": {"OTHER": "hush"}}),
    ],
}


def test_values_of_variables_and_passwords_are_kept_back() -> None:
    shown = Publication().shown(SECRETS)
    assert "hush" not in json.dumps(shown)
    assert shown["runtime_env"]["env_vars"] == {"TOKEN": None}
    assert shown["runtime_env"]["pip"]["packages"] == ["a @ https://example.org/a.whl"]
    assert shown["ingredients"] == {"global N": "2"}
    assert shown["container"] == {"image": "a/b:1", "run_options": None}
    assert shown["words"][:2] == [
        "https://example.org/a",
        "https://example.org/a?v=1&access_token=&w=2 https://example.org/b?X-Amz-Signature=#part",
    ]


def test_values_of_variables_are_shown_where_they_are_asked_for() -> None:
    shown = Publication(env_vars=True).shown(SECRETS)
    assert shown["runtime_env"]["env_vars"] == {"TOKEN": "hush"}
    assert shown["container"]["run_options"] == ["--env", "TOKEN=hush"]
    assert "ada:hush" not in json.dumps(shown)


@pytest.mark.parametrize(
    "url",
    [
        "https://ada:hush@example.org/x",
        "https://hush@example.org/x",
        "https://ada:hu@sh@example.org/x",
        "https://ada:hush/sh@example.org/x",
        "git+ssh://git:hush@example.org/x",
        "see 'https://a:hush@example.org/x' or",
    ],
)
def test_of_a_url_nothing_is_shown_that_lets_somebody_in(url: str) -> None:
    shown = Publication().shown(url)
    assert "sh" not in shown.replace("ssh", "")
    assert "://example.org/x" in shown


@pytest.mark.parametrize(
    "text",
    ["https://example.org:8080/x@y", "ada@example.org", '["https://a.org","x@y"]', "a://b c@d", "https://a.org/b:c@d"],
)
def test_other_texts_with_an_at_stay_as_they_are(text: str) -> None:
    assert Publication().shown(text) == text


def test_what_is_no_secret_stays_as_it_is() -> None:
    plain = {"a": [1, 2.5, None, True, {"b": "https://example.org/x@y?page=2&monkey", "c": "ada@example.org"}]}
    assert Publication().shown(plain) == plain


def test_who_submitted_is_an_author_where_nobody_else_is_named() -> None:
    about = Publication().about("heat", ["coarse"], ["ada", "bob"])
    assert [author.name for author in about.authors] == ["ada", "bob"]
    assert "heat" in about.title
    assert "coarse" in about.description
    given = {"title": " My  heat ", "description": None, "licence": "MIT", "authors": "Zoë", "diff": False}
    said = Publication.of(**given, env_vars=False).about("heat", ["coarse"], ["ada"])
    assert (said.title, [author.name for author in said.authors]) == ("My heat", ["Zoë"])
    assert Publication.of(**given | {"authors": None}, env_vars=False).authors == ()
