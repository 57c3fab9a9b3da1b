"""Processes that outlive their starter: pid files, stale pid files, stopping."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.errors import LocalStackError
from deploy.local.processes import ManagedProcess, kill_all, stop_all

SAYS_READY_THEN_WAITS = "print('ready', flush=True); import signal; signal.pause()"
IGNORES_SIGTERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + SAYS_READY_THEN_WAITS
COUNTS_SIGTERM = """
import signal, sys, time
count = 0
def handle(*_):
    global count
    count += 1
signal.signal(signal.SIGTERM, handle)
print('ready', flush=True)
while not count:  # signal.pause() would miss a signal that arrives before it
    time.sleep(0.01)
print('draining', flush=True)
time.sleep(0.3)
sys.exit(7 if count > 1 else print('drained', count, flush=True))
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], ManagedProcess]]:
    def start(code: str, name: str = "program") -> ManagedProcess:
        process = ManagedProcess(tmp_path, name)
        process.start([sys.executable, "-c", code], env=dict(os.environ), cwd=tmp_path)
        process.wait_ready(lambda: "ready" in process.log_text(), 20.0)
        return process

    yield start
    kill_all(tmp_path)


def test_the_pid_file_holds_the_pid_of_the_process_itself(start: Callable[..., ManagedProcess]) -> None:
    process = start(SAYS_READY_THEN_WAITS)
    pid = int(process.pid_path.read_text().removesuffix("\n"))
    assert pid == process.pid
    assert SAYS_READY_THEN_WAITS in Path(f"/proc/{pid}/cmdline").read_text()


def test_a_process_is_found_by_a_later_object(start: Callable[..., ManagedProcess], tmp_path: Path) -> None:
    process = start(SAYS_READY_THEN_WAITS)
    assert ManagedProcess(tmp_path, "program").pid == process.pid


def test_a_process_survives_a_signal_to_the_group_of_its_starter(
    start: Callable[..., ManagedProcess],
) -> None:
    process = start(SAYS_READY_THEN_WAITS)
    assert os.getsid(process.pid or 0) == process.pid


def test_stopping_ends_the_process_and_removes_its_pid_file(start: Callable[..., ManagedProcess]) -> None:
    process = start(SAYS_READY_THEN_WAITS)
    assert process.stop()
    assert process.pid is None
    assert not process.pid_path.exists()


def test_stopping_twice_is_harmless(start: Callable[..., ManagedProcess]) -> None:
    process = start(SAYS_READY_THEN_WAITS)
    process.stop()
    assert not process.stop()


def test_a_draining_process_gets_one_sigterm_only(start: Callable[..., ManagedProcess]) -> None:
    process = start(COUNTS_SIGTERM)
    assert stop_all([process], timeout=20.0) == ["program"]
    assert "drained 1" in process.log_text()


def test_a_process_that_ignores_sigterm_is_killed_in_the_end(start: Callable[..., ManagedProcess]) -> None:
    process = start(IGNORES_SIGTERM)
    assert process.stop(timeout=0.2)
    assert process.pid is None


def test_a_killed_process_does_not_count_as_running(start: Callable[..., ManagedProcess]) -> None:
    process = start(SAYS_READY_THEN_WAITS)
    process.send(signal.SIGKILL)
    assert process.wait_ended(10.0)
    assert not process.is_running()
    assert process.pid_path.exists()


def test_a_zombie_does_not_count_as_running(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as child:
        os.waitid(
            os.P_PID, child.pid, os.WEXITED | os.WNOWAIT
        )  # it has ended, and its exit code was not read
        process = ManagedProcess(tmp_path, "program")
        (tmp_path / "state").mkdir()
        process.adopt(child.pid)
        assert not process.is_running()


def test_a_pid_that_another_program_has_now_does_not_count(
    start: Callable[..., ManagedProcess], tmp_path: Path
) -> None:
    process = start(SAYS_READY_THEN_WAITS)
    other = start(SAYS_READY_THEN_WAITS, "other")
    state_path = tmp_path / "state" / "program.json"
    state_path.write_text(state_path.read_text().replace(str(process.pid), str(other.pid)))
    assert not ManagedProcess(tmp_path, "program").is_running()
    assert other.is_running()


def test_a_pid_file_without_a_process_does_not_count(tmp_path: Path) -> None:
    process = ManagedProcess(tmp_path, "program")
    process.pid_path.write_text(f"{os.getpid()}\n")
    assert not process.is_running()
    assert not process.stop()


def test_a_lost_or_overwritten_pid_file_is_repaired(start: Callable[..., ManagedProcess]) -> None:
    process = start(SAYS_READY_THEN_WAITS)
    for spoil in (process.pid_path.unlink, lambda: process.pid_path.write_text("1\n")):
        spoil()
        assert process.is_running()
        assert process.pid_path.read_text() == f"{process.pid}\n"


def test_a_process_that_dies_at_its_start_is_reported_with_its_latest_output(tmp_path: Path) -> None:
    process = ManagedProcess(tmp_path, "program")
    process.log_path.write_text("an older line\n")
    code = "import sys; sys.exit('the disk is full')"
    process.start([sys.executable, "-c", code], env=dict(os.environ), cwd=tmp_path)
    with pytest.raises(LocalStackError, match="program ended at its start") as raised:
        process.wait_ready(lambda: False, 20.0)
    assert "the disk is full" in str(raised.value)
    assert "an older line" not in str(raised.value)


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    process = ManagedProcess(tmp_path, "program")
    with pytest.raises(LocalStackError, match="program cannot be started"):
        process.start([str(tmp_path / "nothing")], env={}, cwd=tmp_path)
