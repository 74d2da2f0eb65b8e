"""Which global random generators an experiment may draw from: those are seeded before each of its trials.

Seeding costs some 20 µs, which is ten times what a trivial trial takes. So it is left out, but only where everything
that the experiment reaches is on a list of modules known not to draw.
Promises: what is not known counts as drawing. Nothing is imported and nothing is run to find out.
"""

from __future__ import annotations

import ast
import builtins
import dis
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import CodeType

from raylab.code.local_modules import Finder, Local
from raylab.code.packages import requires
from raylab.code.source import REMEMBERED, parse

# Modules of the standard library that never draw from the generators of `random`, by what is at the top of their names;
# below, what C code and newer Pythons call them. None of their sources imports random (searched in 3.11). Not: random,
# statistics (draws samples), uuid (uuid1 draws), tempfile and secrets, and what can load any other code: importlib,
# pickle, runpy, ctypes, subprocess, concurrent. raylab draws only from generators that it makes for a trial.
_NEVER_DRAW = """
__future__ abc array base64 binascii bisect builtins bz2 calendar cmath codecs collections contextlib contextvars
copy copyreg csv dataclasses datetime decimal difflib enum errno fractions functools gc genericpath gettext glob
graphlib gzip hashlib heapq hmac html inspect io itertools json keyword linecache locale logging lzma math nt ntpath
numbers operator os pathlib platform posix posixpath pprint raylab re reprlib sched shlex signal sre_compile stat
string stringprep struct sys textwrap threading time timeit token tokenize traceback types typing unicodedata
warnings weakref zlib zoneinfo

_abc _bisect _bz2 _codecs _collections _collections_abc _contextvars _csv _datetime _decimal _functools _hashlib
_heapq _io _json _locale _lzma _operator _pydatetime _pydecimal _pyio _sre _stat _string _struct _thread _typing
_warnings _weakref _weakrefset
"""

# It is pickled by value: what it reaches is met on the way.
_BY_VALUE = frozenset({"__main__", "__mp_main__", ""})

# Every function that travels by value is made by it, on the worker.
_CARRIER = "ray.cloudpickle"

_TEXT_NAMES = frozenset({"__import__", "eval", "exec", "compile"})
_TEXT_ATTRIBUTES = frozenset({"__import__", "eval", "exec", "modules"})  # sys.modules; not re.compile

DYNAMIC = "(code that is made when it runs)"
"""Stands among the names of modules for code that can reach any of them."""


def seeds(names: Iterable[str], modules: Mapping[str, Local], finder: Finder) -> tuple[str, ...]:
    """The generators to seed: none, or `random` and `numpy`, and `torch` where torch is reached.

    Args:
        names: all modules that are met, and all that reached local modules import; `DYNAMIC` for any.
        modules: the local modules among them.
        finder: knows which are local.
    """
    names = set(names)
    tops = {name.partition(".")[0] for name in names if not f"{name}.".startswith(f"{_CARRIER}.")} - _BY_VALUE
    foreign = {top for top in tops if finder.find(top) is None}
    draws = bool(foreign.difference(_NEVER_DRAW.split())) or any(map(_is_unknown, modules.values()))
    if not draws and "torch" not in tops:
        return ()
    # A library may draw from torch's generator, whatever the experiment itself imports.
    torch = "torch" in tops or requires(names, finder, "torch")
    return ("random", "numpy", "torch") if torch else ("random", "numpy")


def is_dynamic(code: CodeType) -> bool:
    """Whether code takes what may make other code: then nobody can tell what it reaches."""
    for each in dis.get_instructions(code):
        if each.opname.startswith(("LOAD_GLOBAL", "LOAD_NAME")) and str(each.argval) in _TEXT_NAMES:
            return True
        if each.opname.startswith(("LOAD_ATTR", "LOAD_METHOD")) and str(each.argval) in _TEXT_ATTRIBUTES:
            return True
    return False


def runs_text(value: object) -> bool:
    """Whether it is one of the builtins that run what a text says."""
    return any(value is getattr(builtins, name) for name in _TEXT_NAMES)


def _is_unknown(module: Local) -> bool:
    """A local module that is compiled, cannot be parsed, or makes code when it runs."""
    if module.file is None:  # a package without __init__
        return False
    return module.file.suffix != ".py" or _makes_code(module.file.read_bytes())


@lru_cache(maxsize=REMEMBERED)
def _makes_code(source: bytes) -> bool:
    """Whether a module's source calls what makes code; also where the source does not parse."""
    tree = parse(source)
    return tree is None or any(
        (isinstance(node, ast.Name) and node.id in _TEXT_NAMES)
        or (isinstance(node, ast.Attribute) and node.attr in _TEXT_ATTRIBUTES)
        for node in ast.walk(tree)
    )
