"""What raylab relies on in Ray beyond its documented words. When one of these goes red, Ray has changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from clusters import Cluster


@pytest.mark.parametrize("instant", [True, False])
def test_batches_that_were_yielded_survive_the_death_of_their_worker(
    cluster: Cluster, tmp_path: Path, instant: bool
) -> None:
    """The private option `_generator_backpressure_num_objects` is what keeps them; it also bounds the run ahead.

    Without it, several may be lost. With it, the last one may be, if the worker dies in the instant after its yield.
    """
    script = """
    import os, time
    import ray
    from raylab.server.ray_pool import AHEAD

    @ray.remote
    def lease(log, size):
        for number in range(7):
            yield (number, b"x" * size)
            with open(log, "a") as file:
                file.write("y")
        while not (instant or os.path.exists(log + ".taken")):
            time.sleep(0.01)
        os._exit(1)

    raylab.labs()                                               # connected, as a lab is
    for turn, size in enumerate([10, 10, 1_000_000, 1_000_000]):
        log = f"{folder}/{turn}"
        open(log, "w").close()
        options = {"num_returns": "streaming", "max_retries": 0, "_generator_backpressure_num_objects": AHEAD}
        got, ahead = [], 0
        try:
            for ref in lease.options(**options).remote(log, size):
                time.sleep(0.05)                                # a lab that is slower than its worker
                ahead = max(ahead, os.path.getsize(log) - len(got))
                got.append(ray.get(ref)[0])
                if len(got) == 7:
                    open(log + ".taken", "w").close()
        except ray.exceptions.RayError as error:
            assert isinstance(error, ray.exceptions.WorkerCrashedError), error
        assert got == list(range(len(got))) and len(got) >= (6 if instant else 7), (turn, got)
        assert ahead <= AHEAD + 1, ahead
    """
    cluster.client(script, folder=str(tmp_path), instant=instant)


@pytest.mark.parametrize("death", ["os._exit(1)", "os.kill(os.getpid(), 9)"])
def test_a_repeated_attempt_of_a_task_knows_that_it_is_one(cluster: Cluster, tmp_path: Path, death: str) -> None:
    """Leases have max_retries=1 for the sake of Ray's memory monitor; the worker refuses the second attempt by this."""
    script = """
    import os, time
    import ray

    @ray.remote
    def lease(log):
        from ray._private.worker import global_worker
        attempt = global_worker.core_worker.get_current_task_attempt_number()
        with open(log, "a") as file:
            file.write(str(attempt))
        if attempt:
            return
        yield "header"
        while not os.path.exists(log + ".taken"):
            time.sleep(0.01)
        DEATH

    raylab.labs()                                               # connected, as a lab is
    options = {"num_returns": "streaming", "max_retries": 1, "_generator_backpressure_num_objects": 2}
    got = []
    try:
        for ref in lease.options(**options).remote(log):
            got.append(ray.get(ref))
            open(log + ".taken", "w").close()
    except ray.exceptions.RayError as error:
        print(type(error).__name__)
    assert got == ["header"], got
    """
    log = tmp_path / "attempts"
    cluster.client(script.replace("DEATH", death), log=str(log))
    assert log.read_text() == "01"


@pytest.mark.parametrize("death", ["os._exit(0)", "os._exit(1)", "os.kill(os.getpid(), 9)"])
def test_ray_tells_when_a_process_ended_though_its_task_is_begun_again_and_runs(
    cluster: Cluster, tmp_path: Path, death: str
) -> None:
    """How long a trial ran that died tells whether it was its time limit; its stream ends with the second attempt."""
    script = """
    import os, time
    import ray
    from raylab.worker import ray_internals

    @ray.remote
    def lease(told):
        if not ray_internals.attempt():
            yield ray_internals.worker_id(), time.time()
            time.sleep(0.2)
            DEATH
        yield ray_internals.worker_id(), time.time()
        while not os.path.exists(told):
            time.sleep(0.02)

    raylab.labs()                                               # connected, as a lab is
    options = {"num_returns": "streaming", "max_retries": 1, "_generator_backpressure_num_objects": 2}
    stream = lease.options(**options).remote(told)
    process, began = ray.get(next(stream))
    while (ended := ray_internals.ended_at(process)) is None:
        time.sleep(0.02)
    assert 0.15 < ended - began < time.time() - began, (ended, began)
    open(told, "w").close()                                     # until then the second attempt runs
    for _ in stream:
        pass
    assert ray_internals.ended_at(process) == ended
    assert ray_internals.ended_at("f" * 56) is None, "nobody"
    """
    cluster.client(script.replace("DEATH", death), told=str(tmp_path / "told"))
