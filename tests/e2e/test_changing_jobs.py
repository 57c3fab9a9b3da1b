"""Trials, updates and deletions on the real stack with two gateways."""

import asyncio
from contextlib import suppress

import pytest

from headrace import JobClass, JobState, NotFoundError, PauseReason

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def hr(any_gateway, open_client):
    return open_client(any_gateway)


async def until(client, job_id, state):
    async with asyncio.timeout(90):
        async for event in client.watch(job_id):
            if event.state is state:
                return event.job
    raise AssertionError(f"the job was never {state}")


async def test_a_job_is_tried_changed_resumed_and_deleted(
    hr, two_gateways, open_stand_in, postings, classify, calls_of_postings
):
    items, params = postings(200, "trial"), classify | {"model": "gpt-4o-mini"}
    job = await hr.submit("llm.classify", items, params, trial_count=20)
    paused = await until(hr, job.job_id, JobState.PAUSED)
    assert paused.pause_reason is PauseReason.TRIAL
    assert (paused.progress.succeeded_count, paused.trial.item_count) == (20, 20)
    assert paused.trial.estimated_cost_micros == pytest.approx(10 * paused.usage.cost_micros, abs=5)
    assert paused.trial.low_cost_micros <= paused.trial.estimated_cost_micros
    calls = await open_stand_in(two_gateways.stand_in_url).calls()
    assert calls_of_postings(calls, 200, "trial") == [1] * 20 + [0] * 180
    changed = await hr.update(
        job.job_id, job_class="bulk", labels={"team": "jobs"}, if_change_seq=paused.change_seq
    )
    assert (changed.job_class, changed.labels) == (JobClass.BULK, {"team": "jobs"})
    await hr.resume(job.job_id)
    done = await until(hr, job.job_id, JobState.SUCCEEDED)
    assert done.usage.cost_micros > 5 * paused.usage.cost_micros
    calls = await open_stand_in(two_gateways.stand_in_url).calls()
    assert calls_of_postings(calls, 200, "trial") == [1] * 200
    assert await hr.params(job.job_id) == params
    await hr.delete(job.job_id)
    for call in (hr.get, hr.params, hr.cancel):
        with pytest.raises(NotFoundError):
            await call(job.job_id)


async def test_a_running_job_is_deleted_with_force_while_it_is_watched(hr):
    job = await hr.submit("noop", range(2_000), {"sleep_ms": 200})
    await until(hr, job.job_id, JobState.RUNNING)
    watching = asyncio.create_task(until(hr, job.job_id, JobState.CANCELLED))
    async with asyncio.timeout(30):
        await hr.delete(job.job_id, force=True)
    with pytest.raises(NotFoundError):
        await hr.get(job.job_id)
    with suppress(NotFoundError):  # Its gateway has heard of the deletion before the end.
        await watching
