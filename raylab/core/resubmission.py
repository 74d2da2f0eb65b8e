"""Submitting again: what one more submission means, beside the sweeps there are.

Promises: the same again is the sweep that is there. Nothing else gives way by itself but a bug that is being mended: a
sweep of one's own of which nothing is done and something failed, where the source differs and nothing else of what was
asked. Whatever makes a submission another sweep is named in words, with each way out.

Whether a sweep has grown to what a submission asks for, or could, is not decided here but by comparing points, which
may take seconds: a decision asks for that (`compare`), and the client makes the submission again with what it found.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from raylab.core.box import whole
from raylab.core.difference import SOURCE, VALUE, changes, differences, updates, words_to_ignore
from raylab.core.handle import when
from raylab.core.policy import Policy
from raylab.core.request import Submission, SweepRecord
from raylab.core.retry import stay
from raylab.core.settling import under
from raylab.errors import DesignError, RaylabError, SweepExists, SweepLocked

__all__ = ["Decision", "decide", "differing", "overtaken", "policy_again", "refusal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do with a submission.

    Attributes:
        kind: what it is; `compare` where it takes a growth to tell.
        name: of the sweep that it is, makes, or takes the place of.
        than: the sweep that it is another one than, where it gets a new name for that.
        differences: from the sweep it was compared with, in words.
        ignorable: the words by which it would be the same; none if no words do that.
        updates: installed packages whose versions are other ones than when that sweep was submitted.
        extendable: nothing differs but points and repeats, so the sweep could grow to what is asked for.
        equals: the number of the earlier version of that sweep's code that it is the same as; 0 if it is none.
        version: the number that its code gets in a sweep that goes on with it.
        added: how many trials the sweep gets then, of points and repeats that it did not have.
        rerun: how many trials run again then, because they failed.
        policy: what of the sweep's policy is other than before, in words.
        failed: the trials, by status, that failed under another policy, and stay so.
        mends: it takes the place of one that only failed, without being told to.
        aside: by which name the one is read whose place it takes.
        unarchives: it was archived, and is among the sweeps again.
        among: the sweeps that could be meant: of which the growths are wanted, or where it cannot be told which one is
            to be replaced, extended, or to go on.
    """

    kind: Literal["new", "same", "extend", "continue", "compare", "replace", "refuse"]
    name: str
    than: str = ""
    differences: tuple[str, ...] = ()
    ignorable: tuple[str, ...] = ()
    updates: tuple[str, ...] = ()
    extendable: bool = False
    equals: int = 0
    version: int = 0
    added: int = 0
    rerun: int = 0
    policy: tuple[str, ...] = ()
    failed: Mapping[str, int] = field(default_factory=dict)
    mends: bool = False
    aside: str = ""
    unarchives: bool = False
    among: tuple[str, ...] = ()

    @property
    def way_out(self) -> str:
        """How to say that what differs does not matter."""
        return f"; if that does not matter: ignore={self.ignorable!r}" if self.ignorable else ""

    @property
    def remark(self) -> str:
        """What the person who submitted should know; empty where nothing changed."""
        differs = f"{'; '.join(self.differences)}{self.way_out}"
        told = []
        if self.kind == "replace":
            why = ", of which nothing was done and something failed" if self.mends else ", as was asked"
            told.append(f"{self.name!r} takes the place of the one before{why}: {differs}")
            told.append(f"The rows of that one are read as {self.aside!r}")
        elif self.kind == "continue":
            as_before = f", which is version {self.equals} again" if self.equals else ""
            told.append(f"{self.name!r} goes on with version {self.version} of its code{as_before}: {differs}")
            new = f", {self.added:,} trials are new" if self.added else ""
            again = f", {self.rerun:,} trial{'s that failed run' if self.rerun > 1 else ' that failed runs'} again"
            told.append(f"What is done stays{new}{again if self.rerun else ''}")
        elif self.kind == "new" and self.than:
            told.append(f"{self.name!r} is another sweep than {self.than!r}: {differs}")
        if self.policy:
            told.append(f"{self.name!r} is run otherwise from now on: {'; '.join(self.policy)}")
        if stays := stay(self.name, self.failed):
            told.append(stays)
        if self.unarchives:
            told.append(f"{self.name!r} was archived; now it is among the lab's sweeps again")
        if self.updates:
            told.append(
                f"since {(self.than or self.name)!r} was submitted, versions changed: {', '.join(self.updates)}"
            )
        return ". ".join(told)


