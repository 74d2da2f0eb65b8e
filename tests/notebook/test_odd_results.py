"""Results of every odd shape, through the worker and the notebook: none is refused, changed, or in another's way.

What a trial returned is compared with what every reader finds: raylab, the lines of the notebook's README, pyarrow,
duckdb; with the journal alone and sealed, and with commits that saw the types in another order.
"""

from __future__ import annotations

import csv
import datetime as dt
import enum
import json
import math
import os
import pickle
import re
import sys
import tempfile
import types
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import numpy as np
import polars as pl
import polars.selectors as cs
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odd_values import HOLDABLE, ROME, TYPED, UNHOLDABLE, Word, itself
from sweeps import NEVER, Bench, leased

from raylab.code.pack import pack
from raylab.core.design import Factorial
from raylab.notebook import layout
from raylab.notebook.columns import KIND, OF, column
from raylab.notebook.frames import updates
from raylab.notebook.posix import PosixStore
from raylab.notebook.rows import RESERVED
from raylab.notebook.schema import MORE, NAME
from raylab.notebook.table_files import listing
from raylab.offline import Notebook
from raylab.terminal import export
from raylab.worker.batch import Batch

# -- what trials return

SIMPLE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.datetimes(),
    st.datetimes(timezones=st.just(dt.UTC)),
    st.dates(),
    st.times(),
    st.timedeltas(dt.timedelta(-1000), dt.timedelta(1000)),
    st.decimals(-1000, 1000, places=3),
)
ALIKE = st.one_of(st.lists(each, max_size=3) for each in (st.integers(-3, 3), st.floats(), st.text(max_size=2)))
NESTED = st.recursive(
    SIMPLE, lambda some: st.lists(some, max_size=2) | st.dictionaries(st.sampled_from(["a", "A", "", "b"]), some)
)
VALUES = st.one_of(  # how it must be kept, and it, or its number in a list: hypothesis could not even print some
    st.tuples(st.just("plain"), SIMPLE | ALIKE | st.dictionaries(st.sampled_from("ab"), SIMPLE, min_size=1)),
    st.tuples(st.just("either"), NESTED),
    st.tuples(st.just("typed"), st.integers(0, len(TYPED) - 1)),
    st.tuples(st.just("held"), st.integers(0, len(HOLDABLE) - 1)),
    st.tuples(st.just("odd"), st.integers(0, len(UNHOLDABLE) - 1)),
)


def value_of(how: str, spec: Any) -> Any:
    """What a trial returns."""
    return {"typed": lambda: TYPED[spec][0], "held": lambda: HOLDABLE[spec], "odd": lambda: UNHOLDABLE[spec]()}.get(
        how, lambda: spec
    )()


KEYS: list[Any] = ["x", "X", "y", "", "a/b", "a.b", "^.*$", "*", "ä", "two words", "\n", "\ud800", "n\0", "l" * 5_000]
KEYS += ["x__string", "x__pickle", "x__int", "x__float2", "p", "p__result", "p__result__result", "P", "column_1"]
KEYS += ["_seq", "_status", "_point", "_more", "_metadata", "_error", "_error__result", "_pid__result", "raylab.of"]
KEYS += [1, None, 2.5, (1, "a"), b"b", Word.HELLO, np.str_("s"), frozenset()]


class Failing(Exception):
    pass


def trials_of(keys: list[Any]) -> st.SearchStrategy[list[Any]]:
    """What trials return whose results have these names: rows, nothing, or an exception."""
    rows = st.dictionaries(st.sampled_from(keys), VALUES, max_size=len(keys))
    one = rows.map(lambda row: [row])
    kinds = one | one | st.lists(rows, max_size=3) | st.none() | st.just(Failing("on purpose"))
    return st.lists(kinds, min_size=1, max_size=8)


TRIALS = st.lists(st.sampled_from(KEYS), min_size=1, max_size=4, unique=True).flatmap(trials_of)

# -- the experiment: it looks up what it must return, because half of it cannot travel

BOX = types.ModuleType("odd_results_of_this_test")
sys.modules[BOX.__name__] = BOX


def returning() -> Any:
    def returns(p: int, x__string: float) -> Any:
        import sys

        return sys.modules["odd_results_of_this_test"].made(p)

    return returns


RETURNING = pack(returning())
PARAMETERS = {"p", "x__string"}


