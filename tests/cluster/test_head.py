"""What a cluster of `raylab start` has as its environment. (Starting and ending one: tests/test_cli.)"""

from __future__ import annotations

import pytest

from raylab.cluster import head


def test_strings_hash_alike_in_all_its_processes_whatever_the_shell_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "random")
    own = head.Head(address="a:1", client_address="ray://a:2", temp_dir="/tmp/x", mark="m")
    assert head._environment(own, 1)["PYTHONHASHSEED"] == "0"
