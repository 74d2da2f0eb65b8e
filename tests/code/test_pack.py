"""What travels: packed in one process, its files removed, loaded and run in another that never saw them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
from forks import Forks

import raylab.code.pack as pack_module
from raylab.code.pack import Code, pack
from raylab.errors import ExperimentError, VersionMismatch
from raylab.worker.unpack import load, unpack

# A worker: no folder of the client on its path, nothing of the client's session.
WORKER = """
import json, pickle, sys
from pathlib import Path
from raylab.worker.unpack import load, unpack
from raylab.worker.experiment import adapt
code = pickle.load(open(sys.argv[1], "rb"))
path = unpack(code.modules, Path(sys.argv[2])) if code.modules else None
made = adapt(load(code.pickle, path).experiment).attempt(json.loads(sys.argv[3]), 11, (7, 3))
print(json.dumps([[made], None] if isinstance(made, dict) else [made.rows, made.error]))
"""

PACK = """
import pickle, sys
from raylab.code.pack import pack
{imports}
code = pack({experiment}, include={include!r})
pickle.dump(code, open(sys.argv[1], "wb"))
"""


class Client:
    """A client process per call, with a folder of its own code."""

    def __init__(self, folder: Path, forks: Forks) -> None:
        self._forks = forks
        self.project = folder / "project"
        self.project.mkdir()
        self.store = folder / "store"
        self.store.mkdir()
        self.elsewhere = folder / "elsewhere"
        self.elsewhere.mkdir()

    def write(self, **files: str) -> None:
        for name, text in files.items():
            path = self.project / name.replace("__slash__", "/")
            path = path if path.suffix else path.with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def pack_script(self, script: str, *, hash_seed: str = "0", cwd: Path | None = None) -> Code:
        """Run a script of the client that writes its code to `sys.argv[1]`."""
        main, out = self.project / "main.py", self.store / "code"
        main.write_text(script)
        with nullcontext(self._forks) if hash_seed == "0" else closing(Forks(hash_seed=hash_seed)) as forks:
            done = forks.run(main, str(out), cwd=cwd or self.project, beside=True)
        assert done.returncode == 0, done.stderr
        return pickle.loads(out.read_bytes())

    def pack(self, imports: str, experiment: str, include: object = (), **options) -> Code:
        return self.pack_script(PACK.format(imports=imports, experiment=experiment, include=include), **options)

    def work(self, params: dict[str, object] | None = None) -> tuple[list[dict[str, object]], str | None]:
        """Run what was packed, in a worker, after the client's folder has gone."""
        if self.project.exists():
            self.project.rename(self.project.with_name("gone"))
        worker = self.store / "worker.py"
        worker.write_text(WORKER)
        words = [str(self.store / "code"), str(self.store / "unpacked"), json.dumps(params or {})]
        done = self._forks.run(worker, *words, cwd=self.elsewhere, beside=False)
        assert done.returncode == 0, done.stderr
        rows, error = json.loads(done.stdout)
        return rows, error


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    made = Forks("raylab.code.pack", "raylab.worker.unpack")
    yield made
    made.close()


@pytest.fixture
def client(tmp_path: Path, forks: Forks) -> Client:
    return Client(tmp_path, forks)


def names(code: Code) -> list[str]:
    assert code.modules is not None
    return zipfile.ZipFile(io.BytesIO(code.modules)).namelist()


# what travels, and runs there


def test_a_function_of_main_brings_no_modules(client):
    code = client.pack("N = 3\ndef f(p, seed): return {'x': p * N, 'seed': seed}", "f")

    assert (code.modules, code.label, code.warnings) == (None, "f", [])
    assert client.work({"p": 2}) == ([{"x": 6, "seed": 11}], None)


def test_a_module_travels_with_all_it_imports_also_inside_functions(client):
    client.write(
        model="import helpers\ndef f(p):\n    import late\n    return {'x': helpers.double(p) + late.ONE}",
        helpers="from deeper import two\ndef double(p): return two() * p",
        deeper="import json\ndef two(): return 2",
        late="ONE = 1",
        unrelated="",
    )
    code = client.pack("import model, unrelated", "model.f")

    assert names(code) == ["deeper.py", "helpers.py", "late.py", "model.py"]
    assert client.work({"p": 4}) == ([{"x": 9}], None)


