"""Debian packages of the stack and the examples: finds them, and installs or names missing ones."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from deploy.local.errors import LocalStackError

RABBITMQ_SCRIPT = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


def redis_program() -> str | None:
    """Returns the path of redis-server, or None if it is not installed."""
    return _find("redis-server")


def prometheus_program() -> str | None:
    """Returns the path of prometheus, which only tests run, or None if it is not installed."""
    return _find("prometheus")


def chromium_program() -> str | None:
    """Returns the path of Chromium or Chrome, which only tests run, or None if neither is installed."""
    names = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser")
    return next(filter(None, map(_find, names)), None)


def rabbitmq_program() -> str | None:
    """Returns the script that runs RabbitMQ as the current user, or None if it is not installed.

    The wrapper on the PATH would switch to the user rabbitmq and that user's folders.
    """
    return str(RABBITMQ_SCRIPT) if RABBITMQ_SCRIPT.exists() and _find("erl") else None


def postgres_folder() -> Path | None:
    """Returns the folder of the newest version's postgres and initdb, or None if none is installed."""
    debian = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = sorted(debian, key=lambda path: int(path.parts[4]) if path.parts[4].isdigit() else 0)
    if newest:
        return newest[-1].parent
    initdb = _find("initdb")
    return Path(initdb).resolve().parent if initdb else None


def missing_packages() -> list[str]:
    """Returns the names of the packages that Headrace can use and that are not installed."""
    found = {
        "rabbitmq-server": rabbitmq_program(),
        "redis-server": redis_program(),
        "postgresql": postgres_folder(),
        "prometheus": prometheus_program(),
        "chromium": chromium_program(),
        "nodejs": _find("node"),
        "npm": _find("npm"),
        "make": _find("make"),
        "g++": _find("g++"),
        "pkg-config": _find("pkg-config"),
        "protobuf-compiler": _find("protoc"),
        "protobuf-compiler-grpc": _find("grpc_cpp_plugin"),
        "libprotobuf-dev": _find_library("protobuf"),
        "libgrpc++-dev": _find_library("grpc++"),
    }
    return [package for package, path in found.items() if path is None]


def ensure_installed(packages: Sequence[str], log_path: Path) -> None:
    """Installs missing packages, as root or with a sudo that needs no password.

    Args:
        packages: Names that ``missing_packages`` knows.
        log_path: File that apt's output is appended to.

    Raises:
        LocalStackError: The user may not install packages, or apt failed. Names the packages and the command.
    """
    missing = [package for package in missing_packages() if package in packages]
    if not missing:
        return
    command = f"apt-get install --no-install-recommends {' '.join(missing)}"
    prefix = _root_prefix()
    if prefix is None or shutil.which("apt-get") is None:
        raise LocalStackError(f"missing: {', '.join(missing)}. Install with: sudo {command}")
    print(f"Installing {', '.join(missing)} with apt (log: {log_path})", flush=True)
    log_path.parent.mkdir(parents=True, exist_ok=True)
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=300"]
    with log_path.open("ab") as log:
        # The update may fail: old lists are often good enough, and the install shows it.
        subprocess.run([*apt, "update"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False)
        subprocess.run(
            [*apt, "install", "-y", "--no-install-recommends", *missing],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=False,
        )
    still_missing = [package for package in missing_packages() if package in missing]
    if still_missing:
        tail = "\n".join(f"    {line}" for line in log_path.read_text(errors="replace").splitlines()[-15:])
        raise LocalStackError(f"apt did not install {', '.join(still_missing)}; try: {command}\n{tail}")


def _find(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/local/bin:/usr/bin:/usr/sbin:/bin")


def _find_library(name: str) -> Path | None:
    return next(Path("/usr/lib").glob(f"*/pkgconfig/{name}.pc"), None)


def _root_prefix() -> list[str] | None:
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0:
        return [sudo, "-n"]
    return None
