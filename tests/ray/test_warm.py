"""What the tests themselves stand on: a client stays for the next script, unless a script changed its process."""

from __future__ import annotations

from clusters import Cluster, answer

SCRIPT = """
import os
raylab.labs()
print(os.getpid())
"""


def test_a_client_stays_for_the_next_script_as_long_as_scripts_leave_it_as_it_was(cluster: Cluster) -> None:
    first = answer(cluster.client(SCRIPT))
    assert answer(cluster.client(SCRIPT)) == first
    cluster.command("ls")
    assert answer(cluster.client(SCRIPT + "os.environ['LEFT'] = 'behind'")) == first
    assert answer(cluster.client(SCRIPT)) != first
