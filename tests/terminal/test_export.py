"""Results become files that other programs read, and no value silently becomes another one."""

from __future__ import annotations

import io
import json
import math
import re
import sys
import zipfile
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import xarray
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_values import HOLDABLE, TYPED
from polars.testing import assert_frame_equal
from sweeps import sweep

from raylab.core.design import Factorial
from raylab.offline import Notebook
from raylab.terminal.cells import BYTES, NOT_FINITE, Notes, plain
from raylab.terminal.export import WRITERS, placed, show, write
from raylab.terminal.formats import FORMATS, LABELLED, format_of
from raylab.terminal.netcdf import DIGITS, MISSING, TEXT, write_netcdf
from raylab.terminal.sheet import MAX_CHARS, MAX_ROWS, write_xlsx

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


def written(frames: Iterable[pl.DataFrame], form: str) -> tuple[bytes, list[str]]:
    sink, notes = io.BytesIO(), Notes()
    WRITERS[form](sink, frames, notes)
    return sink.getvalue(), notes.lines()


def read_rows(data: bytes) -> list[dict[str, Any]]:
    """JSON lines as a strict reader takes them: NaN and Infinity are no JSON."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return [json.loads(line, parse_constant=refuse) for line in data.decode().splitlines()]


def cells(data: bytes) -> dict[str, tuple[str, str, str]]:
    """What is in the cells of a sheet, by their names: kind (n, b, e, inlineStr), value, and how it is shown."""
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        assert book.testzip() is None
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
        styles = book.read("xl/styles.xml").decode()
    shapes = dict(re.findall(r'<numFmt numFmtId="(\d+)" formatCode="([^"]*)"', styles))
    looks = re.findall(r'<xf numFmtId="(\d+)"[^>]*?xfId', styles.partition("<cellXfs")[2])
    found = {}
    for at, about, body in re.findall(r'<c r="([A-Z]+\d+)"([^>]*)>(.*?)</c>', sheet):
        kind = re.search(r't="(\w+)"', about)
        look = re.search(r's="(\d+)"', about)
        value = re.search(r"<(?:v|t)[^>]*>(.*?)</(?:v|t)>", body)
        shape = shapes.get(looks[int(look[1])], "") if look else ""
        found[at] = (kind[1] if kind else "n", value[1] if value else "", shape.replace("&quot;", '"'))
    return found


def test_there_is_a_writer_for_each_format() -> None:
    assert {*WRITERS, LABELLED} == FORMATS.keys()
    assert format_of(Path("X.CSV")) == "csv"


def test_a_file_without_a_place_is_refused_by_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.csv").mkdir()
    for path, why in [
        (tmp_path / "none" / "x.csv", "is not there"),
        (tmp_path / "file" / "x.csv", "is a file, not a folder"),
        (tmp_path / "folder.csv", "it is a folder"),
    ]:
        with pytest.raises(ValueError, match=why) as refused:
            write([ODD], path, "csv")
        assert str(refused.value).startswith(f"{path} cannot be written")


def test_a_disk_that_refuses_names_the_file_that_was_asked_for() -> None:
    with pytest.raises(OSError, match="nothing was written") as refused:
        write([ODD], Path("/proc/self/x.csv"), "csv")
    assert refused.value.filename == "/proc/self/x.csv"


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_binary_formats_hold_everything(tmp_path: Path, form: str) -> None:
    rows, notes = write([ODD, ODD.clear(), ODD[:1]], tmp_path / "x", form)
    read = pl.read_parquet if form == "parquet" else pl.read_ipc
    assert_frame_equal(read(tmp_path / "x"), pl.concat([ODD, ODD[:1]]))
    assert (rows, notes.lines()) == (3, [])


def test_csv_holds_what_is_no_text_as_json_and_says_so() -> None:
    data, said = written([ODD, ODD], "csv")
    back = pl.read_csv(data)
    assert back.columns == ODD.columns
    assert back.height == 4
    assert json.loads(back["list"][0]) == [1.5, None]
    assert json.loads(back["struct"][0]) == {"a": 1, "b": "AP8="}
    assert back["bytes"].to_list() == ["AP8=", None] * 2
    assert back["list"][1] is None
    assert back["span"].to_list() == [86_400.000005, None] * 2
    assert math.isnan(back["nan"][0])
    assert back["nan"][1] == float("inf")
    assert said == [
        "lists and structs are JSON: list, struct",
        "bytes are text in base64: bytes",
        "durations are seconds: span",
    ]


def test_json_in_csv_is_json_whatever_is_in_it() -> None:
    odd = pl.DataFrame(
        {"l": [[math.nan, -math.inf, 1.0]], "s": [{"t": timedelta(seconds=2), "at": datetime(2026, 1, 2)}]}
    )
    back = pl.read_csv(written([odd], "csv")[0])
    assert back["l"][0] == '["NaN", "-Infinity", 1.0]'
    assert json.loads(back["s"][0]) == {"t": 2.0, "at": "2026-01-02T00:00:00"}


def test_json_lines_keep_lists_and_structs() -> None:
    frame = pl.DataFrame({"l": [[1, 2]], "s": [{"a": 1}], "b": [b"\xff"]})
    assert read_rows(written([frame], "jsonl")[0]) == [{"l": [1, 2], "s": {"a": 1}, "b": "/w=="}]


def test_json_lines_have_no_nan_and_say_what_is_there_instead() -> None:
    whole = pl.DataFrame({"x": [1.0, None], "l": [[0.5], []]})
    odd = pl.DataFrame({"x": [math.nan, math.inf], "l": [[-math.inf], None]})
    data, said = written([whole, odd], "jsonl")
    assert read_rows(data) == [
        {"x": 1.0, "l": [0.5]},
        {"x": None, "l": []},
        {"x": "NaN", "l": ["-Infinity"]},
        {"x": "Infinity", "l": None},
    ]
    assert said == [f"{NOT_FINITE}: x, l"]


def test_json_lines_tell_of_numbers_that_others_read_as_floats() -> None:
    frame = pl.DataFrame({"a": [2**53 + 1], "b": [2**53 - 1], "c": [[-(2**63)]]})
    data, (said,) = written([frame], "jsonl")
    assert read_rows(data) == [{"a": 2**53 + 1, "b": 2**53 - 1, "c": [-(2**63)]}]
    assert said.startswith("integers beyond 2^53")
    assert said.endswith(": a, c")


def test_values_look_alike_in_json_lines_whoever_writes_them() -> None:
    plain_rows = ODD.select("at", "day", "clock", "span", "money").with_columns(l=pl.lit([1.5]))
    odd_rows = plain_rows.with_columns(l=pl.lit([math.nan]))
    (first, _), (second, _) = (read_rows(written([frame], "jsonl")[0]) for frame in (plain_rows, odd_rows))
    assert {**second, "l": [1.5]} == first
    assert first["at"] == "2026-01-02T03:04:05.000006+00:00"
    assert (first["day"], first["money"], first["span"]) == ("2026-01-02", "1.50", 86_400.000005)


def test_what_is_inside_of_lists_and_structs_looks_alike_in_json_lines_too() -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    inner = [{"at": moment, "for": timedelta(seconds=1.5), "raw": b"x", "money": Decimal("1.50")}]
    (row,) = read_rows(written([pl.DataFrame({"l": [inner]})], "jsonl")[0])
    assert row == {"l": [{"at": "2026-01-02T00:00:00+00:00", "for": 1.5, "raw": "eA==", "money": "1.50"}]}


LEAF = st.one_of(st.none(), st.floats(width=64))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries({"x": LEAF, "l": st.lists(LEAF, max_size=3), "s": st.fixed_dictionaries({"y": LEAF})}),
        max_size=5,
    )
)
def test_every_float_comes_back_from_json_lines(rows: list[dict[str, Any]]) -> None:
    schema = {"x": pl.Float64, "l": pl.List(pl.Float64), "s": pl.Struct({"y": pl.Float64})}
    back = read_rows(written([pl.DataFrame(rows, schema=schema)], "jsonl")[0])
    texts = json.dumps(rows, sort_keys=True)
    for word in ("NaN", "-Infinity", "Infinity"):
        texts = re.sub(rf'(?<![-"]){word}', f'"{word}"', texts)
    assert json.dumps(back, sort_keys=True) == texts


@pytest.mark.parametrize("form", WRITERS)
def test_a_sweep_without_rows_is_a_file_too(tmp_path: Path, form: str) -> None:
    assert write([pl.DataFrame(schema={"x": pl.Int64, "l": pl.List(pl.Int64)})], tmp_path / "x", form)[0] == 0
    assert (tmp_path / "x").exists()


def test_whatever_trials_return_goes_out_in_every_format(tmp_path: Path) -> None:
    values = [*HOLDABLE, *(each for each, _ in TYPED)]

    def odd(p: int) -> Any:
        return {"value": values[p], "nothing": None, "clash": p if p % 2 else str(p)}

    sweep(tmp_path, odd, Factorial(p=range(len(values))))
    rows = Notebook(tmp_path).results(status="all", metadata=True)
    for form in WRITERS:
        assert write([rows], tmp_path / form, form)[0] == len(values)
    assert_frame_equal(pl.read_parquet(tmp_path / "parquet"), rows)
    assert_frame_equal(pl.read_ipc(tmp_path / "arrow"), rows)
    assert pl.read_csv(tmp_path / "csv", infer_schema=False).columns == rows.columns
    lines = read_rows((tmp_path / "jsonl").read_bytes())
    assert [line["_seed"] for line in lines] == rows["_seed"].to_list()
    assert [line["value__string"] for line in lines] == rows["value__string"].to_list()


# -- Excel


def test_excel_has_numbers_texts_and_truth_values_as_they_are() -> None:
    frame = pl.DataFrame(
        {
            "n": [0.1 + 0.2, None],
            "i": [2**53 - 1, -5],
            "t": ["=1+1", "a <b> &"],
            "b": [True, False],
            "m": [Decimal("1.50"), Decimal("12345678901234567.89")],
            "nothing": [None, None],
        }
    )
    data, said = written([frame], "xlsx")
    found = cells(data)
    assert [found[at][1] for at in ("A1", "B1", "C1")] == ["n", "i", "t"]
    assert float(found["A2"][1]) == 0.1 + 0.2
    assert "A3" not in found
    assert [found[at][:2] for at in ("B2", "B3")] == [("n", str(2**53 - 1)), ("n", "-5")]
    assert [found[at][:2] for at in ("C2", "C3")] == [("inlineStr", "=1+1"), ("inlineStr", "a &lt;b&gt; &amp;")]
    assert [found[at][:2] for at in ("D2", "D3")] == [("b", "1"), ("b", "0")]
    assert [found[at][:2] for at in ("E2", "E3")] == [("n", "1.5"), ("inlineStr", "12345678901234567.89")]
    assert said == ["decimals that no float holds are text: m"]


def test_what_excel_has_not_is_text_or_an_error_value_and_said() -> None:
    frame = pl.DataFrame(
        {
            "big": [2**53, 1],
            "nan": [math.nan, -math.inf],
            "list": [[1], None],
            "long": ["x" * 40_000, "<r>not rich</r>"],
        }
    )
    data, said = written([frame], "xlsx")
    found = cells(data)
    assert [found[at][:2] for at in ("A2", "A3")] == [("inlineStr", str(2**53)), ("n", "1")]
    assert [found[at][:2] for at in ("B2", "B3")] == [("e", "#NUM!"), ("e", "#DIV/0!")]
    assert found["C2"][1] == "[1]"
    assert len(found["D2"][1]) == MAX_CHARS
    assert found["D2"][1].endswith("xxx… (cut here, of 40,000 characters)")
    assert found["D3"][1] == "&lt;r&gt;not rich&lt;/r&gt; "
    assert [line.rpartition(": ")[2] for line in said] == ["list", "big", "nan", "long", "long"]


def test_excel_has_times_that_say_their_zone() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 250_000, UTC)
    frame = pl.DataFrame(
        {"utc": [at], "local": [at.replace(tzinfo=None)], "day": [date(1900, 2, 28)], "clock": [time(12)]}
    )
    frame = frame.with_columns(
        berlin=pl.col("utc").dt.convert_time_zone("Europe/Berlin"), late=pl.lit(date(1900, 3, 1))
    )
    data, said = written([frame], "xlsx")
    found = cells(data)
    days = (datetime(2026, 1, 2, 3, 4, 5, 250_000) - datetime(1899, 12, 30)) / timedelta(days=1)
    assert found["A2"][0] == found["B2"][0] == "n"
    assert float(found["A2"][1]) == float(found["B2"][1]) == pytest.approx(days, abs=1e-11)
    assert found["A2"][2].endswith('"UTC"')
    assert not found["B2"][2].endswith('"UTC"')
    assert found["C2"][:2] == ("inlineStr", "1900-02-28")
    assert (float(found["D2"][1]), found["D2"][2]) == (0.5, "hh:mm:ss.000")
    assert found["E2"][1] == "2026-01-02T04:04:05.250000+01:00"
    assert (float(found["F2"][1]), found["F2"][2]) == (61, "yyyy-mm-dd")
    assert [line.rpartition(": ")[2] for line in said] == ["utc", "day", "berlin"]


def test_more_rows_than_a_sheet_has_are_refused_before_they_are_written(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": [None] * (MAX_ROWS // 2)}, schema={"x": pl.Int64})
    with pytest.raises(ValueError, match=r"1,048,575 rows below its heading.*write them as \.parquet"):
        write([frame, frame], tmp_path / "x.xlsx", "xlsx")
    assert list(tmp_path.iterdir()) == []


def test_without_xlsxwriter_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'raylab\[excel\]'"):
        write_xlsx(io.BytesIO(), [ODD], Notes())


# -- files


@pytest.mark.parametrize("what", [OSError("no space left on device"), KeyboardInterrupt()], ids=repr)
def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, what: BaseException) -> None:
    path = tmp_path / "x.csv"
    write([pl.DataFrame({"x": [1]})], path, "csv")

    def breaks() -> Iterable[pl.DataFrame]:
        yield pl.DataFrame({"x": [2]})
        raise what

    with pytest.raises(type(what)):
        write(breaks(), path, "csv")
    assert path.read_text() == "x\n1\n"
    assert [each.name for each in tmp_path.iterdir()] == ["x.csv"]


def test_who_reads_a_file_that_is_replaced_reads_the_earlier_one_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    write([pl.DataFrame({"x": [1]})], path, "csv")
    with path.open() as reading:
        write([pl.DataFrame({"x": [2]})], path, "csv")
        assert reading.read() == "x\n1\n"
    assert path.read_text() == "x\n2\n"


def test_plain_columns_are_left_alone() -> None:
    frame = ODD.select("x", "text", "at", "money")
    assert_frame_equal(plain(frame), frame)


@pytest.mark.parametrize("columns", [40, 80])
def test_what_is_shown_fits(columns: int, capsys: pytest.CaptureFixture[str]) -> None:
    show(pl.DataFrame({f"a-long-name-{n}": ["long words in it"] * 50 for n in range(30)}), columns)
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= columns
    assert "shape: (50, 30)" in shown


# -- NetCDF


def test_netcdf_has_the_axes_as_dimensions_and_text_for_what_it_has_no_type_for(tmp_path: Path) -> None:
    big = np.array([2**62 + 1, None], dtype=object)
    given = xarray.Dataset(
        {
            "loss": (("p",), [0.1, math.nan], {"units": "K", "tried": True}),
            "big": (("p",), big),
            "name": (("p",), np.array(["é", None], dtype=object)),
            "odd": (("p",), np.array([{"a": [math.nan]}, "x"], dtype=object)),
            "raw": (("p",), np.array([b"\0", "x"], dtype=object)),
            "some": (("p",), np.array([{1}, "x"], dtype=object)),
        },
        coords={"p": [1, 2]},
        attrs={"made": None, "of": ["a", "b"]},
    )
    before, notes = given.copy(deep=True), Notes()
    with placed(tmp_path / "x.nc") as file:
        write_netcdf(file, given, notes)
    back = xarray.load_dataset(tmp_path / "x.nc", engine="h5netcdf")
    assert back["loss"].identical(given["loss"].assign_attrs(tried="true"))
    assert back["big"].values.tolist() == [str(2**62 + 1), ""]
    assert back["name"].values.tolist() == ["é", ""]
    assert back["odd"].values.tolist() == ['{"a": ["NaN"]}', "x"]
    assert (back.attrs["made"], list(back.attrs["of"])) == ("null", ["a", "b"])
    assert back["raw"].values.tolist() == ["AA==", "x"]
    assert back["some"].values.tolist() == ["{1}", "x"]
    assert [tuple(line.rsplit(": ", 1)) for line in notes.lines()] == [
        (DIGITS, "big"),
        (MISSING, "big, name"),
        (TEXT, "odd, some"),
        (BYTES, "raw"),
    ]
    assert given.identical(before)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (np.datetime64("2020-01-02"), "2020-01-02"),
        (np.array([1, 2], "m8[s]"), ["1 seconds", "2 seconds"]),
        (np.str_("é"), "é"),
        (np.array(["a", "é"]), ["a", "é"]),
        (np.bool_(True), "true"),
        (np.array([True]), "[true]"),
        (np.array([1, "a"], object), '[1, "a"]'),
        (np.array([], "U1"), "[]"),
        (np.float32(0.5), 0.5),
        ([1, 2**70], f"[1, {2**70}]"),
        (2**70, str(2**70)),
        ("a\0b", '"a\\u0000b"'),
    ],
)
def test_attributes_of_every_type_are_there(given: Any, told: Any) -> None:
    sink = io.BytesIO()
    write_netcdf(sink, xarray.Dataset({"u": ("x", [1], {"it": given})}, attrs={"it": given}), Notes())
    back = xarray.load_dataset(io.BytesIO(sink.getvalue()), engine="h5netcdf")
    assert np.asarray(back["u"].attrs["it"]).tolist() == np.asarray(back.attrs["it"]).tolist() == told


def test_text_with_a_nul_is_json() -> None:
    sink, notes = io.BytesIO(), Notes()
    given = {"u": ("x", np.array(["a\0b", "c"])), "o": ("x", np.array(["a\0b", None], object))}
    write_netcdf(sink, xarray.Dataset(given), notes)
    back = xarray.load_dataset(io.BytesIO(sink.getvalue()), engine="h5netcdf")
    assert (back["u"].values.tolist(), back["o"].values.tolist()) == (['"a\\u0000b"', "c"], ['"a\\u0000b"', ""])
    assert [line.rpartition(": ")[2] for line in notes.lines()] == ["u, o", "o"]


def test_attributes_called_as_those_of_the_file_have_another_name() -> None:
    when = np.array(["2020-01-02"], "M8[ns]")
    sink, notes = io.BytesIO(), Notes()
    given = {"t": ("x", when, {"units": "K"}), "b": ("x", [True], {"dtype": "q"}), "u": ("x", [1], {"CLASS": "s"})}
    write_netcdf(sink, xarray.Dataset(given), notes)
    back = xarray.load_dataset(io.BytesIO(sink.getvalue()), engine="h5netcdf")
    assert (back["t"].values.tolist(), back["t"].attrs) == (when.tolist(), {"units_": "K"})
    assert (back["b"].attrs, back["u"].attrs) == ({"dtype_": "q"}, {"CLASS_": "s"})
    assert [line.rpartition(": ")[2] for line in notes.lines()] == ["t, b, u"]


def test_a_multiindex_becomes_its_levels() -> None:
    given = xarray.Dataset({"v": (("s",), [1, 2])}, coords={"a": (("s",), ["x", "y"]), "b": (("s",), [1, 2])})
    sink = io.BytesIO()
    write_netcdf(sink, given.set_xindex(["a", "b"], xarray.indexes.PandasMultiIndex), Notes())
    back = xarray.load_dataset(io.BytesIO(sink.getvalue()), engine="h5netcdf")
    assert (back["a"].values.tolist(), back["v"].values.tolist()) == (["x", "y"], [1, 2])


def test_a_name_that_netcdf_has_not_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match=r"no variable of the name 'a/b'.*rename"),
        placed(tmp_path / "x.nc") as file,
    ):
        write_netcdf(file, xarray.Dataset({"a/b": 1}), Notes())
    assert list(tmp_path.iterdir()) == []
