"""What working_dir and py_modules name: which files travel, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import raylab.code.pack as pack_module
from raylab.code.named_files import py_modules, working_dir
from raylab.code.pack import pack, several
from raylab.core.difference import differences
from raylab.errors import DesignError, ExperimentError
from raylab.worker.unpack import load, unpack

FILES = """
a.py table.csv notes.tmp data/one.bin data/two.bin data/deep/three.bin src/pkg/__init__.py src/pkg/x.tmp book.ipynb
build/out.txt src/build/out.txt
""".split()  # noqa: SIM905


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in [*FILES, ".git/config", ".env", "__pycache__/a.pyc", "venv/pyvenv.cfg", "venv/lib/x.py"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def test_a_folder_s_files_stand_at_the_root_without_caches_hidden_ones_and_environments(folder, monkeypatch):
    assert sorted(working_dir(folder)) == sorted(FILES)
    monkeypatch.chdir(folder)
    assert sorted(working_dir(".")) == sorted(FILES)
    assert sorted(working_dir(Path("data"))) == ["deep/three.bin", "one.bin", "two.bin"]


@pytest.mark.parametrize(
    ("excludes", "left_out"),
    [
        (["*.tmp"], {"notes.tmp", "src/pkg/x.tmp"}),
        (["/*.tmp"], {"notes.tmp"}),
        (["data"], {"data/one.bin", "data/two.bin", "data/deep/three.bin"}),
        (["data/"], {"data/one.bin", "data/two.bin", "data/deep/three.bin"}),
        (["table.csv/"], set()),
        (["build"], {"build/out.txt", "src/build/out.txt"}),
        (["/build/"], {"build/out.txt"}),
        (["data/*.bin"], {"data/one.bin", "data/two.bin"}),
        (["data/**/*.bin"], {"data/one.bin", "data/two.bin", "data/deep/three.bin"}),
        (["**/out.txt"], {"build/out.txt", "src/build/out.txt"}),
        (["src/**"], {"src/pkg/__init__.py", "src/pkg/x.tmp", "src/build/out.txt"}),
        (["data/*", "!data/two.bin"], {"data/one.bin", "data/deep/three.bin"}),
        (["data/[a-o]*.bin", "t?ble.csv"], {"data/one.bin", "table.csv"}),
        (["# *.csv", "", "\\!x"], set()),
    ],
)
def test_patterns_mean_what_they_mean_to_git(folder, excludes, left_out):
    assert set(FILES) - set(working_dir(folder, excludes)) == left_out
    (folder / ".rayignore").write_text("\n".join(excludes))
    assert set(FILES) - set(working_dir(folder)) == left_out


@pytest.mark.parametrize("address", ["s3://bucket/code.zip", "gcs://x.zip", "https://github.com/a/b/archive/main.zip"])
def test_addresses_are_refused(address):
    with pytest.raises(DesignError, match=r"working_dir .* is an address"):
        working_dir(address)
    with pytest.raises(DesignError, match=r"py_modules .* is an address"):
        py_modules([address])


def test_what_is_no_folder_is_refused(tmp_path):
    (tmp_path / "code.zip").write_text("")
    with pytest.raises(DesignError, match=r"'.*nowhere' is not there"):
        working_dir(tmp_path / "nowhere")
    with pytest.raises(DesignError, match="is no folder"):
        working_dir(str(tmp_path / "code.zip"))
    for bad in (3, True, b"x", ["."]):
        with pytest.raises(DesignError, match="working_dir takes a folder"):
            working_dir(bad)
    for bad in ("*.tmp", 3, [3]):
        with pytest.raises(DesignError, match="excludes is a list of patterns"):
            working_dir(tmp_path, bad)


def test_modules_are_taken_as_include_takes_them(tmp_path):
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg/__init__.py").write_text("")
    (tmp_path / "one.py").write_text("")
    given = [str(tmp_path / "pkg"), tmp_path / "one.py", json]

    assert py_modules(given) == [str(tmp_path / "pkg"), str(tmp_path / "one.py"), json]
    made = pack(print, several((), *py_modules(given[:2])))
    assert load(made.pickle, None).files == ("one.py", "pkg/__init__.py")
    with pytest.raises(DesignError, match="wheel"):
        py_modules(["x.whl"])
    with pytest.raises(DesignError, match="not there"):
        py_modules(["nowhere"])
    for bad in ("pkg", 3):
        with pytest.raises(DesignError, match="py_modules is a list"):
            py_modules(bad)
    with pytest.raises(DesignError, match="a package's folder"):
        py_modules([3])


def test_what_came_is_listed_for_the_trial_and_counts_but_for_unused_python(folder, tmp_path):
    def files(**words):
        made = pack(print, **words)
        return load(made.pickle, None).files, made.ingredients

    listed, first = files(extra=working_dir(folder))
    assert list(listed) == sorted(FILES)
    (folder / "a.py").write_text("other = 1")
    (folder / "book.ipynb").write_text("run again")
    assert differences(first, files(extra=working_dir(folder))[1]) == []
    (folder / "table.csv").write_text("other")
    assert differences(first, files(extra=working_dir(folder))[1]) == ["file table.csv: changed"]
    listed, first = files(include=[folder / "table.csv", folder / "a.py"])
    assert listed == ("a.py", "table.csv")
    (folder / "a.py").write_text("other = 2")
    assert differences(first, files(include=[folder / "table.csv", folder / "a.py"])[1]) == ["file a.py: changed"]


def test_they_lie_at_the_root_of_what_is_unpacked_and_too_much_is_refused(folder, tmp_path_factory, monkeypatch):
    made = pack(print, extra=working_dir(folder))
    there = unpack(made.modules, tmp_path_factory.mktemp("there"))

    assert (there / "table.csv").read_text() == "table.csv"
    (folder / "data/one.bin").write_bytes(b"0" * 100_000)
    monkeypatch.setattr(pack_module, "LIMIT_BYTES", 50_000)
    with pytest.raises(ExperimentError, match=r"data/one\.bin"):
        pack(print, extra=working_dir(folder))
