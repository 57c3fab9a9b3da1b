"""The examples run in an environment of their own: that of the tests, and their pinned packages on top."""

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from deploy.local.paths import REPOSITORY, run_directory
from deploy.local.testing.embedded import TestEmbedded
from deploy.local.testing.run import TestRun

REQUIREMENTS = [
    REPOSITORY / "examples/fastapi/requirements.txt",
    REPOSITORY / "examples/notebook-requirements.txt",
]
INSTALL_SECONDS = 300
CLIENT = REPOSITORY / "clients/python"


def environment(**more: str) -> Mapping[str, str]:
    """Returns the environment of an example: this one, with the client of this tree."""
    paths = [str(CLIENT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **more}


def run(argv: list[str], **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, text=True, capture_output=True, check=False, **options)


def install(folder: Path) -> None:
    """Makes the environment. It sees the packages of this one, so that only new ones are installed."""
    assert run([sys.executable, "-m", "venv", str(folder)], timeout=INSTALL_SECONDS).returncode == 0
    packages = next((folder / "lib").glob("python3*/site-packages"))
    ours = [path for path in sys.path if path.endswith("site-packages")]
    lines = [f"import site; site.addsitedir({path!r})" for path in ours]
    (packages / "zz_tests.pth").write_text("\n".join(lines) + "\n")
    pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--require-hashes"]
    files = [argument for file in REQUIREMENTS for argument in ("-r", str(file))]
    done = run([*pip, *files], timeout=INSTALL_SECONDS)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def example_python() -> str:
    """The interpreter of the examples. Made once for each content of their requirements."""
    digest = hashlib.sha256(sys.prefix.encode() + sys.version.encode())
    for file in [*REQUIREMENTS, REPOSITORY / "requirements.lock"]:
        digest.update(file.read_bytes())
    folder = run_directory() / "examples" / digest.hexdigest()[:16]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".ready").exists():
            install(folder)
            (folder / ".ready").touch()
    return str(folder / "bin/python")


@pytest.fixture(scope="module")
def system(servers: TestRun) -> Iterator[TestEmbedded]:
    """The embedded system with the stand-in."""
    system = TestEmbedded(servers)
    system.start()
    yield system
    system.close()


@pytest.fixture
def example_environment():
    return environment
