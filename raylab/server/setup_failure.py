"""Why an environment could not be built, in a sentence: of Ray's page of traceback the line that tells."""

from __future__ import annotations

import re

LONGEST = 200
"""Of the line that tells; with what stands around it a reason has 300 characters at most."""

TELLING = (
    r"Failed to install runtime_env within the timeout of [\d.]+ seconds",  # Ray's, above an empty TimeoutError
    r"^\s*(?:ERROR|error): .+",  # pip's and uv's
    r"^\s*(?:\w+\.)*\w*(?:Error|Exception): .+",
    r"\S.*",
)
"""How lines begin that tell, the best kind first; of a kind, the last one counts."""

NO_VIRTUALENV = re.compile(r"No module named '?virtualenv\b|install virtualenv\b", re.IGNORECASE)


def setup_failure(text: str) -> str:
    """The reason, and what to do where that is known.

    Example:
        >>> setup_failure("Traceback ...\\n  in create\\nValueError: no such conda environment")
        'its environment could not be built: ValueError: no such conda environment'
    """
    if NO_VIRTUALENV.search(text):
        return (
            "its environment could not be built: ModuleNotFoundError: No module named 'virtualenv'. Ray needs it for "
            "pip=: run `pip install virtualenv` where Ray is installed, on each node of the cluster"
        )
    found = next((lines for kind in TELLING if (lines := re.findall(kind, text, re.MULTILINE))), ["Ray does not say"])
    line = " ".join(found[-1].split())
    return f"its environment could not be built: {line if len(line) <= LONGEST else line[: LONGEST - 1] + '…'}"
