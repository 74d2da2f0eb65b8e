"""The same experiment has the same ingredients, in every process; another one says what is different."""

from __future__ import annotations

import functools
import itertools
import json
import linecache
import os
import subprocess
import sys

import numpy as np
import pytest

from raylab.code.pack import pack
from raylab.core.difference import differences, words_to_ignore
from raylab.worker.experiment import adapt

cells = itertools.count()


def cell(text: str, name: str = "f", **names: object) -> object:
    """What a notebook cell defines under `name`: its source is in linecache, its module is `__main__`."""
    file = f"<ipython-input-{next(cells)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    space = {"__name__": "__main__", **names}
    exec(compile(text, file, "exec"), space)
    return space[name]


def changes(old: object, new: object) -> list[str]:
    return differences(pack(old).ingredients, pack(new).ingredients)


# the same


@pytest.mark.parametrize(
    "text",
    [
        "def f(p):\n    return {'x': p * N}\n",
        "\n\n# a comment\ndef f( p ):  # another\n\n    return {\n        'x': p*N,\n    }\n",
        "def f(p):\n    'what it does'\n    return {'x': (p * N)}",
        'import os, json\nX = 9\ndef other(): pass\ndef f(p): return {"x": p * N}',
    ],
)
def test_layout_comments_docstrings_and_neighbours_do_not_count(text):
    assert changes(cell("def f(p): return {'x': p * N}", N=3), cell(text, N=3)) == []


@pytest.mark.parametrize(
    ("text", "name", "written"),
    [
        ("X = 1\ndef f(p):  # why\n    'what'\n\n    return {'x': p}\nY = 2", "function f", None),
        ("def keep(f): return f\n@keep\ndef f(p): return {}\n", "function f", "@keep\ndef f(p): return {}\n"),
        ("f = lambda p: {'x': p}", "function lambda", "f = lambda p: {'x': p}"),
        ("def g(p):\n    return p\ndef f(p): return {'x': g(p)}", "helper function g", "def g(p):\n    return p\n"),
    ],
)
def test_a_source_that_stands_in_no_module_is_kept_as_it_was_written(text, name, written):
    found = pack(cell(text)).ingredients
    whole = "def f(p):  # why\n    'what'\n\n    return {'x': p}\n"
    assert found[f"text {name}"] == (written or whole)
    assert differences(found, {**found, f"text {name}": "other"}) == []


def test_a_lambda_is_the_same_whatever_the_call_it_stands_in():
    first = cell("f = keep(lambda p: {'x': p}, name='a')", keep=lambda f, name: f)
    second = cell("f = keep(\n    lambda p: {'x': p},\n    name='b')", keep=lambda f, name: f)

    assert changes(first, second) == []
    assert changes(first, cell("f = lambda p: {'x': -p}")) == ["function lambda: its source has changed"]


def test_two_lambdas_in_a_line_are_told_apart():
    both = "pair = (lambda p: {'x': p}, lambda p: {'x': -p})"
    left, right = cell(both, "pair")

    assert changes(left, cell(both, "pair")[0]) == []
    assert changes(left, right) == ["function lambda: its source has changed"]


def test_a_set_or_dict_counts_by_what_is_in_it():
    text = "def f(p): return {'x': p in N}"

    assert changes(cell(text, N={"a", "b"}), cell(text, N={"b", "a"})) == []
    assert changes(cell(text, N={"a": 1, "b": 2}), cell(text, N={"b": 2, "a": 1})) == []


SCRIPT = """
import json, sys
sys.path.insert(0, sys.argv[1])
{imports}
import helpers
from raylab.code.pack import pack
from raylab.worker.experiment import Experiment
NAMES = {{"a", "b", "c", "d"}}
TABLE = {{name: len(name) for name in NAMES}}
class Local:
    def __init__(self): self.names = set("xyz")
LOCAL = Local()
def inner(p): return p in {{"one", "two", "three"}}
class E(Experiment):
    def __init__(self): self.names = frozenset("hello")
    def do(self, params):
        return {{"x": helpers.two(), "n": len(NAMES), "i": inner(1), "t": TABLE, "l": LOCAL}}
print(json.dumps([pack(E()).ingredients, pack(eval("lambda p: p in {{'u', 'v', 'w'}}")).ingredients]))
"""


