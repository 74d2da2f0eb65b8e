"""A command that is told: what it gets, what it does not get, and how it fails."""

from __future__ import annotations

import json
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from clusters import eventually

from raylab.core.recipient import Command, Recipient
from raylab.server import notify_command
from raylab.server.notify_command import run
from raylab.server.webhook import NotTold

MESSAGE: dict[str, Any] = {
    "id": "1f",
    "event": "ended",
    "lab": "percolation",
    "sweep": "coarse",
    "title": "percolation: coarse has ended",
    "text": "9 done; $(touch evil)",
}
ENVIRONMENT = {"PATH": os.environ["PATH"], "TOKEN": "s3cr3t", "OTHER": "0ther", "RAY_ADDRESS": "x"}


def tell(command: Command, **more: str) -> None:
    run(Recipient(command=command), MESSAGE, {**ENVIRONMENT, **more})


def refusal(command: Command) -> str:
    with pytest.raises(NotTold) as caught:
        tell(command)
    return str(caught.value)


def test_it_gets_the_message_and_no_secret_but_those_that_it_names(tmp_path: Path) -> None:
    tell(f"cat > {tmp_path}/message; env > {tmp_path}/env; pwd > {tmp_path}/folder; : $TOKEN", HOME=str(tmp_path))
    assert json.loads((tmp_path / "message").read_text()) == MESSAGE
    env = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    assert env["RAYLAB_TEXT"] == MESSAGE["text"]
    assert {env[f"RAYLAB_{name}"] for name in ("EVENT", "LAB", "SWEEP", "ID")} == {
        "ended",
        "percolation",
        "coarse",
        "1f",
    }
    assert env["TOKEN"] == "s3cr3t"
    assert not {"OTHER", "RAY_ADDRESS"} & env.keys()
    assert (tmp_path / "folder").read_text().strip() == str(tmp_path)


def test_a_list_is_run_as_it_is_without_a_shell(tmp_path: Path) -> None:
    script = "import sys; open(sys.argv[1], 'w').write(sys.argv[2])"
    tell((sys.executable, "-c", script, str(tmp_path / "said"), "$TOKEN; ls"))
    assert (tmp_path / "said").read_text() == "$TOKEN; ls"


def test_it_need_not_read_what_it_gets() -> None:
    run(Recipient(command=("true",)), {**MESSAGE, "messages": ["x" * 10**6]}, ENVIRONMENT)


def test_what_fails_says_so_and_no_secret() -> None:
    assert refusal("echo first >&2; echo no entry for $TOKEN >&2; exit 3") == (
        "it ended with exit code 3: no entry for $TOKEN"
    )
    assert refusal(("false",)) == "it ended with exit code 1"
    assert "no-such-program" in refusal(("no-such-program",))
    assert "exit code 127" in refusal("no-such-program")
    assert "exit code -9" in refusal("kill -9 $$")


def test_what_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify_command, "LONGEST_S", 1.0)
    assert "was ended" in refusal(f"touch {tmp_path}/pids; sleep 600 & echo $! > {tmp_path}/pids; wait")
    pids = (tmp_path / "pids").read_text() if (tmp_path / "pids").exists() else ""  # a busy machine starts it too late

    def is_gone(pid: int) -> bool:
        try:
            os.kill(pid, signal.SIG_DFL)
        except ProcessLookupError:
            return True
        return Path(f"/proc/{pid}/stat").exists() and " Z " in Path(f"/proc/{pid}/stat").read_text()

    for pid in map(int, pids.split()):
        eventually(partial(is_gone, pid))
