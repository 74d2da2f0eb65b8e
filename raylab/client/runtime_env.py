"""What a person says of where trials run, `runtime_env=`: what Ray is told, what travels as code, what is another code.

Promises: no word is dropped without a word; what stays is plain data that no file of this machine is needed for; of
secrets in `env_vars` nothing but a digest is shown or compared.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ray.runtime_env import RuntimeEnv

from raylab.code.named_files import py_modules, working_dir
from raylab.code.value_text import digest, value_text
from raylab.core.closest import did_you_mean
from raylab.core.difference import VARIABLE
from raylab.errors import DesignError

TRAVELS_AS_CODE = frozenset({"working_dir", "py_modules", "excludes"})
"""Parts of a runtime_env that Ray collects soon after the client is gone. What they hold travels as code."""

OF_THE_JOB = ("pip", "uv", "conda", "env_vars")
"""What trials take over from this process's own job, so that they get the packages the person works with."""

_POLICY = frozenset({"config"})
"""How an environment is made, not what it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A runtime_env, taken apart.

    Attributes:
        words: what the tasks of the sweep get, as plain data.
        files: what `working_dir` holds, by the names that trials find it by.
        include: what `py_modules` names, as `include=` takes it.
        remark: a sentence on what does not travel; empty if all does.
    """

    words: Mapping[str, Any]
    files: Mapping[str, Path] = field(default_factory=dict)
    include: tuple[Any, ...] = ()
    remark: str = ""


def environment(job: Mapping[str, Any], given: Mapping[str, Any] | None) -> Environment:
    """Take a submission's runtime_env apart, upon that of the job.

    Args:
        job: the runtime_env of this process's own job.
        given: what the submission says; its words win.

    Raises:
        DesignError: it is no dict, has a word that nobody reads, or names something that cannot travel.
    """
    if given is not None and not isinstance(given, Mapping):
        raise DesignError(f"runtime_env is a dict, as {{'pip': ['scipy']}}; got {given!r}")
    words = {word: value for word, value in (given or {}).items() if value is not None}
    _check_words(words)
    if "excludes" in words and "working_dir" not in words:
        raise DesignError("runtime_env's excludes says what of working_dir stays here; give working_dir, too")
    kept = {word: job[word] for word in OF_THE_JOB if job.get(word)}
    kept |= {word: value for word, value in words.items() if word not in TRAVELS_AS_CODE}
    return Environment(
        words=_settled(kept),
        files=working_dir(words["working_dir"], words.get("excludes", ())) if "working_dir" in words else {},
        include=tuple(py_modules(words["py_modules"])) if "py_modules" in words else (),
        remark=_remark([word for word in ("working_dir", "py_modules") if job.get(word) and word not in words]),
    )


def environment_ingredients(words: Mapping[str, Any]) -> dict[str, str]:
    """What of an environment makes another experiment; of variables the name and a digest."""
    found: dict[str, str] = {}
    for word, value in words.items():
        if word == "env_vars" and isinstance(value, Mapping):
            variables = {str(name): str(text) for name, text in value.items() if not str(name).startswith("RAY_")}
            found |= {f"{VARIABLE}{name}": _hidden(text) for name, text in variables.items()}
        elif word not in _POLICY:
            plain = _in_one_form(value)
            text = value_text(plain)
            # An address of a package index may hold a token.
            found[f"environment {word}"] = _hidden(json.dumps(plain)) if "://" in json.dumps(plain) else text
    return found


def _hidden(text: str) -> str:
    return f"sha256:{digest(text.encode('utf-8', 'surrogatepass'))}"


def _in_one_form(value: Any) -> Any:
    """Packages as a list where that says all: Ray writes `["a"]` as a dict with what it takes for granted."""
    if isinstance(value, Mapping) and "packages" in value:
        told = {name: part for name, part in value.items() if part not in (False, None)}
        told = {name: part for name, part in told.items() if name != "uv_pip_install_options" or part != ["--no-cache"]}
        return list(told["packages"]) if told.keys() == {"packages"} else dict(told)
    return value


def _check_words(words: Mapping[str, Any]) -> None:
    known = {word for word in RuntimeEnv.known_fields if not word.startswith("_")}
    for word in words:
        if word not in known:
            raise DesignError(
                f"runtime_env has the word {word!r}, which nobody reads; the words are {', '.join(sorted(known))}"
                f"{did_you_mean(word, known)}"
            )


def _settled(environment: Mapping[str, Any]) -> dict[str, Any]:
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


def _remark(words: list[str]) -> str:
    if not words:
        return ""
    return (
        f"the {' and '.join(words)} of this process's job (ray.init) {'does' if len(words) == 1 else 'do'} not reach "
        "trials: Ray takes such files away soon after this process ends. Modules that the experiment imports travel by "
        "themselves; for files that trials read, submit with runtime_env={'working_dir': '.'} or include=[...]"
    )