def test_ingredients_are_the_same_in_every_process(tmp_path):
    (tmp_path / "helpers.py").write_text("def two(): return 2")
    (tmp_path / "plots.py").write_text("")
    found = []
    for seed, imports in (("1", ""), ("2", "import unittest, plots")):
        (tmp_path / "main.py").write_text(SCRIPT.format(imports=imports))
        found.append(
            subprocess.run(
                [sys.executable, tmp_path / "main.py", tmp_path],
                env={**os.environ, "PYTHONHASHSEED": seed},
                stdout=subprocess.PIPE,
                check=True,
            ).stdout
        )

    assert found[0] == found[1]
    ingredients = json.loads(found[0])[0]
    assert {
        "class E",
        "module helpers",
        "helper function inner",
        "helper class Local",
        "attribute names",
    } <= set(ingredients)


def test_an_experiment_that_was_tried_by_hand_is_still_the_same():
    text = """
from raylab.worker.experiment import Experiment
class E(Experiment):
    def do(self, params): return {"x": self.rng.random()}
class Epyc:
    def set(self, params): self._parameters = params
    def run(self):
        self._results = {"x": 1}
        return {"metadata": {}, "results": self._results}
"""
    for name in ("E", "Epyc"):
        fresh, tried = cell(text, name)(), cell(text, name)()
        adapt(tried).attempt({}, 5, (1, 2))
        assert changes(fresh, tried) == []


# different, and said how


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (3, 2, ["global N: 2, was 3"]),
        (1, 1.0, ["global N: 1.0, was 1"]),
        (1, True, ["global N: True, was 1"]),
        ("a", b"a", ["global N: b'a', was 'a'"]),
        ([1, 2], (1, 2), ["global N: (1, 2), was [1, 2]"]),
        (list(range(999)), list(range(1000)), ["global N: its value has changed"]),
        (np.zeros(3), np.array([0.0, 0.0, 1e-300]), ["global N: its value has changed"]),
        (np.float32(1), np.float64(1), ["global N: <f8(1.0), was <f4(1.0)"]),
        (os.path, json, ["global N: module json, was module posixpath"]),
        (np.sin, np.cos, ["global N: numpy.cos, was numpy.sin"]),
        (len, max, ["global N: builtins.max, was builtins.len"]),
        (json.dumps, json.loads, ["global N: json.loads, was json.dumps"]),
    ],
)
def test_another_global_is_told(old, new, told):
    text = "def f(p): return {'x': N}"

    assert changes(cell(text, N=old), cell(text, N=new)) == told


def test_another_body_default_closure_argument_and_helper_are_told():
    text = """
def make(shift):
    def f(p, L={default}): return {{'x': h(p) + shift}}
    return f
def h(p): return {body}
"""

    def version(default=1, shift=2, body="p", bound=3):
        space: dict[str, object] = {}
        made = cell(text.format(default=default, body=body), "make", **space)(shift)
        return functools.partial(made, q=bound)

    assert changes(version(), version()) == []
    assert changes(version(), version(default=5)) == [
        "default L: 5, was 1",
        "function f: its source has changed",
    ]
    assert changes(version(), version(shift=5)) == ["closure shift: 5, was 2"]
    assert changes(version(), version(body="-p")) == ["helper function h: its source has changed"]
    assert changes(version(), version(bound=5)) == ["argument q: 5, was 3"]


def test_another_method_attribute_and_inherited_class_are_told():
    text = """
from raylab.worker.experiment import Experiment
class Base(Experiment):
    def helper(self): return {base}
class E(Base):
    size = {size}
    def __init__(self, beta): self.beta = beta
    def do(self, params): return {{"x": self.helper() + {body} + N}}
"""

    def version(base=1, body=2, beta=3, n=4, size=5):
        return cell(text.format(base=base, body=body, size=size), "E", N=n)(beta)

    assert changes(version(), version()) == []
    assert changes(version(), version(base=9)) == ["helper class Base: its source has changed"]
    assert changes(version(), version(body=9)) == ["class E: its source has changed"]
    assert changes(version(), version(beta=9)) == ["attribute beta: 9, was 3"]
    assert changes(version(), version(n=9)) == ["global N: 9, was 4"]
    assert changes(version(), version(size=9)) == ["member size: 9, was 5"]


def test_an_experiment_inside_an_experiment_is_looked_into():
    text = """
class Inner:
    def __init__(self, n): self.n = n
    def set(self, params): pass
    def run(self): return {body}
class Outer(Inner):
    def __init__(self, inner): self.inner = inner
"""

    def version(n=1, body=2):
        space = {"__name__": "__main__"}
        outer = cell(text.format(body=body), "Outer", **space)
        return outer(outer.__mro__[1](n))

    assert changes(version(), version()) == []
    assert changes(version(), version(n=9)) == ["attribute inner.n: 9, was 1"]
    assert changes(version(), version(body=9)) == ["helper class Inner: its source has changed"]


