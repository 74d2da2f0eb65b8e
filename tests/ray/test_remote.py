"""Over ray:// as over a driver's connection, with a token and without, from where the folder cannot be reached."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import polars as pl
import pytest
from clusters import Cluster, eventually
from polars.testing import assert_frame_equal

import raylab


@pytest.fixture(scope="module")
def guarded() -> Iterator[Cluster]:
    """A cluster that wants a token."""
    with Cluster(token=True) as own:
        yield own


SUBMIT = """
def square(x):
    return {"y": x * x}
sweep = raylab.Lab(name).submit(square, {"x": range(100)}, name=sweep)
"""
LOOK = """
lab = raylab.Lab(name, create=False)
assert lab.wait(sweep, timeout=150) and lab.update_results(sweep) == 100
assert (lab.results(sweep)["y"] == lab.results(sweep)["x"] ** 2).all() and lab.results(sweep).height == 100
assert lab.sweep(sweep).extend({"x": range(110)}) == 10
assert lab.wait(timeout=150) and lab.results(sweep)["x"].to_list() == list(range(110))
"""


def check(cluster: Cluster, there: str, back: str, sweep: str) -> None:
    """Submit by one kind of connection, come back by the other."""
    cluster.client(SUBMIT, address=there, name="remote", sweep=sweep, fresh=True)
    cluster.client(LOOK, address=back, name="remote", sweep=sweep)
    assert raylab.Notebook(cluster.home / "remote").results(sweep).height == 110


@pytest.mark.long  # by default: the other way, with a token
def test_submit_disconnect_and_come_back_by_driver_and_ray_client(cluster: Cluster) -> None:
    check(cluster, cluster.address, cluster.client_address, "by-driver")


def test_submit_disconnect_and_come_back_by_ray_client_and_driver_with_a_token(guarded: Cluster) -> None:
    check(guarded, guarded.client_address, guarded.address, "guarded")


def test_without_the_right_token_the_error_speaks_of_tokens_within_a_minute(guarded: Cluster) -> None:
    script = """
    import os, signal
    signal.alarm(60)                    # the promise of every call: an answer, or an error, within a minute
    try:
        raylab.Lab("guarded", create=False)
    except raylab.LabUnavailable as error:
        assert "RAY_AUTH_MODE=token" in str(error) and os.environ["RAY_ADDRESS"] in str(error), error
        print(error)
    else:
        raise AssertionError("no error")
    """
    home = guarded.root / "nobody"
    home.mkdir(exist_ok=True)
    wrong = {"RAY_AUTH_TOKEN": "0" * 64}
    with ExitStack() as stack:  # at once: each mostly waits
        clients = [
            stack.enter_context(guarded.begin(script, address=address, env={"HOME": str(home), **token}))
            for address in (guarded.address, guarded.client_address)
            for token in ({}, wrong)
        ]
        for client in clients:
            said = client.wait()
            assert guarded.token not in said
            assert wrong["RAY_AUTH_TOKEN"] not in said


def test_an_address_where_nothing_is_answers_within_a_minute(cluster: Cluster) -> None:
    script = """
    import signal
    for address in ("127.0.0.1:9", "ray://127.0.0.1:9"):
        signal.alarm(60)
        try:
            raylab.Lab("any", address=address)
        except raylab.LabUnavailable as error:
            assert address in str(error), error
        else:
            raise AssertionError("no error")
    """
    cluster.begin(script).wait(timeout=130)


def test_results_and_copies_come_the_same_where_the_folder_cannot_be_reached(
    cluster: Cluster, lab_name: str, tmp_path: Path
) -> None:
    script = """
    import random, warnings
    from polars.testing import assert_frame_equal
    from raylab.client.remote import RemoteReader
    from raylab.notebook.tables import Tables

    def big(x, seed):
        if x == 3:
            raise ValueError("three")
        warnings.warn(f"no convergence after {x} steps")
        return {"y": x, "blob": random.Random(seed).randbytes(9_000_000 if x == 7 else 1_000)}
    near = raylab.Lab(name)
    sweep = near.submit(big, {"x": range(20)}, name="big")
    assert near.wait(timeout=150)
    far = raylab.Lab(name)
    far._client._files = Tables(RemoteReader(far._client.connection.call, ""))
    for arguments in ({}, {"status": "all", "metadata": True}):
        here, there = near.results("big", **arguments), far.results("big", **arguments)
        assert_frame_equal(here, there)
    assert_frame_equal(near.sweep("big").warnings(), far.sweep("big").warnings())
    assert far.sweep("big").warnings().height == 1
    assert there.height == 20 and there["blob"].bin.size().max() == 9_000_000
    followed = far.sweep("big")
    assert sum(frame.height for frame in followed.updates(timeout=90)) == 20
    far._client._files = Tables(RemoteReader(far._client.connection.call, ""))  # as one that has just attached
    assert [frame["_seq"].to_list() for frame in followed.updates(since=15)] == [list(range(15, 20))]
    assert list(followed.updates(since=20)) == []

    from raylab.client import attachment, resting
    from raylab.terminal.command import main
    attachment.local_store = resting.local_store = lambda place, ident: None
    for number in range(3):     # of the lab at work, once more, and of the lab at rest
        assert main(["copy", name, new]) == 0
        assert main(["copy", name, f"{new}-{number}.zip", "--crate", "--licence", "MIT", "--author", "Ada"]) == 0
        copied = raylab.Notebook(new)
        assert copied.verify().is_empty()
        assert_frame_equal(copied.results("big"), near.results("big")) if number < 2 else None
        if number == 1:
            near.shutdown()
    """
    elsewhere = {"RAYLAB_HOME": str(tmp_path / "home")}  # as on another machine, which knows no lab
    new = str(tmp_path / "new")
    cluster.client(script, address=cluster.client_address, env=elsewhere, name=lab_name, new=new, fresh=True)
    for number in range(3):
        with zipfile.ZipFile(f"{new}-{number}.zip") as archive:
            rows = pl.read_parquet(archive.read("sweeps/big/results.parquet"))
        assert_frame_equal(rows, raylab.Notebook(new).results("big", status="all", metadata=True).sort("_seq"))
    assert raylab.Notebook(new).identity.origins == (raylab.Notebook(cluster.home / lab_name).identity.id,)
    files = list((cluster.home / lab_name / "sweeps" / "big").rglob("*.arrow"))
    assert max(file.stat().st_size for file in files) > 8 * 2**20


BESIDE = """
import os, platform
import polars as pl
platform.node = lambda: "laptop"              # this process is on another machine than the lab
lab = raylab.Lab("guarded")
sweep = lab.submit(lambda x: {"y": x * x}, {"x": range(100)}, name="queried")
sweep.wait(timeout=90, progress=False)
def total(rows):
    print("parent", os.getppid())
    return rows.select(pl.col("y").sum())
