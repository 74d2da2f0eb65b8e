"""A client process that stays, connected to its cluster, and runs one script after the other, as a Jupyter kernel does.

Each script is a `__main__` of its own, in a folder of its own, and writes to files of its own. The process serves as
long as the scripts leave it as they found it: with the same environment, path, modules, warnings, signal handlers and
threads, the same connection to Ray, and nothing of raylab replaced.

Run as a program: an order is a line of JSON on stdin, its answer a line of JSON on the descriptor that is given.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
import types
import warnings
from pathlib import Path
from typing import Any, TextIO


def run(script: Path, folder: Path) -> int:
    """Run a script as Python would; its exit code. What it writes is in stdout.txt and stderr.txt of the folder."""
    os.chdir(folder)
    sys.argv[:] = [str(script)]
    sys.path[0] = str(script.parent)
    _write_to(folder / "stdout.txt", sys.stdout)
    _write_to(folder / "stderr.txt", sys.stderr)
    main = types.ModuleType("__main__")
    main.__file__ = str(script)
    sys.modules["__main__"] = main
    try:
        exec(compile(script.read_text(), str(script), "exec"), vars(main))
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:
        traceback.print_exception(error.with_traceback(error.__traceback__ and error.__traceback__.tb_next))
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _write_to(path: Path, stream: TextIO) -> None:
    """Also what other libraries write past Python."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    os.dup2(file, stream.fileno())
    os.close(file)


def state() -> dict[str, Any]:
    """What a script must leave as it is."""
    import ray

    ours = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "raylab"}
    installed = (sys.prefix, sys.base_prefix, str(Path(__file__).parents[2]))
    files = {name: str(getattr(module, "__file__", None) or "") for name, module in list(sys.modules.items())}
    return {
        "environment": dict(os.environ),
        "path": sys.path[1:],
        "modules": {name for name, file in files.items() if file and not file.startswith(installed)} - {"__main__"},
        "warnings": list(warnings.filters),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGALRM, signal.SIGTERM)],
        "threads": {thread.name for thread in threading.enumerate() if not thread.daemon},
        "connection": ray.is_initialized() and ray.get_runtime_context().get_job_id(),
        "raylab": {(name, word): id(value) for name, module in ours.items() for word, value in _defined(module)},
    }


def _defined(module: types.ModuleType) -> list[tuple[str, Any]]:
    """Functions and classes, and those of the classes."""
    found = [(word, value) for word, value in vars(module).items() if callable(value)]
    own = [(word, value) for word, value in found if isinstance(value, type) and value.__module__ == module.__name__]
    return found + [(f"{word}.{name}", each) for word, value in own for name, each in vars(value).items()]


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """In which of its parts the state is another one. Modules that are loaded later are none."""
    ours = {key: value for key, value in after["raylab"].items() if key in before["raylab"]}
    return [part for part in before if (ours if part == "raylab" else after[part]) != before[part]]


def main(answers: int) -> None:
    sys.path[0] = "/nowhere"  # what a driver has on its path when it connects, its workers get
    # All that is loaded when it is used: numpy adds warnings' filters, polars a variable of the environment, and the
    # first script would seem to have changed them.
    import raylab
    from raylab.client.cluster import connect

    for name in raylab.__all__:
        getattr(raylab, name)
    connect(None, start=False)
    with os.fdopen(answers, "w") as reply:
        for line in sys.stdin:
            script, folder = map(Path, json.loads(line))
            before = state()
            code = run(script, folder)
            reply.write(json.dumps({"code": code, "changed": changed(before, state())}) + "\n")
            reply.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]))
