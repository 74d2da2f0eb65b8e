"""Where a code version comes from: the git repository, the command, the machine; and what its workers had beside that.

What a process has installed is an Environment. It stands once in a notebook, however many versions and nodes have it:
these say its digest.
Promises: what is not known is None, and a sentence says why.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

__all__ = ["NOWHERE", "Environment", "Provenance", "Tree", "Workers", "differences", "had", "heard", "remark"]

MOST_NODES = 1_000
"""As many nodes are named of those that have one environment: 1,000 names of 15 characters are 15 kB a sweep."""

FEW = 3
"""As many nodes, or files, are named in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What a process has: its Python, its platform, and the installed packages with their versions."""

    python: str
    platform: str
    packages: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def digest(self) -> str:
        """Of all of it: 128 bits are enough to tell some thousand apart.

        Example:
            >>> Environment(python="3.11.4", platform="Linux").digest
            'b0e0d2f28882296717eb60104208d6a8'
        """
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:32]

    def told(self) -> dict[str, Any]:
        """As `info()` has it."""
        return {"python": self.python, "platform": self.platform, "packages": dict(sorted(self.packages.items()))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A git repository and its working tree, as they were.

    Attributes:
        commit: that was checked out; None where there is none.
        branch: None where none was checked out.
        remote: the address that the branch is fetched from, without a password; None where there is none.
        dirty: whether the commit alone is not the code: a file of it was changed, or the experiment's own is not of it.
        untracked: files and folders that git does not know and does not ignore; the first ones.
        more_untracked: how many there were beside these.
        cut: whether the diff is only the beginning of it.
        trouble: why something is not known, in a sentence; empty if all is.
    """

    commit: str | None = None
    branch: str | None = None
    remote: str | None = None
    dirty: bool | None = None
    untracked: tuple[str, ...] = ()
    more_untracked: int = 0
    cut: bool = False
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a code version was submitted from; who did it when is said by the version.

    Attributes:
        command: the command line, the name of the notebook, or `interactive`.
        folder: the working directory.
        host: the machine.
        environment: the digest of what the process had installed.
        imports: the installed packages that the experiment reaches, by the names that they are installed by.
        tree: the git repository; None outside of any.
    """

    command: str = ""
    folder: str = ""
    host: str = ""
    environment: str = ""
    imports: tuple[str, ...] = ()
    tree: Tree | None = None

    @staticmethod
    def of(plain: Mapping[str, Any]) -> Provenance:
        """What `asdict` gave, after it was JSON."""
        tree = plain.get("tree")
        if tree is not None:
            tree = Tree(**{**tree, "untracked": tuple(tree.get("untracked", ()))})
        return Provenance(**{**plain, "imports": tuple(plain.get("imports", ())), "tree": tree})

    def told(self, environments: Mapping[str, Environment]) -> dict[str, Any]:
        """As `info()` has it; None for what nobody knows."""
        here = environments.get(self.environment)
        tree = self.tree or Tree(trouble="" if self.command else "it is not known where this was submitted from")
        packages = {} if here is None else here.packages
        return {
            "host": self.host or None,
            "folder": self.folder or None,
            "command": self.command or None,
            "commit": tree.commit,
            "branch": tree.branch,
            "remote": tree.remote,
            "dirty": tree.dirty,
            "untracked": list(tree.untracked),
            "more_untracked": tree.more_untracked,
            "diff_cut": tree.cut,
            "git": tree.trouble or None,
            **(here.told() if here is not None else {"python": None, "platform": None, "packages": {}}),
            "imports": {name: packages.get(name) for name in self.imports},
        }


NOWHERE = Provenance()
"""Of a version of which nobody noted where it came from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """The nodes whose workers have run a code version in one environment.

    Attributes:
        version: of the code.
        environment: its digest.
        nodes: their names.
    """

    version: int
    environment: str
    nodes: tuple[str, ...]

    @staticmethod
    def of(plain: Mapping[str, Any]) -> Workers:
        """What `asdict` gave, after it was JSON. A name stands once in memory, however many sweeps ran on its node."""
        return Workers(**{**plain, "nodes": tuple(map(sys.intern, plain["nodes"]))})


def heard(known: Collection[Workers], new: Workers) -> tuple[Workers, ...]:
    """These workers, and new ones."""
    same = [each for each in known if (each.version, each.environment) == (new.version, new.environment)]
    if not same:
        return (*known, new)
    nodes = tuple(dict.fromkeys((*same[0].nodes, *new.nodes)))[:MOST_NODES]
    return tuple(replace(each, nodes=nodes) if each is same[0] else each for each in known)


def differences(client: Environment, worker: Environment, imports: Collection[str]) -> Iterator[str]:
    """Which of the packages that an experiment imports have another version on a worker, in words.

    Example:
        >>> client = Environment(python="3.11.4", platform="Linux", packages={"numpy": "2.4.6", "scipy": "1.16.0"})
        >>> worker = Environment(python="3.11.9", platform="Linux", packages={"numpy": "2.3.0"})
        >>> list(differences(client, worker, ["numpy", "scipy"]))
        ['numpy is 2.3.0, was submitted with 2.4.6', 'scipy is not installed, was submitted with 1.16.0']
    """
    for name in imports:
        there, here = worker.packages.get(name), client.packages.get(name)
        if here is not None and there != here:
            yield f"{name} is {there or 'not installed'}, was submitted with {here}"


def had(
    version: int, node: str, came: Provenance, workers: Collection[Workers], environments: Mapping[str, Environment]
) -> Environment | None:
    """What a worker on a node had that ran a code version; what the client had, where that is not known.

    Example:
        >>> known = {each.digest: each for each in (Environment(python="3.11.4", platform=name) for name in "ab")}
        >>> first, second = known
        >>> workers = [Workers(version=1, environment=first, nodes=("n1",))]
        >>> came = Provenance(environment=second)
        >>> [had(1, node, came, workers, known).platform for node in ("n1", "n2")]
        ['a', 'b']
    """
    there = [each.environment for each in workers if each.version == version and node in each.nodes]
    return environments.get(there[-1] if there else came.environment)


def remark(
    version: int, came: Provenance, workers: Collection[Workers], environments: Mapping[str, Environment]
) -> str:
    """What to say of the workers of a code version that have other packages than its client had; empty if none have."""
    client = environments.get(came.environment)
    found: dict[str, list[str]] = {}
    for each in workers:
        there = environments.get(each.environment) if each.version == version else None
        if client is not None and there is not None:
            for sentence in differences(client, there, came.imports):
                found.setdefault(sentence, []).extend(each.nodes)
    return "; ".join(f"on {few(nodes)} {sentence}" for sentence, nodes in found.items())


def few(names: Sequence[str], more: int = 0) -> str:
    """Some names, as far as they are few.

    Args:
        names: some of them.
        more: how many there are beside these.

    Example:
        >>> few(["a", "b"]), few(["a", "b", "c", "d"], 10)
        ('a, b', 'a, b, c and 11 more')
    """
    left = max(0, len(names) - FEW) + more
    return ", ".join(names[:FEW]) + (f" and {left:,} more" if left else "")
