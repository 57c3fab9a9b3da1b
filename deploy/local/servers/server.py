"""Base class of the three servers: a process, a port and a data folder."""

import os
import shutil
import signal
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from deploy.local.packages import ensure_installed
from deploy.local.ports import PortBook, is_free
from deploy.local.processes import ManagedProcess, wait_until

# A process that is ending may hold its port a little longer.
_PORT_SECONDS = 2.0


class Server(ABC):
    """A server of a run directory. ``start`` does not wait, so several can start at the same time.

    Args:
        run_dir: Folder of the pid file, the log, the ports and ``data/NAME``.
        for_tests: Whether speed matters more than durability.
    """

    name: ClassVar[str]
    package: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    start_seconds: ClassVar[float] = 60.0

    def __init__(self, run_dir: Path, *, for_tests: bool = False) -> None:
        self.run_dir = run_dir
        self.for_tests = for_tests
        self.ports = PortBook(run_dir / "ports.json")
        self.process = ManagedProcess(run_dir, self.name)
        self.data_path = run_dir / "data" / self.name

    @property
    def port(self) -> int:
        """Port that it listens on, on 127.0.0.1."""
        return self.ports.port(self.name)

    @property
    @abstractmethod
    def url(self) -> str:
        """Address for clients."""

    def start(self) -> bool:
        """Starts the server unless it is running, and installs it if it is missing.

        Chooses a new port if another program has taken its port.

        Returns:
            Whether it was started.

        Raises:
            LocalStackError: It cannot be installed or started.
        """
        if self.process.is_running():
            return False
        ensure_installed([self.package], self.run_dir / "apt.log")
        wait_until(lambda: is_free(self.port), _PORT_SECONDS)
        self.ports.free_port(self.name)
        self.launch()
        return True

    def wait_ready(self) -> None:
        """Returns once the server accepts clients.

        Raises:
            LocalStackError: It ended or did not get ready in time. Shows the end of its log.
        """
        self.process.wait_ready(self.is_ready, self.start_seconds)

    def stop(self) -> bool:
        """Stops the server and keeps its data. Returns whether it was running."""
        was_running = self.begin_stop()
        self.await_stop()
        return was_running

    def begin_stop(self) -> bool:
        """Sends the server its stop signal. Returns whether it was running."""
        was_running = self.process.pid is not None
        self.process.send(self.stop_signal)
        return was_running

    def await_stop(self) -> None:
        """Returns once a server that got its stop signal has ended. Sends SIGKILL after 30 seconds."""
        self.process.await_end(30.0)

    def kill(self) -> None:
        """Kills the server, as a power cut would, and keeps its data."""
        self.process.send(signal.SIGKILL)
        self.await_stop()

    def wipe(self) -> None:
        """Stops the server and removes its data. The next start creates an empty server."""
        self.stop()
        if self.data_path.is_symlink():
            shutil.rmtree(self.data_path.resolve(), ignore_errors=True)
            self.data_path.unlink()
        else:
            shutil.rmtree(self.data_path, ignore_errors=True)

    @abstractmethod
    def launch(self) -> None:
        """Starts the process."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Returns whether the server accepts clients now."""


def plain_environment(home: Path) -> dict[str, str]:
    """Returns a minimal environment for a server, without the caller's secrets."""
    return {
        "PATH": os.environ.get("PATH", "") + ":/usr/local/bin:/usr/bin:/bin:/usr/sbin",
        "LANG": "C.UTF-8",
        "HOME": str(home),
    }