def test_functions_in_containers_and_caches_are_looked_into():
    text = "import functools\n@functools.cache\ndef h(p): return {body}\nH = [h]\ndef f(p): return H[0](p)"

    assert changes(cell(text.format(body=1)), cell(text.format(body=1))) == []
    assert changes(cell(text.format(body=1)), cell(text.format(body=2))) == [
        "helper function h: its source has changed"
    ]


def test_without_source_the_compiled_code_counts():
    def version(text):
        space = {"__name__": "__main__"}
        exec(text, space)
        return space["f"]

    same = version("def f(p):\n    'doc'\n    return p in {'a', 'b'}")
    assert changes(same, version("def f(p):\n\n    'tale'\n    return p in {'b', 'a'}")) == []
    assert changes(same, version("def f(p): return p in {'a', 'c'}")) == ["function f: its source has changed"]
    (told,) = changes(same, cell("def f(p): return 3"))  # source and code cannot be compared
    assert told == "function f: without its source on both sides it counts as changed"


class Unsteady:
    """Another pickle each time."""

    def __reduce__(self):
        return Unsteady, (), {"at": next(cells)}


class Settling:
    """Becomes what it stays by being made again."""

    def __setstate__(self, state):
        vars(self).update(state, found=True)

    def __getstate__(self):
        return vars(self)


def test_what_has_another_pickle_each_time_counts_as_different_and_can_be_ignored():
    made = cell("def f(p): return N", N=[Unsteady()])

    told = "global N[0]: a Unsteady has another pickle each time, so it counts as different"
    assert changes(made, made) == [told]
    first, second = pack(made).ingredients, pack(made).ingredients
    assert words_to_ignore(first, second) == ("N",)
    assert differences(first, second, ["N"]) == []
    assert pack(made).warnings == []


def test_what_settles_by_its_first_way_is_steady():
    text = "def f(p): return N"
    one, other = Settling(), Settling()
    other.x = 1

    assert changes(cell(text, N=one), cell(text, N=Settling())) == []
    assert changes(cell(text, N=one), cell(text, N=other)) == ["global N: its value has changed"]


def test_looking_whether_a_value_is_steady_leaves_the_classes_of_the_session_alone():
    text = "class C:\n    shared = [N]\n    def g(self): return helper()\n    def __getstate__(self): return {}"
    cls = cell(text, "C", N=1, helper=len)
    method, shared = cls.g, cls.shared
    pack(cell("def f(p): return K", K=[{"a": cls()}, object()]))

    assert cls.g is method
    assert cls.shared is shared


def test_which_function_stands_where_counts():
    text = "def g(p): return 1\ndef h(p): return 2\nH = {order}\ndef f(p): return H[0](p)"
    first = cell(text.format(order="[g, h, lambda p: 1]"))

    assert changes(first, cell(text.format(order="[g, h, lambda p: 1]"))) == []
    assert changes(first, cell(text.format(order="[h, g, lambda p: 1]"))) == [
        "global H[0]: function h, was function g",
        "global H[1]: function g, was function h",
    ]


def test_which_object_stands_where_counts_and_who_shares_it_does_not():
    text = "class A:\n    def __init__(self, n): self.n = n\nX, Y = A(1), A(2)\nN = {order}\ndef f(p): return N"
    first = cell(text.format(order="[X, Y, X]"))

    assert changes(first, cell(text.format(order="[X, Y, X]"))) == []
    assert changes(first, cell(text.format(order="[X, Y, Y]"))) == ["global N[2]: as global N[1], was as global N[0]"]
    both = "class A: n = 1\nX = A()\nY = {y}\ndef f(p): return X, Y"
    assert changes(cell(both.format(y="X")), cell(both.format(y="A()"))) == []


def test_a_notebooks_enumeration_counts_with_its_values_and_methods():
    text = "import enum\nclass C(enum.Enum):\n    RED = {n}\n    def m(self): return {m}\nN = {v}\ndef f(p): return N"

    def version(n=1, m=1, v="C.RED"):
        return cell(text.format(n=n, m=m, v=v))

    for v in ("C.RED", "[C.RED]", "{C.RED: 1}", "C"):
        assert changes(version(v=v), version(v=v)) == []
        assert changes(version(v=v), version(n=2, v=v)) != []
        assert changes(version(v=v), version(m=2, v=v)) != []


def test_what_a_container_or_number_of_an_own_class_holds_counts():
    text = "class {kind}s({base}):\n    pass\nN = {kind}s({value})\nN.more = {more}\ndef f(p): return N"
    for base, value in (("dict", "{'a': 1}"), ("list", "[1]"), ("int", "1"), ("set", "{1}"), ("str", "'a'")):

        def version(more=1, value=value, base=base):
            return cell(text.format(kind="Own", base=base, value=value, more=more))

        assert changes(version(), version()) == []
        assert changes(version(), version(more=2)) != []
        assert changes(version(), version(value="")) != []