def told(trials: list[Any]) -> Any:
    def made(p: int) -> Any:
        trial = trials[p]
        if isinstance(trial, Exception):
            raise trial
        if trial is None:
            return None
        rows = [{key: value_of(*value) for key, value in row.items()} for row in trial]
        return rows[0] if len(rows) == 1 else rows

    return made


# -- what must be found


def written_rows(trial: Any) -> list[dict[Any, Any]]:
    """The rows that a trial has in the notebook."""
    return trial if isinstance(trial, list) and trial else [{}]


def cells(table: pa.Table) -> list[dict[Any, list[tuple[str, Any]]]]:
    """By row and by what the experiment called it: the column and the value of every cell that is not null."""
    rows: list[dict[Any, list[tuple[str, Any]]]] = [{} for _ in range(table.num_rows)]
    for field in table.schema:
        about = field.metadata or {}
        name = about.get(OF, about.get(NAME, field.name.encode())).decode()
        key = (name, OF in about)
        for row, value in zip(rows, table[field.name].to_pylist(), strict=True):
            if value is not None:
                row.setdefault(key, []).append(("pickle" if about.get(KIND) == b"pickle" else field.name, value))
    return rows


def called(key: Any) -> tuple[str, bool]:
    """The name of a result, and whether it cannot be the column's."""
    name = key if type(key) is str else str.__str__(key) if isinstance(key, str) else str(key)
    name = name.encode("utf-8", "backslashreplace").decode()
    if len(name) > 1_000:
        name = next((known for known in LONG if known.startswith(name[:1_000])), name)
    return name, name in PARAMETERS | RESERVED or "\0" in name


LONG: set[str] = set()


def check_row(row: dict[Any, tuple[str, Any]], found: dict[Any, list[tuple[str, Any]]], p: int) -> None:
    assert found.pop(("p", False)) == [("p", p)]
    assert found.pop(("x__string", False)) == [("x__string", 0.5)]
    LONG.update(name for name, _ in found if len(name) > 1_000)
    for key, (how, spec) in row.items():
        here = found.pop(called(key), [])
        expected = TYPED[spec][1] if how == "typed" else spec
        if expected is None:
            assert here == [], key
            continue
        ((kind, value),) = here  # in one column, and no other
        if kind == "pickle":
            assert how not in ("plain", "typed"), (key, expected)
            check_pickled(how, value_of(how, spec), value)
        else:
            assert how not in ("held", "odd"), (key, value)
            assert same(value, expected), (key, expected, value)
    strangers = {name for name, _ in found} - RESERVED
    assert not strangers


def check_pickled(how: str, given_value: Any, cell: dict[str, Any]) -> None:
    assert isinstance(cell["repr"], str)
    if how == "odd":
        return
    assert cell["repr"] == repr(given_value)[:10_000].encode("utf-8", "backslashreplace").decode()
    back = pickle.loads(cell["pickle"])
    assert type(back) is type(given_value)
    assert repr(back) == repr(given_value)
    assert pickle.dumps(back) == pickle.dumps(given_value) or isinstance(given_value, frozenset | set | np.ndarray)


def same(kept: Any, given_value: Any) -> bool:
    """Equal and of one type, but that ints among floats are floats, and a struct has all fields of its column."""
    if isinstance(given_value, list | tuple):
        return isinstance(kept, list) and len(kept) == len(given_value) and all(map(same, kept, given_value))
    if isinstance(given_value, dict):
        rest = set(kept) - set(given_value)
        return all(same(kept[key], item) for key, item in given_value.items()) and {kept[key] for key in rest} <= {None}
    if type(given_value) is int and type(kept) is float:
        return kept == float(given_value)
    if isinstance(given_value, dt.datetime) and given_value.tzinfo is not None:
        # Aware times of one zone are compared by the clock, and know nothing of a fold.
        moments = kept.astimezone(dt.UTC), given_value.astimezone(dt.UTC)
        return isinstance(kept, dt.datetime) and moments[0] == moments[1] and kept.hour == given_value.hour
    if isinstance(given_value, float) and math.isnan(given_value):
        return type(kept) is float and math.isnan(kept)
    return type(kept) is type(given_value) and (kept == given_value) and repr(kept)[:1] == repr(given_value)[:1]


# -- the readers


def files_of(root: Path) -> list[str]:
    folder = root / "sweeps" / "SWEEP"
    return [str(path) for path in sorted(folder.glob("*.arrow")) + sorted(folder.glob("journal/*.arrow"))]