def test_a_package_travels_whole_with_its_data_but_without_caches_and_hidden_files(client):
    client.write(
        proj__slash____init__="",
        proj__slash__core__slash____init__="from ..tables import read",
        proj__slash__core__slash__model="from . import read\ndef f(p): return {'x': read() + p}",
        proj__slash__tables="from pathlib import Path\n"
        "def read(): return int((Path(__file__).parent / 'data.txt').read_text())",
        proj__slash__unused="",
    )
    (client.project / "proj/data.txt").write_text("40")
    for hidden in ("proj/.git/config", "proj/__pycache__/x.pyc", "proj/.env", "proj/venv/pyvenv.cfg"):
        (client.project / hidden).parent.mkdir(exist_ok=True)
        (client.project / hidden).write_text("")
    code = client.pack("from proj.core.model import f", "f")

    assert names(code) == [
        "proj/__init__.py",
        "proj/core/__init__.py",
        "proj/core/model.py",
        "proj/data.txt",
        "proj/tables.py",
        "proj/unused.py",
    ]
    assert client.work({"p": 2}) == ([{"x": 42}], None)


def test_a_folder_without_init_is_a_package_too(client):
    client.write(
        space__slash__model="from space.other import TWO\ndef f(): return {'x': TWO}",
        space__slash__other="TWO = 2",
    )
    client.pack("import space.model", "space.model.f")

    assert client.work() == ([{"x": 2}], None)


def test_what_a_function_of_main_uses_travels_by_value_or_as_its_module(client):
    client.write(
        helpers="def triple(p): return 3 * p",
        late="ONE = 1",
        models="class Model:\n    def __init__(self, n): self.n = n",
        hooks="def hook(p): return p",
    )
    client.pack_script(
        """
import functools, pickle, sys
import helpers
from models import Model
from hooks import hook
from raylab.code.pack import pack
MODELS = {"deep": [Model(5)]}

def local(p): return helpers.triple(p)

def make(shift):
    def f(p, via=hook):
        from late import ONE
        return {"x": local(via(p)) + ONE + MODELS["deep"][0].n + shift}
    return f

pickle.dump(pack(functools.partial(make(1000), via=hook)), open(sys.argv[1], "wb"))
"""
    )

    assert client.work({"p": 2}) == ([{"x": 1012}], None)


def test_an_instance_travels_with_its_class_and_the_classes_it_inherits(client):
    client.write(
        base="from raylab import Experiment\nclass Base(Experiment):\n    def __init__(self, b): self.b = b",
        model="from base import Base\nclass Model(Base):\n    def do(self, params): return {'x': params['p'] * self.b}",
    )
    code = client.pack("from model import Model", "Model(3)")

    assert (names(code), code.label) == (["base.py", "model.py"], "Model")
    assert client.work({"p": 2}) == ([{"x": 6}], None)


def test_a_class_of_main_travels_by_value(client):
    client.write(helpers="def two(): return 2")
    client.pack_script(
        """
import pickle, sys
import helpers
from raylab.code.pack import pack
from raylab.worker.experiment import Experiment
class Model(Experiment):
    def do(self, params): return {"x": helpers.two() * params["p"]}
pickle.dump(pack(Model()), open(sys.argv[1], "wb"))
"""
    )

    assert client.work({"p": 4}) == ([{"x": 8}], None)


def test_a_cached_function_of_main_travels_even_if_it_calls_itself(client):
    client.pack_script(
        """
import functools, pickle, sys
from raylab.code.pack import pack
@functools.lru_cache(maxsize=50)
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
def f(n): return {"x": fib(n), "size": fib.cache_parameters()["maxsize"]}
pickle.dump(pack(f), open(sys.argv[1], "wb"))
"""
    )

    assert client.work({"n": 30}) == ([{"x": 832040, "size": 50}], None)


def test_a_module_run_as_a_script_of_its_package_finds_its_relatives(client):
    client.write(
        proj__slash____init__="",
        proj__slash__helpers="TWO = 2",
        proj__slash__run=(
            "import pickle, sys\nfrom raylab.code.pack import pack\n"
            "def f(p):\n    from .helpers import TWO\n    return {'x': TWO * p}\n"
            "pickle.dump(pack(f), open(sys.argv[1], 'wb'))\n"
        ),
    )
    command = [sys.executable, "-m", "proj.run", str(client.store / "code")]
    subprocess.run(command, cwd=client.project, check=True)

    assert client.work({"p": 4}) == ([{"x": 8}], None)


def test_installed_packages_the_library_and_raylab_do_not_travel(client):
    client.write(model="import json, numpy, pytest, ray, raylab.worker.experiment\ndef f(p): return {'x': p}")
    code = client.pack("import model", "model.f")

    assert names(code) == ["model.py"]


