"""The examples in other languages, built once for each content of examples/ and clients/protos/."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.packages import ensure_installed
from deploy.local.paths import REPOSITORY, run_directory
from deploy.local.testing.embedded import TestEmbedded
from deploy.local.testing.run import TestRun

PACKAGES = {
    "node": ["nodejs", "npm"],
    "cpp": [
        "g++", "make", "pkg-config",
        "libgrpc++-dev", "libprotobuf-dev", "protobuf-compiler-grpc", "protobuf-compiler",
    ],
}  # fmt: skip
BUILD_SECONDS = 480


def run(argv: list[str], folder: Path, **environment: str) -> str:
    """Returns the output of the program. If it fails, the test fails with its output."""
    # The make of `make test` must not pass its flags to the make of an example.
    env = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL"}}
    env |= environment
    done = subprocess.run(
        argv, cwd=folder, env=env, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
    )
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build_folder(language: str) -> Path:
    """Returns the build folder for the present content of the tree; removes those of other contents."""
    digest = hashlib.sha256()
    tracked = [
        "git",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
        f"examples/{language}",
        "clients/protos",
    ]
    for name in sorted(filter(None, run(tracked, REPOSITORY).split("\0"))):
        path = REPOSITORY / name
        digest.update(f"{name}\0".encode() + (path.read_bytes() if path.exists() else b""))
    folder = run_directory() / "languages" / f"{language}-{digest.hexdigest()[:16]}"
    for other in folder.parent.glob(f"{language}-*"):
        if other != folder:
            shutil.rmtree(other)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def build_node() -> list[str]:
    """Installs the locked packages next to a copy of the example; returns the command that runs it."""
    folder = build_folder("node")
    if not (folder / ".ready").exists():
        installed = shutil.ignore_patterns("node_modules")
        shutil.copytree(REPOSITORY / "examples/node", folder, ignore=installed, dirs_exist_ok=True)
        run(["npm", "ci"], folder)
        (folder / ".ready").touch()
    return ["node", str(folder / "main.js")]


def build_cpp() -> list[str]:
    """Compiles the example; returns the command that runs it."""
    folder = build_folder("cpp")
    run(["make", "-j2", f"BUILD={folder}", "CXXFLAGS=-O0"], REPOSITORY / "examples/cpp")
    return [str(folder / "headrace-example")]


@pytest.fixture(scope="session")
def system(servers: TestRun) -> Iterator[TestEmbedded]:
    """The embedded system. A job of the examples takes two seconds in it, so a watch sees it running."""
    system = TestEmbedded(servers, settings={"HEADRACE_IN_FLIGHT_LIMIT": "5"})
    system.start()
    yield system
    system.close()


@pytest.fixture(scope="session", params=["node", "cpp"])
def printed(request: pytest.FixtureRequest, system: TestEmbedded) -> str:
    """Output of the example of one language."""
    ensure_installed(PACKAGES[request.param], run_directory() / "apt.log")
    argv = {"node": build_node, "cpp": build_cpp}[request.param]()
    google = next((REPOSITORY / ".venv/lib").glob("python3*/site-packages"))
    return run(
        argv,
        REPOSITORY,
        HEADRACE_TARGET=system.gateway_target,
        HEADRACE_PROTOS=str(REPOSITORY / "clients/protos"),
        GOOGLE_PROTOS=str(google),
    )
