"""The address of a Ray cluster: what one looks like, and whether a Ray answers there. Ray itself is slow to say so."""

from __future__ import annotations

import os
import socket

from raylab.errors import LabUnavailable, told

KNOCK_S = 10.0

GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
SETTINGS = b"\x04"
"""How gRPC's side of a connection begins, and the kind of frame that comes back (RFC 9113, 3.4)."""


def check_address(address: str, what: str = "the address of a Ray cluster") -> None:
    """Refuse what is no address of a cluster.

    Args:
        address: what was given.
        what: how the message calls it.

    Raises:
        ValueError: it is not; the message says what one looks like.

    Example:
        >>> check_address("head:6379"), check_address("ray://head:10001")
        (None, None)
    """
    scheme, _, place = address.rpartition("://")
    host, _, port = place.rpartition(":")
    other = scheme not in ("", "ray")  # a way of Ray's to say it that we need not know
    if address in ("auto", "local") or other or (host and port.isdigit() and 0 < int(port) < 65536):
        return
    raise ValueError(f"{what} is HOST:PORT (head:6379) or ray://HOST:PORT (ray://head:10001), not {address!r}")


def knock(address: str) -> None:
    """Raise at once if nobody listens at an address, or somebody who is no Ray: Ray itself goes on trying for two
    minutes, and then ends the process."""
    scheme, _, place = address.rpartition("://")
    host, _, port = place.rpartition(":")
    if scheme not in ("", "ray") or not host or not port.isdigit():
        return  # `local`, or a way of Ray's to say it that we need not know
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_S) as line:
            said = _answer(line)
    except (OSError, OverflowError) as error:
        raise LabUnavailable(f"nothing answers at {address} ({told(error)}); is the cluster running?") from error
    if said is not None and said[3:4] != SETTINGS:
        raise LabUnavailable(
            f"what answers at {address} is no Ray cluster; its port is 6379 for a process of its network and 10001 "
            "for ray:// unless it was started otherwise (8265 is its web page)"
        )


def _answer(line: socket.socket) -> bytes | None:
    """How the other side greets; None if it is silent, as a busy one or one behind TLS may be."""
    if os.environ.get("RAY_USE_TLS", "0") not in ("", "0"):
        return None
    try:
        line.sendall(GREETING)
        return line.recv(9)
    except TimeoutError:
        return None
    except OSError:
        return b""
