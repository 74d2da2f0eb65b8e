"""All that is known of a sweep beside its numbers, as `info()` gives it: what was asked, by whom, with which code."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from raylab.core.class_words import told
from raylab.core.provenance import Environment
from raylab.core.recipient import shown_recipients
from raylab.core.request import SweepRecord
from raylab.core.versions import history

__all__ = ["account"]


def account(record: SweepRecord, environments: Mapping[str, Environment], diffs: Mapping[str, bytes]) -> dict[str, Any]:
    """A sweep's account; see `Sweep.info`.

    Args:
        record: the sweep.
        environments: what clients and workers had installed, by digest.
        diffs: those of its code versions' working trees, by hash, as far as they are there.
    """
    gone = record.replaced
    return {
        "name": record.name,
        "user": record.user,
        "submitted": datetime.fromtimestamp(record.time_us / 1e6, UTC),
        "experiment": record.label,
        "code": history(record.versions, record.workers, environments, diffs),
        "design": record.outline,
        "total": record.total,
        "repeats": record.repeats,
        "seed": record.seed,
        "order": record.asked.order,
        "description": record.policy.description,
        "units": {name: dict(about) for name, about in record.policy.units.items()},
        "retries": record.policy.retries,
        "time_limit": record.policy.time_limit,
        "priority": record.policy.priority,
        "max_concurrency": record.policy.max_concurrency,
        "max_failures": record.policy.max_failures,
        "capture": record.policy.capture,
        "notify": None if record.policy.notify is None else shown_recipients(record.policy.notify),
        "resources": dict(record.policy.resources),
        "classes": told(record),
        "grow": dict(record.policy.grow),
        "ray_remote_args": dict(record.policy.ray_remote_args),
        "runtime_env": dict(record.policy.runtime_env),
        "folder": record.folder,
        "imported": record.versions[0].imported,
        "archived": record.archived,
        "locked": record.locked,
        "replaced": None if gone is None else datetime.fromtimestamp(gone.time_us / 1e6, UTC),
        "replaced_by": None if gone is None else gone.user,
    }
