"""The virtual environment of the peers, and processes in it."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from deploy.local.paths import REPOSITORY, run_directory
from deploy.local.processes import ManagedProcess

_LOCK = REPOSITORY / "tests" / "bench" / "peers" / "requirements.lock"
_READY_SECONDS = 30.0


def bench_folder() -> Path:
    """Returns the folder of the bench's files, and creates it if needed."""
    folder = run_directory() / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def peer_python() -> str:
    """Returns the interpreter of the peers' environment, and creates or updates that if needed."""
    folder = run_directory() / "bench-venv"
    python, ready = folder / "bin" / "python", folder / ".lock"
    if not ready.exists() or ready.read_text() != _LOCK.read_text():
        print(f"Creating {folder} (takes a minute or two)")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(_LOCK)]
        subprocess.run([*pip, "--disable-pip-version-check"], check=True)
        ready.write_text(_LOCK.read_text())
    return str(python)


class Peer:
    """A process in the peers' environment.

    Use it as ``with Peer(...):``. It ends with SIGTERM.

    Args:
        name: Name of its log in the bench's folder.
        arguments: Arguments for the interpreter.
        settings: Environment variables, added to a minimal environment.
        is_ready: Check that is repeated while it starts. Ready at once if unset.
    """

    def __init__(
        self,
        name: str,
        *arguments: str,
        settings: Mapping[str, str] | None = None,
        is_ready: Callable[[], bool] | None = None,
    ) -> None:
        self._process = ManagedProcess(bench_folder() / "peers", name)
        self._argv = [peer_python(), *arguments]
        self._settings = dict(settings or {})
        self._is_ready = is_ready

    @property
    def pid(self) -> int:
        """Pid of the running process."""
        pid = self._process.pid
        if pid is None:
            raise RuntimeError(f"{self._process.name} ended:\n{self._process.log_tail()}")
        return pid

    def log_text(self) -> str:
        """Returns its output."""
        return self._process.log_text()

    def start(self) -> None:
        """Starts it and returns once it is ready."""
        self._process.stop()
        self._process.log_path.parent.mkdir(parents=True, exist_ok=True)
        self._process.log_path.write_bytes(b"")
        self._process.start(self._argv, env=_plain_environment() | self._settings, cwd=REPOSITORY)
        if self._is_ready is not None:
            self._process.wait_ready(self._is_ready, _READY_SECONDS)

    def stop(self) -> None:
        """Stops it."""
        self._process.stop()

    def __enter__(self) -> "Peer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def run_peer(
    module: str, *arguments: str, settings: Mapping[str, str] | None = None, timeout: float = 900.0
) -> str:
    """Runs a module in the peers' environment and returns its output.

    Raises:
        RuntimeError: It failed. Shows its errors.
    """
    result = subprocess.run(
        [peer_python(), "-m", module, *arguments],
        env=_plain_environment() | dict(settings or {}),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    if result.returncode != 0:
        raise RuntimeError(f"{module} failed:\n{result.stderr[-2000:]}")
    return result.stdout


def _plain_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ} | {
        "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost",
    }  # fmt: skip