def as_the_readme_says(root: Path) -> pl.DataFrame:
    """The lines of the notebook's README, run as they stand, but for where the folder is."""
    (block,) = re.findall(r"```python\n(.*?)```", (root / layout.README).read_text(), re.DOTALL)
    scope: dict[str, Any] = {}
    exec(block.replace('Path("sweeps")', f'Path("{root}/sweeps")'), scope)
    frame: pl.DataFrame = scope["results"]
    return frame


def as_pyarrow_reads(root: Path) -> Any:
    files = [path for path in files_of(root) if pa.ipc.open_file(path).num_record_batches]
    schema = pa.unify_schemas([pa.ipc.open_file(path).schema for path in files], promote_options="permissive")
    return ds.dataset(files, schema=schema, format="ipc")


def as_on_disk(root: Path) -> pl.DataFrame:
    """The rows in the order of `_seq`, with the columns as they are on disk."""
    notebook = Notebook(root)
    return updates(notebook._records()["SWEEP"], notebook._files.of("sweeps/SWEEP"), 0)


def check_readers(root: Path, total: int) -> pa.Table:
    """All readers find the same; it comes back as raylab's own files have it."""
    ours = as_on_disk(root)
    assert ours["_seq"].to_list() == list(range(total))
    readme = as_the_readme_says(root)
    assert readme["_seq"].to_list() == list(range(total))
    extra = [name for name in ours.columns if name not in readme.columns]
    assert all(ours[name].null_count() == total for name in extra)
    wanted = sorted(readme.columns)
    assert readme.select(cs.by_name(wanted)).equals(ours.select(cs.by_name(wanted)), null_equal=True)
    dataset = as_pyarrow_reads(root)
    table = dataset.to_table().sort_by("_seq")
    table.validate(full=True)
    assert table["_seq"].to_pylist() == list(range(total))
    assert total == 0 or dataset.head(1).num_rows == 1
    for rows in (duckdb.sql("from ours order by _seq"), duckdb.sql("from dataset order by _seq")):
        assert rows.arrow().read_all()["_seq"].to_pylist() == list(range(total))
    arrow = ours.to_arrow()
    for name in table.column_names:
        assert [repr(value) for value in arrow[name].to_pylist()] == [repr(v) for v in table[name].to_pylist()], name
    return table


def test_whatever_trials_return_every_reader_finds_it_and_nothing_else(rounds: int) -> None:
    how = settings(max_examples=15 * rounds, deadline=None, suppress_health_check=list(HealthCheck))
    how(given(st.data())(_every_reader_finds_it))()


def _every_reader_finds_it(data: st.DataObject) -> None:
    trials = data.draw(TRIALS)
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(trials) - 1)), max_size=3)) - {len(trials)})
    leases = data.draw(st.permutations(list(zip([0, *cuts], [*cuts, len(trials)], strict=True))))
    BOX.made = told(trials)  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)  # no power is lost here, and it is a third of the time
        root = Path(folder)
        bench = Bench(root)
        bench.submit("SWEEP", RETURNING, Factorial(p=range(len(trials)), x__string=[0.5]), seed=1)
        for number, (start, stop) in enumerate(leases):
            bench.run("SWEEP", start, stop, flush_s=data.draw(st.sampled_from([0.0, NEVER])))
            if number == 1 and data.draw(st.booleans()):
                bench.seal("SWEEP")
        total = sum(len(written_rows(trial)) for trial in trials)
        before = check_readers(root, total)
        bench.seal("SWEEP")
        after = check_readers(root, total)
        assert before.schema.names == after.schema.names
        statuses = dict(zip(after["p"].to_pylist(), after["_status"].to_pylist(), strict=True))
        assert statuses == {p: "failed" if isinstance(t, Failing) else "done" for p, t in enumerate(trials)}
        (part,) = listing(PosixStore(root), "sweeps/SWEEP")[-1:]
        found = cells(part.table)
        waiting = {p: iter(written_rows(trial)) for p, trial in enumerate(trials)}
        for p, row in zip(part.table["p"].to_pylist(), found, strict=True):
            check_row(next(waiting[p]), row, p)


# -- one by one: what the law above would find too seldom


def kept(root: Path, experiment: Any, design: Any = None, **words: Any) -> tuple[Bench, pl.DataFrame]:
    """A sweep that was worked through lease by lease, one trial each, and all its rows."""
    design = Factorial() if design is None else design
    bench = Bench(root)
    bench.submit("SWEEP", experiment, design, **words)
    for position in range(design.size * words.get("repeats", 1)):
        bench.run("SWEEP", position, position + 1)
    return bench, Notebook(root).results("SWEEP", status="all", metadata=True)


