"""Functions and classes as texts: their normalised source, or their compiled code where there is none.

Promises: the same text in every process for the same definition; layout, comments and docstrings do not count.
"""

from __future__ import annotations

import inspect
import sys
from types import FunctionType

from raylab.code.references import by_reference, captured
from raylab.code.source import class_source, code_digest, digest, function_source, source_digest
from raylab.code.value_text import by_name

__all__ = ["class_text", "function_text"]


def function_text(function: FunctionType) -> str:
    """What a function says; not what it takes along."""
    node = function_source(function)
    if node is not None:
        return f"source {source_digest(node)}"
    if by_reference(function):  # its module counts, with the file that travels
        return f"named {by_name(function)}"
    return f"code-{sys.version_info[0]}.{sys.version_info[1]} {code_digest(function.__code__, function.__doc__)}"


def class_text(cls: type) -> str:
    """What a class says: its source, or in a notebook its members' names and its methods."""
    node = class_source(cls)
    if node is not None:
        return f"source {source_digest(node)}"
    names = [str(part) for part in captured(cls)] + sorted(inspect.get_annotations(cls))
    methods = [part.value for part in captured(cls) if isinstance(part.value, FunctionType)]
    texts = [function_text(method) for method in methods if _is_written(cls, method)]
    if not texts:
        return f"members {digest(repr(names).encode())}"
    kinds = sorted({text.partition(" ")[0] for text in texts})
    return f"members-{'-'.join(kinds)} {digest(repr([names, texts]).encode())}"


def _is_written(cls: type, method: FunctionType) -> bool:
    """Not one that `dataclass` made."""
    return not (method.__code__.co_filename == "<string>" and hasattr(cls, "__dataclass_fields__"))
