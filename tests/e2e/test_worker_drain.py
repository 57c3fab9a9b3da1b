"""The only worker of a stack: drained under load, ended at once, and cut off from gateways."""

import asyncio
import signal

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sqlalchemy import text

from deploy.local.testing.stack import TestStack
from headrace import JobState
from services.results.database.engine import open_engine

pytestmark = pytest.mark.timeout(180)

NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture(scope="module")
async def line(make_proxy):
    """Between gateways and the worker; can be cut."""
    proxy = make_proxy()
    proxy.port = await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.fixture(scope="module")
async def stack(servers, line):
    settings = {
        "HEADRACE_WORKER_ADVERTISE": f"127.0.0.1:{line.port}",
        "HEADRACE_DRAIN_SECONDS": "3",
        "HEADRACE_IN_FLIGHT_LIMIT": "50",
    }
    stack = TestStack(servers, workers=1, worker_settings=settings)
    line.upstream_port = int(stack.workers[0].target.rsplit(":", 1)[1])
    await asyncio.to_thread(stack.start)
    yield stack
    await asyncio.to_thread(stack.close)


@pytest.fixture
async def worker(stack):
    worker = stack.workers[0]
    yield worker
    await asyncio.to_thread(worker.start)
    await asyncio.to_thread(worker.wait_ready)


@pytest.fixture
async def stand_in(stack, open_stand_in):
    control = open_stand_in(stack.stand_in_url)
    await control.set(reset=True)
    return control


@pytest.fixture
def hr(stack, open_client):
    return open_client(stack.gateway_target)


async def until_calls(stand_in, **counts):
    """Waits until the provider counts at least so much."""
    async with asyncio.timeout(60):
        while True:
            calls = await stand_in.calls()
            if all(calls[name] >= count for name, count in counts.items()):
                return
            await asyncio.sleep(0.02)


async def ended(client, job_id):
    async with asyncio.timeout(60):
        return [event async for event in client.watch(job_id)][-1]


async def ask_to_stop(worker):
    """Sends SIGTERM and returns when the worker says that it is not serving any more."""
    async with grpc.aio.insecure_channel(worker.target) as channel, asyncio.timeout(20):
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        await watch.read()
        worker.process.send(signal.SIGTERM)
        while (await watch.read()).status != NOT_SERVING:
            pass
        watch.cancel()


async def held_and_lost(stack):
    """How many chunks somebody holds, and how many losses of chunks were counted."""
    engine = open_engine(stack.database_url)
    async with engine.connect() as connection:
        counts = text("SELECT count(lease_incarnation), coalesce(sum(loss_count), 0) FROM chunks")
        row = (await connection.execute(counts)).one()
    await engine.dispose()
    return tuple(row)


async def test_a_drained_worker_leases_nothing_records_what_ends_and_gives_back_what_does_not(
    stack, worker, hr, stand_in, postings, classify
):
    await stand_in.set(latency_ms=300, hang_when_contains=["Posting stuck0:"])
    job = await hr.submit("llm.classify", postings(1, "stuck") + postings(600, "drain"), classify)
    await until_calls(stand_in, answered_count=100)
    await ask_to_stop(worker)
    late = await hr.submit("noop", [1], job_class="interactive")
    assert await asyncio.to_thread(worker.process.wait_ended, 30)
    assert worker.process.exit_code == 0
    now, calls = await hr.get(job.job_id), await stand_in.calls()
    assert (calls["in_flight_count"], calls["broken_off_count"]) == (0, 1)
    assert now.progress.succeeded_count == calls["answered_count"] < 600
    assert now.usage.call_count == calls["call_count"] == calls["answered_count"] + 1
    assert await held_and_lost(stack) == (0, 0)
    waiting = await hr.get(late.job_id)
    assert (waiting.state, waiting.start_time) == (JobState.PENDING, None)
    await stand_in.set(fail_when_contains={}, latency_ms=0)
    await asyncio.to_thread(worker.start)
    for each in (late, job):
        assert (last := await ended(hr, each.job_id)).state is JobState.SUCCEEDED
    calls = await stand_in.calls()
    again = {prompt.split(":")[0] for prompt, count in calls["prompts"].items() if count > 1}
    assert again == {"Posting stuck0"}  # its call was broken off when the grace was over
    assert last.job.usage.call_count == calls["call_count"] == 602


async def test_a_second_signal_ends_a_draining_worker_at_once(hr, worker, stand_in, postings, classify):
    await stand_in.set(hang_when_contains=["Posting haste"])
    job = await hr.submit("llm.classify", postings(10, "haste"), classify)
    await until_calls(stand_in, in_flight_count=10)
    await ask_to_stop(worker)
    worker.process.send(signal.SIGTERM)
    assert await asyncio.to_thread(worker.process.wait_ended, 20)
    assert worker.process.exit_code == 1
    await until_calls(stand_in, broken_off_count=10)
    await stand_in.set(fail_when_contains={})
    await asyncio.to_thread(worker.start)
    assert (await ended(hr, job.job_id)).state is JobState.SUCCEEDED


async def test_a_cancel_reaches_a_worker_that_no_gateway_reaches(hr, line, stand_in, postings, classify):
    await stand_in.set(hang_when_contains=["Posting far"])
    job = await hr.submit("llm.classify", postings(200, "far"), classify)
    await until_calls(stand_in, in_flight_count=50)
    line.cut()
    await hr.cancel(job.job_id)
    last = await ended(hr, job.job_id)
    assert (last.state, last.progress.cancelled_count) == (JobState.CANCELLED, 200)
    await until_calls(stand_in, broken_off_count=50)
    assert last.job.usage.call_count == (await stand_in.calls())["call_count"] == 50
