"""The examples run in a new virtual environment, made by the commands that the documents give to users."""

import fcntl
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from deploy.local.paths import REPOSITORY, run_directory
from deploy.local.testing.embedded import TestEmbedded
from deploy.local.testing.run import TestRun

PAGES = [REPOSITORY / "docs" / f"{name}.md" for name in ("first-csv", "jupyter", "fastapi")]
INSTALL_SECONDS = 400
CLIENT = REPOSITORY / "clients/python"
INPUTS = [
    CLIENT / "pyproject.toml",
    REPOSITORY / "examples/fastapi/requirements.txt",
    REPOSITORY / "examples/notebook-requirements.txt",
]


def environment(**more: str) -> Mapping[str, str]:
    """Returns the environment of an example: this one, with the client of this tree as it is now."""
    return {**os.environ, "PYTHONPATH": str(CLIENT), **more}


def run(argv: list[str], **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, text=True, capture_output=True, check=False, **options)


def documented_installs() -> list[str]:
    """Returns each ``pip install`` of the pages, once."""
    text = "\n".join(page.read_text() for page in PAGES)
    return list(dict.fromkeys(re.findall(r"^pip install .*$", text, re.MULTILINE)))


def install(folder: Path) -> None:
    """Makes an environment that has nothing but what the pages tell users to install."""
    assert run([sys.executable, "-m", "venv", str(folder)], timeout=INSTALL_SECONDS).returncode == 0
    own = {**os.environ, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    for command in documented_installs():
        shell = ["bash", "-euc", command]
        done = run(shell, cwd=REPOSITORY, env=own, timeout=INSTALL_SECONDS)
        assert done.returncode == 0, f"{command}\n{done.stderr}"


@pytest.fixture(scope="session")
def example_python() -> str:
    """The interpreter of the new environment. Made once for each content of what it installs."""
    digest = hashlib.sha256(sys.version.encode() + "\n".join(documented_installs()).encode())
    for file in INPUTS:
        digest.update(file.read_bytes())
    folder = run_directory() / "examples" / digest.hexdigest()[:16]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".ready").exists():
            install(folder)
            (folder / ".ready").touch()
    return str(folder / "bin/python")


@pytest.fixture(scope="session")
def system(servers: TestRun) -> Iterator[TestEmbedded]:
    """The embedded system with the stand-in."""
    system = TestEmbedded(servers)
    system.start()
    yield system
    system.close()


@pytest.fixture
def example_environment():
    return environment
