"""Where things lie: the repository and its run directory."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def run_directory() -> Path:
    """Returns the folder for pid files, logs and data: HEADRACE_RUN_DIR, or ``.run`` in the repository."""
    return Path(os.environ.get("HEADRACE_RUN_DIR") or REPOSITORY / ".run").resolve()
