"""The provider goes away in the middle of a job and comes back: no item fails."""

import asyncio
import time
from datetime import UTC, datetime

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


async def check_a_dead_model_next_to_a_healthy_one(client, control, postings, classify):
    """Runs a job on a healthy model to its end while another waits for a dead one; returns the latter."""
    down = {"status": 503, "message": "loading model"}
    await control.set(latency_ms=200, fail_when_contains={"dead-model": down})
    dead = await client.submit("llm.classify", postings(10_000), params={**classify, "model": "dead-model"})
    waiting = await until(client, dead.job_id, lambda event: event.forecast and event.forecast.outage)
    assert waiting.progress.done_count == 0
    healthy = await client.submit("llm.classify", postings(1_000, "healthy"), params=classify)
    done = await until(client, healthy.job_id, lambda event: event.state is JobState.SUCCEEDED)
    assert done.progress.succeeded_count == 1_000
    seconds = (done.finish_time - done.create_time).total_seconds()
    print(f"{seconds:.1f} s for 1,000 items of 0.2 s")
    assert seconds < 30.0
    await check_the_forecast(client, dead.job_id)
    await client.cancel(dead.job_id)


async def check_the_forecast(client, job_id):
    async with asyncio.timeout(30):
        async for event in client.watch(job_id):
            if event.forecast and event.forecast.outage:
                break
    outage = event.forecast.outage
    assert (outage.reason, "loading model" in outage.message) == ("PROVIDER_ERROR", True)
    assert 0 <= (datetime.now(UTC) - outage.begin_time).total_seconds() < 120
    assert event.progress.done_count == 0


async def test_a_job_on_a_dead_model_holds_up_no_job_on_a_healthy_one_in_the_embedded_system(
    make_embedded, open_client, open_stand_in, postings, classify
):
    system = await asyncio.to_thread(make_embedded, settings={"HEADRACE_IN_FLIGHT_LIMIT": "100"})
    client, control = open_client(system.gateway_target), open_stand_in(system.stand_in_url)
    await check_a_dead_model_next_to_a_healthy_one(client, control, postings, classify)


async def test_a_job_on_a_dead_model_holds_up_no_job_on_a_healthy_one_on_a_worker(
    make_stack, open_client, open_stand_in, postings, classify
):
    settings = {"HEADRACE_IN_FLIGHT_LIMIT": "100"}
    stack = await asyncio.to_thread(make_stack, workers=1, worker_settings=settings)
    client, control = open_client(stack.gateway_target), open_stand_in(stack.stand_in_url)
    await check_a_dead_model_next_to_a_healthy_one(client, control, postings, classify)


async def test_a_provider_that_is_gone_while_redis_is_gone_too_costs_no_item(
    make_stack, open_client, postings, classify
):
    settings = {"HEADRACE_IN_FLIGHT_LIMIT": "10"}
    stack = await asyncio.to_thread(make_stack, worker_settings=settings, own_servers=["redis"])
    stack.control_stand_in(latency_ms=200)
    client = open_client(stack.gateway_target)
    job = await client.submit("llm.classify", postings(300), params=classify)
    await until(client, job.job_id, lambda event: event.progress.succeeded_count >= 60)
    await asyncio.to_thread(stack.redis.kill)
    stack.stand_in.kill()
    await asyncio.sleep(DOWN_SECONDS)
    await asyncio.to_thread(stack.stand_in.start)
    await asyncio.to_thread(stack.stand_in.wait_ready)
    async with asyncio.timeout(60):
        events = [event async for event in client.watch(job.job_id)]
    assert (events[-1].progress.succeeded_count, events[-1].progress.failed_count) == (300, 0)
    attempts = [result.attempt_count async for result in client.results(job.job_id)]
    assert max(attempts) <= 2
    assert sum(attempts) <= 300 + 2 * 4
    for worker in stack.workers:
        text = worker.log_text()
        assert text.count('"provider_outage_began"') == text.count('"provider_outage_ended"') == 1


async def test_a_host_that_does_not_exist_shows_in_the_forecast_and_costs_no_attempt(
    make_embedded, open_client, postings, classify
):
    url = "http://no-such-host.invalid/v1"
    system = await asyncio.to_thread(make_embedded, settings={"OPENAI_BASE_URL": url})
    client = open_client(system.gateway_target)
    job = await client.submit("llm.classify", postings(20), params=classify)
    async with asyncio.timeout(60):
        async for event in client.watch(job.job_id):
            if event.forecast and event.forecast.outage:
                break
    assert "no such host: no-such-host.invalid" in event.forecast.outage.message
    await asyncio.sleep(5.0)
    assert (await client.get(job.job_id)).progress.done_count == 0
    await client.cancel(job.job_id)
