"""The progress hub: snapshots and live events on their way to gateways."""

import asyncio

import pytest

from headrace.errors import UnavailableError
from headrace.jobs.v1 import jobs_pb2
from services.stubs.worker.v1 import worker_pb2
from services.worker.intake import progress_hub
from services.worker.intake.progress_hub import LIVE_EVENT_LIMIT, ProgressHub

RUNNING, SUCCEEDED = jobs_pb2.JOB_STATE_RUNNING, jobs_pb2.JOB_STATE_SUCCEEDED


def job(seq, state=RUNNING, job_id="j"):
    return jobs_pb2.Job(job_id=job_id, seq=seq, state=state)


async def following(stream):
    async with asyncio.timeout(5):
        return await anext(stream)


async def test_the_first_message_names_the_incarnation_at_once():
    hub = ProgressHub("i")
    assert await following(hub.subscribe()) == worker_pb2.StreamProgressResponse(incarnation="i")


async def test_snapshots_of_a_job_are_merged_and_the_newest_stays():
    hub = ProgressHub("i")
    stream = hub.subscribe()
    await following(stream)
    hub.put_jobs([job(1), job(3), job(2), job(1, job_id="k")])
    response = await following(stream)
    assert {j.job_id: j.seq for j in response.jobs} == {"j": 3, "k": 1}


async def test_a_change_of_state_does_not_wait_to_be_merged(monkeypatch):
    monkeypatch.setattr(progress_hub, "MERGE_SECONDS", 3600.0)
    hub = ProgressHub("i")
    stream = hub.subscribe()
    await following(stream)
    hub.put_jobs([job(1)])
    await following(stream)
    hub.put_jobs([job(2), job(3, SUCCEEDED)])
    response = await following(stream)
    assert [j.seq for j in response.jobs] == [3]


async def test_snapshots_within_a_tenth_of_a_second_wait_to_be_sent_together():
    hub = ProgressHub("i")
    stream = hub.subscribe()
    await following(stream)
    hub.put_jobs([job(1)])
    await following(stream)
    begin = asyncio.get_running_loop().time()
    hub.put_jobs([job(2)])
    waiting = asyncio.create_task(following(stream))
    await asyncio.sleep(0)
    hub.put_jobs([job(3)])
    response = await waiting
    assert [j.seq for j in response.jobs] == [3]
    assert asyncio.get_running_loop().time() - begin > 0.09


async def test_every_subscriber_gets_everything_and_one_that_left_is_forgotten():
    hub = ProgressHub("i")
    one, two = hub.subscribe(), hub.subscribe()
    await following(one)
    await following(two)
    hub.put_jobs([job(1)])
    assert (await following(one)).jobs == (await following(two)).jobs
    await one.aclose()
    await two.aclose()
    assert hub._subscribers == set()


async def test_live_events_of_a_reader_that_does_not_read_are_bounded():
    hub = ProgressHub("i")
    stream = hub.subscribe()
    await following(stream)
    for number in range(3):
        hub.put_live_events([worker_pb2.JobLiveEvent(job_id=str(number))] * LIVE_EVENT_LIMIT)
    response = await following(stream)
    assert [event.job_id for event in response.live_events] == ["2"] * LIVE_EVENT_LIMIT


async def test_closing_ends_the_streams_with_unavailable():
    hub = ProgressHub("i")
    stream = hub.subscribe()
    await following(stream)
    hub.close()
    with pytest.raises(UnavailableError):
        await following(stream)


async def test_closing_sends_waiting_snapshots_first():
    hub = ProgressHub("i")
    stream = hub.subscribe()
    await anext(stream)
    hub.put_jobs([jobs_pb2.Job(job_id="a", state=jobs_pb2.JOB_STATE_SUCCEEDED, seq=2)])
    hub.close()
    assert [job.job_id for job in (await anext(stream)).jobs] == ["a"]
    with pytest.raises(UnavailableError):
        await anext(stream)


async def test_the_stream_of_a_gateway_that_does_not_read_ends_before_it_costs_memory(monkeypatch):
    monkeypatch.setattr("services.worker.intake.progress_hub.JOB_LIMIT", 3)
    hub = ProgressHub("i")
    stream = hub.subscribe()
    await anext(stream)
    for number in range(5):
        hub.put_jobs([jobs_pb2.Job(job_id=str(number), seq=1)])
    with pytest.raises(UnavailableError):
        await anext(stream)
    assert not hub._subscribers
