"""The only worker of a stack: drained under load, and ended at once by a second signal."""

import asyncio
import signal

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sqlalchemy import text

from headrace import JobState
from services.results.database.engine import open_engine

pytestmark = pytest.mark.timeout(180)

NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
async def worker(one_worker):
    worker = one_worker.workers[0]
    yield worker
    await asyncio.to_thread(worker.start)
    await asyncio.to_thread(worker.wait_ready)


async def ended(client, job_id):
    async with asyncio.timeout(60):
        return [event async for event in client.watch(job_id)][-1]


async def ask_to_stop(worker):
    """Sends SIGTERM and returns when the worker reports that it is no longer serving."""
    async with grpc.aio.insecure_channel(worker.target) as channel, asyncio.timeout(20):
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        await watch.read()
        worker.process.send(signal.SIGTERM)
        while (await watch.read()).status != NOT_SERVING:
            pass
        watch.cancel()


async def leased_and_lost(stack, job_id):
    """Returns how many chunks of a job are leased, and how many losses of its chunks were counted."""
    engine = open_engine(stack.database_url)
    async with engine.connect() as connection:
        counts = text(
            "SELECT count(lease_incarnation), coalesce(sum(loss_count), 0) FROM chunks WHERE job_id = :job_id"
        )
        row = (await connection.execute(counts, {"job_id": job_id})).one()
    await engine.dispose()
    return tuple(row)


async def test_a_drained_worker_leases_nothing_records_what_ends_and_gives_back_what_does_not(
    one_worker, worker, hr, stand_in, until_calls, postings, classify
):
    await stand_in.set(latency_ms=300, hang_when_contains=["Posting stuck0:"])
    job = await hr.submit("llm.classify", postings(1, "stuck") + postings(600, "drain"), classify)
    await until_calls(answered_count=100)
    await ask_to_stop(worker)
    late = await hr.submit("noop", [1], job_class="interactive")
    assert await asyncio.to_thread(worker.process.wait_ended, 30)
    assert worker.process.exit_code == 0
    now, calls = await hr.get(job.job_id), await stand_in.calls()
    assert (calls["in_flight_count"], calls["broken_off_count"]) == (0, 1)
    assert now.progress.succeeded_count == calls["answered_count"] < 600
    assert now.usage.call_count == calls["call_count"] == calls["answered_count"] + 1
    assert await leased_and_lost(one_worker, job.job_id) == (0, 0)
    waiting = await hr.get(late.job_id)
    assert (waiting.state, waiting.start_time) == (JobState.PENDING, None)
    await stand_in.set(fail_when_contains={}, latency_ms=0)
    await asyncio.to_thread(worker.start)
    for each in (late, job):
        assert (last := await ended(hr, each.job_id)).state is JobState.SUCCEEDED
    calls = await stand_in.calls()
    again = {prompt.split(":")[0] for prompt, count in calls["prompts"].items() if count > 1}
    assert again == {"Posting stuck0"}  # its call was broken off at the end of the grace period
    assert last.job.usage.call_count == calls["call_count"] == 602


async def test_a_second_signal_ends_a_draining_worker_at_once(
    hr, worker, stand_in, until_calls, fill_slots, postings, classify
):
    await fill_slots(hr, stand_in, 100)
    await stand_in.set(hang_when_contains=["Posting haste"])
    job = await hr.submit("llm.classify", postings(10, "haste"), classify)
    await until_calls(in_flight_count=10)
    await ask_to_stop(worker)
    worker.process.send(signal.SIGTERM)
    assert await asyncio.to_thread(worker.process.wait_ended, 20)
    assert worker.process.exit_code == 1
    await until_calls(broken_off_count=10)
    await stand_in.set(fail_when_contains={})
    await asyncio.to_thread(worker.start)
    assert (await ended(hr, job.job_id)).state is JobState.SUCCEEDED
