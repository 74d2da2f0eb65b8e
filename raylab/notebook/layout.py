"""Where everything lies in a notebook's folder, and the two files that explain it. All names on disk are made here.

NAME/
├── README.md         how to read the folder without raylab
├── notebook.json     what this is; never changed
├── requests/         table: what was asked, one row each
├── code/             experiments (.pkl), the modules they reach (.zip), what was changed since the commit (.diff), by
│                     the hash of their bytes
├── sweeps/NAME/      table: what came out of a sweep; NAME~2 of the second one of that name, NAME~3 of the third
├── logs/NAME/        table: what trials of that sweep printed, if anything of that is kept
├── removing.json    in one that is being deleted, until nothing else is left
├── copying.json      in a copy that is not complete yet: what `notebook.json` will say
└── tmp/              half-written files
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from raylab.core.handle import ASIDE
from raylab.core.names import read_name
from raylab.errors import NameRefused, NotebookDamaged, VersionMismatch
from raylab.notebook.store import Reader

FORMAT = "raylab-notebook"
VERSION = 1

NOTEBOOK = "notebook.json"
README = "README.md"
REQUESTS = "requests"
CODE = "code"
SWEEPS = "sweeps"
LOGS = "logs"
COPYING = "copying.json"
REMOVING = "removing.json"

_CODE_NAME = re.compile(r"[0-9a-f]{64}\.(pkl|zip|diff)")
NO_FIT = "its bytes do not fit the sha256 in its name"

MAX_NAME = 120
_FORBIDDEN = '/\\<>:"|?*~\0'


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What `notebook.json` says: whose notebook of which lab this is."""

    id: str
    name: str
    user: str
    created: str
    raylab: str = ""
    """The version that made it."""
    origins: tuple[str, ...] = ()
    """Of a copy: the id of the notebook that was copied, the id of what that is a copy of, and so on."""
    salvaged: bool = False
    """Whether it is a copy of what was whole of its origin."""
    format: str = FORMAT
    version: int = VERSION

    def dumps(self) -> bytes:
        """The file, with its own sha256 as every other file of a notebook has it."""
        data = (json.dumps({**asdict(self), "sha256": _ZEROS}, indent=2) + "\n").encode()
        return data.replace(_line(_ZEROS), _line(hashlib.sha256(data).hexdigest()))

    def told(self, place: str) -> dict[str, Any]:
        """As `info()` of a lab has it; `created` is a moment."""
        return {
            "name": self.name,
            "notebook": place,
            "id": self.id,
            "user": self.user,
            "created": datetime.fromisoformat(self.created) if self.created else None,
            "format": self.version,
            "raylab": self.raylab,
            "origins": list(self.origins),
        }

    @staticmethod
    def loads(data: bytes, where: str) -> Identity:
        """Read it; refuse what is no notebook, or one of a later format.

        Raises:
            NotebookDamaged: the file is not what raylab writes.
            VersionMismatch: the notebook was written by a later format than this raylab knows.
        """
        try:
            found = json.loads(data)
            if found["format"] != FORMAT:
                raise ValueError(f"its format is {found['format']!r}")
            version = int(found["version"])
            claimed = found.get("sha256", "")
            fits = _fits(data, claimed)
            if version > VERSION and (fits or not claimed):  # before the rest, which such a version may have changed
                raise VersionMismatch(
                    f"the notebook {where} has format {version}, and this raylab reads up to {VERSION}; "
                    f"{_maker(found)} made it: install that one or a later one"
                )
            if not fits:
                raise ValueError("its bytes do not fit its own sha256")
            return Identity(version=version, origins=tuple(found["origins"]), **{name: found[name] for name in _SAID})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise NotebookDamaged(
                f"{where}/{NOTEBOOK} is not what raylab writes ({type(error).__name__}: {error}); put back a "
                f"copy of it, or let `raylab copy {where} NEW --salvage` make a new notebook of all that is whole"
            ) from error


_SAID = ("id", "name", "user", "created", "raylab", "salvaged")
_ZEROS = "0" * 64


def _line(digest: str) -> bytes:
    return f'"sha256": "{digest}"'.encode()


def _fits(data: bytes, claimed: str) -> bool:
    plain = data.replace(_line(claimed), _line(_ZEROS))
    return len(claimed) == len(_ZEROS) and hashlib.sha256(plain).hexdigest() == claimed


def _maker(found: dict[str, object]) -> str:
    return f"raylab {found['raylab']}" if found.get("raylab") else "a later raylab"


def check_name(name: object, what: str) -> str:
    """A lab's or a sweep's name, which is also its folder's, as `read_name` gives it.

    Raises:
        NameRefused: no folder can have it everywhere.
    """
    if not isinstance(name, str):
        raise NameRefused(f"the name of a {what} must be a string, not {type(name).__name__} {name!r}")
    name = read_name(name)
    bad = sorted({c for c in name if c in _FORBIDDEN or not c.isprintable()})
    trouble = ""
    if what == "sweep" and (match := ASIDE.fullmatch(name)):
        raise NameRefused(
            f"{name!r} cannot be the name of a new sweep: sweeps called {match['name']!r} that were set aside for "
            f"another one are read under such names; leave '~{match['generation']}' out"
        )
    if not name or name in (".", ".."):
        trouble = "it is empty or stands for a folder itself"
    elif bad:
        trouble = f"it holds {' '.join(repr(c) for c in bad)}"
    elif name[0] in ".- " or name[-1] in ". ":
        trouble = "it begins with a dot, a dash or a space, or ends with a dot or a space"
    elif len(name.encode()) > MAX_NAME:
        trouble = f"it is longer than {MAX_NAME} bytes"
    if trouble:
        raise NameRefused(
            f"{name!r} cannot be the name of a {what}, because a folder is named after it and {trouble}; "
            "use letters, digits, '-', '_' and '.'"
        )
    return name


