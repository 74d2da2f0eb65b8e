"""Plots of real sweeps: what stands in the chart, and that it needs no network."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from typing import Any
from zoneinfo import ZoneInfo

import altair as alt
import numpy as np
import polars as pl
import pytest
from browser import Sight, chromium

import raylab
import raylab.testing
from raylab.display.charts import LAB_MIME, svg
from raylab.display.plot_columns import MOST
from raylab.lab import Lab


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A lab in memory, whose sweeps each have a name of their own."""
    with raylab.testing.lab() as made:
        yield made


def ran(lab: Lab, experiment: Any, design: Any, **words: Any) -> raylab.Sweep:
    sweep = lab.submit(experiment, design, seed=1, **words)
    assert sweep.wait(progress=False, timeout=60)
    return sweep


def marks(chart: Any) -> set[str]:
    spec = chart.to_dict()
    spec = spec.get("spec", spec)
    return {layer["mark"]["type"] for layer in spec.get("layer", [spec])}


def encoding(chart: Any, mark: str) -> dict[str, Any]:
    spec = chart.to_dict()
    spec = spec.get("spec", spec)
    return next(layer["encoding"] for layer in spec.get("layer", [spec]) if layer["mark"]["type"] == mark)


def rows_of(chart: Any) -> list[dict[str, Any]]:
    (rows,) = chart.to_dict()["datasets"].values()
    return list(rows)


def subtitle(chart: Any) -> list[str]:
    return list(chart.to_dict()["title"]["subtitle"])


# -- what is drawn


def test_means_over_repeats_are_those_of_the_rows_and_what_failed_is_marked(lab: Lab) -> None:
    def noisy(p: float, size: int, rng: Any) -> dict[str, Any]:
        if p == 1.0 and size == 8:
            raise RuntimeError("too \x1b[31mhot\nsecond line")
        return {"spans": p * size + rng.normal()}

    sweep = ran(lab, noisy, {"p": np.linspace(0, 1, 11), "size": [4, 8]}, name="noisy", repeats=3, units={"p": "kPa"})
    chart = sweep.plot()
    assert isinstance(chart, alt.LayerChart)
    assert marks(chart) == {"line", "rule", "point"}
    means = sweep.results().group_by("p", "size").agg(pl.col("spans").mean()).rows()
    drawn = {(row["p"], row["size"]): row["spans"] for row in rows_of(chart) if row["n"]}
    assert drawn == {(p, size): pytest.approx(value) for p, size, value in means}
    assert all(row["low"] < row["spans"] < row["high"] for row in rows_of(chart) if row["n"])
    assert [(row["p"], row["size"], row["failed"], row["error"]) for row in rows_of(chart) if row["failed"]] == [
        (1.0, 8, 3, "RuntimeError: too \ufffd[31mhot")
    ]
    assert subtitle(chart) == ["100% of 66 trials are in, 3 failed", "means over repeats, with 95% intervals"]
    assert encoding(chart, "line")["x"]["title"] == "p / kPa"
    assert encoding(chart, "line")["y"]["title"] == "spans"
    assert ">spans<" in svg(chart), "a layer without a title would take it from the others"


def test_points_stand_where_there_are_no_repeats(lab: Lab) -> None:
    chart = ran(lab, lambda x: x * x, {"x": range(5)}, name="bare").plot()
    assert marks(chart) == {"point"}
    assert [(row["x"], row["value_"]) for row in rows_of(chart)] == [(x, float(x * x)) for x in range(5)]
    assert encoding(chart, "point")["y"]["title"] == "value"


def test_means_of_one_trial_each_are_not_said_to_be_means(lab: Lab) -> None:
    sampled = ran(lab, lambda a, b: a + b, raylab.Sobol(16, a=(0.0, 1.0), b=(0.0, 1.0)), name="sampled")
    assert subtitle(sampled.plot(x="a", y="value")) == ["100% of 16 trials are in"]
    grid = ran(lab, lambda a, b: a + b, {"a": range(5), "b": range(12)}, name="grid")
    assert subtitle(grid.plot(x="a", y="value"))[1:] == ["means over b, with 95% intervals"]


