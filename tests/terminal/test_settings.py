"""What `raylab start` sets on each machine: names that Ray knows, and times that fit each other."""

from __future__ import annotations

from pathlib import Path

import pytest
import ray

from raylab.server import conductor
from raylab.terminal.settings import FORKS, HEALTH, IDLE, KEEPALIVE, MARK, MEMORY, environment


def seconds(settings: dict[str, str], name: str) -> float:
    return int(settings[f"RAY_{name}_ms"]) / 1_000


def missed_after() -> float:
    """When Ray calls a silent machine dead, at the latest."""
    each = seconds(HEALTH, "health_check_period") + seconds(HEALTH, "health_check_timeout")
    return int(HEALTH["RAY_health_check_failure_threshold"]) * each


def test_a_dead_host_is_seen_within_fifteen_seconds_and_a_stall_of_ten_is_forgiven() -> None:
    assert missed_after() + conductor.LOOK_S <= 15.0
    assert missed_after() - seconds(HEALTH, "health_check_period") > 10.0
    assert seconds(HEALTH, "health_check_initial_delay") <= seconds(HEALTH, "health_check_period"), (
        "from the first moment"
    )


def test_a_machine_is_called_dead_before_its_connections_break() -> None:
    assert seconds(KEEPALIVE, "grpc_client_keepalive_timeout") > missed_after()
    assert seconds(KEEPALIVE, "grpc_keepalive_timeout") > missed_after()


def test_ray_knows_every_name() -> None:
    """It takes a name that it does not know without a word."""
    raylet = (Path(ray.__file__).parent / "core/src/ray/raylet/raylet").read_bytes()
    names = {*HEALTH, *KEEPALIVE, *IDLE, *MEMORY, "RAY_num_workers_soft_limit"}
    assert [name for name in names if name.removeprefix("RAY_").encode() not in raylet] == []


def test_what_is_set_at_the_start_goes_before_and_what_is_a_clients_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_ADDRESS", "ray://elsewhere:10001")
    monkeypatch.setenv("RAY_health_check_period_ms", "7000")
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    found = environment("mark", 3)
    assert found["RAY_health_check_period_ms"] == "7000"
    assert "RAY_ADDRESS" not in found
    assert found[MARK] == "mark"
    assert found["RAY_num_workers_soft_limit"] == "12"
    assert found.items() >= (FORKS | KEEPALIVE).items()
    assert "RAY_AUTH_MODE" not in found
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("secret")
    assert environment("mark", 3)["RAY_AUTH_MODE"] == "token"


def test_strings_hash_alike_in_all_processes_whatever_the_shell_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "random")
    assert environment("mark", 1)["PYTHONHASHSEED"] == "0"
