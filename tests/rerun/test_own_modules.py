"""Modules of a folder take the place of those that have their names, for a while."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from raylab.rerun.own_modules import own_modules

NAMES = ("past_one", "past_package", "past_plain")


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] in NAMES]:
        del sys.modules[name]


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_package_and_all_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = written(
        tmp_path / "here",
        {"past_package/__init__.py": "", "past_package/a.py": "V = 'new'", "past_package/only_new.py": ""},
    )
    files = {"past_package/__init__.py": "", "past_package/a.py": "V = 'old'"}
    there = written(tmp_path / "there", files)
    monkeypatch.syspath_prepend(str(here))
    import past_package.a  # type: ignore[import-not-found]
    import past_package.only_new  # type: ignore[import-not-found]

    mine = {name: module for name, module in sys.modules.items() if name.startswith("past_")}
    with own_modules(there, files):
        assert importlib.import_module("past_package.a").V == "old"
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("past_package.only_new")
    assert {name: module for name, module in sys.modules.items() if name.startswith("past_")} == mine
    assert past_package.a.V == "new"


def test_a_folder_without_init_keeps_what_others_have_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = written(tmp_path / "here", {"past_plain/a.py": "V = 'new'", "past_plain/b.py": "V = 'b'"})
    there = written(tmp_path / "there", {"past_plain/a.py": "V = 'old'"})
    monkeypatch.syspath_prepend(str(here))
    import past_plain.a  # type: ignore[import-not-found]
    import past_plain.b  # type: ignore[import-not-found]

    new, other = past_plain.a, past_plain.b
    with own_modules(there, ["past_plain/a.py"]):
        assert importlib.import_module("past_plain.a").V == "old"
        from past_plain import a

        assert a.V == "old"
        assert importlib.import_module("past_plain.b") is other
    assert sys.modules["past_plain.a"] is past_plain.a is new


@pytest.mark.parametrize("loaded", [False, True])
def test_a_folder_that_became_a_package_since(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loaded: bool) -> None:
    here = written(tmp_path / "here", {"past_plain/__init__.py": "NEW = 1", "past_plain/a.py": "V = 'new'"})
    there = written(tmp_path / "there", {"past_plain/a.py": "V = 'old'"})
    monkeypatch.syspath_prepend(str(here))
    if loaded:
        importlib.import_module("past_plain.a")
    before = sys.modules.get("past_plain.a")
    with own_modules(there, ["past_plain/a.py"]):
        assert importlib.import_module("past_plain.a").V == "old"
        assert not hasattr(sys.modules["past_plain"], "NEW")
    assert sys.modules.get("past_plain.a") is before
    from past_plain import a

    assert a.V == "new"


def test_an_error_puts_everything_back(tmp_path: Path) -> None:
    there = written(tmp_path, {"past_one.py": "raise ValueError('at its top')"})
    before = list(sys.meta_path)
    with pytest.raises(ValueError, match="at its top"), own_modules(there, ["past_one.py"]):
        importlib.import_module("past_one")
    assert "past_one" not in sys.modules
    assert sys.meta_path == before


def test_one_after_the_other(tmp_path: Path) -> None:
    for value in (1, 2, 1):
        there = written(tmp_path / str(value), {"past_one.py": f"V = {value}"})
        with own_modules(there, ["past_one.py"]):
            loaded = importlib.import_module("past_one")
            assert value == loaded.V
