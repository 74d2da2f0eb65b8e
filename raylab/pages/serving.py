"""Serves a board on this machine, until it is interrupted. The home of uvicorn."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from raylab.errors import told
from raylab.extras import needed
from raylab.pages.board import App

with needed("uvicorn", extra="board", purpose="a board"):
    import uvicorn

HERE = "127.0.0.1"


class Server(uvicorn.Server):
    """uvicorn's, which is silent, and says when it answers.

    Args:
        app: what is served.
        ready: is called when it answers.
    """

    def __init__(self, app: App, ready: Callable[[], None]) -> None:
        words: dict[str, Any] = {"log_config": None, "access_log": False, "lifespan": "off", "ws": "none"}
        super().__init__(uvicorn.Config(app, **words, server_header=False, timeout_graceful_shutdown=1))
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def listening(port: int) -> socket.socket:
    """A socket of this machine, which nobody else reaches.

    Args:
        port: 0 for any that is free.

    Raises:
        ValueError: the port is taken, or not to be had.
    """
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HERE, port))
    except OSError as error:
        found.close()
        text = f"a board cannot listen at port {port} of {HERE} ({told(error)}); give another one, or leave --port out"
        raise ValueError(text) from None
    return found


def serve(app: App, place: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        app: what is served.
        place: a socket that is bound.
        ready: is called when it answers.

    Raises:
        KeyboardInterrupt: it was interrupted.
    """
    Server(app, ready).run(sockets=[place])
