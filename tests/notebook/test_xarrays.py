"""`to_xarray`: what experiments return, along the axes of their design, on a lab in memory."""

from __future__ import annotations

import builtins
import enum
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import raylab
import raylab.testing
from raylab import Factorial, Points
from raylab.errors import DesignError
from raylab.offline import Notebook


def ran(lab: raylab.Lab, experiment: Callable[..., Any], design: Any, **words: Any) -> raylab.Sweep:
    sweep = lab.submit(experiment, design, **words)
    assert sweep.wait(timeout=60, progress=False)
    return sweep


# what xarray's objects have ---------------------------------------------------------------------------------------


def weather(a: int, b: float) -> xr.Dataset:
    times = np.array(["2020-01-01", "2020-01-02", "2020-01-03T00:00:00.000000001"], "M8[ns]")
    values: dict[str, Any] = {
        "T": (("x", "t"), np.full((2, 3), a * b, np.float32), {"units": "K", "valid": np.array([0, 9], np.int16)}),
        "n": ((), np.int8(a), {"long_name": "count"}),
        "ok": ("x", [True, a > 1]),
        "when": ("t", times + np.timedelta64(a, "D")),
        "took": ("x", np.array([a, 2], "m8[s]")),
        "name": ("x", np.array(["é", "of x"])),
        "z": ("x", np.array([a + 1j, b], complex)),
        "any": ("x", np.array([a, "b"], object)),
        "none": (("x", "y"), np.empty((2, 0))),
        "big": ("x", np.array([2**64 - a, 1], np.uint64)),
    }
    coords: dict[str, Any] = {
        "x": ("x", [10.0, 20.0], {"units": "m"}),
        "t": times,
        "lat": (("x", "t"), np.arange(6.0).reshape(2, 3)),
        "station": ("x", np.array(["here", "there"])),
        "run": 7,
    }
    return xr.Dataset(values, coords=coords, attrs={"title": "weather", "numbers": [1, 2.5], "when": times[0]})


def test_a_dataset_is_as_it_was_along_the_axes(lab: raylab.Lab) -> None:
    sweep = ran(lab, weather, {"a": [1, 2], "b": [0.5, 1.5, 2.5]})
    made = sweep.to_xarray()
    assert list(made.sizes) == ["a", "b", "x", "t", "y"]
    assert made["T"].dims == ("a", "b", "x", "t")
    for a in (1, 2):
        for b in (0.5, 1.5, 2.5):
            mine = made.sel(a=a, b=b).drop_vars(["a", "b"])
            other = weather(a, b)
            assert list(mine.data_vars) == list(other.data_vars)
            xr.testing.assert_identical(mine.drop_vars("name"), other.drop_vars("name"))
            assert mine["name"].values.tolist() == other["name"].values.tolist()
            kinds = {name: each.dtype for name, each in other.variables.items() if name != "name"}
            assert {name: mine.variables[name].dtype for name in kinds} == kinds
    assert sweep.results().columns == ["a", "b", *weather(1, 1.0).data_vars]
    assert sweep.results()["T"].to_list()[0] == [[0.5] * 3] * 2


def test_a_dataarray_is_the_column_of_its_name(lab: raylab.Lab) -> None:
    def named(k: int) -> xr.DataArray:
        return xr.DataArray([k, 2 * k], dims="x", coords={"x": ["a", "b"]}, name="u", attrs={"units": "m/s"})

    def nameless(k: int) -> xr.DataArray:
        return named(k).rename(None)

    made = ran(lab, named, {"k": [1, 2]}).to_xarray()
    xr.testing.assert_identical(made["u"].sel(k=2, drop=True), named(2))
    assert ran(lab, nameless, {"k": [1, 2]}).to_xarray()["value"].sel(k=2, x="b") == 4


