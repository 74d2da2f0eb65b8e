"""Units and descriptions of columns."""

from __future__ import annotations

from typing import Any

import pytest

from raylab.core.policy import Policy
from raylab.core.units import attributes, changed, read_units
from raylab.errors import DesignError


@pytest.mark.parametrize(
    "given",
    ["K", 3, ["T"], {"T": 3}, {3: "K"}, {"T": ("K", 3)}, {"T": ("K",)}, {"T": {"unit": "K"}}, {"T": {"units": 3}}],
)
def test_what_is_no_unit_is_refused_and_what_was_expected_is_said(given: Any) -> None:
    with pytest.raises(DesignError, match="temperature of the bath") as error:
        read_units(given)
    assert "got " in str(error.value)


def test_each_way_of_saying_it_is_one_form() -> None:
    ways = [("K", "bath"), ["K", "bath"], {"units": "K", "description": "bath"}, {"description": "bath", "units": "K"}]
    assert all(read_units({"T": way}) == {"T": {"units": "K", "description": "bath"}} for way in ways)
    assert read_units({"T": {"description": "bath"}, "x": {"units": None}}) == {"T": {"description": "bath"}}
    assert read_units(None) == {}


def test_a_submission_takes_no_unit_away_and_says_what_does() -> None:
    with pytest.raises(DesignError, match=r"got None for 'n'. change\(units=...\) of a sweep takes a unit away"):
        read_units({"T": "K", "n": None})


def test_a_change_names_the_columns_that_it_is_about() -> None:
    before = read_units({"T": "K", "p": "Pa"})
    assert changed(before, {"T": None, "loss": "1"}) == {"p": {"units": "Pa"}, "loss": {"units": "1"}}
    assert before == read_units({"T": "K", "p": "Pa"})


def test_attributes_are_what_is_known() -> None:
    units = read_units({"T": ("K", "bath"), "loss": "1", "L": {"description": "side"}, "ε": "J"})
    assert attributes(units, "T") == {"units": "K", "long_name": "bath"}
    assert attributes(units, "n") == {}


def test_a_parameters_name_is_found_however_it_is_typed() -> None:
    assert attributes({"\u03f5": {"units": "J"}}, "\u03b5") == {"units": "J"}


def test_leases_do_not_carry_them() -> None:
    policy = Policy(units={"T": {"units": "K"}})
    assert policy.of_trials == Policy().of_trials
    assert Policy.of(policy.plain()) == policy


def test_what_is_said_anew_of_a_column_is_told_and_what_is_added_is_not() -> None:
    before = Policy(units={"T": {"units": "K"}})
    added = Policy(description="coarse", units={"T": {"units": "K"}, "p": {"units": "Pa"}})
    assert added.told(before) == []
    other = Policy(description="fine", units={"T": {"units": "degC"}, "p": {"units": "Pa"}}).told(added)
    assert [line.partition(":")[0] for line in other] == ["description", "units"]
