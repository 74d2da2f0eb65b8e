"""What is told reads well, is harmless, and has the shape that is wanted."""

from __future__ import annotations

import json
from email.header import decode_header, make_header
from typing import Any

from records import record as made
from statuses import status

from raylab.core.causes import Cause, Failing
from raylab.core.recipient import EVENTS, Event
from raylab.core.request import SweepRecord
from raylab.display.notice import MOST_TEXT, MOST_TOLD, message, payload, together

AT_US = 7_200_000_000


def told(event: Event, record: SweepRecord | None = None, **words: Any) -> dict[str, Any]:
    now = status("größe", total=10, **words)
    place = {"lab": "percolation", "notebook": "/data", "ident": "1"}
    return message(f"{event}-1", event, now, record or made(10), at_us=AT_US, **place)


def test_each_event_is_a_sentence_with_what_one_wants_to_know() -> None:
    causes = (Failing(cause=Cause("ValueError", "no fit", "fit.py:3"), by_status={"failed": 2}),)
    ended = told("ended", done=8, failed=2, by_status={"done": 8, "failed": 2}, causes=causes, first_error="ValueError")
    assert ended["title"] == "percolation: größe has ended"
    assert ended["text"] == "8 done, 2 failed (all alike), 2.0 h after it was submitted"
    assert (ended["done"], ended["failed"], ended["causes"][0]["where"]) == (8, 2, "fit.py:3")
    assert (ended["time"], ended["submitted"]) == ("1970-01-01T02:00:00+00:00", "1970-01-01T00:00:00+00:00")

    cancelled = told("ended", record=made(10, cancelled=True), done=4, cancelled=6, state="cancelled")
    assert cancelled["title"].endswith("größe was cancelled")
    assert "6 trials were given up. 4 of 4 trials are in" in cancelled["text"]
    paused = told("paused", waiting=9, failed=1, reason="paused by ada", state="paused")
    assert paused["text"].startswith("paused by ada. 1 of 10 trials are in")
    failed = told("failed", waiting=9, failed=1, first_error="KeyError: 'x'")
    assert failed["text"] == "1 trial failed: KeyError: 'x'. 1 of 10 trials are in"
    still = told("stands_still", waiting=10, reason="no node has 8 GPU", state="infeasible")
    assert still["text"] == "no node has 8 GPU. Nothing is in yet"
    ids = {told(event, waiting=10)["id"] for event in EVENTS}
    assert len(ids) == len(EVENTS)
    assert told("failed", waiting=10)["id"] == told("failed", waiting=3, failed=1)["id"]


def test_what_strangers_wrote_is_harmless_and_no_longer_than_a_phone_bears() -> None:
    error = "no \x1b[2J <!channel> & fit\n" * 500
    found = told("failed", failed=1, waiting=9, first_error=error)
    assert "\x1b" not in json.dumps(found, ensure_ascii=False)
    assert len(found["text"]) <= MOST_TEXT
    slack = json.loads(payload("slack", found).body)
    assert list(slack) == ["text"]
    assert "&lt;!channel&gt; &amp; fit" in slack["text"]
    assert "<" not in slack["text"]


def test_ntfy_gets_text_with_headers_that_are_ascii() -> None:
    found = told("paused", waiting=10, reason="größer\r\nX-Evil: 1", state="paused")
    headers, body = payload("ntfy", found)
    assert all(value.isascii() and "\n" not in value for value in headers.values())
    assert str(make_header(decode_header(headers["Title"]))) == found["title"]
    assert (headers["Priority"], headers["Idempotency-Key"]) == ("high", found["id"])
    assert body.decode() == found["text"]
    assert "Priority" not in payload("ntfy", told("ended", done=10)).headers


def test_several_messages_are_one_that_names_a_few_and_holds_many() -> None:
    one = told("ended", done=10)
    assert together([one]) == one
    many = [{**one, "id": str(n), "title": f"percolation: s{n} has ended"} for n in range(300)]
    found = together(many)
    assert (found["event"], found["count"], len(found["messages"])) == ("several", 300, MOST_TOLD)
    assert found["text"].startswith("s0 has ended; s1 has ended")
    assert found["text"].endswith("and 295 more")
    assert together(many)["id"] == found["id"] != together(many[1:])["id"]
    for shape in ("json", "slack", "ntfy"):
        assert payload(shape, found).body
