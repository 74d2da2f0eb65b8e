"""Addresses of machines: where the head is, and by which of its own addresses others reach this machine."""

from __future__ import annotations

import ipaddress
import socket

import psutil
from ray.util import get_node_ip_address

from raylab.errors import LabUnavailable, NameRefused

PORT = 6379
"""Ray's own default for a head."""

KNOCK_S = 10.0
"""How long a machine may take to answer a connection; one in the same room takes a millisecond."""

INSIDE = ("docker", "br-", "virbr", "veth", "cni", "flannel", "lxc", "podman")
"""How the interfaces begin that lead to containers of this machine, and to no other machine."""


def host_and_port(text: str) -> tuple[str, int]:
    """Take a head's address apart: HOST, HOST:PORT or [IPv6]:PORT; without a port it is Ray's own.

    Raises:
        NameRefused: it is none of these.

    Example:
        >>> host_and_port("10.0.0.1"), host_and_port("[fe80::1]:6380")
        (('10.0.0.1', 6379), ('fe80::1', 6380))
    """
    host, port = text.strip(), str(PORT)
    if host.startswith("["):
        host, _, rest = host[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
    if not host or "/" in host or not port.isdecimal() or not 1 <= int(port) <= 65_535:
        raise NameRefused(
            f"the address of a head is HOST or HOST:PORT, as `raylab start` printed it there, not {text!r}"
        )
    return host, int(port)


def joined(host: str, port: int) -> str:
    """One text of both.

    Example:
        >>> joined("10.0.0.1", 6379), joined("fe80::1", 6379)
        ('10.0.0.1:6379', '[fe80::1]:6379')
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reach(host: str, port: int) -> tuple[str, str]:
    """Connect to a head; its IP address, and the address of this machine from which it was reached.

    Raises:
        LabUnavailable: nobody answers there.
    """
    try:
        with socket.create_connection((host, port), timeout=KNOCK_S) as door:
            return door.getpeername()[0], door.getsockname()[0]
    except (OSError, OverflowError) as error:
        raise LabUnavailable(
            f"no Ray cluster answers at {joined(host, port)} ({error}); `raylab start` on the head prints the line "
            "that joins it. A firewall between them must let all ports through: Ray takes ports as it needs them"
        ) from error


def own() -> str:
    """The address by which other machines reach this one: the one Ray takes, or a better guess.

    Ray asks the system for the way to an address in the internet, and takes 127.0.0.1 where there is none.
    """
    found: str = get_node_ip_address()  # type: ignore[no-untyped-call]
    return found if not ipaddress.ip_address(found).is_loopback else choose(all_own()) or found


def all_own() -> list[tuple[str, str]]:
    """This machine's addresses, IPv4 first, with their interfaces, as far as these are up."""
    up = {name for name, state in psutil.net_if_stats().items() if state.isup}
    return [
        (name, entry.address.partition("%")[0])
        for family in (socket.AF_INET, socket.AF_INET6)
        for name, entries in psutil.net_if_addrs().items()
        for entry in entries
        if entry.family == family and name in up
    ]


def choose(addresses: list[tuple[str, str]]) -> str:
    """The first address that another machine may reach; empty if there is none.

    Args:
        addresses: interface and address each.

    Example:
        >>> choose([("lo", "127.0.0.1"), ("docker0", "172.17.0.1"), ("eth0", "10.0.0.5")])
        '10.0.0.5'
    """
    outside = [
        (name.startswith(INSIDE), address)
        for name, address in addresses
        if not (ipaddress.ip_address(address).is_loopback or ipaddress.ip_address(address).is_link_local)
    ]
    return min(outside, key=lambda each: each[0], default=(False, ""))[1]


def check_own(address: str) -> str:
    """Refuse what is no address of this machine.

    Raises:
        NameRefused: it is none; the message lists those there are.
    """
    try:
        family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as door:
            door.bind((address, 0))
    except (ValueError, OSError) as error:
        there = ", ".join(f"{each} ({name})" for name, each in all_own()) or "none"
        raise NameRefused(f"{address!r} is no IP address of this machine; it has {there}") from error
    return address