def test_an_editable_install_counts_as_local(client, tmp_path):
    source = tmp_path / "src"
    source.mkdir()
    (source / "editable.py").write_text("def f(p): return {'x': p}")
    code = client.pack(f"import sys\nsys.path.append({str(source)!r})\nimport editable", "editable.f")

    assert names(code) == ["editable.py"]


def test_looking_for_modules_does_not_import_them(client):
    client.write(model="def f(p):\n    import loud\n    return {}", loud="raise SystemExit('imported')")

    assert names(client.pack("import model", "model.f")) == ["loud.py", "model.py"]


def test_what_include_names_travels_files_folders_and_modules(client):
    client.write(plugin="import plugin_helper\nTWO = plugin_helper.TWO", plugin_helper="TWO = 2")
    (client.project / "data").mkdir()
    (client.project / "data/table.csv").write_text("1,2")
    (client.project / "one.txt").write_text("1")
    script = """
import pickle, sys, importlib
from pathlib import Path
from raylab.code.pack import pack
def f(name):
    import importlib, sys
    from pathlib import Path
    here = Path(sys.path[0])
    texts = [(here / "data/table.csv").read_text(), (here / "one.txt").read_text()]
    return {"two": importlib.import_module(name).TWO, "texts": texts}
include = ["plugin", Path("data"), Path.cwd() / "one.txt"]
pickle.dump(pack(f, include=include), open(sys.argv[1], "wb"))
"""
    code = client.pack_script(script)

    assert names(code) == ["data/table.csv", "one.txt", "plugin.py", "plugin_helper.py"]
    assert client.work({"name": "plugin"}) == ([{"two": 2, "texts": ["1,2", "1"]}], None)


def test_a_single_path_may_be_included_and_a_missing_one_is_refused(tmp_path):
    (tmp_path / "table.csv").write_text("1")

    assert names(pack(print, include=tmp_path / "table.csv")) == ["table.csv"]
    with pytest.raises(ExperimentError, match="no file, folder or local module"):
        pack(print, include=[tmp_path / "missing.csv"])
    with pytest.raises(ExperimentError, match="installed packages do not travel"):
        pack(print, include="numpy")


