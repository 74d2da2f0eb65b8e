"""The formats of files that results are written as: their words, and the suffixes that mean them. Loads nothing."""

from __future__ import annotations

from pathlib import Path

FORMATS: dict[str, tuple[str, ...]] = {
    "parquet": (".parquet",),
    "csv": (".csv",),
    "arrow": (".arrow", ".feather", ".ipc"),
    "json": (".json",),
    "jsonl": (".jsonl", ".ndjson"),
    "markdown": (".md",),
    "table": (),
    "xlsx": (".xlsx",),
    "netcdf": (".nc",),
}
"""By the word for it, the suffixes of each format. A table is for people: the head and the tail of the rows."""

SUFFIXES = tuple(suffix for some in FORMATS.values() for suffix in some)

BINARY = frozenset({"parquet", "arrow", "xlsx", "netcdf"})
"""What no terminal shows."""


LABELLED = "netcdf"
"""What takes arrays over the axes of one sweep, and no rows."""


def format_of(path: Path) -> str:
    """The format that the suffix of a file means.

    Raises:
        ValueError: it means none.

    Example:
        >>> format_of(Path("coarse.feather"))
        'arrow'
    """
    for word, suffixes in FORMATS.items():
        if path.suffix.lower() in suffixes:
            return word
    raise ValueError(f"a file that ends in one of {' '.join(SUFFIXES)}, or any with --format; not {str(path)!r}")
