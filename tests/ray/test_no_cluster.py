"""With no cluster at all, one is started inside the process; the notebook makes even that resumable."""

from __future__ import annotations

from pathlib import Path

import pytest
from clusters import Client, clean_environment
from sweeps import Bench

from raylab.core.design import Factorial

# Ray looks for clusters of anybody on this machine; these clients are to find none.
ALONE = """
import ray._private.services
ray._private.services.psutil.process_iter = lambda *_: iter(())
ray._private.services.find_bootstrap_address = lambda folder: None
"""


@pytest.fixture
def alone(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine without a cluster."""
    return {**clean_environment(), "HOME": str(tmp_path), "RAYLAB_HOME": str(tmp_path / "labs")}


def test_one_is_started_inside_the_process_and_the_notebook_resumes(alone: dict[str, str], tmp_path: Path) -> None:
    first = """
    import time
    def slow(x):
        time.sleep(0.02)
        return {"y": x}
    sweep = raylab.Lab("own").submit(slow, {"x": range(200)}, name="slow")
    while sweep.progress().ready < 5:
        time.sleep(0.05)
    """
    with Client(ALONE + _dedent(first), None, env=alone) as client:
        assert client.ended() == 0, client.stderr
        notices = [line for line in client.stderr.splitlines() if "inside this process" in line]
        assert len(notices) == 1
        assert "raylab start" in notices[0]
    second = """
    lab = raylab.Lab("own")
    assert 5 <= lab.progress().ready < 200
    assert lab.wait(timeout=150)
    assert lab.results().height == 200
    """
    Client(ALONE + _dedent(second), None, env=alone).wait()


def test_none_is_started_when_nothing_is_to_be_created(alone: dict[str, str], tmp_path: Path) -> None:
    script = """
    import ray
    for call in (lambda: raylab.Lab("own", create=False), raylab.labs):
        try:
            call()
        except raylab.LabUnavailable as error:
            assert "raylab start" in str(error), error
        else:
            raise AssertionError("no error")
    assert not ray.is_initialized()
    """
    Client(ALONE + _dedent(script), None, env=alone).wait()
    assert not (tmp_path / "labs").exists()


def test_without_a_cluster_one_is_told_where_the_notebook_lies_and_the_command_reads_it(
    alone: dict[str, str], tmp_path: Path
) -> None:
    bench = Bench(tmp_path / "labs" / "own")
    bench.submit("half", lambda x: {"y": 2 * x}, Factorial(x=range(8)))
    bench.run("half", 0, 4)
    script = """
    import contextlib, io, ray
    from raylab.terminal.command import main
    try:
        raylab.Lab("lab", create=False)
    except raylab.LabUnavailable as error:
        said = str(error)
    assert "raylab start" in said and "raylab.Lab('lab', create=False)" in said and folder in said, said
    assert eval(said[said.index("raylab.Notebook("):].partition(" only")[0]).results().height == 4
    try:
        raylab.Lab("nope", create=False)
    except raylab.LabUnavailable as error:
        assert "'lab'" in str(error), error
    for words, code in ((["status", "lab"], 0), (["results", "lab"], 0), (["wait", "lab"], 1), (["status", "nope"], 4)):
        out = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)    # tables are written as bytes
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()) as err:
            assert main(words) == code, err.getvalue()
        first = err.getvalue().splitlines()[0]
        assert ("is at rest" in first and "raylab start" in first) or code == 4, first
        shown = out.buffer.getvalue().decode()
        assert "4/8" in shown or words[0] != "status" or code == 4, shown
    assert not ray.is_initialized()
    """
    Client(ALONE + _dedent(script), None, env=alone, folder=str(bench.root)).wait()


def _dedent(code: str) -> str:
    return "\n".join(line.removeprefix("    ") for line in code.splitlines())
