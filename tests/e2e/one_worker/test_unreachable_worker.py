"""A worker that no gateway reaches: watchers and cancels work through the store."""

import asyncio

import pytest

from headrace import JobState

pytestmark = pytest.mark.timeout(180)

IN_FLIGHT = 20


@pytest.fixture
async def line(one_worker, connection):
    """The connection between the gateway and the worker, in use. It is mended after the test."""
    async with asyncio.timeout(30):
        while not any(connection.sent):
            await asyncio.sleep(0.02)
    yield connection
    connection.mend()


async def ended(client, job_id):
    async with asyncio.timeout(60):
        return [event async for event in client.watch(job_id)][-1]


async def test_a_watcher_converges_when_the_stream_of_progress_is_cut(hr, line, watch_through):
    job = await hr.submit("noop", [{}] * 600, {"sleep_ms": 100})

    async def cut():
        line.cut()

    seq_when_cut, event = await watch_through(hr, job.job_id, cut)
    assert line.sent
    assert line.is_cut
    assert event.job.seq > seq_when_cut
    assert event.progress.succeeded_count == 600


async def test_a_cancel_reaches_a_worker_that_no_gateway_reaches(
    hr, line, stand_in, until_calls, fill_slots, postings, classify
):
    await fill_slots(hr, stand_in, 100)
    await stand_in.set(hang_when_contains=["Posting far"])
    job = await hr.submit("llm.classify", postings(200, "far"), classify)
    await until_calls(in_flight_count=IN_FLIGHT)
    line.cut()
    await hr.cancel(job.job_id)
    last = await ended(hr, job.job_id)
    assert (last.state, last.progress.cancelled_count) == (JobState.CANCELLED, 200)
    await until_calls(broken_off_count=IN_FLIGHT)
    assert last.job.usage.call_count == (await stand_in.calls())["call_count"] == IN_FLIGHT
