"""Ray's words for where a task runs: which there are, and what files of this machine they name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ray.runtime_env import RuntimeEnv

from raylab.errors import DesignError


def environment_words() -> set[str]:
    """What this Ray knows in a runtime_env."""
    return {word for word in RuntimeEnv.known_fields if not word.startswith("_")}


def settled(environment: Mapping[str, Any]) -> dict[str, Any]:
    """A runtime_env without the files of this machine that it names: of packages, of a conda environment.

    Raises:
        DesignError: such a file cannot be read; Ray's own explanation is in the message.
    """
    made = dict(environment)
    for word in ("pip", "uv", "conda"):
        value = made.get(word)
        if isinstance(value, str | os.PathLike) and (word != "conda" or str(value).endswith((".yml", ".yaml"))):
            try:
                file: dict[str, Any] = {word: str(value)}
                made[word] = RuntimeEnv(**file)[word]
            except Exception as error:  # Ray's, of many kinds
                raise DesignError(f"runtime_env's {word} names the file {str(value)!r}: {error}") from error
    return made
