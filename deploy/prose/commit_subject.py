"""Commit-message hook: ``python -m deploy.prose.commit_subject FILE``."""

import sys
from pathlib import Path

LIMIT = 72


def find_fault(message: str) -> str | None:
    """Returns the fault of a commit message's subject, or None if it has none."""
    lines = [line for line in message.splitlines() if not line.startswith("#")]
    subject = lines[0].rstrip() if lines else ""
    if len(subject) > LIMIT:
        return f"The subject has {len(subject)} characters; the limit is {LIMIT}. Move details to the body."
    if len(lines) > 1 and lines[1].strip():
        return "The second line is not empty. Leave a blank line between subject and body."
    return None


if __name__ == "__main__":
    sys.exit(find_fault(Path(sys.argv[1]).read_text(encoding="utf-8")))
