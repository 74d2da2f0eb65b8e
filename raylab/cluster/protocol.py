"""What client and lab must agree on before they speak. Imports nothing, so that a client need not load the lab."""

from __future__ import annotations

NAMESPACE = "raylab"
"""The Ray namespace of all labs: without one every driver would have a namespace of its own and find nothing."""

PROTOCOL = 1
"""The version of the verbs, their arguments and answers; both sides name theirs in `hello`."""
