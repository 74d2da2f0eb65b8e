"""A parcel for the archive: what sweeps were, with which code, and what came of them, for people who have no raylab.

Promises: what is in the parcel of a sweep is whole, as it stood at one moment, also while the lab works; the parcel is
there when all of it is. Reads the notebook alone, and loads no pickle. Must never put in what a Publication keeps back.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from raylab.core.account import account
from raylab.core.asked import environments, numbers, parameters, requests, source, without_source
from raylab.core.citation import CITATION, citation
from raylab.core.crate import METADATA, Run, metadata
from raylab.core.crate_runs import runs
from raylab.core.failed_now import in_force
from raylab.core.handle import Handle, Which, find, handles, names_of
from raylab.core.history import History, fold
from raylab.core.publishing import Publication
from raylab.core.request import SweepRecord, Version
from raylab.core.status import on_disk
from raylab.core.summary import together
from raylab.errors import NotebookDamaged, SweepNotFound
from raylab.notebook import layout
from raylab.notebook.copy import origin_of
from raylab.notebook.crate_readme import Chapter, readme
from raylab.notebook.crate_rows import Rows
from raylab.notebook.file import damaged
from raylab.notebook.frame_files import write_parquet
from raylab.notebook.parcel import Parcel, check_new, new_parcel
from raylab.notebook.row_stream import RowStream, frame_of
from raylab.notebook.store import Reader
from raylab.notebook.survey import summaries
from raylab.notebook.table_files import Known, snapshot
from raylab.notebook.verify import requests_of

__all__ = ["Packed", "crate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A parcel that was made.

    Attributes:
        place: where it is.
        sweeps: the names of those in it.
        files: how many it has.
        size: their bytes.
        authors: who is named as an author.
    """

    place: Path
    sweeps: list[str]
    files: int
    size: int
    authors: list[str]


def crate(reader: Reader, place: Path, publication: Publication, sweeps: Which = None) -> Packed:
    """Make a parcel of some sweeps of a notebook.

    Args:
        reader: the notebook.
        place: a new folder, or a new file whose name ends in .zip.
        publication: what is said of it, and what is kept back.
        sweeps: which; all that are in force and not archived for None.

    Raises:
        LabNotFound: there is no notebook.
        SweepNotFound: there is no such sweep, or none at all; or one was removed meanwhile.
        NameRefused: something lies in the place.
        NotebookDamaged: a file is not what was written, or missing.
        OSError: a disk refuses; nothing is left of the parcel.
    """
    check_new(place)
    lab = origin_of(reader).name
    known = Known()
    chosen = _chosen(fold(requests_of(reader, known)), sweeps, lab)
    with new_parcel(place) as parcel:
        packing = _Packing(reader, known, lab, parcel, publication)
        for record in chosen:
            packing.sweep(record)
        now = datetime.now(UTC)
        users = dict.fromkeys(run.user for run in packing.runs)
        about = publication.about(lab, [record.name for record in chosen], users)
        text = readme(about, lab, now, packing.chapters)
        parcel.put(layout.README, "what is in here, and how to read it", text.encode())
        cited = yaml.safe_dump(citation(about, now.date()), allow_unicode=True, sort_keys=False)
        parcel.put(CITATION, "how to cite what is in here", cited.encode())
        files = sorted(parcel.files, key=lambda file: ("/" in file.path, file.path))
        parcel.put(METADATA, "", _json(metadata(about, now, files, packing.runs)))
        return Packed(
            place=place,
            sweeps=[record.name for record in chosen],
            files=len(parcel.files),
            size=sum(file.size for file in parcel.files),
            authors=[author.name for author in about.authors],
        )


def _chosen(known: History, sweeps: Which, lab: str) -> list[SweepRecord]:
    """These sweeps; those in force that are not archived for None."""
    wanted = handles(sweeps)
    if wanted is not None:
        return [find(known, each, lab) for each in wanted]
    found = [record for record in known.values() if not record.archived]
    if not found:
        hidden = names_of(known) or "none"
        raise SweepNotFound(f"the lab {lab!r} has no sweep to be packed; archived ones, which are named: {hidden}")
    return found


