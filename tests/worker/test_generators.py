"""The global generators: seeded by any number, and left alone by imports, which see nothing of it."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import random
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylab.worker.generators import common, importing, imports_apart, kept, seeder


def drawn() -> tuple[float, float]:
    return random.random(), float(np.random.random())


def seed(number: int) -> None:
    made = seeder(("random", "numpy"))
    assert made is not None
    made(number)


def test_what_is_seeded_meanwhile_is_put_back() -> None:
    seed(1)
    wanted = drawn()
    seed(1)
    with kept():
        seed(2)
        assert drawn() != wanted
    assert drawn() == wanted


@given(st.integers(), st.integers())
def test_any_number_seeds_and_others_seed_otherwise(one: int, other: int) -> None:
    seed(one)
    first = drawn()
    seed(other)
    second = drawn()
    seed(one)
    assert drawn() == first
    assert (first == second) == (one == other)
    assert first[0] != first[1]


def test_nothing_is_seeded_where_nothing_is_drawn() -> None:
    assert seeder(()) is None


@pytest.fixture
def numpys_own() -> Iterator[None]:
    yield
    np.random.set_bit_generator(np.random.MT19937())


@pytest.mark.usefixtures("numpys_own")
def test_another_bit_generator_than_numpys_own_is_seeded_as_well(folder: Path) -> None:
    (folder / "apart_modern.py").write_text("import numpy\nnumpy.random.set_bit_generator(numpy.random.PCG64())\n")
    seed(3)
    with imports_apart(draws=True):
        importlib.import_module("apart_modern")
    first = drawn()
    seed(3)
    assert drawn() == first


@pytest.mark.parametrize(
    ("params", "number"),
    [
        ({}, None),
        ({"seed": True}, 1),
        ({"seed": np.int16(4)}, 4),
        ({"seed": 0.5, "rng": 6}, 6),
        ({"seed": 1, "rng": 2}, 1),
    ],
)
def test_the_number_that_an_axis_gives(params: dict[str, Any], number: int | None) -> None:
    assert common(params) == number


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    sys.path.insert(0, str(tmp_path))
    importlib.invalidate_caches()
    known = set(sys.modules)
    yield tmp_path
    sys.path.remove(str(tmp_path))
    for name in set(sys.modules) - known:
        if name.startswith("apart_"):
            del sys.modules[name]


TOP = "import random, numpy\nrandom.seed(1)\nnumpy.random.seed(1)\nDRAWN = random.random()\n"


def test_modules_of_every_kind_leave_the_generators_alone(folder: Path) -> None:
    (folder / "apart_plain.py").write_text(TOP)
    (folder / "apart_nested.py").write_text("import apart_plain\n" + TOP)
    (folder / "apart_package").mkdir()
    (folder / "apart_package" / "__init__.py").write_text("from apart_package import inner\n" + TOP)
    (folder / "apart_package" / "inner.py").write_text(TOP)
    (folder / "apart_alone.py").write_text(TOP)
    with zipfile.ZipFile(folder / "apart.zip", "w") as archive:
        archive.writestr("apart_zipped.py", TOP)
    sys.path.append(str(folder / "apart.zip"))
    seed(9)
    expected = drawn()
    seed(9)
    try:
        with imports_apart(draws=True):
            modules = [importlib.import_module(f"apart_{name}") for name in ("nested", "package", "zipped")]
            importlib.reload(modules[0])
            spec = importlib.util.spec_from_file_location("apart_alone", folder / "apart_alone.py")
            assert spec is not None
            assert spec.loader is not None
            spec.loader.exec_module(importlib.util.module_from_spec(spec))
    finally:
        sys.path.pop()
    assert drawn() == expected
    assert inspect.getsource(modules[0]).startswith("import apart_plain")
    assert modules[0].__loader__ is modules[0].__spec__.loader  # type: ignore[union-attr]
    assert "exec_module" not in vars(type(modules[0].__loader__))
    assert not vars(modules[0].__loader__).keys() & {"exec_module"}


def test_what_a_module_draws_at_its_top_goes_by_its_name_alone(folder: Path) -> None:
    (folder / "apart_drawing.py").write_text("import random\nDRAWN = random.random()\n")
    found = set()
    for number in range(3):
        seed(number)
        with imports_apart(draws=True):
            found.add(importlib.import_module("apart_drawing").DRAWN)
        del sys.modules["apart_drawing"]
    assert len(found) == 1


def test_an_error_of_an_import_passes_as_it_is(folder: Path) -> None:
    (folder / "apart_broken.py").write_text("import random\nrandom.seed(1)\nimport apart_missing\n")
    seed(9)
    expected = drawn()
    seed(9)
    with (
        imports_apart(draws=True),
        pytest.raises(ModuleNotFoundError, match="No module named 'apart_missing'") as found,
    ):
        importlib.import_module("apart_broken")
    assert found.value.name == "apart_missing"
    assert found.value.__cause__ is found.value.__context__ is None
    assert drawn() == expected
    assert not importing()
    assert "apart_broken" not in sys.modules


def test_who_imports_is_told_and_without_draws_nothing_is_kept(folder: Path) -> None:
    (folder / "apart_asking.py").write_text(
        "from raylab.worker.generators import importing\nimport random\nrandom.seed(1)\nIS = importing()\n"
    )
    with imports_apart(draws=False):
        assert importlib.import_module("apart_asking").IS
        assert not importing()
    random_one = random.random()
    random.seed(1)
    assert random.random() == random_one
