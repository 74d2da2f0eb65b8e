"""The verb that says where rows come from: `raylab info`. It starts no lab."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from raylab.client.speech import say
from raylab.core.provenance import few
from raylab.display.figures import width
from raylab.display.working_tree import changed
from raylab.errors import SweepNotFound
from raylab.terminal.as_json import print_json
from raylab.terminal.verbs_read import LAB, NOTEBOOK, look, only_sweep
from raylab.terminal.words import ADDRESS, DONE, Misuse, number, verb, word

COLUMN = 12
"""Where what is said of a thing begins."""

DIFF = "--diff prints it"


@verb(
    "show what was asked of a sweep, with which code, from where, and on what it ran; without SWEEP, the lab itself",
    LAB,
    word("sweep", nargs="?", metavar="SWEEP", help="which; NAME~1 for one that was set aside"),
    ADDRESS,
    NOTEBOOK,
    word("--code", type=number(int, 1, 10**9, "a version's number, from 1 on"), metavar="N", help="version N only"),
    word(
        "--diff",
        action="store_true",
        help="print what was changed since the commit, and nothing else, for `git apply`: of the newest version, or of "
        "the one that --code says",
    ),
    word("--json", action="store_true", help="as JSON: an object; the diff is in it with --diff"),
    example="raylab info perc coarse --diff | git apply",
)
def info(
    lab: str | None,
    sweep: str | None,
    address: str | None,
    notebook: Path | None,
    code: int | None,
    diff: bool,
    json: bool,
) -> int:
    name = sweep if notebook is None else only_sweep(lab, sweep)
    if name is None and (diff or code is not None):
        raise Misuse("--diff and --code are about a sweep; give one")
    found, diffs = _read(lab, name, address, notebook, whole=diff and not json)
    if name is not None and code is not None:
        found["code"], diffs = _version(found, code), diffs[code - 1 : code]
    if json:
        if "code" in found and not diff:
            found["code"] = [{**version, "diff": None} for version in found["code"]]
        print_json(found)
    elif diff:
        _print_diff(found, diffs[-1])
    else:
        print("\n".join(_lines(found, width(sys.stdout))))
    return DONE


def _read(
    lab: str | None, name: str | None, address: str | None, notebook: Path | None, *, whole: bool
) -> tuple[dict[str, Any], list[bytes | None]]:
    """What there is to say, and, if they are wanted byte by byte, the diffs of a sweep's versions."""
    if notebook is not None:
        from raylab.offline import Notebook, diffs_of

        here = Notebook(notebook)
        return here.info(name), diffs_of(here, name) if name is not None and whole else []
    there = look(lab, address)
    return there.info(name), there.diffs(name) if name is not None and whole else []


def _version(found: Mapping[str, Any], number: int) -> list[dict[str, Any]]:
    """The version of this number, alone."""
    versions: list[dict[str, Any]] = found["code"]
    if number > len(versions):
        count = f"{len(versions)} version{'s' if len(versions) > 1 else ''}"
        raise SweepNotFound(f"{found['name']!r} has {count} of its code, and no version {number}")
    return versions[number - 1 : number]


def _print_diff(found: Mapping[str, Any], diff: bytes | None) -> None:
    """The very bytes: they are for a program."""
    version = found["code"][-1]
    if diff is None:
        say(f"there is no diff of version {version['version']} of {found['name']!r}: {changed(version, DIFF)}")
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(diff)
    if version["diff_cut"]:
        say("this is the beginning of the diff, which was larger than what is kept")


# -- for people


def _lines(found: Mapping[str, Any], columns: int | None) -> list[str]:
    """What there is to say, a line or some for each thing."""
    pairs = _of_sweep(found) if "code" in found else _of_lab(found)
    lines: list[str] = []
    for name, words in pairs:
        first = f"{name:<{COLUMN}}" if name else ""
        indent = " " * COLUMN if name else ""
        lines += textwrap.wrap(words, columns or 10_000, initial_indent=first, subsequent_indent=indent) or [""]
    return lines


def _of_lab(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in found.items():
        if value not in (None, "", []):
            yield name, _recipients(value) if name == "notify" else _said(value)


def _recipients(found: list[dict[str, Any]]) -> str:
    """Who is told of what."""
    return "; ".join(f"{each['to']} ({', '.join(each['on'])})" for each in found) or "nobody"


def _said(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M} UTC" if isinstance(value, datetime) else str(value)


def _of_sweep(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "sweep", f"{found['name']}, of {found['user']}, submitted {_said(found['submitted'])}"
    yield "experiment", str(found["experiment"])
    yield "design", f"{found['design']}; {found['total']:,} trials, seed {found['seed']}, order {found['order']}"
    if found["description"]:
        yield "about", str(found["description"])
    for name, about in found["units"].items():
        yield "column", f"{name}: {'; '.join(about[word] for word in ('description', 'units') if word in about)}"
    if found["notify"] is not None:  # else it is the lab's
        yield "notify", _recipients(found["notify"])
    for version in found["code"]:
        yield "", ""
        yield "code", f"version {version['version']}, from {version['user']}, {_said(version['submitted'])}"
        yield from _of_version(version)


def _of_version(version: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if version["differs"]:
        yield "  differs", "; ".join(version["differs"])
    if version["command"]:
        yield "  command", str(version["command"])
        yield "  on", f"{version['host']}, in {version['folder']}"
    if version["commit"] or version["branch"]:
        where = f" on {version['branch']}" if version["branch"] else ""
        remote = f", {version['remote']}" if version["remote"] else ""
        yield "  git", f"{version['commit'] or 'no commit yet'}{where}{remote}; {changed(version, DIFF)}"
    if version["git"]:
        yield "  git", str(version["git"])
    if version["untracked"]:
        yield "  untracked", few(version["untracked"], version["more_untracked"])
    if version["python"]:
        yield "  python", f"{version['python']} on {version['platform']}, {len(version['packages'])} packages"
    if version["imports"]:
        yield "  imports", ", ".join(f"{name} {known or '?'}" for name, known in version["imports"].items())
    for workers in version["workers"]:
        differs = f"; {'; '.join(workers['differs'])}" if workers["differs"] else ""
        which = f"{few(workers['nodes'])}: Python {workers['python']} on {workers['platform']}"
        yield "  ran on", f"{which}{differs}"
