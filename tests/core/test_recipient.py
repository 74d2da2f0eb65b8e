"""Who is told: what people say is read and checked, and no address is ever shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from raylab.core.policy import Policy
from raylab.core.recipient import EVENTS, Recipient, read_recipients, shown_recipients
from raylab.errors import DesignError

SLACK = "https://hooks.slack.com/services/T0/B0/s3cr3t"
MAIL = {"command": ["mail", "-s", "raylab", "ada@example.org"]}


@pytest.mark.parametrize(
    ("given", "to"),
    [
        (SLACK, ["hooks.slack.com"]),
        ("$RAYLAB_SLACK", ["$RAYLAB_SLACK"]),
        ("https://ntfy.sh/${TOPIC}", ["ntfy.sh"]),
        ("HTTP://ada:pw@[::1]:8080/x?key=s3cr3t", ["::1"]),
        (MAIL, ["the command mail"]),
        ({"command": "/usr/bin/curl -d @- $HOOK"}, ["the command curl"]),
        ([SLACK, MAIL, {"url": SLACK, "on": "failed"}], ["hooks.slack.com", "the command mail"]),
        ([], []),
    ],
)
def test_what_people_say_is_read_and_shown_without_secrets(given: Any, to: list[str]) -> None:
    found = read_recipients(given)
    assert found is not None
    assert [each["to"] for each in shown_recipients(found)] == to
    assert "s3cr3t" not in repr(found)
    assert read_recipients(found) == found
    again = Policy.of(json.loads(json.dumps(Policy(notify=found).plain())))
    assert again.notify == found
    assert again.dumps() == Policy(notify=found).dumps()


def test_nothing_said_is_another_thing_than_nobody() -> None:
    assert read_recipients(None) is None
    assert Policy.of(json.loads(Policy().dumps())).notify is None
    assert Policy.of(json.loads(Policy(notify=()).dumps())).notify == ()
    before = Policy(notify=read_recipients(SLACK))
    assert Policy().after(before).notify == before.notify
    assert Policy(notify=()).after(before).notify == ()
    assert Policy(notify=read_recipients(SLACK)).told(Policy()) == []
    (told,) = Policy(notify=()).told(before)
    assert "s3cr3t" not in told
    assert before.of_trials == Policy().of_trials  # no lease is withdrawn for it


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("ada@example.org", ("mail", "command", "ada@example.org")),
        ("ftp://example.org/s3cr3t", ("http://",)),
        ("https:///s3cr3t", ("host",)),
        ("https://example.org:port/s3cr3t", ("host",)),
        ("https://example.org/s3cr3t x", ("blanks",)),
        ("", ("http://",)),
        (7, ("int 7",)),
        ({"url": SLACK, "to": "ada"}, ("'to'",)),
        ({"url": SLACK, **MAIL}, ("either",)),
        ({"on": ["ended"]}, ("either",)),
        ({"url": SLACK, "on": ["over"]}, ("'ended'", "'stands_still'", "over")),
        ({"url": SLACK, "on": []}, ("'ended'",)),
        ({"url": SLACK, "on": 3}, ("'ended'",)),
        ({"url": SLACK, "shape": "teams"}, ("'ntfy'", "teams")),
        ({**MAIL, "shape": "slack"}, ("no shape",)),
        ({"command": []}, ("program",)),
        ({"command": " "}, ("program",)),
        ({"command": ["mail", 7]}, ("program",)),
        ({"command": ["mail\0"]}, ("program",)),
        (["mail", "-s"], ("mail",)),
        ([[SLACK]], ("list",)),
        ([f"https://example.org/{n}" for n in range(17)], ("16", "17")),
        (Path("/dev/null"), ("Path",)),
    ],
)
def test_what_cannot_be_used_is_refused_without_a_secret(given: Any, words: tuple[str, ...]) -> None:
    with pytest.raises(DesignError) as caught:
        read_recipients(given)
    assert [word for word in ("notify", *words) if word not in str(caught.value)] == []
    assert "s3cr3t" not in str(caught.value)


def test_variables_are_found_and_put_in() -> None:
    recipient = Recipient(url="https://$HOST/${PATH_}/x")
    assert recipient.variables == ("HOST", "PATH_")
    assert recipient.unset({"HOST": "example.org", "PATH_": ""}) == ["PATH_"]
    assert recipient.address({"HOST": "example.org", "PATH_": "p"}) == "https://example.org/p/x"
    command = Recipient(command="curl -H $TOKEN")
    assert command.variables == ("TOKEN",)
    assert command.unset({}) == []


def test_the_host_says_which_shape_unless_a_person_does() -> None:
    hook = Recipient(url="$HOOK")
    assert hook.shape_at(SLACK) == "slack"
    assert hook.shape_at("https://ntfy.sh/x") == hook.shape_at("https://ntfy.example.org/x") == "ntfy"
    assert hook.shape_at("https://example.org/x") == hook.shape_at("https://[") == "json"
    assert Recipient(url=SLACK, shape="json").shape_at(SLACK) == "json"


def test_one_is_the_same_whatever_it_is_told_of() -> None:
    (all_of_it,), (some,) = read_recipients(SLACK) or (), read_recipients({"url": SLACK, "on": ["ended"]}) or ()
    assert (all_of_it.on, some.on) == (EVENTS, ("ended",))
    assert all_of_it.key == some.key != Recipient(url=SLACK + "x").key
