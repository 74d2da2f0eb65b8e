"""The benchmarks, by one command.

    python tests/bench [NAME ...] [--rounds 5] [--quick] [--json FILE]

Each benchmark runs in a process of its own, so that none sees what another left in memory. At the end a table: what was
reached, beside what and in which ratio, and whether that is what the project promises itself. Exits with 1 if one
of them is not, or could not be measured. What the peers need is an extra, `pip install -e ".[bench]"`; those that are
not installed are left out.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "helpers")]  # the benchmarks, and the tests' clusters

from figures import Figure, Run, table  # noqa: E402

BENCHMARKS = (
    "throughput",
    "peers",
    "efficiency",
    "submitting",
    "selecting",
    "retry",
    "memory",
    "asking",
    "reading",
    "restart",
    "latency",
    "journal",
    "scale",
    "mixture",
    "startup",
    "capturing",
)
"""In this order; `memory` makes the large notebook that those after it use."""


def one(name: str, run: Run, into: Path) -> None:
    """Measure in this process; a line for each figure goes to `into` as soon as there is one."""
    with into.open("w") as lines:
        for figure in importlib.import_module(name).measure(run):
            lines.write(json.dumps(asdict(figure)) + "\n")
            lines.flush()
            print(table([figure]).splitlines()[-1], flush=True)


def each(names: list[str], run: Run) -> tuple[list[Figure], list[str]]:
    """All figures, and the benchmarks that ended otherwise than they should."""
    figures: list[Figure] = []
    broken = []
    for name in names:
        print(f"-- {name}", flush=True)
        into = run.folder / f"{name}.jsonl"
        command = [sys.executable, str(HERE), "--one", name, "--folder", str(run.folder), "--rounds", str(run.rounds)]
        if subprocess.run([*command, *(["--quick"] if run.quick else [])], check=False).returncode:
            broken.append(name)
        if into.exists():
            figures += [Figure(**json.loads(line)) for line in into.read_text().splitlines()]
    return figures, broken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--rounds", type=int, default=5, help="how many pairs are taken of each")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    parser.add_argument("--json", type=Path, help="where the figures go, too")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.names) - set(BENCHMARKS)):
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    if arguments.one:
        run = Run(folder=arguments.folder, rounds=arguments.rounds, quick=arguments.quick)
        one(arguments.one, run, arguments.folder / f"{arguments.one}.jsonl")
        return 0
    with tempfile.TemporaryDirectory(prefix="raylab-bench-") as folder:
        run = Run(folder=Path(folder), rounds=arguments.rounds, quick=arguments.quick)
        figures, broken = each([name for name in BENCHMARKS if name in (arguments.names or BENCHMARKS)], run)
    print(f"\n{table(figures)}")
    if broken:
        print(f"\nnot measured to the end: {', '.join(broken)}")
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")
    return 1 if broken or not all(figure.reached for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
