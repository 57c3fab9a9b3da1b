"""A run of the tests removes the processes and data of killed runs, and nothing else."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deploy.local.processes import ManagedProcess, start_mark
from deploy.local.services import service_environment
from deploy.local.testing.run import TestRun


def leave_behind(folder: Path, owner: str) -> ManagedProcess:
    run_dir = folder / "run-old" / "stack-1"
    run_dir.mkdir(parents=True)
    (folder / "run-old" / "owner").write_text(owner)
    process = ManagedProcess(run_dir, "redis")
    argv = [sys.executable, "-c", "import signal; signal.pause()"]
    process.start(argv, env=dict(os.environ), cwd=run_dir)
    return process


def test_processes_and_data_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as dead:
        mark = start_mark(dead.pid)
    process = leave_behind(tmp_path, f"{dead.pid} {mark}")
    run = TestRun(tmp_path)
    assert not process.is_running()
    assert not (tmp_path / "run-old").exists()
    run.close()
    assert list(tmp_path.iterdir()) == []


def test_runs_that_start_at_the_same_time_take_turns_to_remove_a_killed_one(tmp_path: Path) -> None:
    leave_behind(tmp_path, "0 dead")
    (tmp_path / "target").mkdir()
    (tmp_path / "run-old" / "data").mkdir()
    (tmp_path / "run-old" / "data" / "postgres").symlink_to(tmp_path / "target")
    with ThreadPoolExecutor(4) as threads:
        for run in threads.map(TestRun, [tmp_path] * 4):
            run.close()
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_still_running_is_kept(tmp_path: Path) -> None:
    process = leave_behind(tmp_path, f"{os.getpid()} {start_mark(os.getpid())}")
    TestRun(tmp_path).close()
    assert process.is_running()
    process.stop()


def test_a_service_inherits_neither_provider_nor_addresses_of_another(monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("HEADRACE_DATABASE_URL", "sqlite+aiosqlite:///other.db")
    monkeypatch.setenv("HEADRACE_LOG_LEVEL", "DEBUG")
    env = service_environment()
    assert not {"OPENAI_API_KEY", "HEADRACE_DATABASE_URL"} & env.keys()
    assert env["HEADRACE_LOG_LEVEL"] == "DEBUG"
    assert "127.0.0.1" in env["no_proxy"]
