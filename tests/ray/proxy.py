"""A TCP connection that can be cut, held up, and made again: what a laptop's network does to a `ray://` connection."""

from __future__ import annotations

import contextlib
import socket
import threading

PIECE = 16_384


class Proxy:
    """Passes everything on to an address, until it is told otherwise. Threads only; ends with its process.

    Args:
        target: `host:port`.

    Attributes:
        address: where it listens, `host:port`.
        cuts: how often a connection was cut.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._open = threading.Event()
        self._open.set()
        self._flowing = threading.Event()
        self._flowing.set()
        self._left: int | None = None  # bytes until the cut
        self._outage = 0.0
        self.cuts = 0
        self._door = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._door.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, *, after: int = 0, outage: float) -> None:
        """Cut all connections once so many more bytes have passed; take new ones again after so many seconds."""
        with self._lock:
            self._left, self._outage = after, outage
        if after == 0:
            self._pass(0)

    def wait_for_end_of_outage(self) -> None:
        self._open.wait()

    def freeze(self) -> None:
        """Pass nothing on and cut nothing: packets get lost, nobody is told."""
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    def _accept(self) -> None:
        while True:
            near, _ = self._door.accept()
            if not self._open.is_set():
                _end(near)
                continue
            far = socket.create_connection(self._target)
            with self._lock:
                self._pairs.append((near, far))
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(PIECE):
                self._flowing.wait()
                if not self._pass(len(data)):
                    break
                other.sendall(data)
        _end(one)
        _end(other)

    def _pass(self, count: int) -> bool:
        """Whether so many bytes may pass."""
        with self._lock:
            if self._left is None:
                return True
            self._left -= count
            if self._left > 0:
                return True
            self._left = None
            self.cuts += 1
            pairs, self._pairs = self._pairs, []
        self._open.clear()
        for pair in pairs:
            for each in pair:
                _end(each)
        timer = threading.Timer(self._outage, self._open.set)
        timer.daemon = True
        timer.start()
        return False


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
