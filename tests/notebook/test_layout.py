"""Names on disk: refused where some folder could not have them; and the file that says what a notebook is."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from raylab.errors import NameRefused, NotebookDamaged, VersionMismatch
from raylab.notebook import layout
from raylab.notebook.layout import Identity, check_name, sweep_folder

OURS = Identity(id="abc", name="percolation", user="ada", created="2026-01-02T03:04:05+00:00")


def signed(fields: dict[str, object]) -> bytes:
    """As the README says it: a sha256 that was computed with 64 zeros in its place."""
    data = json.dumps({**fields, "sha256": "0" * 64})
    return data.replace("0" * 64, hashlib.sha256(data.encode()).hexdigest()).encode()


def changed(**words: object) -> bytes:
    return signed(json.loads(OURS.dumps()) | words)


@pytest.mark.parametrize("name", ["coarse", "p=0.5, L=64", "a.b-c_d", "Größe", "x" * layout.MAX_NAME, "scan (2)"])
def test_names_that_every_folder_can_have_are_taken_as_they_are(name: str) -> None:
    assert check_name(name, "sweep") == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a/b",
        "a\\b",
        ".hidden",
        "-rf",
        " a",
        "a ",
        "a.",
        "a\nb",
        "a\0b",
        "a~b",
        "a*",
        "é" * 61,
        "con:",
    ],
)
def test_names_that_some_folder_cannot_have_are_refused_with_the_reason(name: str) -> None:
    with pytest.raises(NameRefused, match="cannot be the name of a sweep, because a folder is named after it and"):
        check_name(name, "sweep")


@pytest.mark.parametrize("name", [None, 3, b"a", Path("a")])
def test_a_name_that_is_no_string_is_refused(name: object) -> None:
    with pytest.raises(NameRefused, match="the name of a lab must be a string, not"):
        check_name(name, "lab")


def test_no_sweep_can_be_called_like_the_folder_of_one_that_took_a_name() -> None:
    assert sweep_folder("a", 1) == "sweeps/a"
    assert sweep_folder("a", 2) == "sweeps/a~2"
    with pytest.raises(
        NameRefused, match="'a~2' cannot be the name of a new sweep: sweeps called 'a' that were set aside"
    ):
        check_name("a~2", "sweep")


def test_an_identity_is_read_as_it_was_written() -> None:
    assert Identity.loads(OURS.dumps(), "here") == OURS


def test_what_a_later_version_added_to_the_identity_is_left_out() -> None:
    assert Identity.loads(changed(colour="red"), "here") == OURS


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[1]",
        b"3",
        b"\xff\xfe",
        changed(format="someone-elses"),
        changed(version="x"),
        changed(version=None),
    ],
)
def test_a_file_that_is_not_ours_is_damage_that_names_the_file(data: bytes) -> None:
    with pytest.raises(NotebookDamaged, match=r"some/where/notebook\.json is not what raylab writes"):
        Identity.loads(data, "some/where")


def test_each_missing_field_is_damage() -> None:
    fields = json.loads(OURS.dumps())
    for name in fields.keys() - {"sha256"}:
        rest = {key: value for key, value in fields.items() if key != name}
        with pytest.raises(NotebookDamaged, match=name):
            Identity.loads(signed(rest), "here")
    with pytest.raises(NotebookDamaged, match="sha256"):
        Identity.loads(json.dumps(fields | {"sha256": ""}).encode(), "here")


def test_every_truncation_and_every_flipped_bit_is_damage() -> None:
    data = OURS.dumps()
    for at in range(len(data)):
        for bit in range(8):
            sick = bytearray(data)
            sick[at] ^= 1 << bit
            with pytest.raises(NotebookDamaged, match=r"here/notebook\.json is not what raylab writes"):
                Identity.loads(bytes(sick), "here")
        with pytest.raises(NotebookDamaged, match="`raylab copy here NEW --salvage`"):
            Identity.loads(data[:at], "here")


def test_a_later_format_is_named_even_if_it_has_other_fields() -> None:
    later = json.dumps({"format": layout.FORMAT, "version": layout.VERSION + 1, "whatever": 1}).encode()
    with pytest.raises(
        VersionMismatch, match="has format 2, and this raylab reads up to 1; a later raylab made it: install"
    ):
        Identity.loads(later, "here")


def test_the_readme_speaks_of_the_folders_that_are_written() -> None:
    text = layout.readme("percolation")
    for word in ("'percolation'", layout.SWEEPS, layout.REQUESTS, layout.CODE, "_attempt", "raylab.sha256"):
        assert word in text
    assert all(len(line) <= 120 for line in text.splitlines())
