"""What a person is told, with real clusters: looking, waiting, interrupting, other versions, addresses."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from clusters import Cluster, answer, free_port, without_waiting

import raylab

GATED = """
import os, time
def gated(x):
    while not os.path.exists(gate):
        time.sleep(0.02)
    return {"y": x}
"""

COMMANDS = """
import contextlib, io, json
from raylab.terminal import command
from raylab.client import resting
local_store = resting.local_store
if far:
    resting.local_store = lambda folder, ident: None      # as on another machine
found = []
for words in commands:
    out = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)      # tables are written as bytes
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()) as err:
        code = command.main(words)
    found.append([code, out.buffer.getvalue().decode(), err.getvalue()])
resting.local_store = local_store
print(json.dumps(found))
"""


def commands(cluster: Cluster, *lines: list[str], far: bool = False) -> list[tuple[int, str, str]]:
    """Run commands one after the other in one process; of each the exit code, stdout, stderr."""
    said = cluster.client(COMMANDS, far=far, commands=list(lines))
    return [(code, out, without_waiting(err)) for code, out, err in answer(said)]


@pytest.mark.parametrize("far", [pytest.param(False, id="near", marks=pytest.mark.long), pytest.param(True, id="far")])
def test_looking_leaves_a_lab_at_rest(cluster: Cluster, lab_name: str, tmp_path: Path, far: bool) -> None:
    gate = tmp_path / "gate"
    script = """
    lab = raylab.Lab(name)
    def half(x):
        return {"y": 10 // x}
    assert lab.submit(half, {"x": range(5)}, name="half").wait(timeout=150, progress=False)
    lab.submit(gated, {"x": range(7)}, name="gated")
    lab.shutdown(force=True)
    """
    cluster.client(GATED + _dedent(script), name=lab_name, gate=str(gate))
    before = openings(cluster, lab_name)
    assert before, "it has put one there"
    out = tmp_path / "failed.csv"
    plan = [
        (0, ["ls"]),
        (0, ["status", lab_name]),
        (1, ["watch", lab_name]),
        (1, ["wait", lab_name]),
        (0, ["wait", lab_name, "half"]),
        (0, ["results", lab_name, "half"]),
        (0, ["results", lab_name, "half", "--status", "failed", "-o", str(out)]),
    ]
    found = commands(cluster, *(words for _, words in plan), far=far)
    assert [code for code, _, _ in found] == [code for code, _ in plan], found
    assert openings(cluster, lab_name) == before, "nobody started it"
    assert any(lab_name in line and "at rest" in line for line in found[0][1].splitlines())
    for _, _, err in found[1:]:
        first = err.splitlines()[0]
        assert first.startswith(f"raylab: the lab {lab_name!r} is at rest"), err
        assert "7 trials are outstanding" in first
        assert f"raylab.Lab({lab_name!r})" in first
    for _, shown, _ in found[1:3]:
        rows = {line.split()[0]: line for line in shown.splitlines()}
        assert "5/5" in rows["half"]
        assert "at rest" in rows["gated"]
    assert sorted(found[5][1].splitlines()) == ["1,10", "2,5", "3,3", "4,2", "x,y"]
    row = pl.read_csv(out).row(0, named=True)
    assert row["_status"] == "failed"
    assert "ZeroDivisionError" in row["_error"]


def openings(cluster: Cluster, lab: str) -> list[str]:
    """The files of its requests: a lab that starts puts one there."""
    return sorted(path.name for path in (cluster.home / lab / "requests").rglob("*.arrow"))


@pytest.mark.long  # by default: tests/client/test_waiting.py
def test_a_wait_ends_when_an_environment_cannot_be_built_and_the_lab_goes_on_trying(
    cluster: Cluster, one_lab: str, tmp_path: Path
) -> None:
    """The module is there for the client and not on the cluster, as an installed package may be."""
    site = tmp_path / "site-packages"
    (site / "absent_here-1.0.dist-info").mkdir(parents=True)
    (site / "absent_here-1.0.dist-info" / "METADATA").write_text("Name: absent-here\nVersion: 1.0\n")
    (site / "absent_here-1.0.dist-info" / "RECORD").write_text("absent_here.py,,\n")
    (site / "absent_here.py").write_text("def work(x):\n    return {'y': x}\n")
    script = """
    import sys, time
    sys.path.append(site)
    import absent_here
    def experiment(x):
        return absent_here.work(x)
    sweep = raylab.Lab(name).submit(experiment, {"x": range(20)}, name="absent")
    assert sweep.wait(timeout=150, progress=False) is False
    now = sweep.progress()
    assert now.state == "running" and "absent_here" in now.reason and now.waiting == 20, now
    print("ended")
    """
    with cluster.begin(script, name=one_lab, site=str(site)) as client:
        assert client.ended() == 0, client.stderr
        said = [line for line in client.stderr.splitlines() if line.startswith("raylab: absent stands still")]
        assert len(said) == 1, client.stderr
        assert "absent_here" in said[0]
        assert client.stdout == "ended\n"
    ((code, _, err),) = commands(cluster, ["wait", one_lab, "--timeout", "80", "--quiet"])
    assert code == 1
    assert "absent stands still" in err
    cluster.client("assert raylab.Lab(name).cancel('absent') == 20", name=one_lab)


def test_attaching_is_told_while_it_lasts_and_a_lab_that_starts_is_told_of(cluster: Cluster, lab_name: str) -> None:
    script = """
    import functools
    from raylab.client import attaching, cluster
    cluster.Meanwhile = attaching.Meanwhile = functools.partial(cluster.Meanwhile, after=0.0, long=600)
    raylab.Lab(name)
    """
    told = []
    for _ in range(2):
        with cluster.begin(script, name=lab_name) as client:
            assert client.ended() == 0, client.stderr
            told.append([line.partition(" ")[2].partition(" ")[0] for line in client.stderr.splitlines()])
            assert "busy" not in client.stderr
    new, known = told
    assert [new[0], *new[-2:]] == ["connecting", f"'{lab_name}'", "starting"]
    assert {"attaching", "waiting"} <= {*new}, "of its actor, then of where its notebook may be"
    assert {*known} == {"connecting", "attaching"}


def test_what_no_node_has_is_waited_for(cluster: Cluster, one_lab: str) -> None:
    script = """
    sweep = raylab.Lab(name).submit(lambda x: {"y": x}, {"x": [1]}, name="greedy", num_gpus=8)
    assert sweep.wait(timeout=3, progress=False) is False and sweep.progress().state == "infeasible"
    sweep.cancel()
    """
    with cluster.begin(script, name=one_lab) as client:
        assert client.ended() == 0, client.stderr
        assert "stands still" not in client.stderr


RAYS, PYTHONS = (("2.1.0", None), "pip install"), ((None, "3.99.1"), "Python 3.")


@pytest.mark.parametrize(
    ("way", "versions", "wanted"),
    [
        ("address", *RAYS),
        ("client_address", *PYTHONS),
        pytest.param("address", *PYTHONS, marks=pytest.mark.long),
        pytest.param("client_address", *RAYS, marks=pytest.mark.long),
    ],
)
def test_another_ray_or_python_is_said_with_what_to_install(
    cluster: Cluster, way: str, versions: tuple[str | None, str | None], wanted: str
) -> None:
    """The client is this one, but that it takes itself for another."""
    import ray

    address = getattr(cluster, way)
    script = f"""
import sys, ray, ray._private.utils as utils
mine = utils.compute_version_info()
utils.compute_version_info = lambda: ({versions[0]!r} or mine[0], {versions[1]!r} or mine[1])
from raylab.terminal import command
import raylab
try:
    raylab.Lab("any", create=False)
except raylab.VersionMismatch as error:
    print(error)
assert not ray.is_initialized() and ray._private.worker._global_node is None, "nothing is left half made"
sys.exit(command.main(["ls"]))
"""
    env = cluster.environment() | {"RAY_ADDRESS": address}
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 4, done.stderr
    python = ".".join(map(str, sys.version_info[:3]))
    for said in (done.stdout, without_waiting(done.stderr)):
        (line,) = said.splitlines()
        assert f"Ray {ray.__version__} and Python {python}" in line
        assert f"Ray {versions[0] or ray.__version__} and Python {versions[1] or python}" in line
        assert f"'ray[client]=={ray.__version__}'" in line
        assert wanted in line


def test_another_patch_of_python_is_the_same(cluster: Cluster) -> None:
    script = """
    import sys, ray._private.utils as utils
    minor = "%d.%d" % sys.version_info[:2]
    utils.compute_version_info = lambda ray=utils.compute_version_info()[0]: (ray, minor + ".99")
    raylab.labs()
    """
    with cluster.begin(script) as client:
        assert client.ended() == 0, client.stderr


@pytest.fixture
def held_lab() -> str:
    """One lab, which has no other sweep than the one that is held."""
    return "held"


@pytest.fixture
def one_lab(common_lab: str) -> str:
    """One lab for the tests that look at their own sweep, or at none."""
    return common_lab


INTERRUPTED = """
import traceback
from raylab.client import attachment, waiting
ends = waiting.is_over
waiting.is_over = attachment.is_over = lambda sweeps, left: (print("looked", flush=True), ends(sweeps, left))[1]
lab = raylab.Lab(name)
sweep = lab.submit(gated, {"x": range(9)}, name="held", if_exists="replace")
try:
    CALL
except KeyboardInterrupt:
    traceback.print_exc()
    print("reached", flush=True)
"""


@pytest.mark.parametrize(
    ("call", "way"),
    [
        pytest.param("lab.wait()", "address", marks=pytest.mark.long),
        ("list(sweep.updates())", "client_address"),
        pytest.param("lab.wait()", "client_address", marks=pytest.mark.long),
        pytest.param("list(sweep.updates())", "address", marks=pytest.mark.long),
        pytest.param("sweep.wait(progress=False)", "address", marks=pytest.mark.long),
        pytest.param("sweep.wait(progress=False)", "client_address", marks=pytest.mark.long),
    ],
)
def test_an_interrupted_wait_says_one_line_and_the_interrupt_arrives(
    cluster: Cluster, held_lab: str, tmp_path: Path, way: str, call: str
) -> None:
    script = GATED + INTERRUPTED.replace("CALL", call)
    with cluster.begin(script, address=getattr(cluster, way), name=held_lab, gate=str(tmp_path / "gate")) as client:
        client.printed("looked")
        os.kill(client._tree.process.pid, signal.SIGINT)
        client.printed("reached")
        assert client.ended() == 0, client.stderr
        lines = client.stderr.splitlines()
        said = [line for line in lines if "interrupted;" in line]
        assert len(said) == 1, client.stderr
        assert said[0].startswith("raylab: interrupted; nothing was cancelled")
        assert "0 of 9 trials are ready (0%)" in said[0], said
        trace = lines[lines.index("Traceback (most recent call last):") :]
        assert len([line for line in trace if line.startswith("  File")]) <= 3, client.stderr
        assert "ray/" not in "".join(line for line in trace if line.startswith("  File") and "raylab" not in line)
    counts = raylab.Notebook(cluster.home / held_lab).progress("held")
    assert (counts.cancelled, counts.total) == (0, 9)
    cluster.client("raylab.Lab(name).cancel('held')", name=held_lab)


HELD_UP = """
import os, signal, sys, threading, traceback
from raylab.client.calls import Connection
ask = Connection._ask
lab = raylab.Lab(name)
sweep = lab.submit(gated, {"x": range(9)}, name="held")
pid = lab.info()["pid"]
def interrupted(verb, call):
    def held_up(self, asked, args, left):
        if asked == verb:
            os.kill(pid, signal.SIGSTOP)                # a lab that takes its time
            threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT]).start()
        return ask(self, asked, args, left)
    Connection._ask = held_up
    try:
        call()
        raise AssertionError(f"{verb} was not interrupted")
    except KeyboardInterrupt as error:
        frames = traceback.extract_tb(error.__traceback__)
        assert not [frame for frame in frames if "site-packages" in frame.filename], frames
    finally:
        Connection._ask = ask
        os.kill(pid, signal.SIGCONT)
    print(verb, file=sys.stderr, flush=True)
