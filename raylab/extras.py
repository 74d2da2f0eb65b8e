"""Optional libraries, the extras of raylab: each is imported where it is used, and what is missing is a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needed(package: str, *, extra: str, purpose: str) -> Iterator[None]:
    """While this holds, an import of a package that is not installed says what to do.

    Args:
        package: what is imported.
        extra: the extra of raylab that brings it.
        purpose: what it is wanted for, as the subject of the sentence, with the way to do without, if there is one.

    Raises:
        ModuleNotFoundError: the package is not installed.

    Example:
        >>> try:
        ...     with needed("magic", extra="spells", purpose="a spell"):
        ...         import magic
        ... except ModuleNotFoundError as error:
        ...     print(error)
        a spell needs magic, which is not installed here: pip install 'raylab[spells]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise
        raise ModuleNotFoundError(
            f"{purpose} needs {package}, which is not installed here: pip install 'raylab[{extra}]'", name=package
        ) from None
