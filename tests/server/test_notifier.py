"""Being told of a sweep, in labs in memory, by a real HTTP server: once each event, across restarts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from clusters import eventually
from hook import SECRET, Hook, hook
from said import refused, said

import raylab
import raylab.testing
from raylab.core import telling
from raylab.core.request import Request
from raylab.notebook.posix import PosixStore
from raylab.notebook.requests import from_rows
from raylab.notebook.table_files import listing
from raylab.server import notifier


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for that only lets time pass."""
    monkeypatch.setattr(telling, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(telling, "LONGEST_PAUSE_S", 0.05)
    monkeypatch.setattr(notifier, "STILL_S", 0.0)
    monkeypatch.setattr(notifier, "LOOK_S", 0.02)


@contextmanager
def open_lab(folder: Path, **more: Any) -> Iterator[raylab.Lab]:
    with raylab.testing.lab(notebook=folder / "lab", **more) as lab:
        yield lab


def rows(folder: Path, kind: str) -> list[Request]:
    """What stands in the notebook."""
    found = [each for file in listing(PosixStore(folder / "lab"), "requests") for each in from_rows(file.table)]
    return [each for each in found if each.kind == kind]


def square(x: int) -> dict[str, int]:
    if x < 0:
        raise ValueError(f"no root of {x}")
    return {"y": x * x}


def gated(x: int, gate: str) -> dict[str, int]:
    while not Path(gate).exists():
        time.sleep(0.005)
    return {"y": x}


def told(there: Hook, *events: str) -> None:
    """These were told, each once, and nothing else."""
    eventually(lambda: len(there.came) >= len(events), timeout=60)
    assert sorted(there.events) == sorted(events)


def test_a_server_that_is_down_at_first_is_told_once_across_restarts(tmp_path: Path) -> None:
    with hook((503, {}), up=False) as there:
        with open_lab(tmp_path) as lab:
            sweep = lab.submit(square, {"x": range(3)}, name="coarse", notify=there.url)
            assert sweep.wait(timeout=60, progress=False)
            eventually(lambda: "Connection refused" in lab._client.overview("coarse")[0].remark)
        assert not there.came
        (noticed,) = rows(tmp_path, "noticed")
        assert (noticed.body["event"], rows(tmp_path, "told")) == ("ended", [])

        there.start()
        with open_lab(tmp_path) as lab:
            eventually(lambda: len(there.came) == 2, timeout=60)  # 503 first
            eventually(lambda: rows(tmp_path, "told"), timeout=60)
            assert lab._client.overview("coarse")[0].remark == ""
        one, two = (each.json for each in there.came)
        assert one == two == noticed.body["message"]
        assert (one["event"], one["done"], one["lab"], one["sweep"]) == ("ended", 3, "test", "coarse")

        with open_lab(tmp_path) as lab:
            assert lab.submit(square, {"x": range(3)}, name="coarse", notify=there.url).ready()
            assert lab.sweep("coarse").extend({"x": [7]}) == 1
            eventually(lambda: len(there.came) == 3, timeout=60)
        assert there.came[-1].json["done"] == 4
        assert there.came[-1].json["id"] != one["id"]
        assert len(rows(tmp_path, "told")) == 2


def test_what_ended_while_nobody_could_write_it_down_is_told_by_the_next_lab(tmp_path: Path) -> None:
    with hook() as there:
        with open_lab(tmp_path) as lab:
            looked = lab._client.connection._actor._notifier  # type: ignore[attr-defined]
            looked._look = lambda _: None
            lab.submit(square, {"x": range(3)}, name="coarse", notify=there.url).wait(timeout=60, progress=False)
        assert not there.came
        with open_lab(tmp_path):
            told(there, "ended")


def test_a_first_failure_is_told_once_and_so_is_a_pause(tmp_path: Path) -> None:
    with hook() as there, open_lab(tmp_path) as lab:
        axes = {"x": [-1, -2, -3, 4]}
        sweep = lab.submit(square, axes, name="coarse", order="design", max_failures=2, notify=there.url)
        assert not sweep.wait(timeout=60, progress=False)
        told(there, "failed", "paused")
        assert "no root of -1" in next(each.json for each in there.came if each.json["event"] == "failed")["text"]
        paused = next(each.json for each in there.came if each.json["event"] == "paused")
        assert "max_failures is 2" in paused["reason"]
        sweep.change(max_failures=None)
        sweep.resume()
        assert sweep.wait(timeout=60, progress=False)
        told(there, "failed", "paused", "ended")
        assert there.came[-1].json["by_status"] == {"done": 1, "failed": 3}
    assert sorted(each.body["event"] for each in rows(tmp_path, "noticed")) == sorted(there.events), "each is a row"


def test_another_person_hears_of_a_pause_and_of_a_cancel_each_time(lab: raylab.Lab, gate: Path) -> None:
    with hook() as there:
        axes = {"x": range(3), "gate": [str(gate)]}
        sweep = lab.submit(gated, axes, name="gated", notify={"url": there.url, "on": ["paused", "ended"]})
        sweep.pause()
        told(there, "paused")
        assert there.came[0].json["reason"].startswith("paused by ")
        sweep.pause()
        sweep.resume()
        sweep.pause()
        told(there, "paused", "paused")
        sweep.cancel()
        told(there, "paused", "paused", "ended")
        assert "cancelled by" in there.came[-1].json["text"]
        assert there.came[-1].json["cancelled"] > 0
        gate.touch()
        sweep.resume()
        assert sweep.wait(timeout=60, progress=False)
        told(there, "paused", "paused", "ended", "ended")


def test_a_sweep_that_stands_still_is_told_of_once(tmp_path: Path) -> None:
    with hook() as there:
        with open_lab(tmp_path) as lab:
            said(lambda: lab.submit(square, {"x": [1]}, name="greedy", num_gpus=8, notify=there.url))
            told(there, "stands_still")
        with open_lab(tmp_path) as lab:
            lab.sweep("greedy").change(num_gpus=0)
            assert lab.wait(timeout=60, progress=False)
            told(there, "stands_still", "ended")
    assert "8 GPU" in there.came[0].json["text"]


def test_a_full_disk_is_told_of_though_nothing_can_be_written(lab: raylab.Lab, gate: Path) -> None:
    with hook() as there:
        axes = {"x": range(3), "gate": [str(gate)]}
        lab.submit(gated, axes, name="gated", notify={"url": there.url, "on": "stands_still"})
        conductor = lab._client.connection._actor._lab  # type: ignore[attr-defined]
        table = conductor.sweeps.writer
        add = table.add
        table.add = lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device"))
        conductor.recorder.trouble = "the notebook cannot be written: No space left on device"
        told(there, "stands_still")
        assert "No space left" in there.came[0].json["reason"]
        table.add = add
        gate.touch()
        assert lab.wait(timeout=60, progress=False)
    assert there.events == ["stands_still"]


def test_the_lab_tells_of_sweeps_that_say_nothing_and_of_nothing_that_had_happened(tmp_path: Path) -> None:
    with hook() as there, hook() as own, open_lab(tmp_path) as lab:
        lab.submit(square, {"x": [-1, 1]}, name="before").wait(timeout=60, progress=False)
        lab.notify({"url": there.url, "on": ["ended"]})
        lab.notify({"url": there.url, "on": ["ended"]})
        assert lab.info()["notify"] == [{"to": "127.0.0.1", "on": ["ended"], "shape": None}]
        lab.submit(square, {"x": [2]}, name="silent").wait(timeout=60, progress=False)
        lab.submit(square, {"x": [3]}, name="own", notify=own.url).wait(timeout=60, progress=False)
        lab.submit(square, {"x": [4]}, name="nobody", notify=[]).wait(timeout=60, progress=False)
        told(there, "ended")
        told(own, "ended")
        assert there.came[0].json["sweep"] == "silent"
        lab.sweep("before").extend({"x": [5]})
        told(there, "ended", "ended")
        lab.notify(None)
        lab.submit(square, {"x": [6]}, name="late").wait(timeout=60, progress=False)
        lab.sweep("before").change(notify=own.url)
        assert lab.sweep("before").info()["notify"] == [
            {"to": "127.0.0.1", "on": ["ended", "paused", "failed", "stands_still"], "shape": None}
        ]
        lab.sweep("before").extend({"x": [7]})
        told(own, "ended", "ended")
        assert len(there.came) == 2
    assert len(rows(tmp_path, "notify")) == 2


def test_who_is_not_asked_for_any_more_is_told_no_more(tmp_path: Path) -> None:
    with hook(up=False) as down, hook() as there, open_lab(tmp_path) as lab:
        sweep = lab.submit(square, {"x": [1]}, name="coarse", notify=down.url)
        sweep.wait(timeout=60, progress=False)
        eventually(lambda: lab._client.overview("coarse")[0].remark)
        sweep.change(notify=[there.url])
        told(there)
        assert lab._client.overview("coarse")[0].remark == ""
        down.start()
        sweep.extend({"x": [2]})
        told(there, "ended")
        assert there.came[0].json["done"] == 2, "what had happened before is not told"
        assert not down.came


def test_what_is_refused_for_good_is_said_with_the_sweep_and_not_tried_again(tmp_path: Path) -> None:
    with hook((404, {})) as there:
        with open_lab(tmp_path) as lab:
            lab.submit(square, {"x": [1]}, name="coarse", notify=there.url).wait(timeout=60, progress=False)
            eventually(lambda: rows(tmp_path, "told"))
        with open_lab(tmp_path) as lab:
            remark = lab._client.overview("coarse")[0].remark
            assert remark == "127.0.0.1 was not told that test: coarse has ended: it answered 404 Not Found"
        assert len(there.came) == 1


def test_a_pause_is_as_long_as_is_asked_for(lab: raylab.Lab) -> None:
    pauses: list[float] = []

    async def pass_by(seconds: float) -> None:
        pauses.append(seconds)

    lab._client.connection._actor._notifier._sleep = pass_by  # type: ignore[attr-defined]
    with hook((500, {}), (500, {}), (429, {"Retry-After": "120"})) as there:
        lab.submit(square, {"x": [1]}, name="coarse", notify=there.url).wait(timeout=60, progress=False)
        eventually(lambda: len(there.came) == 4)
    assert pauses == [0.01, 0.02, 120.0]


def test_an_address_in_the_labs_environment_is_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with hook((404, {}), up=False) as there:
        with open_lab(tmp_path) as lab:
            sweep, words = said(lambda: lab.submit(square, {"x": [1]}, name="coarse", notify="$RAYLAB_TRIED"))
            assert "RAYLAB_TRIED" in words[0]
            sweep.wait(timeout=60, progress=False)
            eventually(lambda: "no RAYLAB_TRIED" in lab._client.overview("coarse")[0].remark)
            _, words = said(lambda: lab.notify("https://ntfy.sh/$RAYLAB_TRIED"))
            assert "RAYLAB_TRIED" in words[0]
        monkeypatch.setenv("RAYLAB_TRIED", there.url)
        there.start()
        with open_lab(tmp_path) as lab:
            told(there, "ended")
            eventually(lambda: rows(tmp_path, "told"))
            assert lab.sweep("coarse").info()["notify"][0]["to"] == "$RAYLAB_TRIED"
            shown = [repr(lab._client.overview("coarse")), json.dumps(lab.info(), default=str), caplog.text]
    assert not any(SECRET in text for text in shown)
    assert "$RAYLAB_TRIED" in caplog.text
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


def test_an_address_in_plain_is_kept_and_never_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with hook(up=False) as there, open_lab(tmp_path) as lab:
        sweep = lab.submit(square, {"x": [1]}, name="coarse", notify=there.url)
        sweep.wait(timeout=60, progress=False)
        eventually(lambda: lab._client.overview("coarse")[0].remark)
        _, words = said(lambda: lab.submit(square, {"x": [1]}, name="coarse", notify=there.url + "x"))
        assert "notify: (<127.0.0.1>,), was (<127.0.0.1>,)" in words[0]
        notebook = raylab.Notebook(tmp_path / "lab")
        texts = [*words, repr(sweep.info()), repr(notebook.info("coarse")), repr(lab._client.overview()), caplog.text]
        texts += [*capsys.readouterr(), repr(sweep._client.record("coarse"))]
    assert not any(SECRET in text for text in texts)


def test_a_command_is_told_as_well_and_tried_a_few_times(tmp_path: Path) -> None:
    command = f"cat >> {tmp_path}/told; echo >> {tmp_path}/tries; test -e {tmp_path}/mended"
    with open_lab(tmp_path) as lab:
        sweep = lab.submit(square, {"x": [1]}, name="coarse", notify={"command": command})
        sweep.wait(timeout=60, progress=False)
        eventually(lambda: rows(tmp_path, "told"), timeout=60)
        assert (tmp_path / "tries").read_text() == "\n" * notifier.COMMAND_TRIES
        assert "exit code 1" in lab._client.overview("coarse")[0].remark
        (tmp_path / "mended").touch()
        sweep.extend({"x": [2]})
        eventually(lambda: len(rows(tmp_path, "told")) == 2, timeout=60)
        assert lab._client.overview("coarse")[0].remark == ""
    assert json.loads((tmp_path / "told").read_text().splitlines()[-1])["done"] == 2


def test_a_thousand_messages_are_a_few(lab: raylab.Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def pass_by(seconds: float) -> None:
        pauses.append(seconds)

    lab._client.connection._actor._notifier._sleep = pass_by  # type: ignore[attr-defined]
    with hook() as there:
        there.hold.clear()
        lab.notify({"url": there.url, "on": "ended"})
        for n in range(16):
            lab.submit(square, {"x": [n]}, name=f"s{n}")
        assert lab.wait(timeout=100, progress=False)
        eventually(lambda: there.came)
        there.hold.set()
        told_of = eventually(lambda: _names(there) if len(_names(there)) == 16 else None, timeout=60)
    assert len(there.came) <= 5, there.events
    assert "several" in there.events
    assert sorted(told_of) == sorted(f"s{n}" for n in range(16)), "each once"


def _names(there: Hook) -> list[str]:
    """The sweeps that were told of, each as often as it was."""
    found = []
    for each in list(there.came):
        found += [one["sweep"] for one in each.json.get("messages", [each.json])]
    return found


def test_who_hangs_keeps_nobody_waiting(lab: raylab.Lab) -> None:
    with hook() as hangs, hook() as there:
        hangs.hold.clear()
        sweep = lab.submit(square, {"x": range(3)}, name="coarse", notify=[hangs.url, there.url])
        assert sweep.wait(timeout=60, progress=False)
        told(there, "ended")
        eventually(lambda: hangs.came)
        assert lab.submit(square, {"x": range(9)}, name="fine").wait(timeout=60, progress=False)
        hangs.hold.set()


def test_who_is_set_aside_or_removed_is_told_of_no_more(tmp_path: Path) -> None:
    with hook(up=False) as there, open_lab(tmp_path) as lab:
        for name in ("replaced", "removed", "kept"):
            lab.submit(square, {"x": [1]}, name=name, notify=there.url).wait(timeout=60, progress=False)
        eventually(lambda: len(rows(tmp_path, "noticed")) == 3)
        said(lambda: lab.submit(square, {"x": [1, 2]}, name="replaced", notify=[], if_exists="replace"))
        lab.remove("removed")
        there.start()
        told(there, "ended")
        assert there.came[0].json["sweep"] == "kept"


@pytest.mark.parametrize(
    "ask",
    [
        lambda lab: lab.submit(square, {"x": [1]}, name="s", notify="ada@example.org"),
        lambda lab: lab.notify("ada@example.org"),
        lambda lab: lab.sweep("there").change(notify="ada@example.org"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_stored(
    lab: raylab.Lab, ask: Callable[[raylab.Lab], Any], tmp_path: Path
) -> None:
    lab.submit(square, {"x": [1]}, name="there").wait(timeout=60, progress=False)
    with refused(raylab.DesignError, "notify", "command"):
        ask(lab)
    assert lab.sweeps()["name"].to_list() == ["there"]
    assert (lab.info()["notify"], lab.sweep("there").info()["notify"]) == ([], None)


def test_a_lab_that_is_shut_down_says_its_last_word(tmp_path: Path) -> None:
    with hook() as there:
        with open_lab(tmp_path) as lab:
            lab.submit(square, {"x": [1]}, name="coarse", notify=there.url).wait(timeout=60, progress=False)
            lab.shutdown()
        assert there.events == ["ended"]
    assert len(rows(tmp_path, "told")) == 1


def test_an_archive_of_a_sweep_says_nobodys_address(tmp_path: Path) -> None:
    with hook() as there:
        with open_lab(tmp_path) as lab:
            lab.notify(there.url)
            sweep = lab.submit(square, {"x": [1]}, name="coarse", notify=there.url)
            sweep.wait(timeout=60, progress=False)
            sweep.change(description="a change of the policy")
            eventually(lambda: rows(tmp_path, "told"))
        raylab.Notebook(tmp_path / "lab").crate(tmp_path / "parcel")
    files = [path for path in (tmp_path / "parcel").rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]