class _Packing:
    """Puts sweeps into a parcel, and notes what is to be said of them."""

    def __init__(self, reader: Reader, known: Known, lab: str, parcel: Parcel, publication: Publication) -> None:
        self._reader = reader
        self._known = known  # of the requests
        self._lab = lab
        self._parcel = parcel
        self._publication = publication
        self.runs: list[Run] = []
        self.chapters: list[Chapter] = []

    def sweep(self, record: SweepRecord) -> None:
        """Have a sweep in the parcel, as it stands now."""
        try:
            self._pack(record)
        except NotebookDamaged:
            now = fold(requests_of(self._reader, self._known))
            find(now, Handle(record.name, record.folder), self._lab)  # was it removed?
            raise

    def _pack(self, chosen: SweepRecord) -> None:
        folder = f"{layout.SWEEPS}/{chosen.name}"
        table = snapshot(self._reader, chosen.folder)
        asked = requests_of(self._reader, self._known)  # after the rows: the request of each of them is there
        known = fold(asked)
        record = next((each for each in known.readable if each.folder == chosen.folder), chosen)
        held = together(summaries(table.files))
        status = on_disk(record, held, in_force(record, held.causes))
        own = [each for each in asked if each.folder == chosen.folder]
        told = self._publication.shown(account(record, known.environments_of(record), {}))
        codes = told.pop("code")
        documents = {
            "parameters.json": (
                "the parameters: axes with their levels, and which trials there are",
                parameters(record),
            ),
            "requests.json": ("what was asked, in turn", self._publication.shown(requests(own))),
            "sweep.json": ("the sweep in numbers, and how it was run", {**told, **numbers(status)}),
        }
        for name, (what, document) in documents.items():
            self._parcel.put(f"{folder}/{name}", what, _json(document))
        for version, code in zip(record.versions, codes, strict=True):
            self._put_code(version, code, f"{folder}/code/{code['version']}")
        rows = Rows(RowStream(record, table, tables=True))
        results, count = self._put_rows(rows, folder)
        results += self._put_logs(chosen.folder, folder)
        self.runs += runs(
            record,
            status,
            rows.spans,
            codes,
            [self._publication.shown(each) for each in environments(own)],
            folder=folder,
            objects=[f"{folder}/{name}" for name in documents],
            results=results,
        )
        self.chapters.append(Chapter(name=chosen.name, folder=folder, status=status, rows=count))

    def _put_code(self, version: Version, told: Mapping[str, Any], folder: str) -> None:
        """A code version: as it was stored, its modules as files, and where it came from."""
        if version.code:
            data = self._code(layout.pickle_path(version.code))
            self._parcel.put(f"{folder}/experiment.pkl", "the experiment, pickled: load it only if you trust it", data)
        if version.modules:
            data = self._code(layout.modules_path(version.modules))
            self._parcel.put(f"{folder}/modules.zip", "the modules and files that the experiment brings along", data)
            for name, member in _members(data):
                self._parcel.put(f"{folder}/modules/{name}", "of modules.zip, unpacked", member)
        if text := source(version):
            data = text.encode("utf-8", "backslashreplace")
            self._parcel.put(f"{folder}/experiment.py", "what experiment.pkl says, as it was written", data)
        if version.diff and self._publication.diff:
            data = self._code(layout.diff_path(version.diff))
            self._parcel.put(f"{folder}/working-tree.diff", "what differed from the commit it was submitted from", data)
        came = {name: value for name, value in told.items() if name != "diff"}
        what = "who submitted the code, where and from which commit; what clients and workers had installed"
        self._parcel.put(f"{folder}/provenance.json", what, _json(came))
        ingredients = self._publication.shown(without_source(version))
        what = "what makes the experiment the same as another one: digests of sources, captured values, packages"
        self._parcel.put(f"{folder}/ingredients.json", what, _json(ingredients))

    def _code(self, path: str) -> bytes:
        try:
            data = self._reader.get(path)
        except FileNotFoundError:
            raise damaged(path, "it is missing") from None
        if not layout.fits_name(path, data):
            raise damaged(path, layout.NO_FIT)
        return data

    def _put_rows(self, rows: Rows, folder: str) -> tuple[list[str], int]:
        """The rows; gives the paths of the files, and how many rows count."""
        paths = [f"{folder}/results.parquet"]
        with self._parcel.open(paths[0], "the record of each trial: parameters, results, and about the trial") as sink:
            count = rows.write(sink)
        if rows.has_superseded:
            paths.append(f"{folder}/superseded.parquet")
            with self._parcel.open(paths[1], "rows of trials that were run again later; they count no more") as sink:
                rows.write(sink, superseded=True)
        return paths, count

    def _put_logs(self, table: str, folder: str) -> list[str]:
        """What trials printed, where any of it is kept: listed after the rows, so that the log of each row is there."""
        logs = snapshot(self._reader, layout.log_folder(table))
        if not any(info.rows for info in logs.files):
            return []
        path = f"{folder}/logs.parquet"
        with self._parcel.open(path, "what trials printed, as far as it was kept") as sink:
            write_parquet(sink, map(frame_of, logs.tables(logs.files)))
        return [path]


def _members(modules: bytes) -> Iterator[tuple[str, bytes]]:
    """The files of a zip that lie inside of it."""
    with zipfile.ZipFile(io.BytesIO(modules)) as archive:
        for info in archive.infolist():
            if not info.is_dir() and ".." not in PurePosixPath(info.filename).parts and info.filename[0] != "/":
                yield info.filename, archive.read(info)


def _json(value: Any) -> bytes:
    """As a file that people read, too."""
    return (json.dumps(value, indent=1, ensure_ascii=False, default=_plain) + "\n").encode("utf-8", "backslashreplace")


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
