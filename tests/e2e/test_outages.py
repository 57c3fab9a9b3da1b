"""The provider goes away in the middle of a job and comes back: no item fails."""

import asyncio
import time

import pytest

from headrace import JobState, PauseReason

pytestmark = pytest.mark.timeout(240)

DOWN_SECONDS = 6.0


async def until(client, job_id, condition):
    """Watches a job until an event meets a condition, and returns the job."""
    async with asyncio.timeout(90):
        async for event in client.watch(job_id):
            if condition(event):
                return event.job
    raise AssertionError("the job ended before")


async def test_a_provider_killed_for_six_seconds_in_the_middle_of_a_job_fails_no_item(
    make_stack, open_client, postings, classify
):
    stack = await asyncio.to_thread(make_stack, worker_settings={"HEADRACE_IN_FLIGHT_LIMIT": "10"})
    stack.control_stand_in(latency_ms=200)
    client = open_client(stack.gateway_target)
    job = await client.submit("llm.classify", postings(300), params=classify)
    await until(client, job.job_id, lambda event: event.progress.succeeded_count >= 60)
    stack.stand_in.kill()
    await asyncio.sleep(DOWN_SECONDS)
    await asyncio.to_thread(stack.stand_in.start)
    await asyncio.to_thread(stack.stand_in.wait_ready)
    back = time.monotonic()
    async with asyncio.timeout(60):
        events = [event async for event in client.watch(job.job_id)]
    seconds = time.monotonic() - back
    assert events[-1].state is JobState.SUCCEEDED, events[-1]
    assert (events[-1].progress.succeeded_count, events[-1].progress.failed_count) == (300, 0)
    attempts = [result.attempt_count async for result in client.results(job.job_id)]
    print(
        f"{seconds:.1f} s after the return; attempts: {max(attempts)} at most, {sum(attempts)} of 300 items"
    )
    assert max(attempts) <= 2
    assert sum(attempts) <= 300 + 2 * 4  # of each worker up to four faults, before its breaker opened
    assert seconds < 30.0
    for worker in stack.workers:
        text = worker.log_text()
        assert text.count('"provider_outage_began"') == text.count('"provider_outage_ended"') == 1


async def test_a_job_in_a_long_outage_is_paused_with_the_fault_and_finishes_once_resumed(
    make_stack, open_client, postings, classify
):
    stack = await asyncio.to_thread(make_stack, worker_settings={"HEADRACE_OUTAGE_SECONDS": "2"})
    await asyncio.to_thread(stack.stand_in.stop)
    client = open_client(stack.gateway_target)
    job = await client.submit("llm.classify", postings(30), params=classify)
    paused = await until(client, job.job_id, lambda event: event.state is JobState.PAUSED)
    assert (paused.pause_reason, paused.error.reason) == (PauseReason.OUTAGE, "PROVIDER_UNREACHABLE")
    await asyncio.to_thread(stack.stand_in.start)
    await asyncio.to_thread(stack.stand_in.wait_ready)
    await client.resume(job.job_id)
    done = await until(client, job.job_id, lambda event: event.state is JobState.SUCCEEDED)
    assert (done.progress.succeeded_count, done.error) == (30, None)
