"""A cancel from the provider's view: calls in flight are broken off, and no other is made."""

import asyncio

import pytest

from headrace import JobState

pytestmark = pytest.mark.timeout(120)

DONE, WAITING = 50, 300
IN_FLIGHT = 200  # of two workers


@pytest.fixture
def hr(any_gateway, open_client):
    return open_client(any_gateway)


@pytest.fixture
async def stand_in(two_gateways, open_stand_in):
    """The provider of the stack with its counts at 0. Its behaviour is reset afterwards."""
    control = open_stand_in(two_gateways.stand_in_url)
    await control.set(reset=True)
    yield control
    await control.set(reset=True)


async def ended(client, job_id):
    async with asyncio.timeout(60):
        return [event async for event in client.watch(job_id)][-1]


async def counts_of(stand_in):
    calls = await stand_in.calls()
    del calls["prompts"]
    return calls


async def until_calls(stand_in, **counts):
    """Waits until the provider has exactly these counts."""
    async with asyncio.timeout(30):
        while not counts.items() <= (await counts_of(stand_in)).items():
            await asyncio.sleep(0.02)


async def test_a_cancel_breaks_off_what_is_in_flight_and_keeps_and_counts_what_was_spent(
    hr, stand_in, fill_slots, postings, classify
):
    await fill_slots(hr, stand_in)
    await stand_in.set(hang_when_contains=["Posting wait"])
    job = await hr.submit("llm.classify", postings(DONE, "done") + postings(WAITING, "wait"), classify)
    await until_calls(stand_in, answered_count=DONE, in_flight_count=IN_FLIGHT)
    cancelled = await hr.cancel(job.job_id)
    assert cancelled.state in (JobState.CANCELLING, JobState.CANCELLED)
    last = await ended(hr, job.job_id)
    assert last.state is JobState.CANCELLED
    assert (last.progress.succeeded_count, last.progress.cancelled_count) == (DONE, WAITING)
    await until_calls(stand_in, broken_off_count=IN_FLIGHT, in_flight_count=0)
    calls = await stand_in.calls()
    assert calls["call_count"] == DONE + IN_FLIGHT  # none after the cancel
    assert last.job.usage.call_count == calls["call_count"]
    assert last.job.usage.output_tokens > 0
    assert len([result async for result in hr.results(job.job_id)]) == DONE
    # No worker still has its items under lease: another job gets all slots at once.
    other = await hr.submit("llm.classify", postings(10, "after"), classify)
    assert (await ended(hr, other.job_id)).state is JobState.SUCCEEDED


async def test_a_running_upload_is_cancelled_as_a_whole(hr, stand_in, fill_slots, postings, classify):
    class GoneError(Exception):
        """The source of the items broke."""

    async def items():
        for posting in postings(40, "wait"):
            yield posting
        raise GoneError

    await fill_slots(hr, stand_in)
    await stand_in.set(hang_when_contains=["Posting wait"])
    opened = []
    with pytest.raises(GoneError):
        await hr.submit("llm.classify", items(), classify, on_open=opened.append)
    await until_calls(stand_in, in_flight_count=40)
    await hr.cancel(opened[0].job_id)
    last = await ended(hr, opened[0].job_id)
    assert (last.state, last.job.usage.call_count) == (JobState.CANCELLED, 40)
    await until_calls(stand_in, broken_off_count=40, call_count=40)
