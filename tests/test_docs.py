"""What README.md and docs/ say is so: their Python blocks run and print what they say, their links lead somewhere, and
the examples in docstrings hold.

Comments in the pages say how, each on a line of its own before the fence:

    <!-- cluster -->                 this bash block starts the cluster that the page's blocks need: from nothing
    <!-- cluster, or in memory -->   likewise; the tests take labs in memory, since Ray makes no difference to the page;
                                     its commands find them at rest
    <!-- commands -->                the lines of this bash block end well, after the Python blocks before them
    <!-- session: the next day -->   this block begins a new process; without one a block goes on in the page's last
    <!-- not run: why -->            this block is not run
    <!-- prints -->                  this text block is what the last Python block prints
"""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from clusters import Client, WarmClient, clean_environment, eventually, free_port, one_starts, processes_of
from forks import Forks
from sealed import is_sealed

import raylab
from raylab.client.started import parse

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
END = "--- end of block ---"
MEMORY = "cluster, or in memory"


@dataclass
class Block:
    """A Python block of a page, and what it has to print, if the page says so."""

    line: int
    code: str
    prints: str | None = None


@dataclass
class Session:
    """Blocks that run in one process, one after the other; or commands, each in one of its own."""

    blocks: list[Block] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    def script(self) -> str:
        return "".join(f"{block.code}\nprint({END!r})\n" for block in self.blocks)

    def check(self, stdout: str, page: str) -> None:
        """Compare what was printed with what the page says."""
        printed = stdout.split(END)
        assert len(printed) == len(self.blocks) + 1, f"{page}: not all blocks ran to their end: {stdout}"
        for block, words in zip(self.blocks, printed, strict=False):
            if block.prints is not None:
                assert words.strip() == block.prints.strip(), f"{page}, line {block.line}: prints\n{words.strip()}"


_FENCE = re.compile(r"^(?:<!--\s*(?P<remark>[^\n]*?)\s*-->\n+)?```(?P<kind>\w*)[^\n]*\n(?P<body>.*?)^```", re.M | re.S)


def sessions(text: str) -> list[Session]:
    """The Python blocks of a page, in processes."""
    found: list[Session] = []
    for match in _FENCE.finditer(text):
        remark = match["remark"] or ""
        line = text.count("\n", 0, match.start("body")) + 1
        if match["kind"] == "text" and remark == "prints":
            found[-1].blocks[-1].prints = match["body"]
        if match["kind"] == "bash" and remark == "commands":
            found.append(Session(commands=_lines(match["body"])))
        if match["kind"] != "python":
            continue
        if remark.startswith("not run"):
            assert len(remark.partition(":")[2].strip()) > 10, f"line {line}: say why this block is not run"
            continue
        if not found or remark.startswith("session") or found[-1].commands:
            found.append(Session())
        found[-1].blocks.append(Block(line, match["body"]))
    return found


def _lines(body: str) -> list[str]:
    return [words for line in body.splitlines() if (words := line.partition("#")[0].strip())]


def start_lines(text: str) -> list[str]:
    """What a page says to start its cluster with; nothing where it needs one that is there."""
    blocks = [match["body"] for match in _FENCE.finditer(text) if match["remark"] in ("cluster", MEMORY)]
    return [line for body in blocks for line in _lines(body)]


def in_memory(page: Path) -> bool:
    """Whether labs in memory will do for a page."""
    return any(match["remark"] == MEMORY for match in _FENCE.finditer(page.read_text()))


WITH_CODE = [page for page in PAGES if sessions(page.read_text())]


FROM_NOTHING = [page for page in WITH_CODE if start_lines(page.read_text())]
README, TUTORIAL = ROOT / "README.md", ROOT / "docs" / "tutorial.md"
WITHOUT_RAY = [page for page in FROM_NOTHING if in_memory(page)]
LATER = [page for page in FROM_NOTHING if page not in [README, *WITHOUT_RAY]]