def decide(submission: Submission, sweeps: Mapping[str, SweepRecord], failing: Collection[str]) -> Decision:
    """Whether a submission is a sweep that is there, adds to one, is a new one, or takes the place of another.

    Args:
        submission: what was handed over.
        sweeps: the sweeps in force.
        failing: those of which nothing is done and something failed.
    """
    if submission.name is not None:
        return _compare(submission.name, submission, sweeps, failing)
    there: list[Decision] = []
    for name in _names(submission.label):
        found = _compare(name, submission, sweeps, failing)
        # The same again may stand behind one that could be replaced; nothing is replaced for what is there already.
        if found.kind == "same" or (found.kind == "new" and not there):
            return found
        if found.kind == "new":
            break
        there.append(found)
    if open_ones := tuple(each.name for each in there if each.kind == "compare"):
        return Decision(kind="compare", name=open_ones[0], among=open_ones)
    if meant := _meant(there, submission, sweeps):
        among = tuple(each.name for each in meant)
        return meant[0] if len(meant) == 1 else Decision(kind="refuse", name=meant[0].name, among=among)
    if mending := [each for each in there if each.mends]:
        return _nearest(mending)
    # It gets a name of its own; what makes it another sweep is told by the one that is nearest.
    nearest = _nearest(there)
    return replace(nearest, kind="new", name=found.name, than=nearest.name, aside="")


def _nearest(decisions: Sequence[Decision]) -> Decision:
    """The one with the fewest differences, the last of these."""
    return min(reversed(decisions), key=lambda decision: len(decision.differences))


def _meant(there: Sequence[Decision], submission: Submission, sweeps: Mapping[str, SweepRecord]) -> list[Decision]:
    """The sweeps that `if_exists` may mean where no name was given. Locked ones are among those to be replaced: that
    they stay is to be said."""
    if submission.if_exists == "replace":
        return [each for each in there if sweeps[each.name].user == submission.user]
    return [each for each in there if each.kind in ("extend", "continue")]


def _names(label: str) -> Iterator[str]:
    """What an unnamed sweep may be called: its experiment's name, then `-2` and so on."""
    yield label
    for number in itertools.count(2):
        yield f"{label}-{number}"


def _compare(
    name: str, submission: Submission, sweeps: Mapping[str, SweepRecord], failing: Collection[str]
) -> Decision:
    known = sweeps.get(name)
    if known is None:
        return Decision(kind="new", name=name)
    found = tuple(differing(known, submission))
    newer = tuple(updates(known.ingredients, submission.ingredients))
    if not found:
        if _asks_by_other_points(known, submission) and submission.growth(known) is None:
            return Decision(kind="compare", name=name, among=(name,))
        return Decision(kind="same", name=name, updates=newer, unarchives=known.archived)
    extendable = found == tuple(_points_and_repeats(known, submission))
    extends = extendable and submission.if_exists in ("extend", "continue") and _may_extend(known, submission)
    if extends or (extendable and known.has_grown and submission.size * submission.repeats == known.total):
        growth = submission.growth(known)
        if growth is None:
            return Decision(kind="compare", name=name, among=(name,))
        if growth.exact and not growth.segments:
            return Decision(kind="same", name=name, updates=newer, unarchives=known.archived)
        if extends:
            return Decision(kind="extend", name=name, updates=newer, unarchives=known.archived)
    may = known.user == submission.user and not known.locked
    equals = 0 if extendable else _equal_version(known, submission)
    goes_on = may and submission.if_exists == "continue" and not _seed_and_order(known, submission) and not extendable
    growth = submission.growth(known)
    if goes_on and growth is None and _points_and_repeats(known, submission):
        return Decision(kind="compare", name=name, among=(name,))
    mends = may and submission.if_exists == "fail" and name in failing and not equals and _mends(known, submission)
    replaces = mends or (may and submission.if_exists == "replace")
    return Decision(
        kind="continue" if goes_on else "replace" if replaces else "refuse",
        name=name,
        differences=found,
        ignorable=() if _terms(known, submission) else _words(known, submission),
        updates=newer,
        extendable=extendable,
        equals=equals,
        version=known.version + 1 if goes_on else 0,
        added=growth.added if goes_on and growth is not None else 0,
        mends=mends,
        aside=known.name_aside if replaces else "",
        unarchives=goes_on and known.archived,
    )


