"""The environment of a cluster of `raylab start`, on each of its machines: Ray's settings, each with its reason.

What somebody has set in the environment of `raylab start` goes before these.
"""

from __future__ import annotations

import os
import sys

from raylab.client.tokens import has_token
from raylab.server.known_labs import home
from raylab.worker.ray_internals import cpus

MARK = "RAYLAB_CLUSTER"
"""The variable by which the processes that one `raylab start` brought are known."""

WORKERS_PER_CPU = 4
"""Idle workers that Ray keeps. A sweep that brings modules has processes of its own (1 to 2 s each to start), and at
Ray's default of one a CPU two such sweeps restart theirs all the time: 12 s for what takes 2 (research: A4)."""

IDLE = {"RAY_kill_idle_workers_interval_ms": "60000"}
"""How often Ray ends idle workers. The job of a lab's trials is over as soon as the lab is there (it was created by a
short process), and of such a job Ray ends every idle worker at its next look, five times a second unless told so: a
worker without a lease for a moment was gone, and the next lease waited 1 to 2 s for another one (tried: 4 of 4)."""

FORKS = {"GRPC_ENABLE_FORK_SUPPORT": "0"}
"""What serves a `ray://` client is forked by a process in which gRPC runs. Its handlers start threads in the child, and
now and then one crashes before the child is another program (a segmentation fault in `event_engine`, 4 of 65
connections; without the handlers none of 110); the client hears of it after 40 s."""

MEMORY = {"RAY_worker_killing_policy_by_group": "true"}
"""Where memory runs out, Ray kills one process at a time, a trial's as long as there is one. Its newer policy goes on
until 5 % of the memory are free again, and was seen to take the lab along with a trial of 1 GB (it comes back)."""

HEALTH = {
    "RAY_health_check_initial_delay_ms": "1500",
    "RAY_health_check_period_ms": "1500",
    "RAY_health_check_timeout_ms": "2500",
    "RAY_health_check_failure_threshold": "3",
}
"""When the head misses a machine. It asks every 1.5 s, waits 2.5 s for the answer, and calls a machine dead after three
questions without one: 3 × (1.5 + 2.5) = 12 s after it fell silent at the latest, and with the lab's look at the nodes
(`LOOK_S`, 2 s) 14 s. Ray's own 5 × (3 + 10) are 65 s.
Not quicker: a machine that was called dead does not come back by itself. It has to be silent for
2.5 + 1.5 + 2.5 + 1.5 + 2.5 = 10.5 s to be called so, longer than a busy disk, a switch that starts anew or a virtual
machine that is moved takes as a rule. Only the head reads these."""

KEEPALIVE = {
    "RAY_grpc_client_keepalive_time_ms": "5000",
    "RAY_grpc_client_keepalive_timeout_ms": "15000",
    "RAY_grpc_keepalive_timeout_ms": "15000",
}
"""When a connection of Ray's is given up that nobody closed. It is asked after 5 s without a word, and dropped if no
answer comes within 15 s: 5 + 15 = 20 s. Ray's own 300 + 120 s made a sweep stand still for 138 to 220 s (ray#44692):
leases waited at the door of a dead machine.
The 15 s are also what the system gives bytes on their way (TCP_USER_TIMEOUT); the third line is the same for who is
called, Ray's own 10 s. They are more than the 12 s of HEALTH, so that a machine is called dead before its connections
break; the other way round its trials would look as if they had died by themselves."""


HASHES = {"PYTHONHASHSEED": "0"}
"""Else strings hash otherwise in each process, and a trial that goes through a set of them uses the same random numbers
otherwise: its row could not be made again. It wins over the shell's own."""


def environment(mark: str, num_cpus: int | None) -> dict[str, str]:
    """What Ray, and so every lab and trial on this machine, has as its environment.

    Args:
        mark: by which these processes are known.
        num_cpus: how many they may use; all of the machine if None.
    """
    unwanted = {"RAY_ADDRESS", "RAY_JOB_CONFIG_JSON_ENV_VAR", "RAY_RUNTIME_ENV_HOOK"}  # a client's, not a cluster's
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {
        "RAY_num_workers_soft_limit": str(WORKERS_PER_CPU * (num_cpus or cpus())),
        "RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL": "minor",  # so do we; Ray would refuse 3.11.8 beside 3.11.7
        **IDLE,
        **FORKS,
        **MEMORY,
        **HEALTH,
        **KEEPALIVE,
        **({"RAY_AUTH_MODE": "token"} if has_token() else {}),
        **kept,
        **HASHES,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAYLAB_HOME": str(home()),  # absolute: labs and trials run in other folders
        MARK: mark,
    }


def default_temp_dir() -> str:
    """Ray's own, where `ray.init()` looks for the note of what runs."""
    linux = os.environ.get("TMPDIR") if sys.platform.startswith("linux") else None
    return f"{os.environ.get('RAY_TMPDIR') or linux or '/tmp'}/ray"
