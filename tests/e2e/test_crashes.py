"""Processes killed while they work: nothing is lost, and no finished call is made again."""

import asyncio

import pytest

from headrace import JobState

pytestmark = pytest.mark.timeout(240)

IN_FLIGHT = 30


async def succeeded(client, job_id, seconds=90):
    async with asyncio.timeout(seconds):
        event = [event async for event in client.watch(job_id)][-1]
    assert event.state is JobState.SUCCEEDED, event
    return event


async def until_succeeded(client, job_id, count):
    """Watches a job until so many of its items have succeeded."""
    async for event in client.watch(job_id):
        if event.progress.succeeded_count >= count:
            return


async def until_some_chunk_is_half_recorded(client, job_id):
    """Watches a job of chunks of 100 items until 300 have succeeded, and those are no whole chunks."""
    async for event in client.watch(job_id):
        if event.progress.succeeded_count >= 300 and event.progress.succeeded_count % 100:
            return


async def until_logged(services, event):
    """Waits until one of these services has logged an event."""
    async with asyncio.timeout(30):
        while not any(f'"{event}"' in service.log_text() for service in services):
            await asyncio.sleep(0.02)


async def watch_through(client, job_id, fault):
    """Watches a job to its end, with a fault after its first results; its snapshots must never go back.

    Returns:
        The seq when the fault came, and the last event.
    """
    seqs, seq_at_fault = [], None
    async with asyncio.timeout(90):
        async for event in client.watch(job_id):
            seqs.append(event.job.seq)
            if event.progress.succeeded_count and seq_at_fault is None:
                seq_at_fault = event.job.seq
                await asyncio.to_thread(fault)
    assert seq_at_fault is not None
    assert seqs == sorted(seqs)
    assert event.state is JobState.SUCCEEDED
    return seq_at_fault, event


async def result_indexes(client, job_id):
    return [result.item_index async for result in client.results(job_id)]


async def test_a_killed_worker_loses_nothing_and_only_calls_in_flight_are_made_again(
    make_stack, open_client, open_stand_in, postings, classify, repeated_calls, calls_of_postings
):
    stack = await asyncio.to_thread(
        make_stack,
        worker_settings={"HEADRACE_IN_FLIGHT_LIMIT": str(IN_FLIGHT)},
        stand_in_arguments=("--latency-ms", "100"),
    )
    hr, stand_in = open_client(stack.gateway_target), open_stand_in(stack.stand_in_url)
    job = await hr.submit("llm.classify", postings(2000), classify)
    await until_some_chunk_is_half_recorded(hr, job.job_id)
    await asyncio.to_thread(stack.workers[0].kill)
    recorded = await result_indexes(hr, job.job_id)
    await succeeded(hr, job.job_id)
    assert await result_indexes(hr, job.job_id) == list(range(2000))
    call_counts = calls_of_postings(await stand_in.calls(), 2000)
    assert 300 <= len(recorded) < 2000
    assert [index for index in recorded if call_counts[index] != 1] == []
    # In flight are calls under way, and those answered and not yet acknowledged by results.
    assert repeated_calls(await stand_in.calls()) <= IN_FLIGHT + 200
    workers = await hr.workers()
    assert [worker.live for worker in workers].count(True) == 1


async def test_a_watcher_converges_when_the_stream_of_progress_is_cut(make_stack, open_client, proxy):
    address = f"127.0.0.1:{await proxy.start()}"
    stack = await asyncio.to_thread(
        make_stack, workers=1, worker_settings={"HEADRACE_WORKER_ADVERTISE": address}
    )
    proxy.upstream_port = int(stack.workers[0].target.rsplit(":", 1)[1])
    hr = open_client(stack.gateway_target)
    warm_up = await hr.submit("noop", [{}])
    await succeeded(hr, warm_up.job_id)
    job = await hr.submit("noop", [{}] * 2000, {"sleep_ms": 100})
    loop = asyncio.get_running_loop()
    seq_when_cut, event = await watch_through(hr, job.job_id, lambda: loop.call_soon_threadsafe(proxy.cut))
    assert proxy.sent
    assert proxy.is_cut
    assert event.job.seq > seq_when_cut
    assert event.progress.succeeded_count == 2000


async def test_a_watcher_converges_when_a_worker_is_killed(make_stack, open_client):
    stack = await asyncio.to_thread(make_stack)
    hr = open_client(stack.gateway_target)
    job = await hr.submit("noop", [{}] * 1000, {"sleep_ms": 300})
    await watch_through(hr, job.job_id, stack.workers[1].kill)


async def test_a_watch_goes_on_after_its_gateway_was_killed_and_started_again(make_stack, open_client):
    stack = await asyncio.to_thread(make_stack)
    hr = open_client(stack.gateway_target)
    job = await hr.submit("noop", [{}] * 1000, {"sleep_ms": 300})

    def kill_and_start():
        stack.gateways[0].kill()
        stack.gateways[0].restart()  # on its own it would ask the gateway to stop, which tells its watchers

    await watch_through(hr, job.job_id, kill_and_start)


async def test_jobs_survive_rabbitmq_stopped_and_started_with_empty_queues(make_stack, open_client):
    stack = await asyncio.to_thread(make_stack, own_servers=("rabbitmq",))
    hr = open_client(stack.gateway_target)
    running = await hr.submit("noop", [{}] * 3000, {"sleep_ms": 300})
    await until_succeeded(hr, running.job_id, 1)
    await asyncio.to_thread(stack.rabbitmq.wipe)
    submitted = [await hr.submit("noop", [{}] * 10) for _ in range(20)]
    await asyncio.to_thread(stack.rabbitmq.start)
    await asyncio.to_thread(stack.rabbitmq.wait_ready)
    for job in (running, *submitted):
        await succeeded(hr, job.job_id)


async def test_results_killed_and_started_again_loses_nothing_that_was_answered(
    make_stack, open_client, open_stand_in, postings, classify, repeated_calls
):
    stack = await asyncio.to_thread(make_stack, stand_in_arguments=("--latency-ms", "100"))
    hr, stand_in = open_client(stack.gateway_target), open_stand_in(stack.stand_in_url)
    job = await hr.submit("llm.classify", postings(2000), classify)
    await until_succeeded(hr, job.job_id, 200)
    await asyncio.to_thread(stack.results.kill)
    await until_logged(stack.workers, "results_not_recorded")  # one may hold nothing at this moment
    await asyncio.to_thread(stack.results.restart)
    await succeeded(hr, job.job_id)
    assert await result_indexes(hr, job.job_id) == list(range(2000))
    assert repeated_calls(await stand_in.calls()) == 0


async def test_a_stopped_worker_hands_its_work_on_and_no_call_is_made_again(
    make_stack, open_client, open_stand_in, postings, classify, repeated_calls
):
    stack = await asyncio.to_thread(make_stack, stand_in_arguments=("--latency-ms", "100"))
    hr, stand_in = open_client(stack.gateway_target), open_stand_in(stack.stand_in_url)
    job = await hr.submit("llm.classify", postings(2000), classify)
    await until_succeeded(hr, job.job_id, 200)
    await asyncio.to_thread(stack.workers[0].stop)
    await succeeded(hr, job.job_id)
    assert repeated_calls(await stand_in.calls()) == 0