def worked(bench: Bench, start: int = 0, stop: int | None = None) -> list[Batch]:
    """What a lease brings, not yet committed."""
    return leased(bench._packages["SWEEP"][0], start, stop)


def in_order(root: Path, experiment: Any, count: int, sign: int = 1) -> None:
    """A sweep over `p`, a commit for each trial, by rising or falling p."""
    bench = Bench(root)
    bench.submit("SWEEP", experiment, Factorial(p=range(count)))
    batches = {}
    for at in range(count):
        (batch,) = worked(bench, at, at + 1)
        batches[batch.rows["p"][0].as_py()] = batch
    for p in sorted(batches, key=lambda p: p * sign):
        bench.commit("SWEEP", [batches[p]])


@pytest.mark.parametrize("order", [1, -1])
def test_a_result_keeps_its_column_whatever_came_with_it_in_other_commits(tmp_path: Path, order: int) -> None:
    """A parameter's name taken by a result, and the name that it gets instead taken by another."""

    def returns(p: int) -> dict[str, int]:
        return [{"p": 10}, {"p": 11, "p__result": 21}, {"p__result": 22}, {"p": 13}][p]

    in_order(tmp_path, returns, 4, order)
    frame = Notebook(tmp_path).results("SWEEP").sort("p")
    assert frame["p"].to_list() == [0, 1, 2, 3]
    lists = [frame[name].to_list() for name in ("p__result", "p__result__result")]
    assert sorted(lists, key=str) == [[10, 11, None, 13], [None, 21, 22, None]]


def test_names_that_only_readers_confuse_are_told_apart_in_other_commits(tmp_path: Path) -> None:
    _, frame = kept(tmp_path, lambda p: {"a\0": p} if p < 2 else {"a\\x00": p}, Factorial(p=range(4)))
    cells = frame.sort("p").select(cs.starts_with("a\\x00"))
    assert sorted((cells[name].to_list() for name in cells.columns), key=str) == [
        [0, 1, None, None],
        [None, None, 2, 3],
    ]


def test_a_result_called_like_a_pattern_of_polars_may_change_its_type(tmp_path: Path) -> None:
    def returns(p: int) -> dict[str, object]:
        value = [1, 2.5, [], [3]][p]
        return {"*": value, "^.*$": value}

    in_order(tmp_path, returns, 4)
    for frame in (Notebook(tmp_path).results("SWEEP", metadata=["_seq"]), as_the_readme_says(tmp_path)):
        for name in ("*", "^.*$"):
            cells = [row[name] for row in frame.select(cs.by_name("p", name)).to_dicts() if row[name] is not None]
            assert len(cells) <= 2
            siblings = frame.select(cs.starts_with(name))
            assert sum(siblings.height - column.null_count() for column in siblings.iter_columns()) == 4


def test_keys_that_read_alike_are_all_kept(tmp_path: Path) -> None:
    class Key:
        def __str__(self) -> str:
            return "k"

    _, frame = kept(tmp_path, lambda: {"k": 0, Key(): 1, Key(): 2, Key(): 3, 1: 4, "1": 5})
    found = frame.select(cs.starts_with("k") | cs.starts_with("1")).row(0)
    assert sorted(found) == [0, 1, 2, 3, 4, 5]
    assert frame["k"].item() == 0


def test_a_string_enum_names_its_result_by_its_value_whoever_came_first(tmp_path: Path) -> None:
    class Name(str, enum.Enum):  # noqa: UP042
        loss = "loss"

    _, frame = kept(tmp_path, lambda p: {Name.loss: p} if p % 2 else {"loss": p}, Factorial(p=range(4)))
    assert frame["loss"].to_list() == frame["p"].to_list()


def test_a_name_of_a_megabyte_is_cut_and_no_two_are_one(tmp_path: Path) -> None:
    from raylab.worker.outcome import known_names

    _, frame = kept(tmp_path, lambda: {"n" * 10**6: 1, "n" * 10**6 + "m": 2})
    names = [name for name in frame.columns if name.startswith("nnn")]
    assert [len(name) for name in names] == [1_009, 1_009]
    assert [frame[name].item() for name in names] == [1, 2]
    assert max(map(len, known_names)) < 1_100


