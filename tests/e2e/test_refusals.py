"""A provider whose content filter refuses every item of a job."""

import asyncio

import pytest

from headrace import JobState, PauseReason

pytestmark = pytest.mark.timeout(240)

WORDS = "flagged as: advertising"
IN_FLIGHT_LIMIT = 5
FIRST_ITEMS = 20


async def until(client, job_id, state):
    """Watches a job until it has a state, and returns it."""
    async with asyncio.timeout(90):
        async for event in client.watch(job_id):
            if event.state is state:
                return event.job
    raise AssertionError("the job ended before")


async def test_a_job_of_which_all_items_are_refused_is_paused_after_20_and_the_calls_in_flight(
    make_stack, open_client, open_stand_in, postings, classify
):
    settings = {"HEADRACE_IN_FLIGHT_LIMIT": str(IN_FLIGHT_LIMIT)}
    stack = await asyncio.to_thread(make_stack, worker_settings=settings)
    stand_in = open_stand_in(stack.stand_in_url)
    refusal = {"status": 400, "code": "content_filter", "message": WORDS}
    await stand_in.set(latency_ms=500, fail_all=refusal)
    client = open_client(stack.gateway_target)
    job = await client.submit("llm.classify", postings(1_000), params=classify)
    paused = await until(client, job.job_id, JobState.PAUSED)
    assert paused.pause_reason is PauseReason.REFUSALS
    assert paused.error.reason == "PROVIDER_REFUSED_INPUT"
    assert WORDS in paused.error.detail
    async with asyncio.timeout(60):  # The calls in flight end, and are recorded.
        while (await client.get(job.job_id)).progress.done_count < (await stand_in.calls())["call_count"]:
            await asyncio.sleep(0.05)
    calls = (await stand_in.calls())["call_count"]
    # Each worker has calls without a response, and responses that the store has not acknowledged.
    assert FIRST_ITEMS <= calls <= FIRST_ITEMS + len(stack.workers) * 2 * IN_FLIGHT_LIMIT
    (group,) = await client.failures(job.job_id)
    assert (group.reason, group.item_count) == ("PROVIDER_REFUSED_INPUT", calls)
    await stand_in.set(reset=True)
    await client.resume(job.job_id)
    done = await until(client, job.job_id, JobState.SUCCEEDED)
    assert (done.progress.succeeded_count, done.progress.failed_count) == (1_000 - calls, calls)
    assert done.error is None
