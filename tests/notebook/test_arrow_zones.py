"""A local time keeps its zone wherever a reader knows it, and its instant in any case."""

from __future__ import annotations

import datetime as dt
import doctest
import zoneinfo
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import polars as pl
import pytest
from sweeps import sweep

import raylab.notebook.arrow_zones
from raylab.core.design import Factorial
from raylab.notebook.arrow_zones import zone_name
from raylab.notebook.columns import column
from raylab.offline import Notebook

NIGHT = dt.datetime(2024, 7, 1, 0, 30)
BERLIN = ZoneInfo("Europe/Berlin")


def test_the_examples() -> None:
    assert doctest.testmod(raylab.notebook.arrow_zones).failed == 0


@pytest.mark.parametrize("key", ["UTC", "Etc/UTC", "Zulu", "Etc/Universal", "UCT"])
def test_utc_has_one_name(key: str) -> None:
    assert zone_name(ZoneInfo(key)) == zone_name(dt.UTC) == zone_name(key) == "UTC"


@pytest.mark.parametrize("hours", [0, 2, -11, 5.5])
def test_a_fixed_offset_is_utc(hours: float) -> None:
    ((field, array),) = column("t", [NIGHT.replace(tzinfo=dt.timezone(dt.timedelta(hours=hours)))])
    assert str(field.type) == "timestamp[us, tz=UTC]"
    assert array.to_pylist()[0] == NIGHT.replace(tzinfo=dt.UTC) - dt.timedelta(hours=hours)


def test_polars_reads_every_zone_that_goes_out() -> None:
    names = {zone_name(ZoneInfo(key)) for key in zoneinfo.available_timezones()}
    assert len(names) > 400
    for name in names:
        pl.Series([NIGHT], dtype=pl.Datetime("us", name))


def test_zones_of_other_libraries() -> None:
    def of(**words: str) -> Any:
        return SimpleNamespace(**words)

    assert zone_name(of(zone="Asia/Tokyo")) == "Asia/Tokyo"  # pytz
    assert zone_name(of(_filename="/usr/share/zoneinfo/Asia/Tokyo")) == "Asia/Tokyo"  # dateutil
    assert zone_name(of(_filename="/etc/localtime")) == zone_name(of(key=3)) == zone_name(of()) == "UTC"
    ((field, _),) = column("t", [pd.Timestamp("2024-07-01 00:30", tz="Europe/Berlin")])
    assert str(field.type) == "timestamp[us, tz=Europe/Berlin]"


def test_a_local_time_in_rows_shows_its_hour(tmp_path: Path) -> None:
    def returns(p: int) -> dict[str, Any]:
        import datetime as dt
        from zoneinfo import ZoneInfo

        autumn = dt.datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=p)
        return {"at": autumn, "in": [autumn], "of": {"t": autumn}}

    sweep(tmp_path, returns, Factorial(p=[0, 1]))
    found = Notebook(tmp_path).results()
    assert found["at"].dtype == pl.Datetime("us", "Europe/Berlin")
    assert found["at"].dt.hour().to_list() == [2, 2]
    assert found["at"].diff()[1] == dt.timedelta(hours=1)
    assert found["in"].dtype == pl.List(pl.Datetime("us", "Europe/Berlin"))
    assert found["of"].struct.field("t").dt.hour().to_list() == [2, 2]


def test_several_zones_are_several_kinds(tmp_path: Path) -> None:
    def returns(p: int) -> dict[str, Any]:
        import datetime as dt
        from zoneinfo import ZoneInfo

        zones = [ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Tokyo"), None]
        return {"at": dt.datetime(2024, 7, 1, 0, 30, tzinfo=zones[p])}

    sweep(tmp_path, returns, Factorial(p=range(3)))
    found = Notebook(tmp_path).results()
    assert found.columns == ["p", "at", "at__datetime_Asia/Tokyo", "at__datetime_Europe/Berlin"]
    assert [found.row(p)[c].hour for p, c in ((0, 3), (1, 2), (2, 1))] == [0, 0, 0]
