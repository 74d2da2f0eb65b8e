"""What a process has installed, told by the names of its folders of metadata."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path

import pytest

from raylab.worker import environment as module
from raylab.worker.environment import environment, normalised


def installed(folder: Path, name: str, *, says: str = "") -> Path:
    made = folder / name
    made.mkdir(parents=True)
    if says:
        (made / "METADATA").write_text(f"Metadata-Version: 2.1\nName: x\nVersion: {says}\n\nVersion: none\n")
    return folder


def test_it_is_what_the_metadata_say() -> None:
    said: dict[str, str] = {}
    for each in metadata.distributions():
        said.setdefault(normalised(each.metadata["Name"]), each.version)
    found = environment()
    assert found.packages == said
    assert found.packages["numpy"]
    assert (found.python, found.platform) == (platform.python_version(), platform.platform())


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("numpy-2.4.6.dist-info", ("numpy", "2.4.6")),
        ("Typing_Extensions-4.0.dist-info", ("typing-extensions", "4.0")),
        ("torch-2.5.1+cu121.dist-info", ("torch", "2.5.1+cu121")),
        ("zope.interface-7.1-py3.11-linux_x86_64.egg-info", ("zope-interface", "7.1")),
        ("PyYAML-6.0.egg-info", ("pyyaml", "6.0")),
        ("own.dist-info", ("own", "0.3")),
    ],
)
def test_the_names_of_metadata(tmp_path: Path, name: str, told: tuple[str, str]) -> None:
    installed(tmp_path, name, says="0.3" if name == "own.dist-info" else "")
    assert environment([str(tmp_path)]).packages == dict([told])


def test_what_pip_could_not_remove_is_not_installed(tmp_path: Path) -> None:
    assert environment([str(installed(tmp_path, "~umpy-2.4.6.dist-info"))]).packages == {}


def test_what_is_first_on_the_path_counts(tmp_path: Path) -> None:
    new, old = installed(tmp_path / "new", "lib-2.0.dist-info"), installed(tmp_path / "old", "lib-1.0.dist-info")
    assert environment([str(new), str(old)]).packages == {"lib": "2.0"}
    assert environment([str(old), str(new)]).packages == {"lib": "1.0"}
    assert environment([str(new)]).digest != environment([str(old)]).digest


def test_what_comes_and_goes_is_seen(tmp_path: Path) -> None:
    installed(tmp_path, "lib-1.0.dist-info")
    assert environment([str(tmp_path)]).packages == {"lib": "1.0"}
    (tmp_path / "lib-1.0.dist-info").rmdir()
    installed(tmp_path, "lib-1.1.dist-info")
    os.utime(tmp_path, ns=(1, 1))  # a coarse clock would not tell the two apart
    assert environment([str(tmp_path)]).packages == {"lib": "1.1"}


def test_places_that_are_none_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lib.zip").write_bytes(b"PK")
    monkeypatch.chdir(installed(tmp_path / "here", "lib-1.0.dist-info"))
    places: list[object] = [
        str(tmp_path / "gone"),
        str(tmp_path / "lib.zip"),
        str(Path(sys.executable)),
        "a\0b",
        b"c",
        3,
        "",
    ]
    assert environment(places).packages == {"lib": "1.0"}


def test_so_many_packages_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    for number in range(5):
        installed(tmp_path, f"lib{number}-1.0.dist-info")
    assert list(environment([str(tmp_path)]).packages) == ["lib0", "lib1", "lib2"]
