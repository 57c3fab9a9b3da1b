"""Jobs on the stack of deploy/compose.yaml. `make compose-test` sets its images and runs it."""

import asyncio
import json
import os
import subprocess
import urllib.request

import pytest
import yaml

from deploy.local.paths import REPOSITORY
from deploy.local.ports import spare_port
from headrace import Client, JobState

pytestmark = pytest.mark.timeout(600)

PROJECT = "headrace-test"
ITEM_COUNT = 600
PARAMS = {"sleep_ms": 300}


class ComposeStack:
    """The stack of the compose file, with few items in flight so that jobs take longer."""

    def __init__(self) -> None:
        self._command = [*json.loads(os.environ["COMPOSE_COMMAND"]), "-p", PROJECT]
        self._command += ["-f", str(REPOSITORY / "deploy/compose.yaml")]
        port = spare_port()
        self.target = f"127.0.0.1:{port}"
        prometheus_port = spare_port()
        self.prometheus = f"http://127.0.0.1:{prometheus_port}/api/v1"
        self._environment = os.environ | {
            "GATEWAY_PORT": str(port),
            "PROMETHEUS_PORT": str(prometheus_port),
            "HEADRACE_IN_FLIGHT_LIMIT": "5",
            # No re-reads: watchers only see what workers send from the addresses that they advertise.
            "HEADRACE_GATEWAY_RESYNC_SECONDS": "0",
        }

    def up(self, workers: int) -> None:
        self.compose("up", "-d", "--no-recreate", "--scale", f"worker={workers}")

    def down(self) -> None:
        self.compose("down", "--volumes", "--timeout", "20")

    def compose(self, *arguments: str) -> str:
        return run([*self._command, *arguments], self._environment)

    def container(self, service: str) -> str:
        return self.compose("ps", "-q", service).split()[0]

    def python(self, service: str, program: str) -> str:
        """Runs a program in a service's container and returns its output."""
        return run(["docker", "exec", self.container(service), "python", "-c", program], self._environment)

    def is_healthy(self, service: str) -> bool:
        template = "{{.State.Health.Status}}"
        argv = ["docker", "inspect", "--format", template, self.container(service)]
        return run(argv, self._environment).strip() == "healthy"


def run(argv, environment):
    result = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def stack(request):
    stack = ComposeStack()
    try:
        stack.up(workers=1)
        yield stack
    finally:
        if request.session.testsfailed:
            print(stack.compose("logs", "--no-color", "--tail", "40"))
        stack.down()


@pytest.fixture
async def client(stack):
    async with Client(stack.target, timeout=60.0) as client:
        yield client


async def wait_for_progress(client, job_id, count):
    async for event in client.watch(job_id):
        if event.progress.succeeded_count >= count:
            return


async def wait_for_workers(client, count):
    """Waits until ``count`` workers have items in flight."""
    async with asyncio.timeout(60):
        while sum(worker.live and worker.in_flight_count > 0 for worker in await client.workers()) < count:
            await asyncio.sleep(0.1)


async def test_a_job_has_every_result_even_if_workers_are_scaled_meanwhile(stack, client):
    job = await client.submit("noop", items=[{"number": n} for n in range(ITEM_COUNT)], params=PARAMS)
    await wait_for_progress(client, job.job_id, 30)
    assert len([worker for worker in await client.workers() if worker.live]) == 1

    await asyncio.to_thread(stack.up, workers=3)
    await wait_for_workers(client, 3)
    assert (await client.get(job.job_id)).progress.succeeded_count < ITEM_COUNT

    await wait_for_progress(client, job.job_id, ITEM_COUNT)
    results = [result async for result in client.results(job.job_id)]
    assert [result.item_index for result in results] == list(range(ITEM_COUNT))
    assert {result.attempt_count for result in results} == {1}


async def test_workers_that_are_scaled_away_drain_and_the_job_ends_without_second_attempts(stack, client):
    job = await client.submit("noop", items=[{"number": n} for n in range(ITEM_COUNT)], params=PARAMS)
    await wait_for_workers(client, 3)

    await asyncio.to_thread(stack.up, workers=1)
    assert (await client.get(job.job_id)).progress.succeeded_count < ITEM_COUNT

    last = [event async for event in client.watch(job.job_id)][-1]
    assert last.state == JobState.SUCCEEDED
    results = [result async for result in client.results(job.job_id)]
    assert {result.attempt_count for result in results} == {1}
    assert len([worker for worker in await client.workers() if worker.live]) == 1


@pytest.mark.parametrize("service", ["results", "gateway", "worker"])
async def test_services_are_healthy_without_root_and_without_a_writable_root_file_system(stack, service):
    assert stack.python(service, "import os; print(os.getuid(), os.getgid())").split() == ["10001", "10001"]
    program = "import os; print(os.access('/', os.W_OK), os.statvfs('/').f_flag & os.ST_RDONLY)"
    assert stack.python(service, program).split() == ["False", "1"]
    async with asyncio.timeout(60):
        while not stack.is_healthy(service):
            await asyncio.sleep(0.5)


def read_prometheus(stack, path):
    with urllib.request.urlopen(f"{stack.prometheus}/{path}", timeout=10) as response:
        return json.load(response)["data"]


async def test_prometheus_scrapes_every_service_and_knows_the_alerts(stack):
    async with asyncio.timeout(90):
        while True:
            targets = (await asyncio.to_thread(read_prometheus, stack, "targets"))["activeTargets"]
            up = {target["labels"]["job"] for target in targets if target["health"] == "up"}
            if up == {"results", "gateway", "worker"}:
                break
            await asyncio.sleep(1)
    expected = yaml.safe_load((REPOSITORY / "deploy/observability/alerts.yaml").read_text())["groups"]
    found = (await asyncio.to_thread(read_prometheus, stack, "rules"))["groups"]
    names = [[rule["alert"] for rule in group["rules"]] for group in expected]
    assert [[rule["name"] for rule in group["rules"]] for group in found] == names


@pytest.mark.parametrize(("service", "reaches"), [("results", True), ("gateway", False), ("worker", False)])
def test_only_results_reaches_the_database(stack, service, reaches):
    program = (
        "import socket\n"
        "try: socket.create_connection(('postgres', 5432), 5); print(True)\n"
        "except OSError: print(False)"
    )
    assert stack.python(service, program).strip() == str(reaches)
