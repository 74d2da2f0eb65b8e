"""Notebooks that earlier versions wrote are read, verified and continued; `frozen.py` made them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from frozen import DESIGNS, EXPERIMENTS, REPEATS, functions, told
from sweeps import WHO, leased, packaged, rows_of

from raylab.core.history import fold
from raylab.core.strikes import Strikes
from raylab.notebook import layout
from raylab.notebook.writer import Writer
from raylab.offline import Notebook
from raylab.worker.batch import summary

DATA = Path(__file__).parents[1] / "data"
FROZEN = sorted(DATA.glob("notebook-v*"))


@pytest.fixture(params=FROZEN, ids=lambda path: path.name)
def frozen(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """A copy of the notebook, and what is in it."""
    root = tmp_path / "lab"
    shutil.unpack_archive(request.param / "notebook.zip", root)
    return root, json.loads((request.param / "told.json").read_text())


def test_every_format_has_its_notebook() -> None:
    assert [path.name for path in FROZEN] == [f"notebook-v{version + 1}" for version in range(layout.VERSION)]
    assert all(sum(file.stat().st_size for file in path.iterdir()) < 100_000 for path in FROZEN)


def test_it_says_what_it_said(frozen: tuple[Path, dict[str, Any]]) -> None:
    root, expected = frozen
    now = told(root)
    for name, rows in expected["rows"].items():
        assert now["rows"][name] == rows
        assert now["schemas"][name] == expected["schemas"][name]
    assert now.keys() == expected.keys()
    assert now["logs"] == expected["logs"] != []
    for row, said in zip(now["sweeps"], expected["sweeps"], strict=True):
        assert row | said == row, "a later version may say more of a sweep"


def test_it_is_whole(frozen: tuple[Path, dict[str, Any]]) -> None:
    assert Notebook(frozen[0]).verify().is_empty()


def test_its_own_readme_reads_it(frozen: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    root, expected = frozen
    monkeypatch.chdir(root)
    (block,) = re.findall(r"```python\n(.*?)```", Path(layout.README).read_text(), re.DOTALL)
    for name, rows in expected["rows"].items():
        folder = Notebook(root)._records()[name].folder.removeprefix("sweeps/")
        names: dict[str, Any] = {}
        exec(block.replace("SWEEP", folder), names)
        found: pl.DataFrame = names["results"]
        assert found["_seq"].to_list() == [row["_seq"] for row in rows]
        assert found["_seed"].to_list() == [row["_seed"] for row in rows]


def test_the_same_sweep_still_gives_the_same_trials(frozen: tuple[Path, dict[str, Any]]) -> None:
    """Points, seeds and run order are promises: what is outstanding there runs today as it would have run then."""
    _, expected = frozen
    does = functions()
    walks = rows_of(does["walk"], DESIGNS["walks"], repeats=REPEATS["walks"])
    today = {(row["_point"], row["_repeat"], row["step"]): (row["at"], row["_seed"]) for row in walks}
    for row in expected["rows"]["walks"]:
        assert today[row["_point"], row["_repeat"], row["step"]] == (row["at"], row["_seed"])


def test_it_is_continued(frozen: tuple[Path, dict[str, Any]]) -> None:
    root, expected = frozen
    writer = Writer(root, WHO | {"actor": "later"})
    writer.establish("lab", "ada")
    records = fold(writer.open_requests())
    does = functions()
    for name, record in records.items():
        table = writer.open_sweep(record.folder)
        recorded = {at for start, stop in table.summary.positions for at in range(start, stop)}
        package = packaged(does[EXPERIMENTS[name]], DESIGNS[name], repeats=REPEATS.get(name, 1))
        assert package.segments.load() == record.segments
        for at in sorted(set(range(record.total)) - recorded):
            batches = leased(package, at, at + 1)
            table.commit([batch.rows for batch in batches], summary(batches))
        table.seal()
        found = Notebook(root).results(name, status="all", metadata=True)
        assert found["_seq"].is_unique().all()
        assert found.select("_point", "_repeat").n_unique() == record.total
        # What is only ever None had no column then.
        assert set(expected["schemas"][name]) == set(found.columns) - ({"none"} - set(expected["schemas"][name]))
        assert Notebook(root).progress(name).waiting == 0
    assert Notebook(root).verify().is_empty()


def test_what_was_asked_of_it_is_in_force(frozen: tuple[Path, dict[str, Any]]) -> None:
    records = Notebook(frozen[0])._records()
    assert (records["kinds"].policy.retries, records["kinds"].locked) == (2, True)
    assert records["given up"].cancelled
    assert (records["again"].folder, records["again"].cancelled) == ("sweeps/again~2", False)
    assert dict(records["again"].strikes) == {4: Strikes(deaths=1, runs=2)}
    assert records["walks"].paused == ""
    assert records["mended"].modules is not None
    writer = Writer(frozen[0], WHO)
    assert writer.code(records["mended"].code, records["mended"].modules) == (b"an experiment", b"its modules")
