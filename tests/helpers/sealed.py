"""Whether a lab has sealed what it wrote: until then two sets of its rows' files may stand there, or one be going."""

from __future__ import annotations

from pathlib import Path

from raylab.notebook.file import OPENING
from raylab.notebook.posix import PosixStore
from raylab.notebook.table_files import file_header, file_names


def is_sealed(notebook: Path, folder: str) -> bool:
    """Whether only openings are left in a table's journal."""
    store = PosixStore(notebook)
    names, _ = file_names(store, folder)
    try:
        return all(file_header(store, f"{folder}/journal/{name}").kind == OPENING for name in names)
    except FileNotFoundError:
        return False  # it is being sealed
