"""Thousands of calls at once: each gets a response, none is dropped."""

import asyncio
from contextlib import AsyncExitStack, aclosing

import grpc
import pytest

from headrace import Client
from headrace.gateway.v1 import gateway_pb2_grpc
from headrace.gateway.v1.gateway_pb2 import GetJobRequest, WatchJobRequest
from headrace.jobs.v1 import jobs_pb2


async def test_3_000_calls_that_begin_at_once_are_all_answered(gateway, submit):
    job = await submit(gateway)
    calls = (gateway.stub.GetJob(GetJobRequest(job_id=job.job_id), timeout=60) for _ in range(3000))
    assert [response.job.job_id for response in await asyncio.gather(*calls)] == [job.job_id] * 3000


async def test_3_000_submissions_that_begin_at_once_are_all_stored(gateway, results, submit):
    jobs = await asyncio.gather(*(submit(gateway, item_count=1) for _ in range(3000)))
    assert len({job.job_id for job in jobs}) == len(results.jobs) == 3000


@pytest.fixture
async def two_clients(gateway):
    """Stubs on two connections of their own: a connection carries at most 1,000 calls."""
    async with AsyncExitStack() as stack:
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [grpc.aio.insecure_channel(gateway.app.target, options=options) for _ in range(2)]
        yield [
            gateway_pb2_grpc.GatewayServiceStub(await stack.enter_async_context(channel))
            for channel in channels
        ]


@pytest.mark.timeout(180)
async def test_2_000_idle_watches_delay_no_other_call_and_each_receives_the_end(
    gateway, results, submit, two_clients
):
    job = await submit(gateway)
    request = WatchJobRequest(job_id=job.job_id)
    watches = [stub.WatchJob(request) for stub in two_clients for _ in range(1000)]
    firsts = await asyncio.gather(*(watch.read() for watch in watches))
    assert all(first.job.job_id == job.job_id for first in firsts)
    for _ in range(50):
        assert (await gateway.stub.GetJob(GetJobRequest(job_id=job.job_id), timeout=5)).job == job
    gateway.app.hub.put_jobs([results.advance(job.job_id, jobs_pb2.JOB_STATE_SUCCEEDED, 3)])
    lasts = await asyncio.gather(*(watch.read() for watch in watches))
    assert all(last.job.state == jobs_pb2.JOB_STATE_SUCCEEDED for last in lasts)


async def test_a_call_beyond_1_000_on_a_connection_waits_for_one_of_them_to_end(gateway, submit):
    job = await submit(gateway)
    watches = [gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id)) for _ in range(1000)]
    await asyncio.gather(*(watch.read() for watch in watches))
    waiting = gateway.stub.GetJob(GetJobRequest(job_id=job.job_id), timeout=60)
    async with grpc.aio.insecure_channel(
        gateway.app.target, options=[("grpc.use_local_subchannel_pool", 1)]
    ) as other:
        await gateway_pb2_grpc.GatewayServiceStub(other).GetJob(GetJobRequest(job_id=job.job_id), timeout=10)
    assert not waiting.done()
    watches[0].cancel()
    assert (await waiting).job == job


@pytest.mark.timeout(180)
async def test_a_client_with_over_1_000_open_watches_can_make_other_calls(gateway, submit):
    job = await submit(gateway)
    async with Client(gateway.app.target) as client, AsyncExitStack() as stack:
        watches = [await stack.enter_async_context(aclosing(client.watch(job.job_id))) for _ in range(1100)]
        events = await asyncio.gather(*(anext(watch) for watch in watches))
        assert all(event.job.job_id == job.job_id for event in events)
        assert (await asyncio.wait_for(client.get(job.job_id), 30)).job_id == job.job_id