def test_five_thousand_columns_in_one_sweep(tmp_path: Path) -> None:
    def wide(p: int) -> dict[str, object]:
        return {f"x{i}": (i, i / 2, {i})[p % 3] for i in range(1_250 * p, 1_250 * (p + 1))}

    bench, before = kept(tmp_path, wide, Factorial(p=range(4)))
    assert before.width < 1_100
    bench.seal("SWEEP")
    for frame in (before, as_on_disk(tmp_path), as_the_readme_says(tmp_path)):
        frame = frame.sort("_seq")
        assert frame["_seq"].to_list() == [0, 1, 2, 3]
        for row in frame.select(cs.by_name("p", MORE) | cs.starts_with("x")).to_dicts():
            p, more = row.pop("p"), pickle.loads(row.pop(MORE) or pickle.dumps({}))
            found = {name: value for name, value in row.items() if value is not None} | more
            assert found.keys() == {f"x{i}" for i in range(1_250 * p, 1_250 * (p + 1))}
            assert p % 3 == 2 or found == wide(p)


def test_a_value_that_contains_itself_is_kept_whole(tmp_path: Path) -> None:
    made = itself()
    made += [{"again": made}, (made,)]
    _, frame = kept(tmp_path, returner({"x": made}))
    back = pickle.loads(frame["x"].item()["pickle"])
    assert back[0] == 1
    assert all(part is back for part in (back[1], back[2], back[3]["again"], back[4][0]))


def returner(result: Any) -> Any:
    """An experiment that returns what need not travel."""
    BOX.made = lambda p: result  # type: ignore[attr-defined]

    def returns() -> Any:
        import sys

        return sys.modules["odd_results_of_this_test"].made(0)

    return returns


def test_what_stands_in_a_result_many_times_is_copied_once() -> None:
    """Taken apart it has 2^60 parts, and only a list of two."""
    from raylab.worker.outcome import read

    made: list[Any] = []
    for _ in range(60):
        made = [made, made]
    row = read({"x": made})
    assert isinstance(row, dict)
    copied: Any = row["x"]
    assert copied is not made
    assert copied[0] is copied[1]
    ((_, cells),) = column("x", [copied])
    cell = cells.to_pylist()[0]
    assert cell["repr"].startswith("[[[[[...], [...]], [[...], ")
    back = pickle.loads(cell["pickle"])
    assert back[0] is back[1]


def test_objects_of_a_scripts_own_classes_come_back(tmp_path: Path) -> None:
    """The class exists in no module of the worker, as it is with one of a script or of a notebook's cell."""

    def returns() -> dict[str, Any]:
        class Own:
            def __init__(self) -> None:
                self.x = 5

        Own.__module__ = "__main__"
        Own.__qualname__ = "Own"
        return {"own": Own(), "squared": lambda x: x**2, "keys": {"a": 1}.keys()}

    _, frame = kept(tmp_path, returns)
    cells = frame.select("own", "squared", "keys").row(0, named=True)
    assert pickle.loads(cells["own"]["pickle"]).x == 5
    assert pickle.loads(cells["squared"]["pickle"])(3) == 9
    assert list(pickle.loads(cells["keys"]["pickle"])) == ["a"]


def test_a_process_that_is_asked_to_end_while_it_converts_ends() -> None:
    """Ray raises SystemExit wherever the process is, in a value's own methods too; a value would raise again."""

    class Interrupted:
        times = 0

        def __repr__(self) -> str:
            Interrupted.times += 1
            if Interrupted.times == 1:
                raise SystemExit("the process is asked to end")
            return "again"

    with pytest.raises(SystemExit):
        column("x", [Interrupted()])


class Trap:
    sprung: ClassVar[list[int]] = []

    def __reduce__(self) -> Any:
        return spring, (1,)


def spring(number: int) -> None:
    Trap.sprung.append(number)


def test_nothing_is_unpickled_by_writing_sealing_or_reading(tmp_path: Path) -> None:
    def returns() -> dict[str, Any]:
        import sys

        trap = sys.modules["odd_results_of_this_test"].made(0)
        return {f"x{i}": i for i in range(1_100)} | {"trap": trap, "list": [trap], "late": {"a": trap}}

    BOX.made = lambda p: Trap()  # type: ignore[attr-defined]
    bench, _ = kept(tmp_path, returns, repeats=2)
    check_readers(tmp_path, 2)
    bench.seal("SWEEP")
    table = check_readers(tmp_path, 2)
    frame = Notebook(tmp_path).results("SWEEP", metadata=True)
    for form in export.WRITERS:
        export.write([frame], tmp_path / f"out.{form}", form)
    assert Trap.sprung == []
    cell = pickle.loads(table[MORE][0].as_py())["trap"]
    assert Trap.sprung == []
    pickle.loads(cell["pickle"])
    assert Trap.sprung == [1]


