"""Writes NOTICE: ``python -m deploy.licences [FOLDER]``; into the repository unless a folder is named."""

import sys
from pathlib import Path

from deploy.licences.notice import write_notice
from deploy.licences.packages import LicenceError, find_packages
from deploy.local.paths import REPOSITORY


def main() -> int:
    """Writes the file and returns 0, or 1 with the reason printed."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY
    try:
        (folder / "NOTICE").write_text(write_notice(find_packages()), encoding="utf-8")
    except LicenceError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
