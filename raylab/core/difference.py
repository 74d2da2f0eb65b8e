"""How two experiments differ, in words, by the ingredients they were packed with.

Ingredients are names with digests or short values; `raylab.code.identity` makes them and they are stored with the
sweep. Promises: no sentence means the same experiment, and what cannot be compared is never called a difference.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["differences"]


def differences(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """What differs, one sentence each; empty if the two are the same experiment.

    Example:
        >>> differences({"global N": "2", "module a": "source 1"}, {"global N": "3", "module b": "source 2"})
        ['global N: 3, was 2', 'module a: no longer reached', 'module b: newly reached']
    """
    if old.get("rule") != new.get("rule"):
        return []
    told = (_difference(name, old.get(name), new.get(name)) for name in sorted({*old, *new}))
    return [text for text in told if text is not None]


def _difference(name: str, old: str | None, new: str | None) -> str | None:
    is_file = name.startswith(("module ", "file "))
    is_code = is_file or name.startswith(("function ", "class ", "helper "))
    if old == new:
        return None
    if old is None:
        return f"{name}: newly reached" if is_file else f"{name}: newly used" if is_code else f"{name}: {new}, is new"
    if new is None:
        return f"{name}: no longer {'reached' if is_file else 'used'}"
    if is_code:
        # Source and bytecode, or the bytecode of two Pythons, say nothing about each other.
        comparable = old.rpartition(" ")[0] == new.rpartition(" ")[0]
        text = "changed" if is_file else "its source has changed"
        return f"{name}: {text}" if comparable or is_file else None
    if "sha256:" in old and "sha256:" in new:
        return f"{name}: its value has changed"
    return f"{name}: {new}, was {old}"