def test_another_option_of_a_compiled_function_is_told():
    numba = pytest.importorskip("numba")
    text = "@njit(fastmath=FAST)\ndef h(p): return p + {n} + N\ndef f(p): return h(p)"

    def version(fast=False, n=1, big=2):
        return cell(text.format(n=n), njit=numba.njit, FAST=fast, N=big)

    assert changes(version(), version()) == []
    used = version()
    used.__globals__["h"](3)
    assert changes(version(), used) == []
    assert changes(version(), version(fast=True)) == ["compilation of h: its value has changed"]
    assert changes(version(), version(n=2)) == ["helper function h: its source has changed"]
    assert changes(version(), version(big=3)) == ["global N: 3, was 2"]


def test_a_cache_that_is_filled_by_hand_can_be_ignored_with_all_that_is_in_it():
    text = (
        "class Cell:\n    def __init__(self, n): self.n = n\n    def g(self): return SHIFT\n"
        "SHIFT = 1\ncache = {}\ndef slow(x):\n    if x not in cache: cache[x] = Cell(x)\n    return cache[x].n + N\n"
        "def f(x): return slow(x)"
    )
    fresh, tried = cell(text, N=1), cell(text, N=1)
    tried(3)

    old, new = pack(fresh).ingredients, pack(tried).ingredients
    assert "global cache[3].n: 3, is new" in differences(old, new)
    assert words_to_ignore(old, new) == ("cache",)
    assert differences(old, new, ["cache"]) == differences(new, old, ["cache"]) == []
    other = cell(text, N=2)
    other(4)
    assert differences(new, pack(other).ingredients, ["cache"]) == ["global N: 2, was 1"]
    assert words_to_ignore(new, pack(other).ingredients) == ("N", "cache")


def test_a_global_that_a_function_inside_of_a_digest_uses_is_an_ingredient_of_its_own():
    text = "cache = {}\ndef h(x):\n    return cache.setdefault(x, x)\nN = vectorize(h)\ndef f(p): return N(p)"
    fresh, tried = cell(text, vectorize=np.vectorize), cell(text, vectorize=np.vectorize)
    tried(3)

    assert changes(fresh, tried) == ["global cache: {np.int64(3): 3}, was {}"] or changes(fresh, tried) != []
    assert differences(pack(fresh).ingredients, pack(tried).ingredients, ["cache"]) == []


def test_the_versions_of_installed_packages_are_stored_and_are_no_difference():
    made = pack(cell("def f(p):\n    import sklearn.linear_model\n    return N", N=np.zeros(3))).ingredients

    assert made["package numpy"] == np.__version__
    assert set(made) >= {"package sklearn"}
    assert not {"package ray", "package json", "package raylab"} & set(made)
    assert differences(made, made | {"package numpy": "0"}) == []


# modules


@pytest.fixture
def project(tmp_path):
    """A function that packs `model.f` in a process of its own and gives the ingredients."""
    (tmp_path / "proj").mkdir()
    files = {
        "model.py": "from proj import used\nN = 3\ndef f(p): return {'x': used.two() * N}",
        "proj/__init__.py": "",
        "proj/used.py": "def two(): return 2",
        "proj/unused.py": "",
        "proj/data.csv": "1",
        "proj/book.ipynb": "{}",
    }

    def ingredients(**changed: str | None) -> dict[str, str]:
        for name, text in {
            **files,
            **{key.replace("__", "/", 1): value for key, value in changed.items()},
        }.items():
            path = tmp_path / next((f for f in files if f == name or f.rsplit(".", 1)[0] == name), name + ".py")
            path.write_text(text or "")
        script = "import json, model; from raylab.code.pack import pack; print(json.dumps(pack(model.f).ingredients))"
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            check=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        return json.loads(done.stdout)

    return ingredients


def test_reached_modules_and_data_count_and_nothing_else_of_the_package(project):
    first = project()

    assert set(first) == {
        "rule",
        "function f",
        "module model",
        "module proj",
        "module proj.used",
        "file proj/data.csv",
    }
    unrelated = project(
        proj__unused="X = 1", proj__book="{1}", proj__used="# comment\ndef two():\n    'doc'\n\n    return 2"
    )
    assert differences(first, unrelated) == []
    assert differences(first, project(proj__used="def two(): return 3")) == ["module proj.used: changed"]
    assert differences(first, project(proj__data="2")) == ["file proj/data.csv: changed"]
    other = "from proj import used, unused\nN = 3\ndef f(p): return {'x': used.two() * N}"
    assert differences(first, project(model=other)) == [
        "module model: changed",
        "module proj.unused: newly reached",
    ]
