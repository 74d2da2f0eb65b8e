"""Who is told what becomes of a sweep: an address on the web, or a command on the lab's node.

An address may name variables of the lab's environment, `$NAME` or `${NAME}`: these are kept as they are given, and only
the lab puts their values in, for the moment in which it tells. What is shown of an address is its host, since all else
of it may be a secret.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from raylab.errors import DesignError, repr_of

__all__ = ["EVENTS", "SHAPES", "Command", "Event", "Recipient", "Shape", "read_recipients", "shown_recipients"]

Event: TypeAlias = Literal["ended", "paused", "failed", "stands_still"]
EVENTS: Final[tuple[Event, ...]] = get_args(Event)
"""What is told: nothing of a sweep is left to do; it was paused, or has paused itself; its first trial failed; it is to
run and does not."""

Shape: TypeAlias = Literal["json", "slack", "ntfy"]
SHAPES: Final[tuple[Shape, ...]] = get_args(Shape)
"""How an address wants it: an object of raylab's, Slack's `{"text": ...}`, or text with ntfy's headers."""

Command: TypeAlias = str | tuple[str, ...]
"""A line for the shell, or a program with its arguments."""

MOST: Final = 16
"""So many are told of one sweep."""

_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})", re.ASCII)
_SLACK = frozenset({"hooks.slack.com", "hooks.slack-gov.com"})
_WORDS: Final = ("url", "command", "on", "shape")

