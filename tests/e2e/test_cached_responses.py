"""Jobs that want it use answers again: across items, jobs and workers, and never those of another tenant."""

import asyncio

import pytest

from headrace import JobState

EQUAL = [{"number": "same", "title": "Software Engineer"}] * 400


@pytest.fixture
def hr(two_gateways, open_client):
    return open_client(two_gateways.gateway_target)


@pytest.fixture
async def stand_in(two_gateways, open_stand_in):
    stand_in = open_stand_in(two_gateways.stand_in_url)
    await stand_in.set(reset=True, latency_ms=500)
    yield stand_in
    await stand_in.set(reset=True)


async def run(client, items, params, **options):
    """Returns the ended job and its outputs."""
    job = await client.submit("llm.classify", items, params, **options)
    async with asyncio.timeout(60):
        events = [event async for event in client.watch(job.job_id)]
    assert events[-1].state is JobState.SUCCEEDED
    outputs = [result.output async for result in client.results(job.job_id)]
    assert len(outputs) == len(items)
    return events[-1].job, outputs


async def test_many_equal_items_on_two_workers_make_one_call_and_the_next_job_makes_none(
    hr, stand_in, classify
):
    first, outputs = await run(hr, EQUAL, classify, cache_responses=True)
    assert (await stand_in.calls())["call_count"] == first.usage.call_count == 1
    assert outputs == [{"label": "Engineering"}] * 400
    second, outputs = await run(hr, EQUAL[:3], classify, cache_responses=True)
    assert (await stand_in.calls())["call_count"] == 1
    assert (second.usage.call_count, second.usage.input_tokens) == (0, 0)
    assert outputs == [{"label": "Engineering"}] * 3


async def test_a_job_without_the_wish_and_one_of_another_tenant_make_their_own_calls(
    hr, two_gateways, open_client, stand_in, classify
):
    items = [{"number": "apart", "title": "Software Engineer"}] * 3
    await run(hr, items, classify, cache_responses=True)
    plain, _ = await run(hr, items, classify)
    assert plain.usage.call_count == 3
    stranger = open_client(two_gateways.gateway_target, tenant="stranger")
    theirs, _ = await run(stranger, items, classify, cache_responses=True)
    assert theirs.usage.call_count == 1
    assert (await stand_in.calls())["call_count"] == 5


async def test_cancelling_the_job_that_makes_the_call_lets_another_job_make_it(hr, stand_in, classify):
    items = [{"number": "taken over", "title": "Controller"}]
    hang = {"hang": True}
    await stand_in.set(fail_next=[hang])
    stopped = await hr.submit("llm.classify", items, classify, cache_responses=True)
    async with asyncio.timeout(30):
        while not (await stand_in.calls())["in_flight_count"]:
            await asyncio.sleep(0.02)
        waiting = asyncio.create_task(run(hr, items, classify, cache_responses=True))
        while (await hr.get(stopped.job_id)).state is not JobState.RUNNING:
            await asyncio.sleep(0.02)
        await hr.cancel(stopped.job_id)
        job, outputs = await waiting
    assert outputs == [{"label": "Finance"}]
    assert job.usage.call_count == 1
    assert (await stand_in.calls())["call_count"] == 2
