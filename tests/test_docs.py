"""What README.md and docs/ say is so: their Python blocks run and print what they say, their links lead somewhere, and
the examples in docstrings hold.

Comments in the pages say how, each on a line of its own before the fence:

    <!-- session: the next day -->   this block begins a new process; without one a block goes on in the page's last
    <!-- not run: why -->            this block is not run
    <!-- prints -->                  this text block is what the last Python block prints
"""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from clusters import Cluster

import raylab

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
END = "--- end of block ---"


@dataclass
class Block:
    """A Python block of a page, and what it has to print, if the page says so."""

    line: int
    code: str
    prints: str | None = None


@dataclass
class Session:
    """Blocks that run in one process, one after the other."""

    blocks: list[Block] = field(default_factory=list)

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
        if match["kind"] != "python":
            continue
        if remark.startswith("not run"):
            assert len(remark.partition(":")[2].strip()) > 10, f"line {line}: say why this block is not run"
            continue
        if not found or remark.startswith("session"):
            found.append(Session())
        found[-1].blocks.append(Block(line, match["body"]))
    return found


WITH_CODE = [page for page in PAGES if sessions(page.read_text())]


@pytest.mark.ray
@pytest.mark.timeout(300)  # a page is several processes and labs: 15 s on a quiet machine
@pytest.mark.parametrize("page", WITH_CODE, ids=[str(page.relative_to(ROOT)) for page in WITH_CODE])
def test_the_python_blocks_of_a_page_run_and_print_what_it_says(page: Path, cluster: Cluster) -> None:
    env = {**cluster.environment(), "MPLBACKEND": "Agg"}
    labs = Path(env["HOME"]) / "raylab"  # where the labs are, as the pages say
    if not labs.is_symlink():
        labs.symlink_to(cluster.home)
    for session in sessions(page.read_text()):
        session.check(cluster.begin(session.script(), env=env).wait(timeout=120), page.name)


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
