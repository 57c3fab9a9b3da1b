"""Thousands of calls at once: each gets a response, none is dropped."""

import asyncio

import pytest

from headrace.gateway.v1.gateway_pb2 import GetJobRequest, WatchJobRequest
from headrace.jobs.v1 import jobs_pb2


async def test_3_000_calls_that_begin_at_once_are_all_answered(gateway, submit):
    job = await submit(gateway)
    calls = (gateway.stub.GetJob(GetJobRequest(job_id=job.job_id), timeout=60) for _ in range(3000))
    assert [response.job.job_id for response in await asyncio.gather(*calls)] == [job.job_id] * 3000


async def test_3_000_submissions_that_begin_at_once_are_all_stored(gateway, results, submit):
    jobs = await asyncio.gather(*(submit(gateway, item_count=1) for _ in range(3000)))
    assert len({job.job_id for job in jobs}) == len(results.jobs) == 3000


@pytest.mark.timeout(180)
async def test_2_000_idle_watches_delay_no_other_call_and_each_receives_the_end(gateway, results, submit):
    job = await submit(gateway)
    watches = [gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id)) for _ in range(2000)]
    firsts = await asyncio.gather(*(watch.read() for watch in watches))
    assert all(first.job.job_id == job.job_id for first in firsts)
    for _ in range(50):
        assert (await gateway.stub.GetJob(GetJobRequest(job_id=job.job_id), timeout=5)).job == job
    gateway.app.hub.put_jobs([results.advance(job.job_id, jobs_pb2.JOB_STATE_SUCCEEDED, 3)])
    lasts = await asyncio.gather(*(watch.read() for watch in watches))
    assert all(last.job.state == jobs_pb2.JOB_STATE_SUCCEEDED for last in lasts)
