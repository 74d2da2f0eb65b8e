"""A board: the pages of a lab, alive, for browsers of this machine that know its token. The home of starlette.

Promises: only reads; who does not know the token learns nothing, not even that there is a board; whatever goes wrong is
a sentence. Not protected: the token stands in the address, so who sees that sees the board.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from hmac import compare_digest
from typing import Any, TypeAlias
from urllib.parse import quote

from raylab.display.page import Part, board, board_policy, lab_part, sweep_part, trouble_part
from raylab.errors import RaylabError, told
from raylab.extras import needed
from raylab.pages.watch import Gallery, Watch

with needed("starlette", extra="board", purpose="a board"):
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

HOSTS = {"127.0.0.1", "localhost", "[::1]"}
"""What browsers of this machine call it, also at the near end of an SSH tunnel. Any other name leads here by a trick:
a page from elsewhere whose name was made to mean this machine."""

PATIENCE_S = 0.5
"""How long a page waits for a first reading of its sweep, before it says that it is being read."""

HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def app(watch: Watch, gallery: Gallery, token: str) -> App:
    """The board as an ASGI application.

    Args:
        watch: what is known of the lab.
        gallery: what is known of its sweeps.
        token: the first part of each address.
    """
    home = f"/{token}/"

    def lab(request: Request) -> Response:
        known = watch.known
        return _answered(request, lab_part(known.lab, known.sweeps, lambda name: f"{home}s/{quote(name, safe='')}"))

    def sweep(request: Request) -> Response:
        known, name = watch.known, request.path_params["name"]
        now = next((each for each in known.sweeps if each.name == name), None)
        try:
            found = gallery.of(name, now, PATIENCE_S)
        except Exception as error:  # whatever it is
            said = str(error) if isinstance(error, RaylabError) else told(error)
            return _answered(request, trouble_part(known.lab, said, home), 404)
        if found is None:
            reading = trouble_part(known.lab, "the sweep is being read …", home)
            return _answered(request, sweep_part(known.lab, now, None, home) if now else reading)
        return _answered(request, sweep_part(known.lab, now or found[0], found[1], home))

    routes = [Route(f"/{token}", lab), Route(home, lab), Route(f"{home}s/{{name:path}}", sweep)]
    return guarded(Starlette(routes=routes), token)


def _answered(request: Request, part: Part, status: int = 200) -> Response:
    """The part that changes, for a page that asks for what is new; else the whole page."""
    if "part" not in request.query_params:
        nonce = secrets.token_urlsafe(16)
        policy = f"{board_policy(nonce)}; frame-ancestors 'none'"
        return _html(board(part, nonce), status, {"Content-Security-Policy": policy})
    headers = {"ETag": part.mark, "X-Title": part.title_word}
    if request.headers.get("if-none-match") == part.mark:
        return Response(status_code=304, headers=headers)
    return _html(part.html, 200, headers)


def _html(text: str, status: int, headers: dict[str, str]) -> Response:
    data = text.encode(errors="replace")
    return Response(data, status, headers, media_type="text/html")


def guarded(inner: App, token: str) -> App:
    """An application that answers nobody else: the token first, then the host, then the method.

    Args:
        inner: answers the others.
        token: the first part of each path.
    """

    async def outer(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", []), *own]}
            await send(message)

        if not _is_welcome(scope, token):
            await _empty(404, sent)
        elif scope["method"] not in ("GET", "HEAD"):
            await _empty(405, sent)
        else:
            await inner(scope, receive, sent)

    return outer


def _is_welcome(scope: Message, token: str) -> bool:
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    given = scope["path"].split("/")[1] if scope["path"].startswith("/") else ""
    knows = compare_digest(given.encode(errors="replace"), token.encode())
    return knows and len(hosts) == 1 and _name(hosts[0]) in HOSTS


def _name(host: str) -> str:
    """The name in a `Host`, without the port."""
    name, colon, port = host.rpartition(":")
    return name.lower() if colon and (not port or port.isdigit()) else host.lower()


async def _empty(status: int, send: Send) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})
