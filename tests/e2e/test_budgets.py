"""A job with a budget on the real stack: it pauses near the budget and continues with a higher one."""

import asyncio

import pytest

from headrace import FailedPreconditionError, JobState, PauseReason

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


async def test_spending_stops_within_a_calls_price_of_the_budget_and_continues_with_a_higher_one(
    hr, two_gateways, open_stand_in, postings, classify, calls_of_postings
):
    items, params = postings(200, "budget"), classify | {"model": "gpt-4o-mini"}
    estimate = await hr.estimate("llm.classify", items, params)
    budget = estimate.cost_micros // 2
    job = await hr.submit("llm.classify", items, params, budget_micros=budget)
    paused = await until(hr, job.job_id, JobState.PAUSED)
    assert (paused.pause_reason, paused.budget_micros) == (PauseReason.BUDGET, budget)
    costs = [result.usage.cost_micros async for result in hr.results(job.job_id)]
    assert min(costs) > 0
    assert sum(costs) == paused.usage.cost_micros
    assert abs(budget - paused.usage.cost_micros) <= max(costs) * 1.25
    with pytest.raises(FailedPreconditionError) as refused:
        await hr.resume(job.job_id)
    assert refused.value.reason == "BUDGET_SPENT"
    resumed = await hr.resume(job.job_id, budget_micros=10 * estimate.cost_micros)
    assert resumed.state is not JobState.PAUSED
    done = await until(hr, job.job_id, JobState.SUCCEEDED)
    calls = await open_stand_in(two_gateways.stand_in_url).calls()
    assert calls_of_postings(calls, 200, "budget") == [1] * 200
    assert 0.5 < done.usage.cost_micros / estimate.cost_micros < 2