def test_two_files_of_one_name_are_refused(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.csv").write_text(name)

    with pytest.raises(ExperimentError, match=r"would both travel as x\.csv"):
        pack(print, include=[tmp_path / "a/x.csv", tmp_path / "b/x.csv"])


def test_programs_in_a_package_stay_programs(tmp_path):
    program = tmp_path / "tool"
    program.write_text("#!/bin/sh\necho 42\n")
    program.chmod(0o700)
    code = pack(print, include=program)

    there = unpack(code.modules, tmp_path / "unpacked") / "tool"
    assert subprocess.run([there], capture_output=True, text=True, check=True).stdout == "42\n"


# the zip


def test_equal_modules_give_an_equal_zip_whatever_the_process_and_the_dates(client):
    client.write(model="import b, a\ndef f(p): return {}", a="", b="")
    first = client.pack("import model", "model.f", hash_seed="1")
    for path in client.project.iterdir():
        os.utime(path, (1, 1))
    second = client.pack("import unittest, model", "model.f", hash_seed="2")

    assert first.modules == second.modules
    client.write(a="CHANGED = 1")
    assert client.pack("import model", "model.f").modules != first.modules


# refused on the client


def test_too_much_code_is_refused_with_the_largest_files(tmp_path, monkeypatch):
    monkeypatch.setattr(pack_module, "LIMIT_BYTES", 10_000)
    folder = tmp_path / "data"
    folder.mkdir()
    for size in range(1, 8):
        (folder / f"{size}.bin").write_bytes(b"0" * size * 1000)

    with pytest.raises(ExperimentError, match=r"data/7\.bin\n.*data/6\.bin\n") as caught:
        pack(print, include=folder)
    assert str(caught.value).count(".bin") == 5


def test_too_much_captured_data_is_refused(monkeypatch):
    monkeypatch.setattr(pack_module, "LIMIT_BYTES", 10_000)
    table = list(range(100_000))

    with pytest.raises(ExperimentError, match=r"when pickled.*Load the data inside"):
        pack(lambda p: table[p])


LOCK = threading.Lock()
LOCKED = {"a": [LOCK]}


def _by_value(text: str, **names: object) -> object:
    """A function of `__main__`: it travels with its globals."""
    space = {"__name__": "__main__", **names}
    exec(text, space)
    return space["f"]


class Holder:
    def __init__(self) -> None:
        self.lock = LOCK
        self.other = 1

    def __call__(self, p):
        return {}


def test_what_cannot_be_pickled_is_refused_naming_what_stands_in_the_way(tmp_path):
    in_global = _by_value("def f(p): return LOCK", LOCK=LOCK, fine=1)
    numbers = (n for n in range(3))

    with pytest.raises(ExperimentError, match=r"f cannot be pickled.*global LOCK \(lock\)"):
        pack(in_global)
    with pytest.raises(ExperimentError, match=r"lambda cannot be pickled.*closure numbers \(generator\)"):
        pack(lambda: next(numbers))
    with pytest.raises(ExperimentError, match=r"Holder cannot be pickled.*attribute lock \(lock\)"):
        pack(Holder())
    helper = _by_value("def f(p): return LOCKED", LOCKED=LOCKED)
    with pytest.raises(ExperimentError, match=r"item 0 \(lock\), of item 'a', of global LOCKED, of global h:"):
        pack(_by_value("def f(p): return h(p)", h=helper))
    with (
        (tmp_path / "log").open("w") as log,
        pytest.raises(ExperimentError, match=r"global log \(TextIOWrapper\)"),
    ):
        pack(_by_value("def f(p): log.write(p)", log=log))


def test_an_object_ref_is_refused():
    import ray

    ref = ray.ObjectRef(b"\x00" * 28)
    with pytest.raises(ExperimentError, match=r"global ref .*dies with this client"):
        pack(_by_value("def f(p): return ref", ref=ref))


# unpacked, and loaded


@pytest.fixture
def modules(tmp_path):
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(f"NAME = {name!r}")
    return pack(print, include=[tmp_path / "a.py", tmp_path / "b.py"]).modules


def test_unpacking_happens_once_and_mends_what_a_cleaner_took(modules, tmp_path):
    path = unpack(modules, tmp_path / "there")
    before = (path / "a.py").stat().st_mtime_ns

    assert path == tmp_path / "there" / hashlib.sha256(modules).hexdigest()
    assert unpack(modules, tmp_path / "there") == path
    assert (path / "a.py").stat().st_mtime_ns == before
    (path / "a.py").unlink()
    unpack(modules, tmp_path / "there")
    assert (path / "a.py").exists()
    assert [p.name for p in (tmp_path / "there").iterdir()] == [path.name]


def unpack_and_look(modules: bytes, folder: Path) -> tuple[Path, int]:
    path = unpack(modules, folder)
    return path, path.stat().st_ino


def test_many_may_unpack_at_once(modules, tmp_path):
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _: unpack_and_look(modules, tmp_path / "there"), range(64)))

    ((path, _),) = set(made)  # the first one stays: what a process imports from is not taken away
    assert sorted(p.name for p in path.iterdir()) == ["a.py", "b.py"]
    assert [p.name for p in (tmp_path / "there").iterdir()] == [path.name]


def test_a_module_that_is_not_there_is_named(client):
    client.write(hidden="def f(p): return {}")
    code = client.pack("import hidden", "hidden.f")

    with pytest.raises(ExperimentError, match="needs the module 'hidden'"):
        load(code.pickle, None)


def test_a_pickle_of_another_python_is_refused_before_it_is_touched():
    with pytest.raises(VersionMismatch, match=r"submitted from Python 3\.1,"):
        load(pickle.dumps({"python": (3, 1), "experiment": b"no pickle at all"}), None)


def test_a_module_that_breaks_when_it_is_imported_is_an_error_in_words(client, tmp_path):
    client.write(breaks="import sys\nif 'pytest' in sys.modules: raise SystemExit(3)\ndef f(p): return {}")
    code = client.pack("import breaks", "breaks.f")

    try:
        with pytest.raises(ExperimentError, match="SystemExit: 3"):
            load(code.pickle, unpack(code.modules, tmp_path / "there"))
    finally:
        sys.path.pop(0)


def test_what_a_compiled_function_calls_travels_too(client):
    pytest.importorskip("numba")
    client.write(helpers="import numba\n@numba.njit\ndef triple(p): return 3 * p")
    client.pack_script(
        """
import pickle, sys
import numba, helpers
from helpers import triple
from raylab.code.pack import pack
@numba.njit
def fast(p): return triple(p) + 1
def f(p): return {"x": fast(p)}
pickle.dump(pack(f), open(sys.argv[1], "wb"))
"""
    )

    assert client.work({"p": 2}) == ([{"x": 7}], None)
