"""Each command and each option is documented, by the page docs/command.md and by `--help`, which fits a terminal.

`python tests/terminal/test_reference.py` writes the page anew.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))

from reference import page

from raylab.terminal.command import VERBS, main
from raylab.terminal.words import Verb

PAGE = Path(__file__).parents[2] / "docs" / "command.md"

TABLES = {"ls", "status", "watch", "wait", "results", "failures", "info", "verify", "copy"}
"""What prints a table, or what a program wants to know: each takes --json."""


def name(verb: Verb) -> str:
    return verb.name


def test_the_page_has_every_verb_and_option_as_it_is() -> None:
    assert PAGE.read_text() == page(), "`python tests/terminal/test_reference.py` writes it anew"


@pytest.mark.parametrize("verb", VERBS, ids=name)
def test_each_word_of_a_verb_says_what_it_is_and_an_example_shows_the_verb(verb: Verb) -> None:
    for names, about in verb.words:
        assert about.get("help"), f"{verb.name} {names[0]} has no help"
    assert f"raylab {verb.name}" in verb.example
    assert bool(verb.name in TABLES) == any("--json" in names for names, _ in verb.words)


@pytest.mark.parametrize("verb", VERBS, ids=name)
def test_a_help_text_fits_80_columns(
    verb: Verb, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([verb.name, "--help"])
    shown = capsys.readouterr().out.splitlines()
    assert f"  {verb.example}" in shown
    assert [line for line in shown if len(line) > 80 and "{" not in line and verb.example not in line] == []


if __name__ == "__main__":
    PAGE.write_text(page())