def test_labelled_values_stand_beside_others(lab: raylab.Lab) -> None:
    def both(k: int) -> dict[str, Any]:
        inner = xr.Dataset({"q": ("z", [k, k])}, coords={"z": [0, 1]}, attrs={"of": "inner"})
        return {
            "e": k,
            "f": xr.DataArray([k, 2], dims="x", name="other"),
            "in": inner,
            "raw": np.ones((2, 2)),
            "w": "s",
        }

    sweep = ran(lab, both, {"k": [1, 2]})
    made = sweep.to_xarray()
    assert sweep.results().columns == ["k", "e", "f", "in.q", "raw", "w"] == ["k", *made.data_vars]
    assert (made["f"].dims, made["in.q"].dims) == (("k", "x"), ("k", "z"))
    assert made["raw"].dims == ("k", "raw_dim_0", "raw_dim_1")
    assert (made["z"].values.tolist(), made.attrs) == ([0, 1], {"of": "inner"})


def test_several_datasets_are_several_rows(lab: raylab.Lab) -> None:
    def steps(k: int) -> list[xr.Dataset]:
        return [xr.Dataset({"u": ("x", [i, k])}, coords={"x": [1, 2]}) for i in range(k)]

    made = ran(lab, steps, {"k": [1, 3]}).to_xarray()
    assert (made["u"].dims, made["u"].sizes) == (("k", "row", "x"), {"k": 2, "row": 3, "x": 2})
    assert made["u"].sel(k=3).values.tolist() == [[0, 3], [1, 3], [2, 3]]
    assert made["u"].sel(k=1).isnull().sum() == 4


def test_a_multi_index_is_one_again(lab: raylab.Lab) -> None:
    def crossed(k: int) -> xr.Dataset:
        index = pd.MultiIndex.from_product([["u", "v"], [1, 2]], names=["letter", "digit"])
        return xr.Dataset({"z": ("m", np.arange(4) * k)}, coords=xr.Coordinates.from_pandas_multiindex(index, "m"))

    made = ran(lab, crossed, {"k": [1, 2]}).to_xarray()
    assert made["z"].sel(k=2, letter="v", digit=1) == 4


def test_what_is_called_as_an_axis_gets_another_name(lab: raylab.Lab) -> None:
    def clashing(L: int, p: float) -> xr.Dataset:  # noqa: N803
        return xr.Dataset({"q": ("L", [L, 2, 3]), "p": p}, coords={"L": [7, 8, 9]})

    made = ran(lab, clashing, {"L": [1, 2], "p": [0.5]}).to_xarray()
    assert made["q"].dims == ("L", "p", "L__result")
    assert (made["L__result"].values.tolist(), made["p__result"].values.tolist()) == ([7, 8, 9], [[0.5], [0.5]])


# other labels in other trials -----------------------------------------------------------------------------------------


def grid(n: int) -> xr.DataArray:
    return xr.DataArray(np.arange(n), dims="x", coords={"x": np.linspace(0, 1, n)}, name="u")


def test_trials_with_other_labels_are_joined_at_them(lab: raylab.Lab) -> None:
    made = ran(lab, grid, {"n": [3, 5, 2]}).to_xarray()
    assert made["x"].values.tolist() == [0, 0.25, 0.5, 0.75, 1]
    for n in (2, 3, 5):
        assert made["u"].sel(n=n, drop=True).dropna("x").astype(int).identical(grid(n).astype(int))


def test_labels_that_fit_nowhere_stand_beside_the_values(lab: raylab.Lab) -> None:
    def own(n: int) -> xr.DataArray:
        return xr.DataArray([n, n], dims="x", coords={"x": [n, n + 0.5]}, name="u", attrs={"a": 1, "n": n})

    def twice(n: int) -> xr.DataArray:
        return xr.DataArray([n, n], dims="x", coords={"x": [n, n]}, name="u")

    for experiment, second in ((own, 0.5), (twice, 0.0)):
        made = ran(lab, experiment, {"n": range(10)}).to_xarray()
        assert made["u"].values.tolist() == [[n, n] for n in range(10)]
        assert made["x__label"].dims == ("n", "x")
        assert made["x__label"].values.tolist() == [[n, n + second] for n in range(10)]
        assert "n" not in made["u"].attrs


