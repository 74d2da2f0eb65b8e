"""The page docs/command.md as the parser has it: every verb, with every word that it takes."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from raylab.terminal.command import ABOUT, VERBS
from raylab.terminal.words import CODES, Verb

HEAD = f"""# The command

{ABOUT}
What is asked for goes to stdout, all else to stderr; an error is one line. `raylab COMMAND --help` says the same as
this page; `raylab --version` names the versions of raylab, Python and Ray.

What prints a table takes `--json`: times are ISO 8601, what is no finite number is null. `watch --json` prints a line
for each sweep, and one whenever it is not as it was.

To let the shell complete commands, options, labs and sweeps, put one line into its file:

| shell | file | line |
| --- | --- | --- |
| bash | `~/.bashrc` | `eval "$(raylab completion bash)"` |
| zsh | `~/.zshrc` | `eval "$(raylab completion zsh)"` |
| fish | `~/.config/fish/config.fish` | `raylab completion fish \\| source` |
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(_verb(each) for each in VERBS), "## Exit codes", "", "```text", CODES.strip(), "```", ""])


def _verb(verb: Verb) -> str:
    more = f" {' '.join(verb.more.split())}" if verb.more else ""
    rows = list(_rows(verb))
    table = ["| word | what it is |", "| --- | --- |", *rows, ""] if rows else []
    about = f"{verb.what[0].upper()}{verb.what[1:]}.{more}"
    return "\n".join([f"## {verb.name}", "", about, "", "```bash", verb.example, "```", "", *table])


def _rows(verb: Verb) -> Iterator[str]:
    own = argparse.ArgumentParser(add_help=False)
    for names, about in verb.words:
        action = own.add_argument(*names, **about)
        shown = ", ".join(action.option_strings) or str(action.metavar or "|".join(map(str, action.choices or ())))
        values = action.metavar or "|".join(map(str, action.choices or ()))
        if action.option_strings and action.nargs != 0:
            shown += f" {values}"
        yield f"| `{_cell(shown)}` | {_cell(action.help or '')} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