def sweep_folder(name: str, generation: int) -> str:
    """The table of a sweep's results; a later generation has taken the name of one that was set aside."""
    return f"{SWEEPS}/{name}" if generation == 1 else f"{SWEEPS}/{name}~{generation}"


def log_folder(folder: str) -> str:
    """The table of what the trials of a sweep print, whose results lie in a folder."""
    return f"{LOGS}/{folder.removeprefix(f'{SWEEPS}/')}"


def sweep_of(folder: str) -> str:
    """Where the results of a sweep lie of which a folder has one of the tables."""
    return f"{SWEEPS}/{folder.partition('/')[2]}"


def folders(folder: str) -> tuple[str, str]:
    """Both tables of a sweep whose results lie in a folder."""
    return folder, log_folder(folder)


def pickle_path(digest: str) -> str:
    return f"{CODE}/{digest}.pkl"


def modules_path(digest: str) -> str:
    return f"{CODE}/{digest}.zip"


def diff_path(digest: str) -> str:
    return f"{CODE}/{digest}.diff"


CODE_PATHS = (pickle_path, modules_path, diff_path)
"""Where something of code may lie."""


def table_folders(reader: Reader) -> list[str]:
    """Where there are, or were, tables of sweeps of either kind: those with results first."""
    return [f"{top}/{name[:-1]}" for top in (SWEEPS, LOGS) for name in reader.names(top) if name.endswith("/")]


def is_removing(reader: Reader) -> bool:
    """Whether a notebook is being deleted here, or was until somebody was cut."""
    return REMOVING in reader.names("")


def code_paths(reader: Reader) -> list[str]:
    """The files of code that are there."""
    return [f"{CODE}/{name}" for name in reader.names(CODE) if _CODE_NAME.fullmatch(name)]


def fits_name(path: str, code: bytes) -> bool:
    """Whether a file of code has the bytes whose hash its name is."""
    return hashlib.sha256(code).hexdigest() == PurePosixPath(path).stem


def readme(name: str) -> str:
    """The text that lets somebody read the folder in twenty years, with polars alone."""
    return f"""\
# The notebook of the lab {name!r}

raylab keeps here what was asked of the lab and what came out, as Arrow IPC files that many programs read. Nothing
is ever overwritten; files appear, and journal files disappear once a sealed file beside `journal/` holds their rows.
`raylab copy` copies it, also while its lab works. To read a sweep with polars alone:

```python
from pathlib import Path
import polars as pl

folder = Path("{SWEEPS}") / "SWEEP"  # the sweep's name
files = sorted(folder.glob("*.arrow")) + sorted(folder.glob("journal/*.arrow"))
rows = pl.concat([pl.scan_ipc(f) for f in files], how="diagonal_relaxed").unique("_seq", maintain_order=True)
rows = rows.filter(pl.col("_attempt") == pl.col("_attempt").max().over("_point", "_repeat"))
results = rows.collect()
```

- The record of a trial is the rows of its highest `_attempt`; that is what the filter keeps.
- Columns that begin with `_` are about the trial: `_seq` counts the rows of the sweep, `_point` and `_repeat` name the
  trial, `_status` is `done`, `failed`, `crashed`, `out_of_memory` or `timed_out`, `_warnings` counts the warnings it
  showed (the files' metadata tell which), `_printed` the bytes it printed, where its log is kept, `_seed` is the
  trial's own, `_started` (UTC) and `_elapsed_s` say when and how long, `_num_cpus`, `_memory` (bytes) and `_time_limit`
  (seconds) what it had asked for, `_peak_memory` (bytes) what its process had at most, `_error` and `_traceback` why it
  failed, `_node` and `_pid` where it ran. Of these, what nobody asked for or knows may be left out.
  All others are parameters and results; a column `NAME__KIND` holds values of `NAME` of another type, and
  `NAME__result` is a result that is called like a parameter. Which type has the plain name depends on what came first;
  so does the order of rows and columns. The fields' metadata tell: `raylab.name`, `raylab.kind`, and `raylab.exact`,
  which names the places with integers that no float holds.
- `{REQUESTS}/` is a table of the same kind: what was asked, one row each, in order.
- `{LOGS}/` has for a sweep a table of the same kind: what its trials printed, a row for each attempt, as far as that
  was kept. The column `log` is the text, `_printed` how many bytes it was. A trial's is the newest of its `_attempt`.
- `{CODE}/` holds the experiments, pickled, the modules they need, and what was changed since the git commit that they
  were submitted from (`.diff`), by the hashes that `{REQUESTS}/` names. Unpickle only what you trust.
- `NAME` is the folder of the first sweep of that name, `NAME~2` that of the second, which was submitted in its place,
  and so on: the highest number is the one in force, the others were set aside. `{REQUESTS}/` says by whom and when.
- What was removed is gone for good: `{REQUESTS}/` says by whom and when, and its folder has files without rows only, by
  which no writer of the past takes it up again.
- Every file carries its own sha256 in its schema metadata (`raylab.sha256`), computed with 64 zeros in its place.
- `raylab verify` checks all of it; `raylab copy OLD NEW --salvage` makes a new notebook of all that is whole.
"""
