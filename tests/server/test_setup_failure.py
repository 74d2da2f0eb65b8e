"""Of Ray's page on an environment that could not be built, the line that tells."""

from __future__ import annotations

import pytest
import ray.exceptions

from raylab.server.lease_ends import judge
from raylab.server.setup_failure import setup_failure

FRAMES = '  File "/x/ray/_private/runtime_env/agent/runtime_env_agent.py", line 561, in _create_runtime_env\n' * 9

VIRTUALENV = f"""\
[Node 10.0.0.2] Traceback (most recent call last):
{FRAMES}    import virtualenv  # noqa: F401 ensure virtualenv exists.
ModuleNotFoundError: No module named 'virtualenv'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
{FRAMES}RuntimeError: Please install virtualenv `/x/bin/python -m pip install virtualenv`to enable pip runtime env.
"""

PACKAGE = f"""\
Traceback (most recent call last):
{FRAMES}ray._private.runtime_env.utils.SubprocessCalledProcessError: Run cmd[9] failed with the following details.
Command '['/x/bin/python', '-m', 'pip', 'install']' returned non-zero exit status 1.
Last 50 lines of stdout:
    Looking in indexes: ...
    ERROR: Could not find a version that satisfies the requirement nosuch (from versions: none)
    ERROR: No matching distribution found for nosuch
    [notice] A new release of pip is available
"""

SLOW = f"""\
Failed to install runtime_env within the timeout of 600 seconds. Consider increasing the timeout. For example:
    runtime_env={{"config": {{"setup_timeout_seconds": 1800}}, ...}}
Traceback (most recent call last):
{FRAMES}TimeoutError
"""


@pytest.mark.parametrize(
    ("text", "telling"),
    [
        (PACKAGE, "ERROR: No matching distribution found for nosuch"),
        (SLOW, "Failed to install runtime_env within the timeout of 600 seconds"),
        (f"{FRAMES}ValueError: no conda environment 'x'\n", "ValueError: no conda environment 'x'"),
        ("something\nelse\n", "else"),
        ("", "Ray does not say"),
        (f"ValueError: {'x' * 5_000}", f"ValueError: {'x' * 187}…"),
    ],
)
def test_the_line_that_tells_is_the_reason(text: str, telling: str) -> None:
    assert setup_failure(text) == f"its environment could not be built: {telling}"


def test_a_missing_virtualenv_is_said_with_what_to_do_in_300_characters() -> None:
    end, reason = judge(ray.exceptions.RuntimeEnvSetupError(VIRTUALENV), None)
    assert end == "environment"
    assert "No module named 'virtualenv'" in reason
    assert "`pip install virtualenv`" in reason
    assert len(reason) <= 300