def test_numbers_stay_numbers_beside_what_other_trials_have(lab: raylab.Lab) -> None:
    values: list[Any] = [
        np.array([2**60 + 1, 2]),
        np.array([0.5, 1.0]),
        np.array(["a", "b"]),
        np.array([2**64 - 1, 3], "u8"),
    ]

    def one_of(k: int, of: list[int], by_label: bool) -> xr.DataArray:
        own = values[of[k]]
        return xr.DataArray([1, 2], dims="x", coords={"x": own}) if by_label else xr.DataArray(own, dims="x")

    for of in ([0, 1], [0, 2], [1, 2], [0, 3]):
        design = {"k": [0, 1], "of": [of], "by_label": [False]}
        made = ran(lab, one_of, design).to_xarray()["value"].squeeze()
        assert [each.tolist() for each in made.values] == [values[at].tolist() for at in of]
    made = ran(lab, one_of, {"k": [0, 1], "of": [[0, 2]], "by_label": [True]}).to_xarray()
    assert made["x__label"].squeeze().values.tolist() == [[2**60 + 1, 2], ["a", "b"]]


def test_labels_that_some_trials_have_are_of_those_alone(lab: raylab.Lab) -> None:
    def some(k: int) -> xr.DataArray:
        return xr.DataArray([1, 2], dims="x", coords={"x": [8, 9]} if k else {})

    made = ran(lab, some, {"k": [0, 1]}).to_xarray()
    assert made["value"].values.tolist() == [[1, 2], [1, 2]]
    assert made["x__label"].sel(k=1).values.tolist() == [8, 9]
    assert made["x__label"].sel(k=0).isnull().all()


def test_a_number_beside_labelled_values_of_its_name_is_there(lab: raylab.Lab) -> None:
    made = ran(lab, lambda k: {"u": xr.DataArray([1, 2], dims="x") if k else 3}, {"k": [0, 1]}).to_xarray()
    assert made["u"].sel(k=1).values.tolist() == [1, 2]
    assert made["u__plain"].sel(k=0) == 3


def test_coordinates_that_differ_lie_along_the_axes(lab: raylab.Lab) -> None:
    def measured(n: int) -> xr.Dataset:
        coords: dict[str, Any] = {"run": n, "where": ("x", [n, n + 1]), "all": ("x", [1, 2])}
        return xr.Dataset({"u": ("x", [n, 2])}, coords=coords, attrs={"a": 1, "n": n})

    made = ran(lab, measured, {"n": [1, 2]}, repeats=2).to_xarray()
    assert {name: made[name].dims for name in ("run", "where", "all")} == {
        "run": ("n", "_repeat"),
        "where": ("n", "_repeat", "x"),
        "all": ("x",),
    }
    assert set(made.coords) == {"n", "_repeat", "run", "where", "all"}
    assert made["where"].sel(n=2).values.tolist() == [[2, 3], [2, 3]]
    assert made.attrs == {"a": 1}


def test_a_name_of_other_dimensions_in_other_trials_loses_nothing(lab: raylab.Lab) -> None:
    def varied(n: int) -> Any:
        values = {1: xr.DataArray([1, 2], dims="x"), 2: xr.DataArray([[3, 4]], dims=("y", "x")), 3: np.array([5.0])}
        return {"u": values[n]}

    made = ran(lab, varied, {"n": [1, 2, 3]}).to_xarray()
    found = sorted(
        value for each in made.data_vars.values() for value in each.values.ravel().tolist() if value == value
    )
    assert found == [1, 2, 3, 4, 5]
    assert made["u"].sel(n=1).values.tolist() == [1, 2]


# the axes -------------------------------------------------------------------------------------------------------------


class Method(enum.Enum):
    FAST = 1


def score(p: float, L: int = 1, seed: int = 0) -> dict[str, Any]:  # noqa: N803
    if p == 0.5:
        raise ValueError("no score")
    return {"y": p * L, "n": L, "ok": p < 0.5, "word": "w", "huge": 2**60, "when": pd.Timestamp("2020-01-01", tz="UTC")}


