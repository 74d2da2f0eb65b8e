"""Addresses of machines: what a person types, and which of its own addresses a machine gives to others."""

from __future__ import annotations

import socket

import pytest

from raylab.errors import LabUnavailable, NameRefused
from raylab.terminal.network import all_own, check_own, choose, host_and_port, joined, own, reach


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("head", "head", 6379),
        (" 10.0.0.1 ", "10.0.0.1", 6379),
        ("10.0.0.1:6380", "10.0.0.1", 6380),
        ("fe80::1", "fe80::1", 6379),
        ("[fe80::1]", "fe80::1", 6379),
        ("[fe80::1]:6380", "fe80::1", 6380),
    ],
)
def test_what_a_person_types_for_a_head(text: str, host: str, port: int) -> None:
    assert host_and_port(text) == (host, port)
    assert host_and_port(joined(host, port)) == (host, port)


@pytest.mark.parametrize("text", ["", ":6379", "head:", "head:x", "head:0", "head:65536", "ray://head:10001", "a/b"])
def test_what_is_no_address_is_refused_with_what_is_one(text: str) -> None:
    with pytest.raises(NameRefused, match="HOST or HOST:PORT"):
        host_and_port(text)


def test_the_guess_is_an_address_that_another_machine_may_reach() -> None:
    assert choose([("lo", "127.0.0.1"), ("eth0", "10.0.0.5"), ("eth1", "10.1.0.5")]) == "10.0.0.5"
    assert choose([("docker0", "172.17.0.1"), ("br-0a", "172.18.0.1"), ("wlan0", "192.168.0.7")]) == "192.168.0.7"
    assert choose([("docker0", "172.17.0.1")]) == "172.17.0.1", "better than none"
    assert choose([("eth0", "169.254.3.4"), ("eth0", "fe80::1"), ("eth0", "fd00::7")]) == "fd00::7"
    assert choose([("lo", "127.0.0.1"), ("lo", "::1")]) == ""


def test_an_address_of_this_machine() -> None:
    assert check_own("127.0.0.1") == "127.0.0.1"
    assert own() in {address for _, address in all_own()}
    for foreign in ("198.51.100.77", "localhost", "here"):  # the first is in no network at all (RFC 5737)
        with pytest.raises(NameRefused, match=r"no IP address of this machine; it has .*127\.0\.0\.1 \(lo\)"):
            check_own(foreign)


def test_a_head_is_reached_from_an_address_of_this_machine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        assert reach("localhost", door.getsockname()[1]) == ("127.0.0.1", "127.0.0.1")
        port = door.getsockname()[1]
    with pytest.raises(LabUnavailable, match=f"no Ray cluster answers at 127.0.0.1:{port}.*raylab start"):
        reach("127.0.0.1", port)
