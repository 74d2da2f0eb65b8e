"""The README of a parcel: what is in there and how to read it, for somebody who has never heard of raylab."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from raylab import __version__
from raylab.core.crate import METADATA, NO_LICENCE, PROFILE, About
from raylab.core.status import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """A sweep in a parcel.

    Attributes:
        name: its name.
        folder: where in the parcel it lies.
        status: how far it was.
        rows: how many count.
    """

    name: str
    folder: str
    status: Status
    rows: int


def readme(about: About, lab: str, made: datetime, chapters: Sequence[Chapter]) -> str:
    """The text, in Markdown.

    Args:
        about: what people say of the parcel.
        lab: the lab's name.
        made: when the parcel was made.
        chapters: the sweeps; at least one.
    """
    licence = about.licence.url if about.licence else NO_LICENCE
    return f"""\
# {about.title}

{about.description}

- Authors: {", ".join(author.name for author in about.authors)}
- Licence: {licence}
- How to cite it: `CITATION.cff`
- Made on {made:%Y-%m-%d} by raylab {__version__}, of the lab {lab!r}

A *sweep* runs one *experiment*, a piece of code, at many *points*: assignments of values to its parameters. A *trial*
is one run at one point, with a seed of its own; a point may have several of them, its *repeats*.

| sweep | what it is | submitted | trials | done | failed | not run | rows |
| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |
{chr(10).join(map(_line, chapters))}

## Read the results

Each sweep has its rows in `results.parquet`. Parquet is an open format that many programs read:

```python
import polars as pl                                             # or pandas.read_parquet, or DuckDB, or R's arrow

rows = pl.read_parquet("{chapters[0].folder}/results.parquet")
done = rows.filter(pl.col("_status") == "done")
```

A column is a parameter, a result, or begins with `_` and is about the trial. The rows are in the order in which they
came in.

| column | meaning |
| --- | --- |
| `_seq` | the number of the row in the sweep |
| `_point`, `_repeat` | which trial it is; an experiment may have returned several rows |
| `_attempt` | how often the trial had run by then |
| `_code` | the version of the code, as in the folder `code/` |
| `_status` | `done`; else `failed`, `crashed`, `out_of_memory` or `timed_out`, and the results are null |
| `_warnings` | how many warnings it showed |
| `_printed` | how many bytes it printed, where that was kept |
| `_seed` | the seed of its random numbers |
| `_started`, `_elapsed_s` | when it began (UTC), how many seconds it took; null where its process died |
| `_num_cpus`, `_memory`, `_time_limit` | what it had asked for: CPUs, bytes, seconds |
| `_peak_memory` | the most bytes that its process had |
| `_error`, `_traceback` | why it failed |
| `_node`, `_pid` | the machine and the process in which it ran |

`NAME__KIND` holds those values of `NAME` that are of another kind than the others, `NAME__result` is a result that is
called as a parameter is. A value of a kind that Parquet does not know is kept as a Python pickle beside its text: load
it only if you trust it.

## What is where

- `sweeps/NAME/results.parquet`: the record of each trial, whatever came of it.
- `sweeps/NAME/superseded.parquet`, where trials were run again: their earlier rows, which count no more.
- `sweeps/NAME/logs.parquet`, where that was kept: what trials printed, a row for each attempt; the newest row of the
  `_attempt` that the record has is that of the record.
- `sweeps/NAME/parameters.json`: the axes and their levels, and which trials there are of them.
- `sweeps/NAME/requests.json`: what was asked of the lab, in turn, with who asked it when.
- `sweeps/NAME/sweep.json`: the sweep in numbers, and how it was run: resources, limits, environment.
- `sweeps/NAME/code/VERSION/`: the code. `experiment.pkl` is the experiment itself, pickled by cloudpickle, and
  `experiment.py` the source of what of it stood in a script or in the cells of a notebook; `modules.zip` are the
  modules and files that it brings along, and `modules/` is that zip unpacked; `provenance.json` says who submitted it
  where, from which git commit, and what its workers had installed; `ingredients.json` which values it took along, and
  digests of the sources. A pickle runs code when it is loaded: load it only if you trust it.
- `{METADATA}`: all of this for programs, as a [Process Run Crate]({PROFILE}), with the size and the
  sha256 of each file.
"""


def _line(chapter: Chapter) -> str:
    status = chapter.status
    numbers = [status.total, status.done, status.failed, status.outstanding + status.cancelled, chapter.rows]
    what = " ".join((status.description or status.design).replace("|", "\\|").split())
    cells = [
        f"[{chapter.name}]({quote(chapter.folder)}/)",
        what,
        f"{status.submitted:%Y-%m-%d}",
        *(f"{n:,}" for n in numbers),
    ]
    return f"| {' | '.join(cells)} |"
