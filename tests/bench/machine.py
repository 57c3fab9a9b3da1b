"""Describes the machine and the versions of software."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from deploy.local.packages import postgres_folder
from deploy.local.paths import REPOSITORY

_OURS = ("grpcio", "dramatiq", "aiohttp", "sqlalchemy", "asyncpg")
_PEERS = ("celery", "fastapi", "uvicorn", "dramatiq", "openai", "aiohttp", "redis")


def describe_machine() -> dict[str, Any]:
    """Returns the size of the machine and its load."""
    models = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    ]
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if "MemTotal" in line)
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": len(os.sched_getaffinity(0)),
        "cpu": models[0].partition(":")[2].strip() if models else platform.machine(),
        "memory_gb": round(int(memory.split()[1]) / 1024 / 1024, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": os.getloadavg(),
        "commit": _print_of("git", "describe", "--always", "--dirty"),
    }


def read_versions(peer_python: str) -> dict[str, Any]:
    """Returns the versions of both environments and of the servers."""
    names = ", ".join(f"{name!r}" for name in _PEERS)
    program = f"from importlib.metadata import version\nfor name in ({names}): print(name, version(name))"
    peers = dict(line.split() for line in _print_of(peer_python, "-c", program).splitlines())
    postgres = postgres_folder()
    return {
        "ours": {name: version(name) for name in _OURS},
        "peers": peers,
        "postgres": _print_of(str(postgres / "postgres"), "--version") if postgres else "",
        "redis": _print_of("redis-server", "--version"),
    }


def _print_of(*command: str) -> str:
    try:
        result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return result.stdout.strip()
