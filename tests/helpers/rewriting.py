"""The asserts of test modules, rewritten once for all of xdist's processes: six seconds of a core each, else.

pytest keeps what it has rewritten beside the module, unless Python was told to write no bytecode, and each process
begins before another has written anything. What is used here is not public: where pytest has it no more, each process
rewrites for itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import pytest


def rewrite(modules: Iterable[Path], config: pytest.Config) -> None:
    """Keep these modules rewritten, as pytest does."""
    with contextlib.suppress(ImportError, AttributeError, KeyError, TypeError, OSError):
        from _pytest.assertion import rewrite as hook

        state = config.stash[hook.assertstate_key]
        for module in modules:
            folder = hook.get_cache_dir(module)
            folder.mkdir(exist_ok=True)
            kept = folder / (module.stem + hook.PYC_TAIL)
            if hook._read_pyc(module, kept) is None:
                said, code = hook._rewrite_test(module, config)
                hook._write_pyc(state, code, said, kept)
