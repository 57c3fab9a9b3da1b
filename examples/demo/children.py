"""Child processes of the demonstration, which never outlive it."""

import asyncio
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

_READY_SECONDS = 60.0
_STOP_SECONDS = 15.0
_REPOSITORY = Path(__file__).resolve().parents[2]
_FOLDER = _REPOSITORY / ".run" / "demo"


class ChildFailedError(Exception):
    """A process ended or did not become ready. The message has the end of its log."""


class Children:
    """Child processes that are stopped when the ``async with`` block ends, for any reason.

    Each gets SIGTERM, the last started first, and is killed if it does not end within 15 seconds. On Linux
    they also end if this process is killed.

    Attributes:
        folder: New folder for their files. Removed at the end, but kept after an error.
    """

    def __init__(self) -> None:
        _FOLDER.mkdir(parents=True, exist_ok=True)
        _remove_stale_folders()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=_FOLDER))
        self._running: list[asyncio.subprocess.Process] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        while self._running:
            await _stop(self._running.pop())
        if not isinstance(error, Exception):
            shutil.rmtree(self.folder, ignore_errors=True)

    async def start(self, module: str, *args: str, env: Mapping[str, str], ready: str) -> str:
        """Starts a Python module, waits until it is ready, and returns a part of its ready line.

        Args:
            module: Module to run as with ``python -m``.
            args: Arguments of the module.
            env: Complete environment of the process.
            ready: Regular expression of the line that it prints when ready. Group 1 is returned.

        Raises:
            ChildFailedError: It ended, or was not ready within a minute.
        """
        log = self.folder / f"{module}.log"
        with log.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "examples.demo.child", module, *args),
                env=env,
                cwd=_REPOSITORY,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,  # Ctrl-C reaches only this process, which then stops them in order
            )
        self._running.append(process)
        try:
            async with asyncio.timeout(_READY_SECONDS):
                while not (found := re.search(ready, log.read_text(errors="replace"))):
                    if process.returncode is not None:
                        raise ChildFailedError(f"{module} ended during its start: {_tail(log)}")
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise ChildFailedError(f"{module} did not become ready: {_tail(log)}") from None
        return found[1]


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-20:]
    return "\n".join(["", *lines, f"(full log: {log})"])


def _remove_stale_folders() -> None:
    for folder in _FOLDER.glob("*-*"):
        pid = folder.name.partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(folder, ignore_errors=True)