FORGET = """
for name in raylab.labs().filter("running")["name"]:
    raylab.Lab(name, create=False).shutdown(force=True)
"""


LABS_IN_MEMORY = """
import contextlib, pathlib, raylab, raylab.testing

_labs = contextlib.ExitStack()

def _lab(name, *, create=True, _open={}):
    if name not in _open:
        notebook = pathlib.Path.home() / "raylab" / name
        assert create or notebook.exists(), name
        _open[name] = _labs.enter_context(raylab.testing.lab(name, notebook=notebook))
    return _open[name]

raylab.Lab = _lab
with _labs:
"""
"""Before the lines of a script whose labs are in memory. Their notebooks stay, where those of real ones are."""

NO_CLUSTER = """
import sys
import ray._private.services as services
from raylab.terminal.command import main

services.psutil.process_iter = lambda *_: iter(())      # Ray looks for clusters of anybody on this machine
services.find_bootstrap_address = lambda folder: None
sys.exit(main(sys.argv[1:]))
"""
"""A command where no cluster runs."""


def test_every_page_with_code_says_how_to_start() -> None:
    assert WITH_CODE == FROM_NOTHING


def ids(pages: list[Path]) -> list[str]:
    return [str(page.relative_to(ROOT)) for page in pages]


@pytest.mark.ray
@pytest.mark.timeout(600)  # a page is a cluster, several processes and labs
@pytest.mark.parametrize("page", [README, pytest.param(TUTORIAL, marks=pytest.mark.long)], ids=ids([README, TUTORIAL]))
def test_the_story_of_a_page_holds_from_its_top_on_a_machine_without_a_cluster(page: Path, machine: Machine) -> None:
    for line in start_lines(page.read_text()):
        machine.run(line)
    tell(page, machine)


@pytest.mark.ray
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", LATER, ids=ids(LATER))
def test_the_story_of_a_page_holds_where_a_cluster_runs_and_no_lab_is(page: Path, started: Machine) -> None:
    assert start_lines(page.read_text()) == ["raylab start"]
    tell(page, started)


@pytest.mark.parametrize("page", WITHOUT_RAY, ids=ids(WITHOUT_RAY))
def test_the_story_of_a_page_holds_in_labs_in_memory(page: Path, tmp_path: Path, forks: Forks) -> None:
    assert start_lines(page.read_text()) == ["raylab start"]
    tell(page, ForkedMachine(tmp_path, forks))


def tell(page: Path, machine: Machine) -> None:
    """Run what the page has, where its cluster runs."""
    text = page.read_text()
    for session in sessions(text):
        if session.commands:
            for line in session.commands:
                machine.run(line)
        else:
            if "raylab.Lab(" not in session.script():  # it reads files, which a lab may be about to seal
                eventually(lambda: all(is_sealed(place, folder) for place, folder in machine.complete()))
            session.check(machine.script(session.script()), page.name)


def test_the_readme_and_the_tutorial_begin_with_a_cluster() -> None:
    for page in (ROOT / "README.md", ROOT / "docs" / "tutorial.md"):
        text = page.read_text()
        assert text.index("raylab start\n") < text.index("```python"), page.name
    assert set(FROM_NOTHING) >= {ROOT / "README.md", ROOT / "docs" / "tutorial.md"}


def test_a_literal_reader_has_the_command_and_all_that_the_blocks_import() -> None:
    for page in (ROOT / "README.md", ROOT / "docs" / "tutorial.md"):
        text = page.read_text()
        assert 0 < text.find(". .venv/bin/activate") < text.index("raylab start\n"), page.name
        assert text.find(".[examples]") < (text + "import matplotlib").index("import matplotlib"), page.name


def test_where_one_installs_it_is_said_that_both_sides_need_the_same_python_and_ray() -> None:
    text = (ROOT / "README.md").read_text()
    installs, _, _ = text.partition("## A taste")
    assert "pip install" in installs
    assert re.search(r"need the same Ray and the same minor version of Python", " ".join(installs.split()))


