"""A parcel is there as a whole or not at all, and never in place of something else."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from said import refused

from raylab.errors import NameRefused
from raylab.notebook.parcel import Parcel, new_parcel

KINDS = pytest.mark.parametrize("name", ["parcel", "parcel.zip"])


def fill(parcel: Parcel) -> None:
    parcel.put("README.md", "a text", b"hello")
    with parcel.open("deep/er/file.bin", "some bytes") as file:
        for number in range(3):
            file.write(bytes([number]) * 100_000)


def contents(place: Path) -> dict[str, bytes]:
    if place.suffix == ".zip":
        with zipfile.ZipFile(place) as archive:
            assert archive.testzip() is None
            assert [name for name in archive.namelist() if name.endswith("/")] == ["deep/", "deep/er/"]
            return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    return {file.relative_to(place).as_posix(): file.read_bytes() for file in place.rglob("*") if file.is_file()}


@KINDS
def test_it_has_what_was_put_with_sizes_and_digests(tmp_path: Path, name: str) -> None:
    place = tmp_path / "made" / name
    with new_parcel(place) as parcel:
        fill(parcel)
        assert not place.exists()
    found = contents(place)
    assert found == {"README.md": b"hello", "deep/er/file.bin": b"".join(bytes([n]) * 100_000 for n in range(3))}
    said = [(each.path, each.size, each.sha256) for each in parcel.files]
    assert said == [(path, len(data), hashlib.sha256(data).hexdigest()) for path, data in found.items()]
    assert [each.name for each in place.parent.iterdir()] == [name]


@KINDS
def test_an_error_on_the_way_leaves_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(KeyboardInterrupt), new_parcel(tmp_path / name) as parcel:  # noqa: PT012
        fill(parcel)
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, sys
from pathlib import Path
from raylab.notebook.parcel import new_parcel
with new_parcel(Path(sys.argv[1])) as parcel:
    parcel.put("left.txt", "", b"left")
    os._exit(9)
"""


@KINDS
def test_what_a_killed_process_left_is_no_parcel_and_the_next_one_clears_it(tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    assert subprocess.run([sys.executable, "-c", KILLED, place], timeout=60).returncode == 9
    assert not place.exists()
    assert list(tmp_path.iterdir())
    with new_parcel(place) as parcel:
        fill(parcel)
    assert "left.txt" not in contents(place)
    assert [each.name for each in tmp_path.iterdir()] == [name]


def a_file(place: Path) -> None:
    place.write_text("mine")


def a_folder(place: Path) -> None:
    place.mkdir()
    (place / "mine").touch()


def a_link_to_nowhere(place: Path) -> None:
    place.symlink_to("nowhere")


@KINDS
@pytest.mark.parametrize("lie", [a_file, a_folder, a_link_to_nowhere])
def test_where_something_lies_nothing_is_written(tmp_path: Path, name: str, lie: Callable[[Path], None]) -> None:
    lie(tmp_path / name)
    with refused(NameRefused, str(tmp_path / name), "is there already"), new_parcel(tmp_path / name):
        raise AssertionError
    assert [each.name for each in tmp_path.iterdir()] == [name]


def test_an_empty_folder_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "parcel").mkdir()
    with new_parcel(tmp_path / "parcel") as parcel:
        fill(parcel)
    assert len(contents(tmp_path / "parcel")) == 2


@KINDS
def test_what_came_meanwhile_is_not_replaced(tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    with refused(NameRefused, "is there already"), new_parcel(place) as parcel:
        fill(parcel)
        place.mkdir()
        (place / "mine").touch()
    assert [each.name for each in tmp_path.iterdir()] == [name]
    assert (place / "mine").exists()


def no_links(*_: object) -> None:
    raise PermissionError(errno.EPERM, "Operation not permitted")


def test_where_a_disk_knows_no_links_a_zip_gets_its_name_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", no_links)
    with new_parcel(tmp_path / "parcel.zip") as parcel:
        fill(parcel)
    assert len(contents(tmp_path / "parcel.zip")) == 2
    with refused(NameRefused, "is there already"), new_parcel(tmp_path / "other.zip"):
        (tmp_path / "other.zip").write_text("mine")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["other.zip", "parcel.zip"]
    assert (tmp_path / "other.zip").read_text() == "mine"


@KINDS
def test_two_at_one_place_do_not_mix(tmp_path: Path, name: str) -> None:
    with new_parcel(tmp_path / name) as parcel:
        with refused(NameRefused, "another process"), new_parcel(tmp_path / name):
            raise AssertionError
        fill(parcel)
    assert len(contents(tmp_path / name)) == 2
