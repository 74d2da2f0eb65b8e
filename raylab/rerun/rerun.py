"""One trial of a notebook once more, in this process, and beside its record.

Promises: the code, the values and the seeds are the notebook's own; what the experiment raises is raised; nothing is
written; afterwards the process is as it was (`apart`).
"""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pickle import UnpicklingError
from typing import Any

import polars as pl

from raylab.core.imported import check_code
from raylab.core.provenance import Environment
from raylab.core.request import SweepRecord, Version
from raylab.core.statuses import DEAD
from raylab.core.trial import find_trial, whole
from raylab.errors import ExperimentError, VersionMismatch, told
from raylab.notebook.code_files import read_code
from raylab.notebook.file import Loaded
from raylab.notebook.frames import trial
from raylab.notebook.store import Reader
from raylab.notebook.unwritten import unwritten
from raylab.rerun.apart import apart
from raylab.rerun.differences import Difference, values
from raylab.rerun.execution import Staged, Task
from raylab.rerun.raised import explain
from raylab.rerun.report import Rerun, Which
from raylab.rerun.setting import elsewhere
from raylab.worker.outcome import failure
from raylab.worker.unpack import Opened, opened, this_python, unpack
from raylab.worker.working_folder import private_folder

ABOUT = ["_attempt", "_code", "_status", "_error", "_node", "_num_cpus"]
"""What is looked at of a record beside its values."""


def rerun(
    reader: Reader,
    record: SweepRecord,
    files: Sequence[Loaded],
    environments: Mapping[str, Environment],
    point: int,
    repeat: int = 0,
    *,
    code: int | None = None,
    debugger: bool = False,
) -> Rerun:
    """Run one trial of a sweep here, and compare it with its record.

    Args:
        reader: of the notebook.
        record: the sweep.
        files: those of its results, in force.
        environments: what those had who submitted and ran it, by digest.
        point, repeat: which trial.
        code: the version of the code; None for that of the record, or, where nothing is recorded, the one in force.
        debugger: begin the experiment's function in the debugger, and open it where something is raised.

    Raises:
        BaseException: what the trial raises.
        IndexError, TypeError: the sweep has no such trial, or no such version.
        ExperimentError: a package is not installed here; the record was imported, without code.
        VersionMismatch: the code was submitted from another Python.
        NotebookDamaged: the code is missing, or not what was written.
    """
    segment, one = find_trial(record, point, repeat)
    point, repeat = segment.first_point + int(one.points[0]), int(one.repeats[0])
    there = trial(record, files, point, repeat, ABOUT)
    about = there.row(0, named=True) if there.height else {}
    number = _number(record, about.get("_code", record.version) if code is None else code)
    version = record.versions[number - 1]
    check_code(record.name, version, "runs again")
    pickle, modules = read_code(reader, version.code, version.modules)
    policy = record.policy.at(segment.need)
    which = Which(sweep=record.name, point=point, repeat=repeat, code=number)
    task = Task(
        code=_opened(pickle, which),
        folder=None if modules is None else unpack(modules, private_folder("code")),
        segments=record.segments,
        segment=segment,
        trials=one,
        policy=policy,
        threads=max(1, int(about.get("_num_cpus") or policy.resources.get("CPU", 0))),
        version=number,
        attempt=about.get("_attempt", 0) + 1,
        debugger=debugger,
    )
    if about.get("_status") in DEAD:
        warnings.warn(f"{which}: its record is {about['_status']!r}, so this process may end with it", stacklevel=3)
    others = tuple(elsewhere(record, about, number, environments)) if about else ()
    with apart(task.folder, _names(modules), task.variables):
        staged = _staged(task, which, version)
        try:
            done = staged.run()
        finally:
            staged.end()
        if done.raised is not None:
            explain(done.raised, _note(done.raised, which, version, about, others), debugger)
        if done.batch is not None:
            as_if = unwritten(files, done.batch.rows, done.batch.summary)
            now = trial(record, [*files, as_if], point, repeat, ABOUT)
            found = tuple(_values(there, now)) if about else ()
    if done.raised is not None:
        raise done.raised
    return Rerun(
        which=which,
        params=done.params,
        result=done.result,
        rows=now.drop(ABOUT),
        recorded=there.drop(ABOUT),
        same=not found if about else None,
        differences=found + others,
    )