class Machine:
    """A machine on which nothing of Ray's runs: a home of its own, and ports and a folder that nobody else has."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "home").mkdir()
        (root / "cwd").mkdir()
        self.env = {**clean_environment(), "HOME": str(root / "home"), "MPLBACKEND": "Agg"}

    def run(self, line: str) -> None:
        """A line of a shell; `raylab` is this one."""
        program, *words = shlex.split(line)
        assert program == "raylab"
        if words == ["start"]:
            words += ["--num-cpus", "2", "--port", str(free_port()), "--client-port", str(free_port())]
            words += ["--temp-dir", str(self.root / "r")]
        command = [sys.executable, "-m", "raylab.terminal.command", *words]
        with one_starts() if words[0] == "start" else nullcontext():
            done = subprocess.run(
                command, env=self.env, cwd=self.root / "cwd", capture_output=True, text=True, timeout=300, check=False
            )
        assert done.returncode == 0, f"{line}: {done.stderr}"

    def complete(self) -> Iterator[tuple[Path, str]]:
        """The sweeps of its labs of which nothing is outstanding: their notebook and their folder there."""
        for place in (self.root / "home" / "raylab").glob("*/notebook.json"):
            found = raylab.Notebook(place.parent)
            for row in found.sweeps(archived=True).filter(state="ready").iter_rows(named=True):
                yield place.parent, found.info(row["name"])["folder"]

    def close(self) -> None:
        """Nothing of it runs any more but its cluster."""

    def script(self, code: str) -> str:
        """What a process of its own prints that runs this code."""
        with Client(code, None, env=self.env) as client:
            assert client.ended(300) == 0, client.stderr
            assert "inside this process" not in client.stderr, "it goes to the cluster that stays"
            return client.stdout


class WarmMachine(Machine):
    """One whose cluster runs, and on which one process runs what pages have, as long as they leave it as it was: a
    process for each session and each command of each page would cost more than all else of them."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.run("raylab start")
        (remembered,) = (root / "home" / "raylab").glob(".cluster-*.json")
        started = parse(remembered.read_text())
        assert started is not None
        self._address = started.address
        self._warm: WarmClient | None = None

    def run(self, line: str) -> None:
        _, *words = shlex.split(line)
        if words[0] in ("start", "stop"):
            super().run(line)
        else:
            done = self._client().command(words)
            assert done.returncode == 0, f"{line}: {done.stderr}"

    def script(self, code: str) -> str:
        return self._client().run(code)

    def close(self) -> None:
        if self._warm is not None:
            self._warm.kill()

    def _client(self) -> WarmClient:
        if self._warm is None or not self._warm.usable:
            self.close()
            self._warm = WarmClient(self._address, self.env)
        return self._warm


class ForkedMachine(Machine):
    """One on which no cluster runs: labs are in memory, and commands find them at rest."""

    def complete(self) -> Iterator[tuple[Path, str]]:
        """No lab outlives its script."""
        return iter(())

    def __init__(self, root: Path, forks: Forks) -> None:
        super().__init__(root)
        self._forks = forks

    def run(self, line: str) -> None:
        _, *words = shlex.split(line)
        self._run(NO_CLUSTER, *words)

    def script(self, code: str) -> str:
        return self._run(LABS_IN_MEMORY + textwrap.indent(code, "    "))

    def _run(self, code: str, *words: str) -> str:
        path = self.root / "script.py"
        path.write_text(code)
        done = self._forks.run(path, *words, cwd=self.root / "cwd", env=self.env)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    """Processes that have loaded what every page needs: two seconds of a core each."""
    found = Forks("numpy", "polars", "raylab", "raylab.testing", "raylab.terminal.command", "raylab.client.resting")
    yield found
    found.close()


