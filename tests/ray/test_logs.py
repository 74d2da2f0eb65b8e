"""What trials print on a real cluster: whose process died as well, whoever printed it, from wherever it is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from clusters import Cluster, eventually

import raylab

DEATHS = """
import ctypes, os, signal, sys, time

def dying(how):
    print("begins", how)
    ctypes.CDLL(None).printf(b"by C\\n")
    sys.stderr.write("the end")
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "segfault":
        ctypes.string_at(8)
    if how == "terminate":  # as batch systems do; Ray makes a SystemExit of it, in the midst of the trial
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    if how == "exit":
        os._exit(3)
    if how == "limit":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])  # as C code that never comes back
        time.sleep(60)
    raise ValueError(how)

deadly = ["kill", "segfault", "raise", "terminate"]
"""


@pytest.fixture
def lab_name(common_lab: str) -> str:
    """One lab for the tests that look at nothing but their own sweep."""
    return common_lab


def test_the_last_words_of_those_whose_process_died(cluster: Cluster, lab_name: str) -> None:
    script = """
    lab = raylab.Lab(name)
    sweep = lab.submit(dying, {"how": deadly}, name="deaths")
    slow = lab.submit(dying, {"how": ["limit"]}, name="hanging", time_limit=1)
    assert lab.wait(timeout=150, progress=False)
    found = {row["how"]: row for row in sweep.failures().iter_rows(named=True)}
    status = {how: row["_status"] for how, row in found.items()}
    assert status == {how: "failed" if how == "raise" else "crashed" for how in deadly}, status
    for point, how in enumerate(deadly):
        log = sweep.log(point)
        assert log.startswith(f"begins {how}\\nby C\\nthe end"), (how, log)
        assert found[how]["_last_lines"], how
    assert "Segmentation fault" in sweep.log(1) and "in dying" in sweep.log(1), sweep.log(1)
    last = found["segfault"]["_last_lines"]
    assert "Fatal Python error: Segmentation fault\\nStack" in last and last.endswith(" in dying"), last
    told = "; Fatal Python error: Segmentation fault; sweep.log(1) has what it printed"
    assert told in found["segfault"]["_error"], found["segfault"]["_error"]
    assert found["kill"]["_error"].endswith("by a signal or by itself; sweep.log(0) has what it printed")
    assert sorted(sweep.failures(by="cause")["count"]) == [1, 1, 2], "kill and terminate are alike"
    assert sweep.log(0) == "begins kill\\nby C\\nthe end" == found["kill"]["_last_lines"]
    assert sweep.log(3) == "begins terminate\\nby C\\nthe end" == found["terminate"]["_last_lines"]
    assert [sweep.log(0, attempt=at) for at in (1, 2, 3)] == [sweep.log(0)] * 3
    log = slow.log(0)
    assert log.startswith("begins limit\\nby C\\nthe end") and "Timeout" in log and "in dying" in log, log
    assert slow.failures()["_status"].to_list() == ["timed_out"]
    """
    cluster.client(DEATHS + _dedent(script), name=lab_name)
    log = raylab.Notebook(cluster.home / lab_name).log("deaths", 0)
    assert log == "begins kill\nby C\nthe end"
    assert raylab.Notebook(cluster.home / lab_name).verify().is_empty()


def test_whoever_prints_and_what_none_does_with_it(cluster: Cluster, lab_name: str) -> None:
    script = """
    def everywhere(x):
        print("python", x)
        sys.stderr.write(f"error {x}\\n")
        ctypes.CDLL(None).printf(b"C %d\\n", x)
        import subprocess
        subprocess.run(["sh", "-c", f"echo process {x}; echo aside {x} >&2"])
        if x % 2:
            raise ValueError("odd")
    lab = raylab.Lab(name)
    def whole(x):
        return [f"C {x}", f"aside {x}", f"error {x}", f"process {x}", f"python {x}"]
    for word, kept in (("all", range(6)), ("failed", (1, 3, 5)), ("none", ())):
        sweep = lab.submit(everywhere, {"x": range(6)}, name=word, capture=word)
        assert sweep.wait(timeout=150, progress=False)
        for x in range(6):
            try:
                assert sorted(sweep.log(x).splitlines()) == whole(x), sweep.log(x)
                assert x in kept
            except raylab.LogNotFound as error:
                assert x not in kept and "capture=" in str(error), error
    """
    cluster.client(DEATHS + _dedent(script), name=lab_name)
    logs = [path.read_text() for path in cluster.root.glob("r*/session_2*/logs/worker-*.out")]
    assert sum("python 3" in text for text in logs) == 1, "what nobody keeps goes to Ray's own log"


def test_over_ray_client_by_name_and_by_the_command(cluster: Cluster, lab_name: str) -> None:
    submit = """
    sweep = raylab.Lab(name).submit(dying, {"how": ["raise", "exit"]}, name="far")
    assert sweep.wait(timeout=150, progress=False)
    """
    look = """
    from raylab.terminal.command import main
    import contextlib, io
    sweep = raylab.Lab(name, create=False).sweep("far")
    for point, how in enumerate(("raise", "exit")):
        text = f"begins {how}\\nby C\\nthe end"
        assert sweep.log(point) == text
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            assert main(["log", name, "far", str(point)]) == 0
        assert said.getvalue() == text + "\\n", said.getvalue()
    assert sweep.failures()["_last_lines"].to_list() == [f"begins {how}\\nby C\\nthe end" for how in ("raise", "exit")]
    """
    cluster.client(DEATHS + _dedent(submit), address=cluster.client_address, name=lab_name)
    for address in (cluster.address, cluster.client_address):
        cluster.client(look, address=address, name=lab_name)


def test_a_lab_that_died_between_the_deaths_has_the_words_of_the_last(
    cluster: Cluster, lab_name: str, tmp_path: Path
) -> None:
    mark = tmp_path / "deaths"
    script = """
    def dying(x, mark):
        with open(mark, "a") as file:
            file.write("x")
        print("death", os.path.getsize(mark))
        os._exit(1)
    lab = raylab.Lab(name)
    sweep = lab.submit(dying, {"x": [1], "mark": [mark]}, name="restarted")
    while not os.path.exists(mark) or os.path.getsize(mark) < 2:
        time.sleep(0.02)
    os.kill(lab.info()["pid"], signal.SIGKILL)
    assert sweep.wait(timeout=120, progress=False)
    assert sweep.failures()["_status"].to_list() == ["crashed"]
    print(sweep.log(0))
    """
    said = cluster.client(DEATHS + _dedent(script), name=lab_name, mark=str(mark)).split()
    assert said == ["death", str(len(mark.read_text()))]


@pytest.mark.long
def test_the_words_come_from_another_node_as_well(own_cluster: Cluster) -> None:
    own_cluster.add_node(num_gpus=1)
    script = """
    sweep = raylab.Lab("far").submit(dying, {"how": ["kill"]}, name="s", num_gpus=1)
    assert sweep.wait(timeout=120, progress=False)
    print(sweep.log(0))
    """
    assert own_cluster.client(DEATHS + _dedent(script)) == "begins kill\nby C\nthe end\n"


def test_the_command_finds_the_labs_own_log_at_work_and_at_rest(cluster: Cluster) -> None:
    script = """
    from raylab.terminal.command import main
    import contextlib, io, os
    if pid is None:
        pid = raylab.Lab(name).info()["pid"]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert main(["log", name]) == 0, err.getvalue()
    text, where = out.getvalue(), err.getvalue()
    assert f"the lab {name!r} is open" in text, text
    assert ":actor_name:" not in text
    path = where.split(" in ")[-1].split(" and ")[0].strip()
    assert os.path.exists(path) and f"-{pid}." in path, where
    print(pid)
    """
    name, pid = "own", None
    for _ in ("at work", "at rest"):
        for address in (cluster.address, cluster.client_address):
            pid = int(cluster.client(_dedent(script), address=address, name=name, pid=pid))
        cluster.client(
            "raylab.Lab(name, create=False).shutdown() if raylab.labs().filter(name=name)['running'][0] else 0",
            name=name,
        )


def test_a_lease_that_ends_leaves_no_file(cluster: Cluster, lab_name: str) -> None:
    script = """
    sweep = raylab.Lab(name).submit(dying, {"how": ["raise"], "n": range(9)}, name="tidy", capture="all")
    assert sweep.wait(timeout=150, progress=False)
    """
    folder = Path("/tmp") / f"raylab-said-{os.getuid()}"
    cluster.client(DEATHS + _dedent(script).replace("dying", "lambda how, n: dying(how)"), name=lab_name)
    workers = {str(pid) for pid in cluster.pids()}
    eventually(lambda: not [path for path in folder.glob("*.log") if path.name.partition("-")[0] in workers])


def _dedent(script: str) -> str:
    import textwrap

    return textwrap.dedent(script)
