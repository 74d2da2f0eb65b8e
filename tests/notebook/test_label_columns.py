"""What labels results, kept once: in batches, in commits, over restarts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import xarray as xr
from sweeps import leased, packaged

import raylab
import raylab.testing
from raylab import Factorial
from raylab.core.labelled import LABELS, Labels
from raylab.notebook import label_columns
from raylab.notebook.label_columns import CONTENTS, DIGEST, brought, columns, contents, without
from raylab.offline import Notebook
from raylab.worker.outcome import read


def labels(*coordinate: float) -> Labels:
    row = read(xr.DataArray(np.zeros(len(coordinate)), dims="x", coords={"x": list(coordinate)}))
    assert isinstance(row, dict)
    found = row[LABELS]
    assert isinstance(found, Labels)
    return found


def batch(*some: Labels | None, sent: frozenset[str] = frozenset()) -> pa.RecordBatch:
    made = columns(some, sent)
    return pa.RecordBatch.from_arrays([array for _, array in made], schema=pa.schema([field for field, _ in made]))


def test_a_content_is_with_the_first_row_that_needs_it() -> None:
    one, two = labels(1, 2), labels(3)
    rows = batch(None, one, one, two)
    assert rows[DIGEST].to_pylist() == [None, one.digest, one.digest, two.digest]
    assert [cell and len(cell) for cell in rows[CONTENTS].to_pylist()] == [None, 2, None, 2]
    assert set(brought(rows)) == {*one.contents, *two.contents}
    assert set(brought(batch(one, two, sent=frozenset(one.contents)))) == set(two.contents)


def test_a_commit_leaves_out_what_the_table_has() -> None:
    one, two = labels(1, 2), labels(3)
    plain = pa.record_batch({"y": [1]})
    left, new = without([plain, batch(one), batch(one, two)], known=[])
    assert (new, left[0]) == ([*one.contents, *two.contents], plain)
    assert contents(pa.table(each) for each in map(pa.Table.from_batches, [[each] for each in left])) == {
        **one.contents,
        **two.contents,
    }
    left, new = without([batch(one, two)], known=set(one.contents))
    assert (new, brought(left[0])) == (list(two.contents), list(two.contents))
    assert left[0][DIGEST].to_pylist() == [one.digest, two.digest]


SIZE = 20_000


def measured(n: int) -> xr.Dataset:
    """Three numbers, among coordinates of 160 kB and, of odd trials, one of their own."""
    coords = {"where": ("cell", np.linspace(0, 1, SIZE)), "k": [1, 2, 3]} | ({"run": n} if n % 2 else {})
    return xr.Dataset({"y": ("k", np.full(3, n))}, coords=coords)


def kept(notebook: Notebook) -> list[str]:
    """The digests of all contents on disk, each as often as it is there."""
    files = notebook._files.of("sweeps/s")
    return [digest for file in files for batch in file.table.to_batches() for digest in brought(batch)]


def test_a_coordinate_is_kept_once_whatever_happens_to_lab_and_sweep(tmp_path: Path) -> None:
    place = tmp_path / "lab"
    with raylab.testing.lab(notebook=place) as lab:
        sweep = lab.submit(measured, {"n": range(40)}, name="s", seed=1)
        assert sweep.wait(timeout=60, progress=False)
    with raylab.testing.lab(notebook=place) as lab:
        sweep = lab.sweep("s")
        sweep.extend({"n": range(60)})
        assert sweep.wait(timeout=60, progress=False)
        made = sweep.to_xarray()
    digests = kept(Notebook(place))
    assert len(digests) == len(set(digests)) == 2 + 1 + 2 * 30  # where and k; the even trials; the others' own two
    files = sum(path.stat().st_size for path in (place / "sweeps").rglob("*.arrow"))
    assert files < 2 * 8 * SIZE
    assert made.sizes == {"n": 60, "k": 3, "cell": SIZE}
    assert made["where"].dims == ("cell",)
    assert made["y"].sel(n=59).values.tolist() == [59] * 3
    assert Notebook(place).to_xarray().identical(made)
    assert Notebook(place).verify().is_empty()


def test_beyond_a_number_of_contents_they_are_kept_as_often_as_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_columns, "MAX_KNOWN", 5)
    with raylab.testing.lab(notebook=tmp_path / "lab") as lab:
        sweep = lab.submit(measured, {"n": range(40)}, name="s", seed=1)
        assert sweep.wait(timeout=60, progress=False)
        assert sweep.to_xarray()["y"].notnull().all()
    files = Notebook(tmp_path / "lab")._files.of("sweeps/s")
    assert sum(len(file.info.meta["labels"]) for file in files if file.info.rows) == 5


def test_what_a_damaged_file_took_along_comes_back_with_the_trials_that_run_again(tmp_path: Path) -> None:
    with raylab.testing.lab(notebook=tmp_path / "lab") as lab:
        sweep = lab.submit(measured, {"n": range(20)}, name="s", seed=1)
        assert sweep.wait(timeout=60, progress=False)
        sweep.extend({"n": range(40)})
        assert sweep.wait(timeout=60, progress=False)
        whole = sweep.to_xarray()
    files = [file.info.path for file in Notebook(tmp_path / "lab")._files.of("sweeps/s") if file.info.rows]
    assert len(files) > 1
    (tmp_path / "lab" / files[0]).write_bytes(b"")
    Notebook(tmp_path / "lab").copy(tmp_path / "new", salvage=True)
    left = Notebook(tmp_path / "new").to_xarray()
    assert 0 < left["y__plain" if "y__plain" in left else "y"].notnull().sum() < whole["y"].size
    with raylab.testing.lab(notebook=tmp_path / "new") as lab:
        sweep = lab.submit(measured, {"n": range(20)}, name="s", seed=1)
        assert sweep.wait(timeout=60, progress=False)
        assert sweep.to_xarray().identical(whole)


def test_a_worker_sends_a_content_once_a_lease() -> None:
    def profile(n: int) -> Any:
        import xarray

        return xarray.DataArray([n, 0], dims="x", coords={"x": [1, 2]})

    package = packaged(profile, Factorial(n=range(6)))
    for _ in range(2):  # another lease may be taken where this one is lost
        sent = [brought(batch.rows) for batch in leased(package, flush_s=0.0)]
        assert [len(each) for each in sent] == [2, 0, 0, 0, 0, 0]