WANTED: Final = (
    'notify says who is told: an address, "https://ntfy.sh/TOPIC", or the variable of the lab\'s environment that '
    'holds one, "$NAME"; {"url": ..., "on": ["ended", "failed"], "shape": "slack"}; {"command": ["mail", "-s", '
    '"raylab", "ada@example.org"]}; or a list of these'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Who is told.

    Attributes:
        url: the address, as it was given; empty for a command.
        command: what is run on the lab's node instead.
        on: of which events.
        shape: how the address wants it; by its host, if empty.
    """

    url: str = ""
    command: Command = ()
    on: tuple[Event, ...] = EVENTS
    shape: Shape | Literal[""] = ""

    @property
    def key(self) -> str:
        """By which it is known as the same, whatever else it is told of."""
        return _key(self.url, self.command)

    @property
    def shown(self) -> str:
        """As a person may see it: without what may be a secret.

        Example:
            >>> Recipient(url="https://hooks.slack.com/services/T0/B0/x").shown, Recipient(url="$HOOK").shown
            ('hooks.slack.com', '$HOOK')
            >>> Recipient(command=("mail", "-s", "raylab", "ada@example.org")).shown
            'the command mail'
        """
        if self.url:
            return self.url if self.url.startswith("$") and "/" not in self.url else urlsplit(self.url).hostname or "?"
        words = self.command.split() if isinstance(self.command, str) else self.command
        return f"the command {words[0].rpartition('/')[2]}"

    def __repr__(self) -> str:
        return f"<{self.shown}>"

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables of the lab's environment that it names, each once."""
        words = (self.command,) if isinstance(self.command, str) else self.command
        found = (match[1] or match[2] for text in (self.url, *words) for match in _VARIABLE.finditer(text))
        return tuple(dict.fromkeys(found))

    def unset(self, environment: Mapping[str, str]) -> list[str]:
        """Those variables of its address that nobody has set. A command has to know itself what it can do without."""
        return [name for name in self.variables if not environment.get(name)] if self.url else []

    def address(self, environment: Mapping[str, str]) -> str:
        """The address, with the values of its variables.

        Example:
            >>> Recipient(url="https://ntfy.sh/${TOPIC}").address({"TOPIC": "ada"})
            'https://ntfy.sh/ada'
        """
        return _VARIABLE.sub(lambda match: environment.get(match[1] or match[2], ""), self.url).strip()

    def shape_at(self, address: str) -> Shape:
        """How the address wants it."""
        host = _host(address)
        return self.shape or ("slack" if host in _SLACK else "ntfy" if host.startswith("ntfy.") else "json")

    def plain(self) -> dict[str, Any]:
        """As JSON takes it."""
        to = {"url": self.url} if self.url else {"command": self.command}
        return {**to, "on": self.on, **({"shape": self.shape} if self.shape else {})}

    @staticmethod
    def of(plain: Mapping[str, Any]) -> Recipient:
        """What `plain` gave, after it was JSON."""
        command = plain.get("command", ())
        return Recipient(
            url=plain.get("url", ""),
            command=command if isinstance(command, str) else tuple(command),
            on=tuple(plain["on"]),
            shape=plain.get("shape", ""),
        )


def read_recipients(given: object) -> tuple[Recipient, ...] | None:
    """Who is told, each once; None where nothing is said, and nobody of an empty list.

    Raises:
        DesignError: something of it cannot be used; the message names it, and no address.

    Example:
        >>> read_recipients(["$HOOK", {"command": ["mail", "ada@example.org"], "on": "ended"}])
        (<$HOOK>, <the command mail>)
    """
    if given is None:
        return None
    several = given if isinstance(given, Sequence | set | frozenset) and not isinstance(given, str | bytes) else [given]
    found = {each.key: each for each in map(_recipient, several)}
    if len(found) > MOST:
        raise DesignError(f"notify takes {MOST} recipients at most; got {len(found)}")
    return tuple(found.values())


def shown_recipients(some: Iterable[Recipient]) -> list[dict[str, Any]]:
    """Who is told, as a person may see it."""
    return [{"to": each.shown, "on": list(each.on), "shape": each.shape or None} for each in some]


@lru_cache(256)
def _key(url: str, command: Command) -> str:
    said = f"url {url}" if url else f"command {command!r}"
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _recipient(given: object) -> Recipient:
    if isinstance(given, Recipient):
        return given
    if isinstance(given, str):
        return Recipient(url=_url(given))
    if not isinstance(given, Mapping):
        known = f" {given!r}" if isinstance(given, int | float) else ""  # of anything else a part may be an address
        raise DesignError(f"{WANTED}; got {type(given).__name__}{known}")
    if unknown := [word for word in given if word not in _WORDS]:
        raise DesignError(f"notify has the words {', '.join(_WORDS)}; got {unknown[0]!r}")
    if ("url" in given) == ("command" in given):
        raise DesignError(f"notify has either url or command in each of its dicts; got the words {list(given)}")
    on = _on(given.get("on"))
    if "command" in given:
        if given.get("shape") is not None:
            raise DesignError("a command of notify has no shape: it gets raylab's JSON on its standard input")
        return Recipient(command=_command(given["command"]), on=on)
    return Recipient(url=_url(given["url"]), on=on, shape=_shape(given.get("shape")))


def _url(given: object) -> str:
    """An address that may be told. What is wrong with one is said without it: it may hold a secret."""
    if not isinstance(given, str):
        raise DesignError(f"{WANTED}; got {type(given).__name__} for an address")
    url = given.strip()
    if url.startswith("$") and _VARIABLE.match(url):
        return url
    begins = url.lower().startswith(("http://", "https://"))
    if not begins or not _host(url) or re.search(r"[\s\x00-\x1f\x7f]", url):
        what = f"a text of {len(url)} characters" if begins or "/" in url else repr_of(given, 40)
        raise DesignError(
            f"an address of notify is http:// or https://, a host and a path, without blanks, or $NAME, a variable of "
            f"the lab's environment that holds one; got {what}. A program is run by "
            '{"command": [...]}, mail for an address of e-mail'
        )
    return url


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = "$" in parts.netloc or parts.port  # of one that is no number it says so
    except ValueError:
        return ""
    return parts.hostname or ""


def _command(given: object) -> Command:
    given = tuple(given) if isinstance(given, list | tuple) else given
    words = given if isinstance(given, tuple) else (given,)
    is_command = words and all(isinstance(word, str) and "\0" not in word for word in words)
    if not is_command or not words[0].strip():
        raise DesignError(
            'a command of notify is a program with its arguments, ["mail", "-s", "raylab", "ada@example.org"], or a '
            f"line for the shell; got {type(given).__name__}"
        )
    return given if isinstance(given, str) else words


def _on(given: object) -> tuple[Event, ...]:
    if given is None:
        return EVENTS
    words = [given] if isinstance(given, str) else given
    if not isinstance(words, Iterable) or not (found := list(words)) or any(word not in EVENTS for word in found):
        raise DesignError(
            f"on says which events notify tells, one or several of {', '.join(map(repr, EVENTS))}; got "
            f"{repr_of(given, 60)}"
        )
    return tuple(event for event in EVENTS if event in found)


def _shape(given: object) -> Shape | Literal[""]:
    if given is None:
        return ""
    for shape in SHAPES:
        if given == shape:
            return shape
    raise DesignError(
        f"shape says how an address of notify wants it, {', '.join(map(repr, SHAPES))}, or None: by its host; got "
        f"{repr_of(given, 60)}"
    )
