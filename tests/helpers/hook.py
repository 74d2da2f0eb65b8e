"""A real HTTP server that is told of sweeps: down at first, if so wanted, and answering as it is told to."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

SECRET = "-".join(("s3cr3t", "t0ken"))
"""A part of each address, which nothing may show; written so that it is in no file of code."""


class Request(NamedTuple):
    """What somebody sent."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


class Hook:
    """The server. Its port is its own also while it is down.

    Attributes:
        url: its address.
        answers: a status and headers for each of the next requests; after these 200.
        came: all requests.
        hold: as long as it is not set, nobody is answered.
    """

    def __init__(self, answers: Iterable[tuple[int, dict[str, str]]] = ()) -> None:
        self.answers = list(answers)
        self.came: list[Request] = []
        self.hold = threading.Event()
        self.hold.set()
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/hooks/{SECRET}"
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Come up: until then every connection is refused."""
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def _take(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                hook.came.append(Request(self.command, self.path, dict(self.headers), body))
                code, headers = hook.answers.pop(0) if hook.answers else (200, {})
                assert hook.hold.wait(60)
                self.send_response(code)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_POST = do_GET = _take  # noqa: N815

            def log_message(self, *_: Any) -> None:
                """The test says what came."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler, bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = self._socket
        self._server.server_activate()
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def end(self) -> None:
        self.hold.set()
        if self._server is not None:
            self._server.shutdown()
        self._socket.close()

    @property
    def events(self) -> list[str]:
        """The events of what came."""
        return [each.json["event"] for each in self.came]


@contextmanager
def hook(*answers: tuple[int, dict[str, str]], up: bool = True) -> Iterator[Hook]:
    """A server for a block."""
    made = Hook(answers)
    try:
        if up:
            made.start()
        yield made
    finally:
        made.end()