@pytest.fixture
def machine() -> Iterator[Machine]:
    with a_machine(Machine) as made:
        yield made


@pytest.fixture(scope="module")
def machine_of_pages() -> Iterator[Machine]:
    with a_machine(WarmMachine) as made:
        yield made


@pytest.fixture
def started(machine_of_pages: Machine) -> Iterator[Machine]:
    """The machine of all these pages: its cluster runs, and the labs of earlier pages are gone."""
    yield machine_of_pages
    machine_of_pages.script(FORGET)
    for entry in (machine_of_pages.root / "home" / "raylab").iterdir():
        if entry.is_dir():  # not the file that says which cluster runs here
            shutil.rmtree(entry)


@contextmanager
def a_machine(kind: type[Machine]) -> Iterator[Machine]:
    root = Path(tempfile.mkdtemp(prefix="rl-", dir="/tmp"))  # short: it becomes part of socket paths
    made = kind(root)
    try:
        yield made
    finally:
        made.close()
        made.run("raylab stop")
        assert not processes_of(root / "home")
        shutil.rmtree(root, ignore_errors=True)


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(there), f"{page.name} links to {target}, {there.name} has {anchors(there)}"


def anchors(page: Path) -> set[str]:
    """The headings of a page as the hosts of such pages name them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_a_fence_is_closed_and_says_what_is_in_it(page: Path) -> None:
    fences = re.findall(r"^```(.*)$", page.read_text(), re.M)
    assert len(fences) % 2 == 0
    assert all(fences[::2]), "a block without a kind"
    assert not any(fences[1::2])


@pytest.mark.parametrize("job", ["main job", "tests"])
def test_the_readme_has_one_command_for_each_job(job: str) -> None:
    text = (ROOT / "README.md").read_text()
    (block,) = re.findall(rf"^<!-- {job} -->\n```bash\n(.*?)^```", text, re.M | re.S)
    assert len(block.strip().splitlines()) == 1


def modules() -> list[str]:
    """Every module of raylab."""
    return ["raylab", *(found.name for found in pkgutil.walk_packages(raylab.__path__, "raylab."))]


@pytest.mark.parametrize("name", modules())
def test_the_examples_in_docstrings_hold(name: str) -> None:
    module = importlib.import_module(name)
    results = doctest.testmod(module, extraglobs={"raylab": raylab}, optionflags=doctest.ELLIPSIS)
    assert not results.failed


# -- the reader of pages itself


PAGE = """\
```python
x = 1
```
<!-- prints -->
```text
wrong
```
<!-- not run: it needs a whole laboratory -->
```python
1 / 0
```
<!-- session: later -->
```python
y = 2
```
"""


def test_blocks_are_read_with_their_remarks() -> None:
    first, second = sessions(PAGE)
    assert [block.code for block in first.blocks] == ["x = 1\n"]
    assert first.blocks[0].prints == "wrong\n"
    assert [block.code for block in second.blocks] == ["y = 2\n"]


def test_what_is_printed_otherwise_is_noticed() -> None:
    first, _ = sessions(PAGE)
    with pytest.raises(AssertionError, match="prints"):
        first.check(f"right\n{END}\n", "page.md")


def test_a_block_is_not_left_out_without_a_reason() -> None:
    with pytest.raises(AssertionError, match="say why"):
        sessions("<!-- not run: -->\n```python\n1\n```\n")


def test_the_tree_in_the_architecture_has_a_line_for_each_module() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    tree = page[page.index("## The tree") : page.index("## The walk of a submit")]
    drawn = re.findall(r"^[│ ]*[├└]── ((?:\w+\.py *)+)", tree, re.M)
    named = [word for line in drawn for word in line.split()]
    there = [
        path.name
        for path in (ROOT / "raylab").rglob("*.py")
        if path.parent.name == "raylab" or path.name != "__init__.py"
    ]
    assert sorted(named) == sorted(there)
