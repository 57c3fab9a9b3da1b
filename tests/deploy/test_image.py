"""The image: its Dockerfile, and lock files that match the tested versions."""

import asyncio
import json
import re
import shutil
import socket
import subprocess
import tomllib
from collections.abc import AsyncIterator

import pytest

from deploy.local.paths import REPOSITORY
from services.shared.serving.rpc_server import PUBLIC_MESSAGE_BYTES, RpcServer

DOCKER = REPOSITORY / "deploy/docker"


@pytest.fixture(scope="module")
def instructions():
    lines = (DOCKER / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.fixture
async def server() -> AsyncIterator[RpcServer]:
    server = RpcServer("127.0.0.1:0", PUBLIC_MESSAGE_BYTES)
    await server.start([])
    yield server
    await server.stop(0)


def pins(path):
    """Returns versions and hashes of a lock file, by name."""
    text = path.read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if "==" in line]
    return {line.split("==")[0]: line.split("==", 1)[1].split() for line in lines}


def check_health(listen):
    """Runs the check as the image does, but without any program on the PATH besides bash."""
    argv = [shutil.which("bash"), str(DOCKER / "health")]
    environment = {"PATH": "/nonexistent"} | ({"HEADRACE_LISTEN": listen} if listen else {})
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=30)


def test_the_base_image_can_be_chosen(instructions):
    assert instructions[0] == "ARG PYTHON_IMAGE=python:3.13-slim"
    assert {line for line in instructions if line.startswith("FROM")} == {
        "FROM ${PYTHON_IMAGE} AS build",
        "FROM ${PYTHON_IMAGE}",
    }


def test_the_dockerfile_needs_no_registry_for_its_syntax():
    assert "syntax=" not in (DOCKER / "Dockerfile").read_text().splitlines()[0]


def test_processes_start_without_a_shell(instructions):
    for line in instructions:
        match = re.match(r"(?:HEALTHCHECK.* )?(?:RUN|CMD|ENTRYPOINT) (.*)", line)
        if match:
            assert json.loads(match.group(1)), line


def test_the_image_runs_as_a_numbered_user_that_is_not_root(instructions):
    (user,) = [line for line in instructions if line.startswith("USER")]
    assert user == "USER 10001:10001"


def test_everything_is_installed_by_hash_or_from_this_repository(instructions):
    for line in instructions:
        if '"install"' in line:
            assert '"--require-hashes"' in line or '"--no-index"' in line


def test_the_images_lock_pins_the_tested_versions():
    development = pins(REPOSITORY / "requirements.lock")
    for name in ("requirements.lock", "build.lock"):
        stale = {package for package, pin in pins(DOCKER / name).items() if development.get(package) != pin}
        assert not stale, f"deploy/docker/{name} differs from requirements.lock; run: make lock"


def test_the_images_lock_contains_what_the_services_need_and_nothing_for_development():
    projects = [
        tomllib.loads((REPOSITORY / folder / "pyproject.toml").read_text())
        for folder in (".", "clients/python")
    ]
    needed = {name(text) for project in projects for text in project["project"]["dependencies"]}
    development = {name(text) for text in projects[0]["dependency-groups"]["dev"]}
    locked = set(pins(DOCKER / "requirements.lock"))
    assert needed - {"headrace"} <= locked, "run: make lock"
    assert not locked & development


def test_the_build_context_contains_no_secrets_and_no_tests():
    allowed = [
        line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    ]
    assert allowed == [
        "pyproject.toml",
        "clients/python",
        "services",
        "deploy/docker/requirements.lock",
        "deploy/docker/build.lock",
        "deploy/docker/health",
    ]


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1", "[::]"])
async def test_the_health_check_passes_if_the_service_is_serving(server, host):
    result = await asyncio.to_thread(check_health, f"{host}:{server.port}")
    assert (result.returncode, result.stderr) == (0, "")


async def test_the_health_check_starts_no_python(instructions):
    (check,) = [line for line in instructions if line.startswith("HEALTHCHECK")]
    assert json.loads(check.partition(" CMD ")[2]) == ["bash", "/opt/headrace/health"]
    assert "python" not in (DOCKER / "health").read_text()


async def test_the_health_check_fails_while_the_service_drains(server):
    await server.report_not_serving()
    result = await asyncio.to_thread(check_health, f"0.0.0.0:{server.port}")
    assert (result.returncode, result.stderr.strip()) == (1, "NOT_SERVING")


def test_the_health_check_fails_if_nothing_listens():
    result = check_health("0.0.0.0:1")
    assert (result.returncode, result.stderr.strip()) == (1, "no connection to 127.0.0.1:1")


def test_the_health_check_fails_if_a_process_listens_that_hangs():
    with socket.create_server(("127.0.0.1", 0)) as hung:
        result = check_health(f"127.0.0.1:{hung.getsockname()[1]}")
    assert (result.returncode, result.stderr.strip()) == (1, "no response")


def test_the_health_check_fails_if_the_service_has_no_address():
    result = check_health("")
    assert result.returncode != 0
    assert "HEADRACE_LISTEN: is not set" in result.stderr


def name(requirement):
    return re.split(r"[\[<>=~! ;]", requirement)[0]