def test_what_is_missing_is_nan_and_what_is_whole_keeps_its_type(lab: raylab.Lab) -> None:
    sweep = ran(lab, score, Factorial(p=[0.5, 0.25], L=[1, 2]), repeats=2, name="s")
    made = sweep.to_xarray()
    assert dict(made.sizes) == {"p": 2, "L": 2, "_repeat": 2}
    kinds = {name: str(each.dtype) for name, each in made.data_vars.items()}
    assert kinds == {"y": "float64", "n": "float64", "ok": "float64", "word": "object", "huge": "object"} | {
        "when": "datetime64[us]"
    }
    assert made.sel(p=0.5).isnull().all().to_array().all()
    assert made["n"].sel(p=0.25, L=2).values.tolist() == [2, 2]
    assert (made["huge"].sel(p=0.25) == 2**60).all()
    whole = ran(lab, score, Factorial(p=[0.25], L=[1, 2]), name="whole").to_xarray()
    assert {name: whole[name].dtype.kind for name in ("n", "ok", "huge")} == {"n": "i", "ok": "b", "huge": "i"}
    assert dict(whole.sizes) == {"p": 1, "L": 2}


def test_nothing_is_in_yet(lab: raylab.Lab) -> None:
    made = ran(lab, score, {"p": [0.5], "L": [1, 2]}).to_xarray()
    assert dict(made.sizes) == {"p": 1, "L": 2}
    assert not made.data_vars


def test_levels_that_are_no_single_values_are_text(lab: raylab.Lab) -> None:
    def plain(**_: Any) -> float:
        return 1.0

    axes = {"t": [(1, 2), (3, 4)], "m": ["fast", None], "x": [0.5, "all"], "b": [True, False], "n": [1, None]}
    made = ran(lab, plain, Factorial(axes)).to_xarray()
    assert {name: made[name].values.tolist() for name in ("t", "m", "x", "b")} == {
        "t": ["(1, 2)", "(3, 4)"],
        "m": ["fast", "None"],
        "x": ["0.5", "all"],
        "b": [True, False],
    }
    assert made["value"].sel(t="(1, 2)", m="None", x="all").notnull().all()
    assert math.isnan(made["n"].values[1])
    assert list(made.data_vars) == ["value"]  # typed levels beside the texts are no results


def test_a_result_called_as_typed_levels_would_be_is_there(lab: raylab.Lab) -> None:
    made = ran(lab, lambda p: {"p__int": 7}, {"p": [1, "a", None]}).to_xarray()
    assert {name: made[name].values.tolist() for name in made.data_vars} == {"p__int": [7, 7, 7]}


def test_inner_dimensions_and_what_dicts_hold_share_no_name_with_others(lab: raylab.Lab) -> None:
    made = ran(lab, lambda u_dim_0: {"u": [1, 2]}, {"u_dim_0": [1, 2, 3]}).to_xarray()
    assert (made["u"].dims, made["u"].values.tolist()) == (("u_dim_0", "u_dim_0__result"), [[1, 2]] * 3)
    made = ran(lab, lambda p: {"u": [1, 2, 3], "f": xr.DataArray([4, 5], dims="u_dim_0")}, {"p": [1]}).to_xarray()
    assert made["u"].squeeze().values.tolist() == [1, 2, 3]
    assert (made["f"].dims, made["f"].values.tolist()) == (("p", "u_dim_0"), [[4, 5]])
    made = ran(lab, lambda p: {"u": [1, 2, 3], "u_dim_0": 4}, {"p": [1, 2]}).to_xarray()
    assert (made["u_dim_0"].values.tolist(), made["u"].values.tolist()) == ([4, 4], [[1, 2, 3]] * 2)
    made = ran(lab, lambda p: {"d": {"k": 1}, "d.k": 2}, {"p": [1]}).to_xarray()
    assert (made["d.k"].item(), made["d.k__result"].item()) == (2, 1)
    made = ran(lab, lambda **_: {"d": {"k": 5}}, {"d.k": [1, 2]}).to_xarray()
    assert (made["d.k"].values.tolist(), made["d.k__result"].values.tolist()) == ([1, 2], [5, 5])