assert sweep.query(total).item() == sum(x * x for x in range(100))
large = lab.query(lambda rows: pl.Series("n", range(1_500_000)), "queried")     # more than one piece
assert large.len() == 1_500_000 and large[-1] == 1_499_999
assert lab.info()["dashboard"] is None          # this cluster has none
def own(x):
    return open("/proc/self/cmdline").read().strip(chr(0) + " ")
titles = lab.submit(own, {"x": range(3)}, name="tïtle", seed=1)
titles.wait(timeout=90, progress=False)
found = titles.results()["value"]
assert all(title.startswith("ray::lease guarded/tïtle ") and title[-1] in "012" for title in found), found.to_list()
class Mine(Exception):
    pass
def fail(rows):
    raise Mine("here")
try:
    sweep.query(fail)
except Mine as error:
    assert "in fail" in error.__notes__[0], error.__notes__
else:
    raise AssertionError("nothing was raised")
"""

ASK_ON = """
import platform, time
platform.node = lambda: "laptop"
def forever(rows):
    import os
    open(began, "w").write(str(os.getpid()))
    time.sleep(1000)
raylab.Lab("guarded").sweep("queried").query(forever)
"""


def test_a_query_runs_beside_the_data_and_ends_with_its_client(guarded: Cluster, tmp_path: Path) -> None:
    for address in (guarded.client_address, guarded.address):
        guarded.client(BESIDE, address=address)
    began = tmp_path / "began"
    with guarded.begin(ASK_ON, address=guarded.address, began=str(began)) as client:
        pid = int(eventually(lambda: began.exists() and began.read_text(), 100))
        assert guarded.workers("ray::Query")  # it is the cluster's, not the client's
        client.kill()
    eventually(lambda: not Path(f"/proc/{pid}").exists(), 100)
