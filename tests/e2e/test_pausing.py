"""Jobs that are paused, resumed and started later, on the real stack."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from headrace import JobState

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def hr(any_gateway, open_client):
    return open_client(any_gateway)


@pytest.fixture
async def stand_in(two_gateways, open_stand_in):
    """The provider of the stack. Its behaviour is reset afterwards."""
    control = open_stand_in(two_gateways.stand_in_url)
    yield control
    await control.set(reset=True)


async def ended(client, job_id):
    async with asyncio.timeout(90):
        return [event async for event in client.watch(job_id)][-1]


def calls_of(calls, mark):
    return {prompt: count for prompt, count in calls["prompts"].items() if f"Posting {mark}" in prompt}


async def until_calls_are_recorded(client, stand_in, job_id, mark):
    """Waits until every call of a job has ended and was recorded."""
    async with asyncio.timeout(60):
        while True:
            made = calls_of(await stand_in.calls(), mark)
            if len(made) == (await client.get(job_id)).progress.succeeded_count:
                return
            await asyncio.sleep(0.1)


async def test_a_paused_job_ends_its_calls_makes_no_others_and_continues_where_it_was(
    hr, stand_in, postings, classify
):
    await stand_in.set(latency_ms=150)
    job = await hr.submit("llm.classify", postings(1500, "pause"), classify)
    async for event in hr.watch(job.job_id):
        if event.progress.succeeded_count >= 100:
            break
    paused = await hr.pause(job.job_id)
    assert paused.state is JobState.PAUSED
    await until_calls_are_recorded(hr, stand_in, job.job_id, "pause")
    # Another job runs through the same workers meanwhile.
    other = await hr.submit("llm.classify", postings(50, "other"), classify)
    assert (await ended(hr, other.job_id)).state is JobState.SUCCEEDED
    now = await hr.get(job.job_id)
    made = calls_of(await stand_in.calls(), "pause")
    assert now.state is JobState.PAUSED
    assert 100 <= now.progress.succeeded_count < 1500
    assert len(made) == now.progress.succeeded_count  # no call has begun since
    await hr.resume(job.job_id)
    last = await ended(hr, job.job_id)
    assert (last.state, last.progress.succeeded_count) == (JobState.SUCCEEDED, 1500)
    assert set(calls_of(await stand_in.calls(), "pause").values()) == {1}


async def test_a_job_starts_at_its_time(hr):
    start = datetime.now(UTC) + timedelta(seconds=2)
    job = await hr.submit("noop", [1, 2], schedule_time=start)
    assert (job.state, job.start_time) == (JobState.SCHEDULED, None)
    last = await ended(hr, job.job_id)
    assert last.state is JobState.SUCCEEDED
    assert last.job.start_time >= job.schedule_time