def _asks_by_other_points(known: SweepRecord, submission: Submission) -> bool:
    """Whether the client has told what trials ask for of points that are none of the sweep's: those that it has drawn
    by a seed of its own."""
    drawn = not submission.is_seeded and submission.seed is None and submission.drawn != known.seed
    return drawn and bool(submission.partition.parts or known.policy.classes)


def _equal_version(known: SweepRecord, submission: Submission) -> int:
    """The newest of the earlier versions of a sweep's code, by its number, that a submission is the same as."""
    earlier = list(enumerate(known.versions[:-1], 1))
    equal = (
        number
        for number, version in reversed(earlier)
        if not differences(version.ingredients, submission.ingredients, submission.ignore)
    )
    return next(equal, 0)


def _may_extend(known: SweepRecord, submission: Submission) -> bool:
    """By name any sweep grows, as it takes any other change; without one, only one's own is meant."""
    return submission.name is not None or (known.user == submission.user and not known.locked)


def _mends(known: SweepRecord, submission: Submission) -> bool:
    """Whether the source was edited and nothing else was asked; what was added to a sweep is not given up for that.
    Without a name, whoever captures other values (a loop
    that submits a function for each k) asks for one more sweep."""
    found = changes(known.ingredients, submission.ingredients, submission.ignore)
    told_apart = submission.name is None and VALUE in found
    return SOURCE in found and not told_apart and not known.has_grown and not _terms(known, submission)


def _words(known: SweepRecord, submission: Submission) -> tuple[str, ...]:
    return words_to_ignore(known.ingredients, submission.ingredients, submission.ignore)


def differing(known: SweepRecord, submission: Submission) -> list[str]:
    """What makes a submission another sweep than the one that is there, readable."""
    code = differences(known.ingredients, submission.ingredients, submission.ignore)
    return _terms(known, submission) + code


def _terms(known: SweepRecord, submission: Submission) -> list[str]:
    """What differs beside the code."""
    return _points_and_repeats(known, submission) + _seed_and_order(known, submission)


def _seed_and_order(known: SweepRecord, submission: Submission) -> list[str]:
    found = []
    if submission.seed is not None and submission.seed != known.seed:
        found.append(f"seed: {submission.seed}, was {known.seed}")
    if known.asked.order != submission.order:
        found.append(f"order: {submission.order}, was {known.asked.order}")
    return found


def _points_and_repeats(known: SweepRecord, submission: Submission) -> list[str]:
    found = []
    settled = under(submission, known.seed)
    if known.asked.design != settled.design:
        same_words = known.outline == settled.shape
        found.append("the design's values" if same_words else f"the design: {settled.shape}, was {known.outline}")
    if known.asked.repeats != submission.repeats:
        grown = f", grown to {known.repeats}" if known.repeats != known.asked.repeats else ""
        found.append(f"repeats: {submission.repeats}, was {known.asked.repeats}{grown}")
    return found


