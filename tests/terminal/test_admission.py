"""What must hold before a machine joins a cluster. (Real heads are asked in tests/ray/test_joining.py.)"""

from __future__ import annotations

import socket

import pytest

from raylab.errors import LabUnavailable, VersionMismatch
from raylab.terminal import admission
from raylab.terminal.admission import check_versions, no_entry


@pytest.mark.parametrize(
    ("ray", "python", "advice"),
    [
        ("2.59.0", "3.11.7", "it needs `pip install ray==2.60.0`"),
        ("2.60.0", "3.12.1", "it needs an environment with Python 3.11"),
        ("2.59.0", "3.12.1", "it needs `pip install ray==2.60.0` in an environment with Python 3.11"),
    ],
)
def test_another_version_is_named_with_what_to_install(ray: str, python: str, advice: str) -> None:
    with pytest.raises(VersionMismatch) as caught:
        check_versions("10.0.0.1:6379", {"ray": "2.60.0", "python": "3.11.7"}, {"ray": ray, "python": python})
    assert str(caught.value) == (
        "the cluster at 10.0.0.1:6379 runs Ray 2.60.0 on Python 3.11.7, "
        f"this machine has Ray {ray} on Python {python}; {advice}"
    )


def test_another_patch_of_python_is_the_same() -> None:
    check_versions("10.0.0.1:6379", {"ray": "2.60.0", "python": "3.11.7"}, {"ray": "2.60.0", "python": "3.11.12"})


def test_who_is_not_let_in_is_told_what_to_copy_where() -> None:
    assert "wants a token and there is none here; copy the file ~/.ray/auth_token" in no_entry("h:1", "")
    assert "does not take the one in RAY_AUTH_TOKEN; copy" in no_entry("h:1", "RAY_AUTH_TOKEN")


def test_what_is_no_head_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "ASK_S", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as door:
        address = f"127.0.0.1:{door.getsockname()[1]}"
        with pytest.raises(LabUnavailable, match=f"what answers at {address} is no head of a Ray cluster"):
            admission.ask(address)
