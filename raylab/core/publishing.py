"""What a person says of a parcel that is to be published, and what of a notebook it keeps back.

Whoever gets a parcel may read all that is in it. Kept back, unless they are asked for, are the diff of the working tree
and the values of environment variables, with the options of a container, which may set some; always, user names,
passwords and tokens in URLs, and the digests by which a variable's value could be guessed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raylab.core.authors import Author, Licence, line, read_author, read_licence
from raylab.core.crate import About
from raylab.core.difference import VARIABLE

_CREDENTIALS = re.compile(r"""(?<=://)(?:[^/\s"']*@|[^/\s"'@:]+:(?!\d+/)[^\s"'@]*@)""")
"""A password may hold an `@` or a slash that nobody escaped; what begins with digits and a slash is a port."""

_TOKEN = re.compile(r"""(?i)(?<=[?&])([^\s=&#]*(?:auth|cred|key|pass|secret|sig|token)[^\s=&#]*=)[^\s&#"']+""")
"""In the query of a URL: a name that speaks of a secret, and its value."""

_VARIABLES = ("env_vars", "run_options")
"""What of a `runtime_env` has values of environment variables: their own field, and the options of a container."""

_DIGESTS = (VARIABLE, "environment container")
"""How the ingredients are called that tell of environment variables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """How a parcel is to be published.

    Attributes:
        title, description: empty for what the notebook says.
        licence: None if none is given.
        authors: none for those who submitted the sweeps.
        diff: whether the diff of the working tree goes along.
        env_vars: whether the values of environment variables do.
    """

    title: str = ""
    description: str = ""
    licence: Licence | None = None
    authors: tuple[Author, ...] = ()
    diff: bool = False
    env_vars: bool = False

    @staticmethod
    def of(
        *,
        title: str | None,
        description: str | None,
        licence: str | None,
        authors: str | Sequence[str] | None,
        diff: bool,
        env_vars: bool,
    ) -> Publication:
        """What a person said.

        Raises:
            ValueError: a text cannot be read as what it is to be.
        """
        given = [authors] if isinstance(authors, str) else authors or ()
        return Publication(
            title=line(title or ""),
            description=line(description or ""),
            licence=None if licence is None else read_licence(licence),
            authors=tuple(dict.fromkeys(map(read_author, given))),
            diff=diff,
            env_vars=env_vars,
        )

    def about(self, lab: str, sweeps: Sequence[str], users: Collection[str]) -> About:
        """What is said of a parcel with these sweeps of a lab.

        Args:
            lab: its name.
            sweeps: the names.
            users: who submitted them.
        """
        count = f"{len(sweeps):,} sweeps" if len(sweeps) > 1 else f"the sweep {sweeps[0]}"
        made = f"Parameters, code and results of {count} of the lab {lab}, recorded by raylab."
        return About(
            title=self.title or f"Results of the lab {lab}",
            description=self.description or made,
            licence=self.licence,
            authors=self.authors or tuple(Author(name=user) for user in users),
        )

    def shown(self, value: Any) -> Any:
        """A value of JSON without what is kept back.

        Example:
            >>> Publication().shown({"env_vars": {"KEY": "k"}, "pip": ["--index-url=https://ada:pw@example.org/"]})
            {'env_vars': {'KEY': None}, 'pip': ['--index-url=https://example.org/']}
        """
        if isinstance(value, str):
            return _TOKEN.sub(r"\1", _CREDENTIALS.sub("", value))
        if isinstance(value, Mapping):
            parts = {name: part for name, part in value.items() if not str(name).startswith(_DIGESTS)}
            return {
                name: _names(part) if name in _VARIABLES and not self.env_vars else self.shown(part)
                for name, part in parts.items()
            }
        return [self.shown(part) for part in value] if isinstance(value, list | tuple) else value


def _names(variables: Any) -> Any:
    """Of variables their names; of what has none, nothing."""
    return dict.fromkeys(variables) if isinstance(variables, Mapping) else None
