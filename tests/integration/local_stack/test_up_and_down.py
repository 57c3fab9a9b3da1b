"""`make up`, `make down` and `make clean`, next to any other stack of this machine."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.health import is_serving
from deploy.local.paths import REPOSITORY
from deploy.local.ports import PortBook
from deploy.local.processes import ManagedProcess
from deploy.local.testing.run import TestRun
from headrace import Client

pytestmark = pytest.mark.timeout(300)

ALL = {"gateway-1", "worker-1", "worker-2", "results", "rabbitmq", "redis", "postgres", "stand-in"}

# The program and an argument of each process, by its name without a number. A launcher would have another
# name.
PROGRAMS = {
    "gateway": ("python", "services.gateway"),
    "worker": ("python", "services.worker"),
    "results": ("python", "services.results"),
    "stand-in": ("python", "services.stand_in"),
    "rabbitmq": ("beam.smp", "rabbit"),
    "redis": ("redis-server", ""),
    "postgres": ("postgres", "-D"),
}

Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def run_dir(servers: TestRun) -> Path:
    return servers.make_run_dir()


@pytest.fixture(scope="module")
def call(run_dir: Path) -> Iterator[Call]:
    def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "deploy.local", *arguments]
        env = os.environ | {"HEADRACE_RUN_DIR": str(run_dir)} | environment
        return subprocess.run(
            argv, env=env, cwd=REPOSITORY, capture_output=True, text=True, timeout=240, check=False
        )

    yield call
    call("clean")


@pytest.fixture
def up(call: Call) -> Callable[..., str]:
    def up(workers: int = 2, **environment: str) -> str:
        done = call("up", "--spare-ports", "--workers", str(workers), **environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return up


@pytest.fixture
def running(up: Callable[..., str], run_dir: Path) -> dict[str, int]:
    """Pids of a stack with two workers, by name; calls `up` only if a process is missing or extra."""
    if set(pids(run_dir)) != ALL or not all(ManagedProcess(run_dir, name).is_running() for name in ALL):
        up()
    return pids(run_dir)


def pids(run_dir: Path) -> dict[str, int]:
    return {path.stem: int(path.read_text()) for path in run_dir.glob("*.pid")}


def gateway(run_dir: Path) -> str:
    return f"127.0.0.1:{PortBook(run_dir / 'ports.json').port('gateway-1')}"


def test_everything_runs_when_up_returns_and_it_says_that_the_stand_in_is_not_a_real_model(
    up: Callable[..., str], run_dir: Path
) -> None:
    said = up()
    assert set(pids(run_dir)) == ALL
    for name in ALL:
        assert ManagedProcess(run_dir, name).is_running()
        assert (run_dir / f"{name}.log").exists()
    assert gateway(run_dir) in said
    assert "stand-in, which is not a real model" in said
    assert is_serving(gateway(run_dir))


@pytest.mark.usefixtures("running")
def test_each_pid_file_holds_one_line_the_pid_of_the_process_itself(run_dir: Path) -> None:
    for path in run_dir.glob("*.pid"):
        pid = path.read_text().removesuffix("\n")
        assert pid.isdecimal(), path
        process = Path("/proc") / pid
        program, argument = PROGRAMS[path.stem.rstrip("-0123456789")]
        assert (process / "comm").read_text().startswith(program), path
        assert argument in (process / "cmdline").read_text().replace("\0", " "), path


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize("name", ["gateway-1", "results", "worker-1", "worker-2"])
def test_every_service_serves_its_metrics(run_dir: Path, name: str) -> None:
    port = PortBook(run_dir / "ports.json").port(f"{name}-metrics")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        assert b"headrace_rpc_calls_total" in response.read()


def test_a_service_whose_metrics_port_is_taken_starts_without_metrics(
    running: dict[str, int], up: Callable[..., str], run_dir: Path
) -> None:
    os.kill(running["worker-2"], signal.SIGKILL)
    assert ManagedProcess(run_dir, "worker-2").wait_ended(10.0)
    with socket.create_server(("127.0.0.1", PortBook(run_dir / "ports.json").port("worker-2-metrics"))):
        up()
        assert ManagedProcess(run_dir, "worker-2").is_running()
        before = pids(run_dir)
    up()
    assert pids(run_dir) == before


def test_a_second_up_changes_nothing(running: dict[str, int], up: Callable[..., str], run_dir: Path) -> None:
    up()
    assert pids(run_dir) == running


@pytest.mark.parametrize("name", ["worker-1", "gateway-1", "results", "redis", "postgres"])
def test_what_was_killed_is_started_again_and_nothing_else(
    running: dict[str, int], up: Callable[..., str], run_dir: Path, name: str
) -> None:
    os.kill(running[name], signal.SIGKILL)
    assert ManagedProcess(run_dir, name).wait_ended(10.0)
    up()
    after = pids(run_dir)
    assert {changed for changed in ALL if running[changed] != after[changed]} == {name}
    assert is_serving(gateway(run_dir))


def test_more_workers_are_added_and_fewer_are_stopped(
    running: dict[str, int], up: Callable[..., str], run_dir: Path
) -> None:
    up(workers=3)
    with_third = pids(run_dir)
    assert with_third.pop("worker-3") not in running.values()
    assert with_third == running
    third = ManagedProcess(run_dir, "worker-3")
    assert third.is_running()
    up(workers=1)
    assert set(pids(run_dir)) == ALL - {"worker-2"}
    assert not third.is_running()


def test_a_second_up_never_changes_the_provider_of_running_workers(
    running: dict[str, int], call: Call, run_dir: Path
) -> None:
    done = call("up", "--spare-ports", "--workers", "3", OPENAI_API_KEY="sk-test-secret")
    assert done.returncode == 1
    assert "make down" in done.stderr
    assert "sk-test-secret" not in done.stdout + done.stderr
    assert pids(run_dir) == running


@pytest.mark.usefixtures("running")
def test_a_service_that_dies_at_its_start_is_reported_with_the_end_of_its_log(call: Call) -> None:
    done = call("up", "--spare-ports", "--workers", "3", HEADRACE_IN_FLIGHT_LIMIT="none")
    assert done.returncode == 1
    assert "worker-3 ended at its start" in done.stderr
    assert "HEADRACE_IN_FLIGHT_LIMIT" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("running")
def test_a_port_that_another_program_has_is_named(call: Call, run_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", PortBook(run_dir / "ports.json").port("worker-3"))) as other:
        done = call("up", "--spare-ports", "--workers", "3")
        assert done.returncode == 1
        assert f"worker-3 needs 127.0.0.1:{other.getsockname()[1]}" in done.stderr


def test_clean_never_removes_a_folder_that_holds_a_home(call: Call, tmp_path: Path) -> None:
    home = tmp_path / "home" / "joe"
    home.mkdir(parents=True)
    done = call("clean", HEADRACE_RUN_DIR=str(home.parent), HOME=str(home))
    assert done.returncode == 1
    assert "is not removed" in done.stderr
    assert home.exists()


@pytest.mark.parametrize("number", ["0", "81"])
def test_a_number_of_workers_out_of_range_is_refused(call: Call, number: str) -> None:
    done = call("up", "--spare-ports", "--workers", number)
    assert done.returncode == 1
    assert "WORKERS" in done.stderr


@pytest.mark.usefixtures("running")
async def test_down_stops_everything_and_the_next_up_still_has_the_jobs(
    up: Callable[..., str], call: Call, run_dir: Path
) -> None:
    async with Client(gateway(run_dir)) as client:
        job = await client.submit("noop", items=[1, 2, 3])
        async for _ in client.watch(job.job_id):
            pass
    processes = [ManagedProcess(run_dir, name) for name in ALL]
    assert call("down").returncode == 0
    assert not any(process.is_running() for process in processes)
    assert not list(run_dir.glob("*.pid"))
    assert "Nothing was running" in call("down").stdout
    up()
    async with Client(gateway(run_dir)) as client:
        assert (await client.get(job.job_id)).progress.succeeded_count == 3


@pytest.mark.usefixtures("running")
def test_clean_leaves_nothing(call: Call, run_dir: Path) -> None:
    postgres_data = (run_dir / "data" / "postgres").resolve()
    processes = [ManagedProcess(run_dir, name) for name in ALL]
    assert call("clean").returncode == 0
    assert not any(process.is_running() for process in processes)
    assert not run_dir.exists()
    assert not postgres_data.exists()
