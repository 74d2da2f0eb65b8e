"""One POST to a real server: what counts as told, what is tried again, and that no address is said."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from hook import SECRET, hook

from raylab.display.notice import Payload
from raylab.server import webhook
from raylab.server.webhook import NotTold, post

SENT = Payload({"Content-Type": "application/json", "Idempotency-Key": "1f"}, b'{"event": "ended"}')


def refusal(address: str, now: float = 0.0) -> NotTold:
    with pytest.raises(NotTold) as caught:
        post(address, SENT, now)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    return caught.value


def test_it_is_sent_as_it_is_to_the_very_path() -> None:
    with hook((204, {})) as there:
        post(there.url.replace("//", "//ada:p%40w@") + "?a=1&b=größe", SENT, 0.0)
        (came,) = there.came
    assert (came.method, came.body) == ("POST", SENT.body)
    assert came.path == f"/hooks/{SECRET}?a=1&b=gr%C3%B6%C3%9Fe"
    assert came.headers["Authorization"] == "Basic YWRhOnBAdw=="
    assert (came.headers["Idempotency-Key"], came.headers["Content-Type"]) == ("1f", "application/json")


@pytest.mark.parametrize(
    ("status", "headers", "final", "after"),
    [
        (404, {}, True, 0.0),
        (401, {}, True, 0.0),
        (408, {}, False, 0.0),
        (429, {"Retry-After": "120"}, False, 120.0),
        (503, {"Retry-After": "Thu, 01 Jan 1970 00:01:40 GMT"}, False, 90.0),
        (503, {"Retry-After": "soon"}, False, 0.0),
        (500, {"Retry-After": "1e9"}, False, 0.0),
        (502, {"Retry-After": "999999999"}, False, 3_600.0),
        (304, {}, True, 0.0),
    ],
)
def test_what_another_try_may_cure_is_told_from_what_none_does(
    status: int, headers: dict[str, str], final: bool, after: float
) -> None:
    with hook((status, headers)) as there:
        error = refusal(there.url, now=10.0)
    assert (error.final, error.after) == (final, after)
    assert str(status) in str(error)


def test_who_is_not_there_is_tried_again() -> None:
    with hook(up=False) as there:
        error = refusal(there.url)
    assert (str(error), error.final) == ("it cannot be reached: Connection refused", False)


def test_who_hangs_is_left_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "ANSWER_S", 0.2)
    with hook() as there:
        there.hold.clear()
        error = refusal(there.url)
    assert (str(error), error.final) == ("it did not answer within 0 s", False)


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_the_message_follows_to_where_an_address_has_moved(code: int) -> None:
    with hook() as there, hook((code, {"Location": there.url})) as before:
        post(before.url.replace("//", "//ada:pw@"), SENT, 0.0)
        (came,) = there.came
    assert (came.method, came.body) == ("POST", SENT.body), "a GET would be answered as if somebody had been told"
    assert came.headers["Idempotency-Key"] == "1f"
    assert "Authorization" not in came.headers, "the password is for the other host"


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://example.org/x"])
def test_nothing_but_the_web_is_followed(place: str) -> None:
    with hook((302, {"Location": place})) as there:
        assert "302" in str(refusal(there.url))


@pytest.mark.parametrize("address", ["", f"{SECRET}", f"ftp://example.org/{SECRET}", f"http://[{SECRET}", "http://:x/"])
def test_what_a_variable_holds_may_be_no_address(address: str) -> None:
    assert refusal(address).final


def test_what_is_no_http_is_said_without_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            there, _ = server.accept()
            with there:
                there.recv(65_536)
                there.sendall(b"SSH-2.0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        error = refusal(f"http://127.0.0.1:{server.getsockname()[1]}/{SECRET}", time.time())
        thread.join()
    assert not error.final


def test_a_certificate_is_checked() -> None:
    with hook() as there:
        error = refusal(there.url.replace("http:", "https:"))
    assert not error.final
