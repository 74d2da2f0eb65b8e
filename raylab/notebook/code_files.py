"""The files of code: an experiment and the modules it reaches, by the hashes of their bytes.

Promises: bytes that do not fit their name are never returned. Nothing here unpickles.
"""

from __future__ import annotations

from raylab.errors import NotebookDamaged
from raylab.notebook import layout
from raylab.notebook.store import Reader

CODE_WAY_OUT = "put it back from a copy of the notebook; or delete it, and then submit the sweep again as it was"


def read_code(reader: Reader, digest: str, modules: str | None) -> tuple[bytes, bytes | None]:
    """The bytes that these hashes name.

    Raises:
        NotebookDamaged: a file is missing, or not what its name says.
    """
    if not digest:
        raise NotebookDamaged("the experiment is lost; submit the sweep again as it was")
    pickle = _bytes(reader, layout.pickle_path(digest))
    return pickle, _bytes(reader, layout.modules_path(modules)) if modules else None


def _bytes(reader: Reader, path: str) -> bytes:
    try:
        data = reader.get(path)
    except FileNotFoundError as error:
        raise NotebookDamaged(
            f"{path} is missing; submit the sweep again as it was, or put the file back from a copy of the notebook"
        ) from error
    if not layout.fits_name(path, data):
        raise NotebookDamaged(f"{path} is not what was written; {CODE_WAY_OUT}")
    return data