def _number(record: SweepRecord, code: Any) -> int:
    """A version of the sweep's code.

    Raises:
        IndexError: it has no such one.
        TypeError: `code` is no integer.
    """
    number = whole(code, "code")
    if not 1 <= number <= record.version:
        there = "version 1" if record.version == 1 else f"the versions 1 to {record.version}"
        raise IndexError(f"the sweep {record.name!r} has {there} of its code, and no version {number}")
    return number


def _opened(pickle: bytes, which: Which) -> Opened:
    """The code, if this process can load it.

    Raises:
        VersionMismatch: it was submitted from another Python, or by a raylab that wrote it otherwise.
    """
    try:
        code = opened(pickle)
    except (KeyError, TypeError, ValueError, UnpicklingError) as error:
        raise VersionMismatch(
            f"{which} was submitted by another version of raylab, whose code this one cannot read ({told(error)}); "
            "rerun it with that version"
        ) from error
    if code.python != this_python():
        then, here = (f"{major}.{minor}" for major, minor in (code.python, this_python()))
        raise VersionMismatch(
            f"{which} was submitted from Python {then}, and this is Python {here}, which cannot run it; "
            f"rerun it in a Python {then} with the same packages"
        )
    return code


def _names(modules: bytes | None) -> list[str]:
    """What a zip holds."""
    return [] if modules is None else zipfile.ZipFile(io.BytesIO(modules)).namelist()


def _staged(task: Task, which: Which, version: Version) -> Staged:
    """The trial, loaded.

    Raises:
        ExperimentError: a package is not installed here.
    """
    try:
        return Staged(task)
    except ModuleNotFoundError as error:
        raise ExperimentError(f"{which} cannot be loaded here: {_missing(error, version)}") from error
    except BaseException as error:
        explain(error, f"{which} cannot be loaded here", task.debugger)
        raise


def _missing(error: ModuleNotFoundError, version: Version) -> str:
    """What to do about a module that is not here."""
    top = (error.name or "").partition(".")[0]
    recorded = version.ingredients.get(f"package {top}")
    if recorded is None:
        return f"it needs the module {error.name!r}, which did not travel with it and is not installed here"
    return f"it needs the package {top!r}, which is not installed here; it was submitted with version {recorded} of it"


def _values(there: pl.DataFrame, now: pl.DataFrame) -> Iterator[Difference]:
    """What differs in two records of a trial; of what has another status nothing else."""
    status, error = (Difference(kind="value", name=name, recorded=there[name][0], now=now[name][0]) for name in _ENDS)
    if status.recorded != status.now:
        yield status
    if error.recorded != error.now:
        yield error
    if status.recorded == status.now:
        yield from values(there.drop(ABOUT), now.drop(ABOUT))


_ENDS = ("_status", "_error")


def _note(
    error: BaseException, which: Which, version: Version, about: Mapping[str, Any], others: Sequence[Difference]
) -> str:
    """What to know beside an exception."""
    ended = _ended(error, about)
    lines = [f"{which}: {ended}", *(f"  {other}" for other in others)]
    if isinstance(error, ModuleNotFoundError):
        lines.append(f"  {_missing(error, version)}")
    return "\n".join(lines)


def _ended(error: BaseException, about: Mapping[str, Any]) -> str:
    if not about:
        return "nothing is recorded of it yet"
    if about["_status"] != "failed":
        return f"its record is {about['_status']!r}"
    if about["_error"] == failure(error).error:
        return "its record has failed with the same error"
    return f"its record has failed with another error: {about['_error']}"
