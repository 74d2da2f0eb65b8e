"""Tells an address on the web: one POST, by Python's own HTTP. Blocks; nothing of the lab's waits for it.

Certificates are checked, and the proxies of the environment are used. What is said of a failure never holds the
address, which may be a secret.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from raylab import __version__
from raylab.core.harmless import harmless
from raylab.display.notice import Payload

__all__ = ["NotTold", "post"]

ANSWER_S: Final = 10.0
"""How long an address may take to answer."""

LONGEST_WAIT_S: Final = 3_600.0
"""As long an address may ask to be left alone."""

PASSING: Final = frozenset({408, 425, 429})
"""Answers from 400 to 499 that another try may cure."""

_MOVED: Final = frozenset({301, 302, 307, 308})


class NotTold(Exception):
    """Somebody was not told, and why.

    Attributes:
        final: whether no other try cures that.
        after: seconds in which nobody is to try again.
    """

    def __init__(self, why: str, *, final: bool = False, after: float = 0.0) -> None:
        super().__init__(why)
        self.final = final
        self.after = after


def post(address: str, payload: Payload, now: float) -> None:
    """Send it; when this returns the address has said that it has it.

    Args:
        address: where to.
        payload: what.
        now: seconds since the epoch.

    Raises:
        NotTold: it has not.
    """
    url, headers = _checked(address)
    asked = urllib.request.Request(url, data=payload.body, headers={**payload.headers, **headers}, method="POST")
    asked.add_header("User-Agent", f"raylab/{__version__}")
    try:
        with urllib.request.build_opener(_Moved).open(asked, timeout=ANSWER_S):
            return
    except urllib.error.HTTPError as error:
        with error:
            raise _answered(error, now) from None
    except Exception as error:
        raise NotTold(_why(error)) from None


def _checked(address: str) -> tuple[str, dict[str, str]]:
    """An address as HTTP has it, and a header for the name and password in it."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host or parts.scheme not in ("http", "https"):
        raise NotTold("its address is none that begins with http:// or https://", final=True)
    with suppress(UnicodeError):
        host = host.encode("idna").decode() if not host.isascii() else host
    place = f"[{host}]" if ":" in host else host
    path, query = quote(parts.path, safe="/%:@!$&'()*+,;=~"), quote(parts.query, safe="/%:@!$&'()*+,;=~?")
    url = urlunsplit((parts.scheme, place if port is None else f"{place}:{port}", path or "/", query, ""))
    if parts.username is None:
        return url, {}
    person = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return url, {"Authorization": f"Basic {b64encode(person.encode()).decode()}"}


class _Moved(urllib.request.HTTPRedirectHandler):
    """Follows to where an address has moved, with the same message: Python's own makes a GET of it, which is answered
    as if somebody had been told."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        before, after = urlsplit(req.full_url), urlsplit(newurl)
        if code not in _MOVED or after.scheme not in ("http", "https"):
            return None
        if before.scheme == "https" and after.scheme == "http":
            return None
        kept: Mapping[str, str] = req.headers
        if after.netloc != before.netloc:  # whom the password is not for
            kept = {name: value for name, value in kept.items() if name.lower() != "authorization"}
        return urllib.request.Request(newurl, data=req.data, headers=dict(kept), method="POST")


def _answered(error: urllib.error.HTTPError, now: float) -> NotTold:
    reason = harmless(str(http.client.responses.get(error.code, ""))).strip()
    why = f"it answered {error.code} {reason}".strip()
    final = error.code < 500 and error.code not in PASSING
    return NotTold(why, final=final, after=_wait(error.headers.get("Retry-After"), now))


def _wait(given: str | None, now: float) -> float:
    """The seconds of a header `Retry-After`: a number, or a date.

    Example:
        >>> _wait("120", 0.0), _wait("Thu, 01 Jan 1970 00:00:30 GMT", 10.0), _wait("soon", 0.0)
        (120.0, 20.0, 0.0)
    """
    if not given:
        return 0.0
    seconds = 0.0
    with suppress(ValueError, OverflowError):
        seconds = float(given) if given.strip().isdigit() else parsedate_to_datetime(given).timestamp() - now
    return min(max(0.0, seconds), LONGEST_WAIT_S)


def _why(error: Exception) -> str:
    """What kept a message from being sent, without the address."""
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"it did not answer within {ANSWER_S:.0f} s"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {cause.verify_message}"
    if isinstance(cause, socket.gaierror):
        return "its host has no address"
    if isinstance(cause, OSError) and cause.strerror:
        return f"it cannot be reached: {cause.strerror}"
    return f"it cannot be reached: an error of the kind {type(cause).__name__}"