def test_two_parameters_of_numbers_are_a_map(lab: Lab) -> None:
    chart = ran(lab, lambda a, b: {"z": a + b}, {"a": [1, 2, 4], "b": [0.0, 0.5, 1.0]}, name="map").plot()
    assert marks(chart) == {"rect", "point"}
    assert [(r["a_from"], r["a_to"]) for r in rows_of(chart)][::3] == [(0.5, 1.5), (1.5, 3.0), (3.0, 5.0)]
    assert encoding(chart, "rect")["color"]["field"] == "z"


def test_a_sampled_design_is_points_where_they_lie(lab: Lab) -> None:
    chart = ran(lab, lambda a, b: {"z": a + b}, raylab.Sobol(32, a=(0.0, 1.0), b=(0.0, 1.0)), name="sobol").plot()
    assert marks(chart) == {"point"}
    assert encoding(chart, "point")["color"]["field"] == "z"


def test_levels_in_equal_ratios_are_on_a_logarithmic_axis(lab: Lab) -> None:
    chart = ran(lab, lambda a: {"y": a}, {"a": np.geomspace(1e-4, 1, 9)}, name="ratios").plot()
    assert encoding(chart, "point")["x"]["scale"]["type"] == "log"


def test_a_design_without_axes_is_a_distribution(lab: Lab) -> None:
    chart = ran(lab, lambda rng: {"e": float(rng.normal())}, {}, name="alone", repeats=200).plot()
    assert marks(chart) == {"bar"}
    assert sum(row["n"] for row in rows_of(chart)) == 200


def test_a_result_that_is_text_is_shares(lab: Lab) -> None:
    chart = ran(lab, lambda x: {"word": "ab"[x % 2]}, {"x": range(6)}, name="words").plot()
    assert marks(chart) == {"bar"}
    assert sorted((row["word"], row["n"]) for row in rows_of(chart)) == [("a", 1)] * 3 + [("b", 1)] * 3


def test_results_over_results_are_a_point_for_each_row(lab: Lab) -> None:
    sweep = ran(lab, lambda x: [{"t": t, "v": {"of": t * x}} for t in range(3)], {"x": range(4)}, name="rows")
    chart = sweep.plot(x="t", y="v.of", color="x")
    assert marks(chart) == {"point"}
    assert sorted((r["x"], r["t"], r["v_of"]) for r in rows_of(chart)) == [
        (x, t, t * x) for x in range(4) for t in range(3)
    ]
    averaged = sweep.plot(y="v.of")
    assert [row["v_of"] for row in rows_of(averaged)] == [mean(t * x for t in range(3)) for x in range(4)]


def test_names_that_mean_something_to_vega_are_only_names(lab: Lab) -> None:
    def odd(**_: Any) -> dict[str, Any]:
        return {"a.b": 1.0, "c:Q": 2.0, "mean": 3.0, "n": 4.0}

    axes = {"p.q": range(20), "r:N": ["a", "it's"], "s[0]": [True, False]}
    sweep = ran(lab, odd, axes, name="odd names")
    for name, value in (("a.b", 1.0), ("c:Q", 2.0), ("mean", 3.0), ("n", 4.0)):
        chart = sweep.plot(y=name)
        point = encoding(chart, "point")
        assert (point["x"]["title"], point["y"]["title"], point["color"]["title"]) == ("p.q", name, "r:N")
        rows = rows_of(chart)
        assert len(rows) == 80
        assert {row[point["y"]["field"]] for row in rows} == {value}
        assert all(re.fullmatch(r"\w+", field) for field in rows[0])


def test_every_kind_of_value_has_a_place(lab: Lab) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    days = [dt.datetime(2024, 3, 31, hour, tzinfo=berlin) for hour in (1, 3, 4)]
    axes = {"day": days, "flag": [True, False], "mixed": [None, 2, "x"], "list": [[1, 2], [3]]}
    sweep = ran(lab, lambda day, **_: {"took": dt.timedelta(hours=day.hour), "big": 2**60}, axes, name="kinds")
    rows = rows_of(sweep.plot(y="took"))
    assert {row["day"] / 3_600_000 % 24 for row in rows} == {1, 3, 4}  # what the clock showed there
    assert {row["took"] for row in rows} == {3_600.0, 10_800.0, 14_400.0}
    for name, texts in (("flag", {"True", "False"}), ("mixed", {"None", "2", "x"}), ("list", {"[1, 2]", "[3]"})):
        assert {row[name] for row in rows_of(sweep.plot(x=name, y="big"))} == texts


