"""Another policy for a sweep that is there: the words of `change`, checked as those of `submit` are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raylab.client.demands import RESOURCES, follows
from raylab.client.submission import AMOUNTS, custom, policy
from raylab.core.closest import did_you_mean
from raylab.core.policy import Policy
from raylab.core.units import changed as changed_units
from raylab.errors import DesignError

FIELDS = (
    "description",
    "retries",
    "time_limit",
    "priority",
    "max_concurrency",
    "max_failures",
    "capture",
    "grow",
    "ray_remote_args",
    "units",
    "notify",
)
WORDS = (*FIELDS, *AMOUNTS, "resources")
"""What `change` takes."""

ELSEWHERE = {
    "runtime_env": "another environment is another version of the code: submit it with if_exists='continue'",
    "include": "other files are another version of the code: submit it with if_exists='continue'",
    "repeats": "more repeats are what extend(repeats=...) is for",
    "design": "more points are what extend(design) is for",
    "experiment": "other code goes on with the sweep by submit(..., if_exists='continue')",
    "seed": "another seed is another sweep: submit it under another name",
    "order": "another order is another sweep: submit it under another name",
    "name": "a sweep keeps its name: submit it under another one",
}
"""What belongs to no policy, and where it can be changed."""


def changes(before: Policy, words: Mapping[str, Any]) -> dict[str, Any]:
    """What the words change of a policy, as `Policy.changed` takes it.

    Args:
        before: the policy in force.
        words: those of `submit` that are given.

    Raises:
        DesignError: a word is none of them, or its value is not usable; the message names it.

    Example:
        >>> changes(Policy(), {"retries": 2, "num_gpus": 1})
        {'retries': 2, 'resources': {'GPU': 1}}
    """
    for word in words:
        if word not in WORDS:
            where = f": {ELSEWHERE[word]}" if word in ELSEWHERE else did_you_mean(word, WORDS)
            raise DesignError(f"change takes {', '.join(WORDS[:-1])} and {WORDS[-1]}; got {word!r}{where}")
    for word in words.keys() & RESOURCES.keys():
        if follows(words[word]):
            raise DesignError(
                f"change takes one {word} for all trials; what follows from a trial's parameters is given by "
                f"submitting the same again; got {words[word]}"
            )
    fields = {word: value for word, value in words.items() if word in FIELDS}
    if "units" in words:  # of the columns that are named
        fields["units"] = changed_units(before.units, words["units"])
    amounts = {AMOUNTS[word]: value for word, value in words.items() if word in AMOUNTS}
    if "resources" in words:  # all the custom ones: what is not named is not asked for any more
        amounts |= dict.fromkeys(before.resources.keys() - AMOUNTS.values()) | custom(words["resources"])
    known = {field: getattr(before, field) for field in FIELDS}
    after = policy(
        **{**known, **fields},
        resources={**before.resources, **amounts},
        classes=before.changed({**fields, "resources": amounts}).classes,
        runtime_env=before.runtime_env,
    )
    found = {field: getattr(after, field) for field in fields}
    if amounts:
        found["resources"] = {name: after.resources.get(name) for name in amounts}
    return found