def test_odd_results_are_written_as_other_files_too(tmp_path: Path) -> None:
    values = [value for value, _ in TYPED] + HOLDABLE + [make() for make in UNHOLDABLE]
    BOX.made = lambda p: {f"x{p}": values[p], "x": values[p]}  # type: ignore[attr-defined]
    bench = Bench(tmp_path)
    bench.submit("SWEEP", RETURNING, Factorial(p=range(len(values)), x__string=[0.5]))
    bench.run("SWEEP")
    frame = Notebook(tmp_path).results("SWEEP", metadata=True)
    for form in export.WRITERS:
        export.write([frame], tmp_path / f"out.{form}", form)
    assert pl.read_ipc(tmp_path / "out.arrow").equals(frame)
    assert pl.read_parquet(tmp_path / "out.parquet").equals(frame)
    with (tmp_path / "out.csv").open(newline="") as file:
        assert [row["p"] for row in csv.DictReader(file)] == list(map(str, frame["p"]))
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert [json.loads(line)["p"] for line in lines] == frame["p"].to_list()


PANDAS: dict[str, tuple[Any, Any]] = {
    "Timestamp": (lambda pd: pd.Timestamp("2026-01-02"), dt.datetime(2026, 1, 2)),
    "zone": (lambda pd: pd.Timestamp("2026-01-02", tz="Europe/Rome"), dt.datetime(2026, 1, 2, tzinfo=ROME)),
    "nanosecond": (lambda pd: pd.Timestamp(1, unit="ns"), "Timestamp('1970-01-01 00:00:00.000000001')"),
    "Timedelta": (lambda pd: pd.Timedelta(3, "s"), dt.timedelta(seconds=3)),
    "nanoseconds": (lambda pd: pd.Timedelta(1, "ns"), "Timedelta('0 days 00:00:00.000000001')"),
    "NaT": (lambda pd: pd.NaT, None),
    "NA": (lambda pd: pd.NA, None),
    "Series": (lambda pd: pd.Series([1]), "0    1\ndtype: int64"),
    "DataFrame": (lambda pd: pd.DataFrame({"a": [1]}), "   a\n0  1"),
    "Period": (lambda pd: pd.Period("2026"), "Period('2026', 'Y-DEC')"),
}


@pytest.mark.parametrize("name", PANDAS)
def test_pandas_values_are_results(name: str) -> None:
    pandas = pytest.importorskip("pandas")
    make, expected = PANDAS[name]
    given_value = make(pandas)
    found = column("x", [given_value, [given_value]])
    if expected is None:
        ((_, lists),) = found
        assert lists.to_pylist() == [None, [None]]
    elif isinstance(expected, str):
        ((_, cells),) = found
        first = cells.to_pylist()[0]
        assert first["repr"] == expected
        assert repr(pickle.loads(first["pickle"])) == expected
    else:
        (_, one), (_, lists) = found
        assert same(one.to_pylist()[0], expected)
        assert same(lists.to_pylist()[1], [expected])


# -- size


def test_a_result_of_50_mb_is_kept_and_one_of_200_mb_is_a_failure_that_says_what_to_do(tmp_path: Path) -> None:
    def returns(mb: int) -> dict[str, Any]:
        return {"x": bytes(mb * 2**20), "y": 1}

    bench = Bench(tmp_path)
    bench.submit("SWEEP", returns, Factorial(mb=[50, 200]))
    batches = worked(bench)
    assert sum(batch.rows.nbytes for batch in batches) < 51 * 2**20  # what the lab is given to keep
    bench.commit("SWEEP", batches)
    frame = Notebook(tmp_path).results("SWEEP", status="all", metadata=["_status", "_error"]).sort("mb")
    assert frame["_status"].to_list() == ["done", "failed"]
    assert frame["x"].item(0) == bytes(50 * 2**20)
    assert frame.select("x", "y").row(1) == (None, None)
    error = frame["_error"].item(1)
    assert "200.0 MB, and can have 64.0 MB at most; write large results to a file and return the file's path" in error