again = lambda: lab.submit(gated, {"x": range(5)}, name="other")
interrupted("submit", again)
assert again().progress().total == 5 and lab.sweeps().height == 2
interrupted("overview", sweep.progress)
interrupted("hello", lambda: raylab.Lab(name))
interrupted("record", sweep.results)
interrupted("lock", sweep.lock)
interrupted("cancel", lambda: lab.cancel("other"))
lab.cancel("other")
assert lab.progress("other").cancelled == 5
interrupted("close", lambda: lab.shutdown(force=True))
try:
    lab.shutdown(force=True)
except raylab.LabUnavailable:
    pass                                                # the first one did it
"""


@pytest.mark.parametrize("way", [pytest.param("address", marks=pytest.mark.long), "client_address"])
def test_an_interrupted_call_is_safe_to_repeat(cluster: Cluster, lab_name: str, tmp_path: Path, way: str) -> None:
    gate = tmp_path / "gate"
    with cluster.begin(GATED + HELD_UP, address=getattr(cluster, way), name=lab_name, gate=str(gate)) as client:
        assert client.ended() == 0, client.stderr
        lines = without_waiting(client.stderr).splitlines()[1:]  # the first tells of a new lab
    gate.touch()
    verbs = lines[1::2]
    assert verbs == ["submit", "overview", "hello", "record", "lock", "cancel", "close"], lines
    said = dict(zip(verbs, lines[::2], strict=True))
    assert said.pop("overview") == "raylab: interrupted; nothing was cancelled or changed"
    assert said.pop("hello").startswith("raylab: interrupted while attaching to 'test-"), (
        "it waited for more than a call"
    )
    assert said.pop("record").startswith("raylab: interrupted while reading; nothing was cancelled"), lines
    unknown = {"submit": "took the sweep", "lock": "locked the", "cancel": "cancelled the", "close": "was shut down"}
    for verb, words in unknown.items():
        assert said[verb].startswith(f"raylab: interrupted; whether the lab {words}"), said
        assert "is not known" in said[verb], said


def test_a_file_that_has_no_place_and_an_address_that_is_none_are_said_before_anything_is_asked(
    cluster: Cluster, lab_name: str
) -> None:
    place, address = commands(
        cluster, ["results", lab_name, "-o", "/nowhere/at/all.parquet"], ["ls", "--address", "foo"]
    )
    assert place[0] == address[0] == 2
    assert place[2] == (
        "raylab: /nowhere/at/all.parquet cannot be written: the folder /nowhere/at is not there; make it first, or "
        "give another one\n"
    )
    assert address[2].count("\n") == 1
    assert "HOST:PORT" in address[2]
    with pytest.raises(ValueError, match="ray://head:10001"):
        raylab.labs("foo")
    script = """
    raylab.labs()
    try:
        raylab.labs("foo")                      # also in a process that is connected
    except ValueError as error:
        assert "HOST:PORT" in str(error), error
    else:
        raise AssertionError("no error")
    """
    cluster.client(script)


def test_a_shutdown_that_is_refused_advises_the_command(cluster: Cluster, lab_name: str, tmp_path: Path) -> None:
    script = GATED + 'raylab.Lab(name).submit(gated, {"x": range(4)}, name="held")'
    cluster.client(script, name=lab_name, gate=str(tmp_path / "gate"))
    refused, forced = commands(cluster, ["shutdown", lab_name], ["shutdown", lab_name, "--force"])
    assert (refused[0], forced[0]) == (1, 0)
    assert f"raylab shutdown {lab_name} --force" in refused[2]
    assert "4 trials" in refused[2]
    assert "shutdown(" not in refused[2]
    assert refused[2].count("\n") == 1


@pytest.mark.parametrize("way", ["address", pytest.param("client_address", marks=pytest.mark.long)])
def test_what_a_cluster_tells_all_its_drivers_reaches_nobody_who_came_by_raylab(
    cluster: Cluster, tmp_path: Path, way: str
) -> None:
    """It would stand in the piped table of `raylab results`."""
    stays = """
    import os, time
    raylab.labs()
    print("attached", flush=True)
    while not os.path.exists(gate):
        time.sleep(0.02)
    """
    tells = """
    import os, ray, sys, time
    from ray._private.utils import publish_error_to_driver
    sys.stdout.reconfigure(line_buffering=True)
    ray.init(logging_level="ERROR")                     # a user's own connection, which Ray tells
    publish_error_to_driver("any", "told to all", ray._private.worker.global_worker.gcs_client)
    while not os.path.exists(gate):
        time.sleep(0.02)
    """
    gate = tmp_path / "gate"
    with cluster.begin(stays, address=getattr(cluster, way), gate=str(gate)) as quiet:
        quiet.printed("attached")
        with cluster.begin(tells, gate=str(gate)) as told:
            told.printed("told to all")
            gate.touch()
            assert (told.ended(), quiet.ended()) == (0, 0)
        assert quiet.stdout == "attached\n"
        assert "told" not in quiet.stderr


def test_times_are_times(cluster: Cluster, one_lab: str) -> None:
    script = """
    import datetime as dt
    import polars as pl
    lab = raylab.Lab(name)
    now = dt.datetime.now(dt.UTC)
    frame = raylab.labs()
    assert frame.schema["created"] == pl.Datetime("us", "UTC"), frame.schema
    created = frame.filter(pl.col("name") == name)["created"][0]
    for time in (created, lab.info()["started"]):
        assert time.utcoffset() == dt.timedelta(0) and abs(now - time) < dt.timedelta(minutes=50), time
    """
    cluster.client(script, name=one_lab)


def test_what_answers_and_is_no_ray_is_said(cluster: Cluster) -> None:
    """Ray itself would try for two minutes and then end the process."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)  # a client that has given up by then does not come again
        port = server.getsockname()[1]
        script = f"""
    import signal, threading
    signal.alarm(60)
    for address in ("127.0.0.1:{port}", "ray://127.0.0.1:{port}"):
        try:
            raylab.labs(address)
        except raylab.LabUnavailable as error:
            assert "no Ray cluster" in str(error) and address in str(error), error
        else:
            raise AssertionError
    """
        with cluster.begin(script) as client:
            for _ in range(2):
                line, _ = server.accept()
                line.recv(100)
                line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                line.close()
            assert client.ended() == 0, client.stderr


def test_a_cluster_that_died_and_is_remembered_is_none(tmp_path: Path) -> None:
    """One sentence; Ray would try its last address for two minutes, and say so in 20 lines."""
    (tmp_path / "ray_current_cluster").write_text(f"127.0.0.1:{free_port()}\n")
    script = f"""
import sys
import ray._private.services as services
services.psutil.process_iter = lambda *_: iter(())
services.find_bootstrap_address = lambda folder: open({str(tmp_path / "ray_current_cluster")!r}).read().strip()
from raylab.terminal import command
sys.exit(command.main(["ls"]))
"""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "RAYLAB_"))}
    env |= {"HOME": str(tmp_path), "RAYLAB_HOME": str(tmp_path / "labs")}
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 4
    assert done.stderr.startswith("raylab: no Ray cluster runs on this machine")
    assert done.stderr.count("\n") == 1


def _dedent(code: str) -> str:
    return "\n".join(line.removeprefix("    ") for line in code.splitlines())
