"""Shells complete commands, options, labs and sweeps, soon and without a cluster."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sweeps import Bench

from raylab.core.design import Factorial
from raylab.terminal.verbs_completion import SHELLS


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A machine that knows the lab perc, with two sweeps, and has `raylab` on its path."""
    root = tmp_path_factory.mktemp("home")
    bench = Bench(root / "perc", "perc")
    for name in ("coarse", "fine"):
        bench.submit(name, lambda x: {"y": x}, Factorial(x=range(2)))
        bench.run(name)
    folder = root / "bin"
    folder.mkdir()
    script = folder / "raylab"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m raylab.terminal.command "$@"\n')
    script.chmod(0o755)
    return root


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PYTHONPATH", "LANG", "LC_ALL") if name in os.environ}
    path = f"{home / 'bin'}:{os.environ['PATH']}"
    return kept | {"PATH": path, "HOME": str(home), "RAYLAB_HOME": str(home), "TERM": "dumb"} | more


def offered(home: Path, line: str) -> list[str]:
    """What comes next, as argcomplete answers a shell."""
    code = f"""
import os, sys
os.dup2(os.open({str(home / "answer")!r}, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), 8)
from raylab.terminal.command import main
try:
    main()
finally:
    heavy = {{"ray", "polars", "pyarrow", "numpy", "pandas"}} & set(sys.modules)
    assert not heavy, heavy
"""
    code = code.replace("main()\nfinally", "main()\nexcept SystemExit:\n    raise\nfinally")
    words = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n"}
    (home / "answer").write_text("")
    env = environment(home, _ARGCOMPLETE_STDOUT_FILENAME=str(home / "answer"), **words)
    subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True, timeout=60)
    return [each.strip() for each in (home / "answer").read_text().split("\n") if each.strip()]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("raylab sta", {"start", "status"}),
        ("raylab status --js", {"--json"}),
        ("raylab status ", {"perc"}),
        ("raylab status perc ", {"coarse", "fine"}),
        ("raylab results perc fi", {"fine"}),
        ("raylab results perc coarse f", {"fine"}),
        ("raylab cancel perc c", {"coarse"}),
        ("raylab verify p", {"perc"}),
        ("raylab completion ", set(SHELLS)),
        ("raylab results perc --format js", {"json", "jsonl"}),
    ],
)
def test_what_may_come_next(line: str, found: set[str], home: Path) -> None:
    assert found <= {*offered(home, line)}


def test_a_folder_has_sweeps_too(home: Path) -> None:
    assert {*offered(home, f"raylab status --notebook {home / 'perc'} co")} == {"coarse"}


def test_nothing_is_offered_of_a_lab_that_is_not_here(home: Path) -> None:
    assert offered(home, "raylab status elsewhere x") == []


BASH = """
eval "$(raylab completion bash)"
COMP_LINE="$1" COMP_POINT=${#COMP_LINE} COMP_TYPE=9
read -ra COMP_WORDS <<< "$COMP_LINE"; [[ $COMP_LINE == *' ' ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
complete -p raylab >&2 && _python_argcomplete raylab "${COMP_WORDS[COMP_CWORD]}" ""
printf '%s\\n' "${COMPREPLY[@]}"
"""


def run(shell: str, script: str, home: Path, *words: str) -> list[str]:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    command = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    done = subprocess.run(
        [shell, *command, "-c", script, *words],
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return [line.split("\t")[0].strip() for line in done.stdout.splitlines() if line.strip()]


def test_bash_completes(home: Path) -> None:
    assert {*run("bash", BASH, home, "bash", "raylab status perc co")} == {"coarse"}
    assert {"start", "status"} <= {*run("bash", BASH, home, "bash", "raylab sta")}


def test_fish_completes(home: Path) -> None:
    script = "raylab completion fish | source; complete --do-complete 'raylab status perc co'"
    assert run("fish", script, home) == ["coarse"]


def test_zsh_takes_it(home: Path) -> None:
    script = 'eval "$(raylab completion zsh)"; print -r -- ${_comps[raylab]}'
    assert run("zsh", script, home) == ["_python_argcomplete"]