def test_a_design_that_is_no_grid_has_its_parameters_along_point(lab: raylab.Lab) -> None:
    def at(x: float, k: str, w: int = 0) -> float:
        return x

    rows = [{"x": 0.5, "k": "a"}, {"x": 1.5, "k": "b", "w": 3}]
    made = ran(lab, at, Points(rows), repeats=2, units={"x": "m"}).to_xarray()
    assert made["value"].dims == ("point", "_repeat")
    assert (made["x"].dims, made["x"].attrs, made["k"].values.tolist()) == (("point",), {"units": "m"}, ["a", "b"])
    assert made["point"].values.tolist() == [0, 1]
    assert made["value"].where(made["x"] > 1, drop=True).values.tolist() == [[1.5, 1.5]]


def test_a_sweep_that_has_grown_is_one_grid_and_says_where_it_is_none(
    lab: raylab.Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = ran(lab, score, {"p": [0.1, 0.3], "L": [1, 2]}, name="s")
    sweep.extend({"p": [0.2], "L": [1, 2, 3]})
    sweep.extend([{"p": 0.1, "L": 2}], repeats=2)
    assert sweep.wait(timeout=60, progress=False)
    made = sweep.to_xarray()["y"]
    assert (made["p"].values.tolist(), made["L"].values.tolist()) == ([0.1, 0.2, 0.3], [1, 2, 3])
    assert made.sel(p=0.2, L=3, _repeat=0) == 0.2 * 3
    assert made.count() == sweep.results().height == 8
    monkeypatch.setattr("raylab.core.space.SMALL", 8)
    monkeypatch.setattr("raylab.core.space.WASTE", 1)
    with pytest.warns(UserWarning, match=r"7 points of 's' are too few for the grid .* \(9 cells\)"):
        made = sweep.to_xarray()["y"]
    assert (made.dims, made.count()) == (("point", "_repeat"), 8)
    assert made.where((made["p"] == 0.2) & (made["L"] == 3), drop=True).values.tolist()[0][0] == 0.2 * 3


axes = st.lists(st.integers(-2, 9), min_size=1, max_size=3, unique=True)


def made_of(a: int, b: int, seed: int) -> dict[str, Any]:
    if (a + b) % 3 == 0:
        raise ValueError
    return {"y": a * b, "v": np.arange(abs(a) % 3)}


def test_each_row_is_in_its_cell_and_no_other_cell_has_anything(lab: raylab.Lab) -> None:
    @settings(max_examples=8)
    @given(axes, axes, st.integers(1, 2))
    def holds(a: list[int], b: list[int], repeats: int) -> None:
        sweep = ran(lab, made_of, {"a": a, "b": b}, repeats=repeats, name=f"s{lab.sweeps().height}")
        made, rows = sweep.to_xarray(), sweep.results()
        for row in rows.iter_rows(named=True):
            cell = made.sel(a=row["a"], b=row["b"], **({"_repeat": row["_repeat"]} if repeats > 1 else {}))
            assert cell["y"] == row["y"]
            assert cell["v"].dropna("v_dim_0").values.tolist() == row["v"]
        if rows.height:
            assert made["y"].count() == rows.height
            assert made["v"].count() == rows["v"].list.len().sum()

    holds()


def test_arrays_that_are_too_large_are_refused_by_name(lab: raylab.Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = ran(lab, lambda n: {"field": np.zeros(n)}, {"n": [1, 50]}, name="s")
    monkeypatch.setattr("raylab.core.space.MAX_CELLS", 99)
    with pytest.raises(DesignError, match=r"the array of 'field' over all points of 's' would have 100 cells"):
        sweep.to_xarray()


# handle, notebook, units, files ---------------------------------------------------------------------------------------


def test_units_are_attributes_until_they_are_changed(lab: raylab.Lab, tmp_path: Path) -> None:
    units = {"p": "1", "y": ("J", "energy"), "when": "s", "nobody": "m"}
    sweep = ran(lab, score, {"p": [0.1, 0.3], "L": [1]}, name="s", units=units)
    made = sweep.to_xarray()
    assert (made["p"].attrs, made["y"].attrs, made["n"].attrs) == (
        {"units": "1"},
        {"units": "J", "long_name": "energy"},
        {},
    )
    made.drop_vars("huge").to_netcdf(tmp_path / "s.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "s.nc", engine="h5netcdf") as read:
        assert (read["y"].attrs, read["y"].values.tolist()) == (made["y"].attrs, made["y"].values.tolist())
        assert read["when"].values.tolist() == made["when"].astype("M8[ns]").values.tolist()
    assert sweep.info()["units"]["y"] == {"units": "J", "description": "energy"}
    sweep.change(units={"y": "kJ", "p": None})
    place = lab.info()["notebook"]
    for each in (sweep.to_xarray(), Notebook(place).to_xarray("s")):
        assert (each["y"].attrs, each["p"].attrs) == ({"units": "kJ"}, {})
    kept = {"when": {"units": "s"}, "nobody": {"units": "m"}}
    assert Notebook(place).info("s")["units"] == kept | {"y": {"units": "kJ"}}
    again = lab.submit(score, {"p": [0.1, 0.3], "L": [1]}, name="s", units={"y": "eV"})
    assert (again.info()["units"], again.progress().total) == (kept | {"y": {"units": "eV"}}, 2)
    with pytest.raises(DesignError, match=r"temperature of the bath.*got 3 for 'y'"):
        sweep.change(units={"y": 3})
    with pytest.raises(DesignError, match="got 'unit': 'K' for 'T'"):
        lab.submit(score, {"p": [0.9], "L": [1]}, name="t", units={"T": {"unit": "K"}})
    assert lab.sweeps()["name"].to_list() == ["s"]


def test_a_persons_units_stand_before_those_of_the_experiment(lab: raylab.Lab) -> None:
    made = ran(lab, weather, {"a": [1], "b": [0.5]}, units={"T": "degC", "x": ("km", "way")}).to_xarray()
    assert made["T"].attrs["units"] == "degC"
    assert made["x"].attrs == {"units": "km", "long_name": "way"}


def test_a_missing_xarray_is_a_sentence(lab: raylab.Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = ran(lab, score, {"p": [0.1], "L": [1]})
    real = builtins.__import__

    def without(name: str, *words: Any) -> Any:
        if name == "xarray":
            raise ModuleNotFoundError("No module named 'xarray'", name="xarray")
        return real(name, *words)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=r"to_xarray\(\) needs xarray.*pip install 'raylab\[xarray\]'"):
        sweep.to_xarray()


def test_a_labelled_result_runs_again_and_is_the_same(lab: raylab.Lab) -> None:
    sweep = ran(lab, weather, {"a": [1, 2], "b": [0.5]}, name="s")
    assert sweep.rerun(1).same
    assert isinstance(sweep.rerun(1).result, xr.Dataset)
    assert pl.DataFrame(sweep.results()).height == 2


def test_selections_and_products_of_grids_are_grids(lab: raylab.Lab) -> None:
    grid = Factorial(x=[1, 2, 3], y=[1, 2, 3])
    designs = {
        "selected": (grid.where(pl.col("x") >= pl.col("y")), {"x": 3, "y": 3}),
        "product": (grid * Factorial(z=[1, 2]), {"x": 3, "y": 3, "z": 2}),
        "rows": (Points(u=[1, 2], v=[3, 4]) * Factorial(z=[1, 2]), {"point": 4}),
    }
    for name, (design, sizes) in designs.items():
        assert dict(ran(lab, lambda **_: 1.0, design, name=name).to_xarray().sizes) == sizes


def test_what_is_missing_is_null_whatever_it_would_be(lab: raylab.Lab) -> None:
    made = ran(lab, lambda x: {"text": "a", "z": 1 + 2j, "any": {1}} if x else {}, {"x": [0, 1]}).to_xarray()
    for name in ("text", "z", "any"):
        assert made[name].isnull().values.tolist() == [True, False]
