"""PostgreSQL and Redis crash while jobs run: every promise is kept meanwhile."""

import asyncio
import signal

import pytest

from headrace import JobState

pytestmark = pytest.mark.timeout(180)

ITEMS = 1000


@pytest.fixture(scope="module")
def stack(servers):
    """A stack with a PostgreSQL and a Redis of its own, to crash."""
    from deploy.local.testing.stack import TestStack

    stack = TestStack(servers, own_servers=("postgres", "redis"))
    stack.start()
    yield stack
    stack.close()


@pytest.fixture
def hr(stack, open_client):
    return open_client(stack.gateway_target)


@pytest.fixture
async def stand_in(stack, open_stand_in):
    stand_in = open_stand_in(stack.stand_in_url)
    await stand_in.set(reset=True, latency_ms=100)
    return stand_in


async def run_through(client, job_id, crash):
    """Watches a job to its end, with a crash in the middle."""
    crashed = False
    async with asyncio.timeout(90):
        async for event in client.watch(job_id):
            if event.progress.succeeded_count >= 200 and not crashed:
                assert not event.state.is_terminal
                await asyncio.to_thread(crash)
                crashed = True
    assert event.state is JobState.SUCCEEDED
    assert event.progress.succeeded_count == ITEMS
    results = [result async for result in client.results(job_id)]
    assert [result.item_index for result in results] == list(range(ITEMS))
    return results


async def test_postgresql_stopped_at_once_and_started_again_in_mid_job_loses_nothing_and_repeats_no_call(
    stack, hr, stand_in, postings, classify, calls_of_postings
):
    def crash():
        stack.postgres.process.send(signal.SIGQUIT)  # "immediate": sessions are cut, nothing is written down
        stack.postgres.await_stop()
        stack.postgres.start()
        stack.postgres.wait_ready()

    job = await hr.submit("llm.classify", postings(ITEMS, "p"), classify)
    results = await run_through(hr, job.job_id, crash)
    # No worker died: what they had finished was kept until it could be recorded.
    assert calls_of_postings(await stand_in.calls(), ITEMS, "p") == [1] * ITEMS
    assert {result.attempt_count for result in results} == {1}


async def test_redis_killed_and_started_empty_in_mid_job_costs_no_call(
    stack, hr, stand_in, postings, classify, repeated_calls
):
    def crash():
        stack.redis.kill()
        stack.redis.start()
        stack.redis.wait_ready()

    # A cool-down of the model is under way when what Redis knew of it is gone.
    await stand_in.set(fail_next=[{"status": 429, "retry_after": 1}] * 3)
    job = await hr.submit("llm.classify", postings(ITEMS, "r"), classify)
    results = await run_through(hr, job.job_id, crash)
    assert sum(result.attempt_count - 1 for result in results) == repeated_calls(await stand_in.calls()) == 3


async def test_redis_killed_and_started_empty_costs_a_job_with_cached_answers_second_calls_at_most(
    stack, hr, stand_in, postings, classify
):
    def crash():
        stack.redis.kill()
        stack.redis.start()
        stack.redis.wait_ready()

    pairs = [posting for posting in postings(ITEMS // 2, "c") for _ in range(2)]
    job = await hr.submit("llm.classify", pairs, classify, cache_responses=True)
    results = await run_through(hr, job.job_id, crash)
    assert {result.attempt_count for result in results} == {1}
    calls = await stand_in.calls()
    assert set(calls["prompts"].values()) <= {1, 2}
    assert calls["call_count"] == (await hr.get(job.job_id)).usage.call_count < ITEMS
