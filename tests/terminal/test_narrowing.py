"""`--where` and `--columns`: which rows and columns are shown, whatever gives them; what is wrong with them is said."""

from __future__ import annotations

import io
import json
from pathlib import Path

import polars as pl
import pytest
from sweeps import Bench

from raylab.core.design import Factorial
from raylab.offline import Notebook
from raylab.terminal.cells import Notes
from raylab.terminal.command import main
from raylab.terminal.export import WRITERS
from raylab.terminal.narrowing import Narrowing


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sweeps of 10 points in two repeats each, of one of which x = 9 failed."""

    def f(x: int) -> dict[str, float]:
        return {"y": 1 / (9 - x), "word": float("nan")}

    bench = Bench(tmp_path_factory.mktemp("narrowing") / "lab")
    for name in ("a", "b"):
        bench.submit(name, f, Factorial(x=range(10)), repeats=2)
        bench.run(name)
    return bench.root


def results(notebook: Path, capfd: pytest.CaptureFixture[str], *words: str) -> pl.DataFrame:
    assert main(["results", "--notebook", str(notebook), *words]) == 0
    return pl.read_csv(io.StringIO(capfd.readouterr().out))


def test_only_rows_of_which_it_is_true(notebook: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rows = results(notebook, capfd, "a", "--where", "x > 2 AND x <= 4 OR x = 7")
    assert rows["x"].unique().sort().to_list() == [3, 4, 7]
    assert rows.columns == ["x", "y", "word", "_repeat"] or "_repeat" in rows.columns


def test_metadata_of_a_condition_is_read_and_not_shown(notebook: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rows = results(notebook, capfd, "a", "--where", "_elapsed_s >= 0 AND _seq < 3 AND _repeat >= 0")
    assert rows.height == 3
    assert not {"_elapsed_s", "_seq"} & {*rows.columns}
    assert "_repeat" in rows.columns


def test_columns_come_in_the_order_that_is_asked_for(notebook: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert results(notebook, capfd, "a", "--columns", "y,_elapsed_s, x").columns == ["y", "_elapsed_s", "x"]
    rows = results(notebook, capfd, "a", "b", "--columns", "_sweep,x", "--where", "_sweep = 'b'")
    assert rows["_sweep"].unique().to_list() == ["b"]


def test_a_condition_may_speak_of_all_rows(notebook: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert results(notebook, capfd, "a", "--where", "y = max(y)")["x"].unique().to_list() == [8]


def test_many_rows_are_streamed_and_narrowed_likewise(
    notebook: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("a", "b", "--where", "x > 4 AND _seq >= 0", "--columns", "_sweep,x,y,_repeat")
    whole = results(notebook, capfd, *words)
    monkeypatch.setattr("raylab.terminal.gathering.WHOLE_BYTES", 0)
    assert results(notebook, capfd, *words).equals(whole)
    assert whole.height == 2 * 2 * 4
    assert results(notebook, capfd, "a", "--where", "y = max(y)")["x"].unique().to_list() == [8]


def test_a_summary_and_failures_are_narrowed_too(notebook: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rows = results(notebook, capfd, "a", "--summary", "--of", "y", "--where", "x = 8", "--columns", "x,mean")
    assert rows.rows() == [(8, 1.0)]
    assert (
        main(["failures", "--notebook", str(notebook), "a", "--where", "_repeat = 1", "--columns", "x", "--json"]) == 0
    )
    assert json.loads(capfd.readouterr().out) == [{"x": 9}]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--where", "x >"], "--where is a condition in SQL"),
        (["--where", "select 1"], "--where is a condition in SQL"),
        (
            ["--where", "yy > 1"],
            "there is no such column; there are 'x', '_repeat', 'y', 'word'. Did you mean 'y'?",
        ),
        (["--where", "x"], "cannot be told of these rows"),
        (["--where", "x > 'a'"], "cannot be told of these rows"),
        (["--columns", "wort"], "Did you mean 'word'?"),
        (["--columns", ","], "columns are names with commas between them"),
        (["--json", "--format", "csv"], "--json is --format json"),
        (["--columns", "x", "-o", "a.nc"], "without --summary, --metadata"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_written(
    words: list[str], said: str, notebook: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    try:
        code = main(["results", "--notebook", str(notebook), "a", *words])
    except SystemExit as ended:
        code = int(ended.code or 0)
    out, told = capfd.readouterr()
    assert (code, out) == (2, "")
    assert said in told
    assert "Traceback" not in told


def test_json_has_null_for_what_is_no_number(notebook: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for words in (["--json"], ["--format", "json"]):
        assert main(["results", "--notebook", str(notebook), "a", "--where", "x < 1", *words]) == 0
        out, told = capfd.readouterr()
        rows = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
        assert [(row["x"], row["word"]) for row in rows] == [(0, None), (0, None)]
        assert "what is no finite number is null: word" in told
    assert main(["results", "--notebook", str(notebook), "a", "--where", "x > 99", "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == []


def test_markdown_is_a_table_that_no_value_breaks() -> None:
    frame = pl.DataFrame({"a|b": ["x|y\nz", "<b>*no*</b>", None], "n": [1.5, None, 2.0]})
    sink, notes = io.BytesIO(), Notes()
    assert WRITERS["markdown"](sink, [frame], notes) == 3
    assert sink.getvalue().decode().splitlines() == [
        r"| a\|b | n |",
        "| --- | ---: |",
        r"| x\|y z | 1.5 |",
        r"| \<b>\*no\*\</b> |  |",
        "|  | 2.0 |",
    ]


def test_a_format_is_printed_or_written(notebook: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for form in ("json", "markdown", "table"):
        assert main(["results", "--notebook", str(notebook), "a", "--format", form]) == 0
        printed = capfd.readouterr().out
        path = tmp_path / f"rows.{form}"
        assert main(["results", "--notebook", str(notebook), "a", "--format", form, "-o", str(path)]) == 0
        capfd.readouterr()
        assert path.read_text() == printed
    assert main(["results", "--notebook", str(notebook), "a", "-o", str(tmp_path / "rows.md")]) == 0
    assert (tmp_path / "rows.md").read_text().startswith("| x |")


def test_a_condition_touches_nothing_but_the_rows(notebook: Path) -> None:
    for text in ("read_csv('/etc/passwd')", "(select 1) = 1", "x in (select x from t)"):
        with pytest.raises(ValueError, match="--where"):
            Narrowing(where=text).of(Notebook(notebook).results("a"))


def test_a_condition_that_speaks_of_all_rows_is_not_applied_to_parts_of_them() -> None:
    assert Narrowing(where="x > 1 AND y IS NOT NULL").is_by_row
    assert not Narrowing(where="y = max(y)").is_by_row
    assert Narrowing(columns=["x"]).is_by_row
