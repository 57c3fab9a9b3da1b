"""`down` and `clean` need no virtual environment."""

import os
import subprocess
import sys

import pytest

from deploy.local.paths import REPOSITORY


@pytest.mark.parametrize(
    ("command", "says"), [("down", "Nothing was running."), ("clean", "Removed {run_dir}.")]
)
def test_down_and_clean_run_with_a_python_without_packages(tmp_path, command, says):
    environment = {"HEADRACE_RUN_DIR": str(tmp_path / "run"), "HOME": os.environ["HOME"]}
    # -S: without site-packages, like a Python before anything is installed.
    argv = [sys.executable, "-S", "-m", "deploy.local", command]
    ended = subprocess.run(
        argv, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.strip() == says.format(run_dir=tmp_path / "run")
