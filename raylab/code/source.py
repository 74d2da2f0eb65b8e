"""What a function, a class or a module says: its source, normalised, or its compiled code where there is none.

Promises: comments, blank lines, layout and docstrings do not count, and the digest of a source is the same in
every process and on every Python that parses it. Source files are read; nothing is imported or run.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import sys
import textwrap
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FunctionType

from raylab.code.references import by_reference, captured
from raylab.code.value_text import by_name, digest

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

# `kind` tells u"" from "", `type_comment` is a comment, `ctx` follows from the place.
_IGNORED_FIELDS = {"kind", "type_comment", "ctx"}

REMEMBERED = 1_000
"""Of so many modules it is remembered what their sources say. A package of 100 modules of 10 kB each takes a third of a
second to read, at each submit of a notebook's cell; remembered, its sources take 1 MB."""

PARSED = 16
"""Of so many files the parsed sources are kept: a cell that is submitted again asks for the same ones. A file of 1,400
lines takes 50 ms to go through and 4 MB to keep."""


def parse(text: str | bytes) -> ast.Module | None:
    """None for what does not parse (another Python, a template)."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@lru_cache(maxsize=REMEMBERED)
def module_digest(source: bytes) -> str | None:
    """The digest of a module's source; None for what does not parse."""
    tree = parse(source)
    return None if tree is None else source_digest(tree)


def source_digest(node: ast.AST) -> str:
    """The digest of a piece of source."""
    return digest("".join(_normalised(node)).encode("utf-8", "surrogatepass"))


def function_text(function: FunctionType) -> str:
    """What a function says; not what the function takes along."""
    node = _function_source(function)
    if node is not None:
        return f"source {source_digest(node)}"
    if by_reference(function):  # its module counts, with the file that travels
        return f"named {by_name(function)}"
    return f"code-{sys.version_info[0]}.{sys.version_info[1]} {code_digest(function.__code__, function.__doc__)}"


def class_text(cls: type) -> str:
    """What a class says: its source, or in a notebook its members' names and its methods."""
    node = _class_source(cls)
    if node is not None:
        return f"source {source_digest(node)}"
    names = [str(part) for part in captured(cls)] + sorted(inspect.get_annotations(cls))
    methods = [part.value for part in captured(cls) if isinstance(part.value, FunctionType)]
    texts = [function_text(method) for method in methods if not _is_dataclasses(cls, method)]
    if not texts:
        return f"members {digest(repr(names).encode())}"
    kinds = sorted({text.partition(" ")[0] for text in texts})
    return f"members-{'-'.join(kinds)} {digest(repr([names, texts]).encode())}"


def as_written(value: FunctionType | type) -> str | None:
    """The text of a function or a class as it stands in its file or notebook cell, comments and all; None if there is
    none."""
    if isinstance(value, type):
        node, lines = _class_source(value), _lines_of_class(value)
    else:
        node, lines = _function_source(value), linecache.getlines(value.__code__.co_filename, value.__globals__)
    if not isinstance(node, ast.ClassDef | _Definition):
        return None
    return textwrap.dedent("".join(lines[_first_line(node) - 1 : node.end_lineno]))


def _lines_of_class(cls: type) -> list[str]:
    return linecache.getlines(getattr(sys.modules.get(cls.__module__), "__file__", None) or "")


def _is_dataclasses(cls: type, method: FunctionType) -> bool:
    """Whether `dataclass` wrote the method."""
    return method.__code__.co_filename == "<string>" and hasattr(cls, "__dataclass_fields__")


def _function_source(function: FunctionType) -> ast.AST | None:
    """The definition of a function, found in its file (or notebook cell) by name and line.

    The whole file is parsed, not the function's lines: those of a lambda are a fragment of some statement.
    None if there is no source, or another one than the function was made from.
    """
    code = function.__code__
    found = _definitions(_text(code.co_filename, function.__globals__)).get((code.co_name, code.co_firstlineno), [])
    if len(found) > 1:  # several lambdas in a line: the columns tell them apart
        places = set(code.co_positions())
        found = [node for node in found if isinstance(node, ast.Lambda) and _place(node.body) in places]
    return found[0] if len(found) == 1 else None


def _class_source(cls: type) -> ast.AST | None:
    """The definition of a class, found in its module's file by its qualified name; None in a notebook."""
    module = sys.modules.get(cls.__module__)
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or not file.endswith(".py"):
        return None
    node: ast.AST | None = _tree(_text(file))
    for name in cls.__qualname__.split("."):
        if node is None:
            return None
        found = [n for n in _scope(node) if isinstance(n, ast.ClassDef | _Definition) and _name(n) == name]
        node = found[-1] if found else None  # the last definition of a name is the one in force
    return node if isinstance(node, ast.ClassDef) else None


def _text(file: str, module: dict[str, object] | None = None) -> str:
    linecache.checkcache(file)
    return "".join(linecache.getlines(file, module))


@lru_cache(maxsize=PARSED)
def _tree(text: str) -> ast.Module | None:
    return parse(text)


@lru_cache(maxsize=PARSED)
def _definitions(text: str) -> dict[tuple[str, int], list[_Definition]]:
    """The functions and lambdas of a file by what their code knows of them: their names and first lines."""
    tree = _tree(text)
    found: dict[tuple[str, int], list[_Definition]] = {}
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, _Definition):
            found.setdefault((_name(node), _first_line(node)), []).append(node)
    return found


def code_digest(code: CodeType, docstring: str | None = None) -> str:
    """The digest of compiled code, for functions without source; other Pythons compile it differently."""
    return digest(repr(_code_parts(code, docstring)).encode("utf-8", "surrogatepass"))


def _code_parts(code: CodeType, docstring: str | None) -> tuple[object, ...]:
    constants = [
        _code_parts(c, None) if isinstance(c, CodeType)
        else sorted(map(repr, c)) if isinstance(c, frozenset)  # its order changes with the process
        else repr(c)
        for c in code.co_consts
    ]  # fmt: skip
    if docstring is not None and code.co_consts[:1] == (docstring,):
        constants[0] = repr(None)
    arguments = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_varnames)
    return (code.co_code, constants, code.co_names, arguments, code.co_freevars, code.co_cellvars)


def _first_line(node: _Definition | ast.ClassDef) -> int:
    """Where a definition begins, with its decorators."""
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _name(node: _Definition | ast.ClassDef) -> str:
    return "<lambda>" if isinstance(node, ast.Lambda) else node.name


def _place(node: ast.expr) -> tuple[int | None, int | None, int | None, int | None]:
    return (node.lineno, node.end_lineno, node.col_offset, node.end_col_offset)


def _scope(node: ast.AST) -> Iterator[ast.AST]:
    """What is defined in a scope, also under `if` and `try`, but not inside another definition."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.ClassDef | _Definition):
            yield from _scope(child)


def _normalised(node: ast.AST) -> Iterator[str]:
    """The tree as text. Not `ast.dump`: its form, and a node's fields, change with Python's versions."""
    yield f"({type(node).__name__}"
    for name, value in ast.iter_fields(node):
        if name in _IGNORED_FIELDS or value is None or value == []:
            continue
        yield f" {name}="
        if name == "body" and isinstance(value, list):
            value = _without_docstring(node, value)
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, ast.AST):
                yield from _normalised(entry)
            else:
                yield f"{type(entry).__name__}:{entry!r},"
    if isinstance(node, ast.Constant) and node.value is None:
        yield "None"
    yield ")"


def _without_docstring(node: ast.AST, body: list[ast.stmt]) -> list[ast.stmt]:
    if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return body
    return body if ast.get_docstring(node, clean=False) is None else body[1:]