def test_what_no_chart_can_draw_is_left_out_and_said(lab: Lab) -> None:
    def some(x: float) -> dict[str, Any]:
        return {"y": {1.0: math.inf, 2.0: math.nan}.get(x, x)}

    chart = ran(lab, some, {"x": [1.0, 2.0, 3.0, math.inf, 5.0]}, name="some").plot()
    assert [row["x"] for row in rows_of(chart)] == [3.0, 5.0]
    assert subtitle(chart)[1:] == ["not drawn: the mean at 2 points, which is infinite"]
    json.dumps(chart.to_dict(), allow_nan=False)


def test_nothing_in_is_axes_and_a_share_of_nothing(lab: Lab) -> None:
    sweep = lab.submit(lambda x: x, {"x": range(50)}, name="later", max_concurrency=1)
    sweep.pause()
    sweep.cancel()
    waiting = lab.submit(lambda x, y: x, {"x": range(5), "y": range(5)}, name="nothing", num_cpus=1_000)
    chart = waiting.plot()
    assert chart.to_dict()["datasets"] in ({}, {next(iter(chart.to_dict()["datasets"])): []})
    assert subtitle(chart) == ["0% of 25 trials are in; waits for resources"]
    assert encoding(waiting.plot(x="x", y="later"), "point")["x"]["scale"]["domain"] == [0.0, 4.0]
    for chart in (waiting.plot.timeline(), waiting.plot.durations()):
        assert chart.to_dict()["title"]["text"] == "nothing"
        assert svg(chart).startswith("<svg")


def test_unknown_names_and_none_of_numbers_say_what_there_is(lab: Lab) -> None:
    sweep = ran(lab, lambda x: {"loss": x}, {"x": range(3)}, name="names")
    with pytest.raises(ValueError, match=r"there is no 'los'\. Did you mean 'loss'\?"):
        sweep.plot(y="los")


# -- many points


@pytest.fixture(scope="module")
def many(lab: Lab) -> raylab.Sweep:
    return ran(lab, lambda x, k: {"y": x + 0.5 * k, "z": 2.0 * x}, {"x": range(3_000), "k": [0, 1]}, name="many")


def test_over_5000_points_are_summarised_first(many: raylab.Sweep) -> None:
    assert MOST == 5_000
    chart = many.plot()
    rows = rows_of(chart)
    assert len(rows) <= MOST
    assert "summarised in 200 steps of x: the mean, and the middle 80%, of each" in subtitle(chart)
    assert sum(row["n"] for row in rows) == 6_000
    first = next(row for row in rows if row["k"] == 0)
    assert first["y"] == mean(range(15))
    assert first["low"] == pytest.approx(1.4)


@pytest.mark.parametrize("words", [{"x": "z", "y": "y"}, {"y": "k"}, {"x": "z", "color": "_pid"}])
def test_whatever_is_drawn_of_many_points_is_few(many: raylab.Sweep, words: dict[str, str]) -> None:
    chart = many.plot(**words)
    assert len(rows_of(chart)) <= MOST
    assert sum(row["n"] for row in rows_of(chart)) == 6_000
    assert any("summarised" in line for line in subtitle(chart))


def test_a_timeline_of_many_trials_is_few_bars_that_hold_all_of_them(many: raylab.Sweep) -> None:
    chart = many.plot.timeline()
    bars = next(rows for rows in chart.to_dict()["datasets"].values() if rows and "lane" in rows[0])
    assert len(bars) <= MOST
    assert sum(bar["n"] for bar in bars) == 6_000


# -- times


def test_a_timeline_has_every_attempt_and_what_people_asked(lab: Lab, tmp_path: Path) -> None:
    mark = tmp_path / "mended"

    def moody(x: int) -> int:
        if x == 2 and not mark.exists():
            raise RuntimeError("not yet")
        return x

    sweep = ran(lab, moody, {"x": range(4)}, name="moody")
    mark.touch()
    assert sweep.retry() == 1
    assert sweep.wait(progress=False, timeout=60)
    bars, events = sorted(sweep.plot.timeline().to_dict()["datasets"].values(), key=lambda rows: "lane" not in rows[0])
    assert sorted((bar["what"], bar["status"], bar["error"]) for bar in bars) == [
        ("point 0, repeat 0", "done", None),
        ("point 1, repeat 0", "done", None),
        ("point 2, repeat 0", "failed", "RuntimeError: not yet"),
        ("point 2, repeat 0, attempt 2", "done", None),
        ("point 3, repeat 0", "done", None),
    ]
    assert [event["event"] for event in events] == ["submitted", "grown, or run again"]
    durations = sweep.plot.durations()
    assert sum(row["n"] for row in rows_of(durations)) == 5
    assert subtitle(durations)[1].startswith("median ")


