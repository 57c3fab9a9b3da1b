"""Builds Headrace's image, and finds those of the servers, with stand-ins if no registry can be reached."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from deploy.docker.engine import Engine
from deploy.local.errors import LocalStackError
from deploy.local.paths import REPOSITORY
from headrace import __version__

PYTHON_IMAGE = "python:3.13-slim"
SERVER_IMAGES = {
    "postgres": "postgres:17",
    "rabbitmq": "rabbitmq:4",
    "redis": "redis:8",
    "prometheus": "prom/prometheus:v3.5.0",
}
_FOLDER = Path(__file__).parent
_DEBIAN = "headrace-stand-in/debian:trixie"
_CERTIFICATES = Path("/usr/local/share/ca-certificates")
_PULL_SECONDS = 600.0


def build_image(engine: Engine) -> str:
    """Builds Headrace's image from the working tree and returns its name with the version.

    PYTHON_IMAGE in the environment overrides the base image.
    """
    tags = [f"headrace:{__version__}", "headrace:latest"]
    python = os.environ.get("PYTHON_IMAGE") or _python_image(engine)
    engine.build(tags, _FOLDER / "Dockerfile", REPOSITORY, PYTHON_IMAGE=python)
    return tags[0]


def image_size_mb(engine: Engine, name: str) -> int:
    """Returns the size of an image with all its layers, in MB."""
    return int(engine.run("image", "inspect", "--format", "{{.Size}}", name)) // 1_000_000


def server_images(engine: Engine) -> dict[str, str]:
    """Returns the image of each server, pulled or a stand-in, by its variable in compose.yaml."""
    return {
        f"{server.upper()}_IMAGE": name if _is_available(engine, name) else _server_stand_in(engine, server)
        for server, name in SERVER_IMAGES.items()
    }


def _server_stand_in(engine: Engine, server: str) -> str:
    name, folder = f"headrace-stand-in/{server}", _FOLDER / "stand_ins" / server
    print(f"The image of {server} cannot be pulled; building a stand-in", flush=True)
    engine.build([name], folder / "Dockerfile", folder, BASE_IMAGE=_python_stand_in(engine))
    return name


def _python_image(engine: Engine) -> str:
    return PYTHON_IMAGE if _is_available(engine, PYTHON_IMAGE) else _python_stand_in(engine)


def _is_available(engine: Engine, name: str) -> bool:
    for command in (["image", "inspect"], ["pull", "--quiet"]):
        try:
            engine.run(*command, name, seconds=_PULL_SECONDS)
        except (LocalStackError, subprocess.TimeoutExpired):
            continue
        return True
    return False


def _python_stand_in(engine: Engine) -> str:
    """Returns an image of Debian with its Python, built from packages."""
    name = "headrace-stand-in/python:3.13"
    if not engine.run("images", "--quiet", _DEBIAN):
        _import_debian(engine)
    with tempfile.TemporaryDirectory() as context:
        certificates = Path(context, "certificates")
        certificates.mkdir()
        for path in _CERTIFICATES.glob("*.crt"):
            shutil.copy(path, certificates)
        engine.build([name], _FOLDER / "stand_ins/python/Dockerfile", Path(context), BASE_IMAGE=_DEBIAN)
    return name


def _import_debian(engine: Engine) -> None:
    if shutil.which("mmdebstrap") is None:
        raise LocalStackError(
            f"{PYTHON_IMAGE} cannot be pulled, and a stand-in needs the package mmdebstrap. Install it, or "
            "name a local image: make images PYTHON_IMAGE=..."
        )
    print(f"{PYTHON_IMAGE} cannot be pulled; building a stand-in from Debian's packages", flush=True)
    packages = "--include=python3,python3-venv,python3-pip,ca-certificates"
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "debian.tar")
        argv = ["mmdebstrap", "--quiet", "--variant=minbase", packages, "trixie", str(archive)]
        result = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603
        if result.returncode != 0:
            raise LocalStackError(f"mmdebstrap failed:\n{result.stderr[-2000:]}")
        engine.run("import", "--change", 'CMD ["python3"]', str(archive), _DEBIAN)
