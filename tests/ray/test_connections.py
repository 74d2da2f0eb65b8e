"""A `ray://` connection that is cut in the middle of calls, comes back, comes back too late, or falls silent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from clusters import Cluster

import raylab

HERE = str(Path(__file__).parent)

START = """
import os, signal, sys, threading, time
sys.path.insert(0, here)
from proxy import Proxy
import ray

proxy = Proxy(server)
address = os.environ["RAY_ADDRESS"] = "ray://" + proxy.address

def square(x):
    return {"y": x * x, "noise": os.urandom(20_000)}

def refused(call):
    signal.alarm(60)                    # the promise of every call: an answer, or an error, within a minute
    try:
        call()
    except raylab.LabUnavailable as error:
        assert "safe to repeat" in str(error), error
        return str(error)
    finally:
        signal.alarm(0)
    raise AssertionError("no error")
"""


def begin(cluster: Cluster, script: str, name: str, grace_s: int, **more: Any) -> str:
    lines = "\n".join(line.removeprefix("    ") for line in script.splitlines())
    server = cluster.client_address.removeprefix("ray://")
    env = {"RAY_CLIENT_RECONNECT_GRACE_PERIOD": str(grace_s)}
    return cluster.client(START + lines, address="", env=env, here=HERE, server=server, name=name, **more)


def test_a_call_that_is_cut_is_answered_once_the_connection_is_back_and_none_waits_for_ever(
    cluster: Cluster, common_lab: str
) -> None:
    script = """
    from raylab.client.remote import RemoteReader
    from raylab.notebook.tables import Tables

    load = os.urandom(300_000)
    def heavy(x):
        return {"y": len(load)}

    lab = raylab.Lab(name)
    for after in (1, 800):                       # bytes that pass before the cut
        proxy.cut(after=after, outage=0.3)
        lab.submit(square, {"x": range(20)}, name=f"cut-{after}", seed=1)
    for after in (100_000, 302_000):
        proxy.cut(after=after, outage=0.3)
        lab.submit(heavy, {"x": [1]}, name=f"heavy-{after}")
    proxy.cut(outage=0.3)
    assert lab.wait(timeout=150)
    for after in (1_000, 250_000):
        lab._client._files = Tables(RemoteReader(lab._client.connection.call, ""))
        proxy.cut(after=after, outage=0.3)
        assert lab.results("cut-1").height == 20
    for ask in (lambda: raylab.Lab(name, create=False), raylab.labs):
        proxy.cut(after=200, outage=0.3)
        ask()
    assert proxy.cuts >= 8, proxy.cuts

    proxy.freeze()                                           # nothing arrives, and nobody is told
    hello = lambda: lab._client.connection.call("hello", within=0.5)     # any call, which has a minute else
    assert "did not answer" in refused(hello)
    assert lab.wait(timeout=0.1) is False
    proxy.thaw()
    assert lab._client.connection.call("hello")["protocol"] and lab.wait(timeout=30)
    """
    begin(cluster, script, common_lab, 30)
    sweeps = raylab.Notebook(cluster.home / common_lab).sweeps().filter(pl.col("name").str.contains("^(cut|heavy)-"))
    assert dict(sweeps.select("name", "rows").rows()) == {
        **{f"cut-{after}": 20 for after in (1, 800)},
        **{f"heavy-{after}": 1 for after in (100_000, 302_000)},
    }


@pytest.mark.parametrize(
    "outage", [pytest.param(2.4, id="refused"), pytest.param(6.5, id="given up", marks=pytest.mark.long)]
)
def test_a_client_that_comes_back_too_late_is_told_what_to_do_and_can_do_it(
    cluster: Cluster, common_lab: str, outage: float
) -> None:
    """Either it reaches the server, which has cleaned up after 2 s, or it does not within the 5 s of Ray's one try."""
    script = """
    lab = raylab.Lab(name)
    def slow(x):
        time.sleep(0.1)
        return {"y": x}
    sweep = lab.submit(slow, {"x": range(60)}, name=slowly)
    threading.Timer(0.3, lambda: proxy.cut(outage=outage)).start()
    said = refused(sweep.wait)                               # in the middle of it
    assert "ray.shutdown()" in said, said
    again = lambda: lab.submit(square, {"x": range(10)}, name=repeated, seed=1)
    for call in (again, lab.progress, sweep.results, lab.sweeps, sweep.cancel):
        said = refused(call)
        assert "ray.shutdown()" in said, (call, said)
    del os.environ["RAY_ADDRESS"]
    assert "ray.shutdown()" in refused(lambda: raylab.Lab(name)), "which cluster is meant, nobody said"
    proxy.wait_for_end_of_outage()

    ray.shutdown()
    assert "attach again" in refused(again), "and no cluster is started for it"
    assert not ray.is_initialized()
    lab = raylab.Lab(name, address=address, create=False)
    again()
    assert lab.wait(timeout=150)
    assert lab.results(slowly).height == 60 and lab.results(repeated).height == 10
    """
    slowly, repeated = f"slow-{outage}", f"again-{outage}"
    begin(cluster, script, common_lab, 2, outage=outage, slowly=slowly, repeated=repeated)
    rows = raylab.Notebook(cluster.home / common_lab).results(slowly, metadata=True)
    assert rows.select(pl.col("_point").n_unique()).item() == rows.height == 60