def test_a_lab_that_began_again_is_in_the_timeline(tmp_path: Path) -> None:
    place = tmp_path / "book"
    with raylab.testing.lab(notebook=place) as first:
        ran(first, lambda x: x, {"x": range(3)}, name="lives")
    with raylab.testing.lab(notebook=place) as second:
        chart = second.sweep("lives").plot.timeline()
        offline = raylab.Notebook(place).plot.timeline()
    for found in (chart, offline):
        events = next(rows for rows in found.to_dict()["datasets"].values() if rows and "event" in rows[0])
        assert [event["event"] for event in events] == ["submitted", "the lab began again"]


# -- a chart one can go on with, without a network


def test_a_notebook_plots_as_its_lab_does(lab: Lab, many: raylab.Sweep) -> None:
    notebook = raylab.Notebook(lab.info()["notebook"])
    assert notebook.plot("many", x="k").to_dict() == many.plot(x="k").to_dict()
    assert rows_of(notebook.plot.durations("many")) == rows_of(many.plot.durations())
    with pytest.raises(raylab.SweepNotFound):
        notebook.plot("none")


def test_a_chart_can_be_edited(lab: Lab) -> None:
    chart = ran(lab, lambda x: x, {"x": range(5)}, name="edited").plot()
    assert isinstance(chart.data, pl.DataFrame)
    titled = chart.properties(title="Mine", width=100)
    assert titled.to_dict()["title"] == "Mine"
    both = chart + alt.Chart(pl.DataFrame({"at": [2.0]})).mark_rule().encode(y="at:Q")
    assert both.interactive().to_dict()
    assert chart.encode(y=alt.Y("value_:Q")).to_dict()


def test_files_need_no_network(lab: Lab, tmp_path: Path) -> None:
    chart = ran(lab, lambda x: x, {"x": range(5)}, name="files").plot()
    for suffix, begin in (("png", b"\x89PNG"), ("svg", b"<svg")):
        chart.save(tmp_path / f"plot.{suffix}")
        assert (tmp_path / f"plot.{suffix}").read_bytes().startswith(begin)
    assert set(re.findall(r"""["'](?:https?:)?//[^"']*""", svg(chart))) <= {
        '"http://www.w3.org/2000/svg',
        '"http://www.w3.org/1999/xlink',
    }


def test_a_page_draws_itself_in_a_browser_that_has_no_network_whatever_a_trial_said(lab: Lab, tmp_path: Path) -> None:
    def breaking(x: int, image: str) -> int:
        if x == 2:
            raise RuntimeError("</script><script>document.title = 'taken'</script><img src=http://127.0.0.1:1/>")
        return x

    chart = ran(lab, breaking, {"x": range(5), "image": ["http://127.0.0.1:1/a.png", "b"]}, name="page").plot()
    chart.save(tmp_path / "plot.html")
    address = (tmp_path / "plot.html").as_uri()
    with chromium() as browser, Sight(browser, address) as sight:  # a request for anything else is one too many
        drawn = sight.page.wait_for_selector("#vis .marks")
        assert drawn.bounding_box()["width"] > 300
        sight.page.hover("#vis .marks", position={"x": 200, "y": 150})
        assert (sight.page.title(), sight.asked, sight.complaints) == ("", [address], [])


def test_a_front_end_gets_what_it_draws_itself_and_a_picture(lab: Lab) -> None:
    chart = ran(lab, lambda x: x, {"x": range(5)}, name="shown").plot()
    shown, about = chart.properties(title="still")._repr_mimebundle_()
    assert set(shown) == {LAB_MIME, "image/png", "text/plain"}
    assert "/v5.json" in shown[LAB_MIME]["$schema"]
    assert 300 < about["image/png"]["width"] < 900
    with alt.renderers.enable("mimetype"):
        assert LAB_MIME not in chart._repr_mimebundle_()
