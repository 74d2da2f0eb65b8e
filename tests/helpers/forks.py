"""Processes that have loaded what a test needs before they begin: forks of one that loaded it once.

For tests of what is the same in another process, which never saw the first one's files: a Python that loads raylab
takes a second of a core, a fork a hundredth. Run as a program: an order is a line of JSON on stdin, its answer one on
stdout.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import traceback
import types
from collections.abc import Mapping, Sequence
from pathlib import Path


class Forks:
    """A process that is forked for each script; it ends with the process that made it.

    Args:
        modules: that it loads.
        hash_seed: of all its forks.
    """

    def __init__(self, *modules: str, hash_seed: str = "0") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__, *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONDONTWRITEBYTECODE": "1"},
        )

    def run(
        self, script: Path, *words: str, cwd: Path, beside: bool = False, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a script in a process of its own and wait for its end.

        Args:
            script: the file.
            words: what follows its name.
            cwd: the folder that it runs in.
            beside: whether it finds modules that lie beside it.
            env: all of its environment; that of the first process if None.
        """
        order = {
            "script": str(script),
            "words": words,
            "cwd": str(cwd),
            "beside": beside,
            "env": None if env is None else dict(env),
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        code, stdout, stderr = json.loads(self._process.stdout.readline())
        return subprocess.CompletedProcess([str(script), *words], code, stdout, stderr)

    def close(self) -> None:
        self._process.communicate()


def _run(script: str, words: Sequence[str], cwd: str, beside: bool, env: Mapping[str, str] | None) -> None:
    """In the fork."""
    if env is not None:
        os.environ.clear()
        os.environ.update(env)
    os.chdir(cwd)
    sys.argv[:] = [script, *words]
    if beside:
        sys.path.insert(0, str(Path(script).parent))
    main = types.ModuleType("__main__")
    main.__file__ = script
    sys.modules["__main__"] = main
    exec(compile(Path(script).read_text(), script, "exec"), vars(main))


def _forked(order: dict[str, object]) -> tuple[int, str, str]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if not pid:
            code = 1
            try:
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                _run(**order)  # type: ignore[arg-type]
                code = 0
            except SystemExit as end:
                code = int(end.code or 0)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        said = [os.pread(file.fileno(), 2**24, 0).decode() for file in (out, err)]
    return code, said[0], said[1]


if __name__ == "__main__":
    for module in sys.argv[1:]:
        importlib.import_module(module)
    for line in sys.stdin:
        print(json.dumps(_forked(json.loads(line))), flush=True)
