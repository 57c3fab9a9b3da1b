"""Paths of the repository and of its run directory."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def run_directory() -> Path:
    """Returns the folder of pid files, logs and data: HEADRACE_RUN_DIR, or ``.run`` in the repository."""
    return Path(os.environ.get("HEADRACE_RUN_DIR") or REPOSITORY / ".run").resolve()