def policy_again(known: SweepRecord, submission: Submission) -> Policy:
    """The policy that the same submission again gives to a sweep. What a person said of it stays where nothing else is
    said. The classes of its trials never change: the amounts of each are those that are asked for now for its points.

    Raises:
        DesignError: the amounts tell trials of one class apart.
    """
    policy, partition = submission.policy.after(known.policy), submission.partition
    growth = submission.growth(known)
    if growth is not None and growth.classes:
        return replace(policy, classes=growth.classes)
    if not partition.parts:
        return policy
    found: dict[int, set[int]] = {}
    design = under(submission, known.seed).design
    for segment in known.segments:
        if segment.design == design and not segment.selection:
            now = partition.classes_in(segment.part or whole(partition.grid))
            found.setdefault(segment.need.klass, set()).update({-1, -2} if now is None else now)
    if any(len(now) > 1 for now in found.values()):
        raise told_apart(known)
    classes = dict(enumerate(known.policy.classes)) | {klass: policy.classes[min(now)] for klass, now in found.items()}
    return replace(policy, classes=tuple(classes.get(klass, {}) for klass in range(max(classes) + 1)))


def told_apart(known: SweepRecord) -> DesignError:
    """The amounts that are given now tell trials of one class apart."""
    return DesignError(
        f"the trials of {known.name!r} are in classes by what they ask for ({len(known.needs)} of them), which stay as "
        "they are, and the amounts that were given now differ within one of them. Give amounts that are the same "
        "within each, one for all, or set the sweep aside with if_exists='replace'"
    )


# -- what is said where nothing is done


def refusal(decision: Decision, known: SweepRecord, submission: Submission) -> RaylabError:
    """Why a submission is refused, what differs, and each way out."""
    if decision.among:
        names = ", ".join(map(repr, decision.among))
        return SweepExists(f"if_exists={submission.if_exists!r} could mean each of {names}; say which one with name=")
    name = decision.name
    if known.locked and submission.if_exists in ("continue", "replace"):
        return SweepLocked(
            f"the sweep {name!r} is locked, so nothing takes its place and its code stays; give the new one another "
            f"name with name=. lab.results({name!r}) gives the results of the locked one"
        )
    earlier = f", though the code is that of version {decision.equals}" if decision.equals else ""
    return SweepExists(
        f"the sweep {name!r} of {known.user} is another one{earlier}. What differs: {'; '.join(decision.differences)}. "
        f"What to do: {'; '.join(_ways(decision, known, submission))}{decision.way_out}. lab.results({name!r}) gives "
        "the results of the old one as it is"
    )


def _ways(decision: Decision, known: SweepRecord, submission: Submission) -> Iterator[str]:
    """What a person can do about a sweep that has the name."""
    yield "give the new one another name with name="
    if decision.extendable and not known.locked:
        yield "or add the points and repeats that are not there with if_exists='extend'"
    elif submission.if_exists == "extend":
        yield "if_exists='extend' adds points and repeats where code, seed and order are the same"
    if known.locked:
        yield "nothing takes the place of the old one, which is locked"
    elif known.user != submission.user:
        yield f"only {known.user} can have the old one go on with other code, or replaced"
    else:
        if not decision.extendable and not _seed_and_order(known, submission):
            yield (
                "or let the old one go on with this code with if_exists='continue': what is done stays, what waits or "
                "failed runs with it"
            )
        elif submission.if_exists == "continue":
            yield "if_exists='continue' lets a sweep go on with other code where seed and order are the same"
        yield f"or set the old one aside with if_exists='replace': its rows are then read as {known.name_aside!r}"


def overtaken(known: SweepRecord, decision: Decision, submission: Submission) -> SweepExists | None:
    """What to say if somebody was quicker: to take the place of the very sweep that is meant, or to give it other
    code."""
    if submission.replaces not in ("", known.folder):
        was = "to go on" if decision.kind == "continue" else "to be replaced"
        return SweepExists(
            f"the sweep {known.name!r} that was {was} was replaced meanwhile, by {known.user} at "
            f"{when(known.time_us)}; submit again if that one is meant, or give another name with name="
        )
    if decision.kind == "continue" and submission.version not in (0, decision.version):
        newest = known.versions[-1]
        return SweepExists(
            f"the sweep {known.name!r} got version {known.version} of its code meanwhile, from {newest.user} at "
            f"{when(newest.time_us)}; submit again to let it go on with this one"
        )
    return None
