"""Processes that outlive their starter, identified by a pid file."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deploy.local.errors import LocalStackError

_POLL_SECONDS = 0.02

# Children of this process. Unless it reads their exit codes, they stay zombies.
_children: dict[int, subprocess.Popen[bytes]] = {}


class ManagedProcess:
    """One process of a run directory, started in its own session.

    ``NAME.pid`` holds its pid in one line, ``NAME.log`` its output. A pid is not enough to identify it:
    another program may have the number by now. So ``state/NAME.json`` also holds the process's start time,
    and a process counts as running only if both match. A zombie does not count.

    Args:
        run_dir: Folder of the files, created when first needed.
        name: Name such as ``worker-1``.

    Attributes:
        exit_code: Exit code of the last process that this object saw end, or minus the signal that ended it.
            None if it saw none.
    """

    def __init__(self, run_dir: Path, name: str) -> None:
        self.name = name
        self.pid_path = run_dir / f"{name}.pid"
        self.log_path = run_dir / f"{name}.log"
        self.exit_code: int | None = None
        self._state_path = run_dir / "state" / f"{name}.json"

    def start(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        user: str | None = None,
        note: str = "",
    ) -> None:
        """Starts the program in its own session and appends its output to the log. Does not wait.

        Args:
            argv: Arguments of the program itself, not of a launcher: its pid goes into the pid file.
            env: Complete environment.
            cwd: Working directory.
            user: User to run as. The current user if unset.
            note: Text to store with the process, see ``note``.

        Raises:
            LocalStackError: The program cannot be started.
        """
        self._state_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            log_start = log.tell()
            try:
                child = subprocess.Popen(
                    list(argv),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=dict(env),
                    cwd=cwd,
                    user=user,
                    group=user,
                    extra_groups=[] if user else None,
                    start_new_session=True,
                )
            except OSError as error:
                raise LocalStackError(f"{self.name} cannot be started: {error}") from error
        _children[child.pid] = child
        self.adopt(child.pid, note, log_start)

    def adopt(self, pid: int, note: str = "", log_start: int = 0) -> None:
        """Stores a running process under this name."""
        state = {"pid": pid, "start": start_mark(pid), "note": note, "log_start": log_start}
        self._state_path.write_text(json.dumps(state) + "\n")
        self.pid_path.write_text(f"{pid}\n")

    @property
    def pid(self) -> int | None:
        """Pid of the running process, None if it is not running."""
        state = self._state()
        pid, start = state.get("pid"), state.get("start")
        if not isinstance(pid, int):
            return None
        is_same = start is not None and start_mark(pid) == start
        # After the mark, which a process that has just ended lacks: otherwise its exit code would be missed.
        if pid in _children and _children[pid].poll() is not None:
            self.exit_code = _children.pop(pid).returncode
            return None
        return pid if is_same else None

    @property
    def note(self) -> str:
        """Text that was passed to ``start``: how the process was configured."""
        return str(self._state().get("note", ""))

    def is_running(self) -> bool:
        """Returns whether the process is running. Repairs its pid file if that was lost or overwritten."""
        pid = self.pid
        if pid is None:
            return False
        if not self.pid_path.exists() or self.pid_path.read_text() != f"{pid}\n":
            self.pid_path.write_text(f"{pid}\n")
        return True

    def send(self, signum: signal.Signals) -> None:
        """Sends a signal. Does nothing if the process is not running."""
        pid = self.pid
        if pid is not None:
            try:
                os.kill(pid, signum)
            except ProcessLookupError:
                return

    def stop(self, signum: signal.Signals = signal.SIGTERM, timeout: float = 20.0) -> bool:
        """Ends the process and removes its pid file.

        Args:
            signum: Signal that asks it to end. Sent once: a second one may skip the drain.
            timeout: Seconds until it gets SIGKILL.

        Returns:
            Whether it was running.

        Raises:
            LocalStackError: It is still running 10 seconds after SIGKILL.
        """
        was_running = self.pid is not None
        self.send(signum)
        self.await_end(timeout)
        return was_running

    def await_end(self, timeout: float) -> None:
        """Waits for the end of a process that got a signal to end, then removes its pid file.

        Args:
            timeout: Seconds until it gets SIGKILL.

        Raises:
            LocalStackError: It is still running 10 seconds after SIGKILL.
        """
        if not self.wait_ended(timeout):
            self.send(signal.SIGKILL)
            if not self.wait_ended(10.0):
                raise LocalStackError(f"{self.name} (pid {self.pid}) does not end")
        self.pid_path.unlink(missing_ok=True)
        self._state_path.unlink(missing_ok=True)

    def wait_ended(self, timeout: float) -> bool:
        """Returns True once the process has ended, False after ``timeout`` seconds."""
        return wait_until(lambda: self.pid is None, timeout)

    def wait_ready(self, is_ready: Callable[[], bool], timeout: float) -> None:
        """Returns once the process is ready.

        Args:
            is_ready: Check that is repeated until it returns True. May block briefly.
            timeout: Time limit, in seconds.

        Raises:
            LocalStackError: The process ended, or time is up. Shows the end of its log.
        """
        if wait_until(lambda: self.pid is None or is_ready(), timeout) and self.pid is not None:
            return
        outcome = f"is not ready after {timeout:.0f} s" if self.pid is not None else "ended at its start"
        raise LocalStackError(f"{self.name} {outcome}; the end of {self.log_path}:\n{self.log_tail()}")

    def log_text(self) -> str:
        """Returns its output over all its starts."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_tail(self, lines: int = 20) -> str:
        """Returns the last lines of its output since its latest start, indented by four spaces."""
        printed = self.log_path.read_bytes() if self.log_path.exists() else b""
        log_start = self._state().get("log_start", 0)
        since = printed[log_start if isinstance(log_start, int) else 0 :]
        tail = since.decode(errors="replace").splitlines()[-lines:]
        return "\n".join(f"    {line}" for line in tail) or "    (empty)"

    def _state(self) -> dict[str, object]:
        try:
            return dict(json.loads(self._state_path.read_text()))
        except (FileNotFoundError, ValueError):
            return {}


def stop_all(processes: Sequence[ManagedProcess], timeout: float) -> list[str]:
    """Stops processes together with SIGTERM.

    Args:
        processes: Processes, running or not.
        timeout: Seconds until they get SIGKILL.

    Returns:
        Names of the processes that were running.
    """
    running = [process for process in processes if process.pid is not None]
    for process in running:
        process.send(signal.SIGTERM)
    deadline = time.monotonic() + timeout
    for process in processes:
        process.await_end(max(0.0, deadline - time.monotonic()))
    return [process.name for process in running]


def kill_all(folder: Path) -> None:
    """Sends SIGKILL to every process of every run directory in a folder."""
    for state_path in sorted(folder.glob("**/state/*.json")):
        ManagedProcess(state_path.parent.parent, state_path.stem).stop(signal.SIGKILL)


def start_mark(pid: int) -> str | None:
    """Returns an identifier of the process that no other with its pid shares, or None if it is dead."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return None
    state, thread_count, start_ticks = fields[0], int(fields[17]), fields[19]
    # The main thread of a killed process is a zombie while other threads still end, and they hold its ports.
    if state in "ZX" and thread_count <= 1:
        return None
    return f"{boot_id}:{start_ticks}"


def wait_until(condition: Callable[[], bool], timeout: float) -> bool:
    """Returns True once the condition holds, False after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
