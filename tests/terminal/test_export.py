"""Results become files that other programs read."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from raylab.terminal.export import plain, show, write

ODD = pl.DataFrame(
    {
        "x": [1, 2],
        "text": ["é", None],
        "list": [[1.5, None], None],
        "struct": [{"a": 1, "b": b"\x00\xff"}, {"a": None, "b": None}],
        "bytes": [b"\x00\xff", None],
        "at": [datetime(2026, 1, 2, 3, 4, 5, 6, UTC), None],
        "day": [date(2026, 1, 2), None],
        "clock": [time(1, 2, 3), None],
        "span": [timedelta(days=1, microseconds=5), None],
        "money": [Decimal("1.50"), None],
        "nan": [float("nan"), float("inf")],
    }
)


def test_a_file_without_a_place_is_refused_by_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.csv").mkdir()
    for path, why in [
        (tmp_path / "none" / "x.csv", "is not there"),
        (tmp_path / "file" / "x.csv", "is a file, not a folder"),
        (tmp_path / "folder.csv", "it is a folder"),
    ]:
        with pytest.raises(ValueError, match=why) as refused:
            write(ODD, path)
        assert str(refused.value).startswith(f"{path} cannot be written")


def test_a_disk_that_refuses_names_the_file_that_was_asked_for() -> None:
    frame = pl.DataFrame({"x": range(10**6)})
    with pytest.raises(OSError, match="nothing was written") as refused:
        write(frame, Path("/proc/self/x.csv"))
    assert refused.value.filename == "/proc/self/x.csv"


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".feather", ".ipc"])
def test_binary_formats_hold_everything(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    write(ODD, path)
    assert_frame_equal(pl.read_parquet(path) if suffix == ".parquet" else pl.read_ipc(path), ODD)


def test_csv_holds_what_is_no_text_as_json(tmp_path: Path) -> None:
    write(ODD, tmp_path / "x.csv")
    back = pl.read_csv(tmp_path / "x.csv")
    assert back.columns == ODD.columns
    assert json.loads(back["list"][0]) == [1.5, None]
    assert json.loads(back["struct"][0]) == {"a": 1, "b": "AP8="}
    assert back["bytes"].to_list() == ["AP8=", None]
    assert back["list"][1] is None
    assert back["span"].to_list() == [86_400.000005, None]


def test_ndjson_keeps_lists_and_structs(tmp_path: Path) -> None:
    frame = pl.DataFrame({"l": [[1, 2]], "s": [{"a": 1}], "b": [b"\xff"]})
    write(frame, tmp_path / "x.ndjson")
    assert json.loads((tmp_path / "x.ndjson").read_text()) == {"l": [1, 2], "s": {"a": 1}, "b": "/w=="}


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".arrow", ".ndjson"])
def test_a_sweep_without_rows_is_a_file_too(tmp_path: Path, suffix: str) -> None:
    write(pl.DataFrame(schema={"x": pl.Int64, "l": pl.List(pl.Int64)}), tmp_path / f"x{suffix}")
    assert (tmp_path / f"x{suffix}").exists()


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.csv"
    write(pl.DataFrame({"x": [1]}), path)

    def breaks(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_csv", breaks)
    with pytest.raises(OSError, match="no space"):
        write(pl.DataFrame({"x": [2]}), path)
    assert path.read_text() == "x\n1\n"
    assert [each.name for each in tmp_path.iterdir()] == ["x.csv"]


def test_other_suffixes_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"x\.txt must end in one of \.parquet"):
        write(ODD, tmp_path / "x.txt")


def test_plain_columns_are_left_alone() -> None:
    frame = ODD.select("x", "text", "at", "money")
    assert_frame_equal(plain(frame), frame)


@pytest.mark.parametrize("columns", [40, 80])
def test_what_is_shown_fits(columns: int, capsys: pytest.CaptureFixture[str]) -> None:
    show(pl.DataFrame({f"a-long-name-{n}": ["long words in it"] * 50 for n in range(30)}), columns)
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= columns
    assert "shape: (50, 30)" in shown
