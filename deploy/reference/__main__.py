"""Writes the reference pages: ``python -m deploy.reference [FOLDER]``. Default: docs/."""

import sys
from pathlib import Path

from deploy.local.paths import REPOSITORY
from deploy.reference.cli_page import cli_page
from deploy.reference.python_page import python_page
from deploy.reference.settings_page import settings_page

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "docs"
for name, page in {"python.md": python_page(), "cli.md": cli_page(), "settings.md": settings_page()}.items():
    (folder / name).write_text(page)
