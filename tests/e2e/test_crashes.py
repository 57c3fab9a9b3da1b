"""Processes killed while they work: nothing is lost, and no finished call is made again."""

import asyncio

import pytest

from headrace import JobState

pytestmark = pytest.mark.timeout(240)

IN_FLIGHT = 30


@pytest.fixture
async def stand_in(revived, open_stand_in):
    """The provider of the shared stack, at 100 ms per call and with its counts at 0."""
    control = open_stand_in(revived.stand_in_url)
    await control.set(reset=True, latency_ms=100)
    yield control
    await control.set(reset=True)


@pytest.fixture
def hr(revived, open_client):
    return open_client(revived.gateway_target)


async def succeeded(client, job_id):
    async with asyncio.timeout(90):
        event = [event async for event in client.watch(job_id)][-1]
    assert event.state is JobState.SUCCEEDED, event
    return event


async def until_succeeded(client, job_id, count):
    """Watches a job until this number of its items has succeeded."""
    async for event in client.watch(job_id):
        if event.progress.succeeded_count >= count:
            return


def has_a_half_recorded_chunk(event):
    """Returns whether at least 300 items of a job with chunks of 100 have succeeded, in partial chunks."""
    return event.progress.succeeded_count >= 300 and event.progress.succeeded_count % 100 != 0


def logged_count(services, event):
    """Returns how often these services have logged an event."""
    return sum(service.log_text().count(f'"{event}"') for service in services)


async def result_indexes(client, job_id):
    return [result.item_index async for result in client.results(job_id)]


async def test_a_killed_worker_loses_nothing_only_calls_in_flight_are_made_again_and_watchers_converge(
    make_stack,
    open_client,
    open_stand_in,
    postings,
    classify,
    repeated_calls,
    calls_of_postings,
    watch_through,
):
    stack = await asyncio.to_thread(
        make_stack,
        worker_settings={"HEADRACE_IN_FLIGHT_LIMIT": str(IN_FLIGHT)},
        stand_in_arguments=("--latency-ms", "100"),
    )
    hr, stand_in = open_client(stack.gateway_target), open_stand_in(stack.stand_in_url)
    job = await hr.submit("llm.classify", postings(2000), classify)
    recorded = []

    async def kill():
        await asyncio.to_thread(stack.workers[0].kill)
        recorded.extend(await result_indexes(hr, job.job_id))

    await watch_through(hr, job.job_id, kill, when=has_a_half_recorded_chunk)
    assert await result_indexes(hr, job.job_id) == list(range(2000))
    call_counts = calls_of_postings(await stand_in.calls(), 2000)
    assert 300 <= len(recorded) < 2000
    assert [index for index in recorded if call_counts[index] != 1] == []
    # In flight are calls under way, and those answered and not yet acknowledged by results.
    assert repeated_calls(await stand_in.calls()) <= IN_FLIGHT + 200
    workers = await hr.workers()
    assert [worker.live for worker in workers].count(True) == 1


async def test_a_watch_continues_after_its_gateway_was_killed_and_started_again(hr, revived, watch_through):
    job = await hr.submit("noop", [{}] * 1000, {"sleep_ms": 300})

    async def kill_and_start():
        gateway = revived.gateways[0]
        await asyncio.to_thread(gateway.kill)  # restart alone would drain it and notify its watchers
        await asyncio.to_thread(gateway.restart)

    await watch_through(hr, job.job_id, kill_and_start)


async def test_results_killed_and_started_again_loses_nothing_that_was_answered(
    hr, revived, stand_in, postings, classify, repeated_calls
):
    job = await hr.submit("llm.classify", postings(2000, "results-"), classify)
    await until_succeeded(hr, job.job_id, 200)
    before = logged_count(revived.workers, "results_not_recorded")
    await asyncio.to_thread(revived.results.kill)
    async with asyncio.timeout(30):  # one of the workers is enough: the other may have no work now
        while logged_count(revived.workers, "results_not_recorded") == before:
            await asyncio.sleep(0.02)
    await asyncio.to_thread(revived.results.restart)
    await succeeded(hr, job.job_id)
    assert await result_indexes(hr, job.job_id) == list(range(2000))
    assert repeated_calls(await stand_in.calls()) == 0


async def test_a_stopped_worker_hands_its_work_on_and_no_call_is_made_again(
    hr, revived, stand_in, postings, classify, repeated_calls
):
    job = await hr.submit("llm.classify", postings(2000, "stopped-"), classify)
    await until_succeeded(hr, job.job_id, 200)
    await asyncio.to_thread(revived.workers[0].stop)
    await succeeded(hr, job.job_id)
    assert repeated_calls(await stand_in.calls()) == 0
