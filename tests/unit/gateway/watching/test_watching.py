import asyncio

import grpc
import pytest

from headrace.gateway.v1.gateway_pb2 import StreamResultsRequest, WatchJobRequest
from headrace.jobs.v1 import jobs_pb2
from services.gateway.requests.resume_tokens import resume_token

SUCCEEDED = jobs_pb2.JOB_STATE_SUCCEEDED


@pytest.fixture
async def worker(start_worker):
    return await start_worker()


@pytest.fixture
async def gateway(worker, start_gateway):
    """A gateway that never re-reads on its own: only the stream from the worker brings snapshots."""
    gateway = await start_gateway()
    await worker.until(lambda: worker.streams)
    return gateway


async def until_emptied(hub):
    async with asyncio.timeout(10):
        while hub.watched_job_count:
            await asyncio.sleep(0.01)


async def test_a_watch_begins_with_the_present_snapshot_and_ends_with_the_terminal_one(
    gateway, worker, results, submit, next_of
):
    job = await submit(gateway)
    call = gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id))
    assert (await next_of(call)).job == job
    worker.send(results.advance(job.job_id, succeeded=1))
    assert (await next_of(call)).job.progress.succeeded_count == 1
    worker.send(results.advance(job.job_id, SUCCEEDED, 3))
    assert (await next_of(call)).job.state == SUCCEEDED
    assert await call.read() is grpc.aio.EOF
    assert await call.code() is grpc.StatusCode.OK
    await until_emptied(gateway.app.hub)


async def test_a_job_that_was_just_submitted_is_watched_without_a_call_to_the_store(
    gateway, worker, results, submit, next_of
):
    job = await submit(gateway)
    worker.send(results.advance(job.job_id, succeeded=1))
    async with asyncio.timeout(10):
        while gateway.app.hub.recent.find(job.job_id, "default").seq < 2:
            await asyncio.sleep(0.01)
    call = gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id))
    assert (await next_of(call)).job.progress.succeeded_count == 1
    worker.send(results.advance(job.job_id, SUCCEEDED, 3))
    assert (await next_of(call)).job.state == SUCCEEDED
    assert await call.read() is grpc.aio.EOF
    assert results.calls["GetJobs"] == 0


async def test_a_new_job_of_another_tenant_is_not_found_by_a_watch(gateway, submit, failure_of):
    job = await submit(gateway)
    other = gateway.stub.WatchJob(
        WatchJobRequest(job_id=job.job_id), metadata=(("headrace-tenant", "other"),)
    )
    assert (await failure_of(other.read())).code is grpc.StatusCode.NOT_FOUND


async def test_a_new_job_is_read_from_the_store_after_a_broken_stream(
    gateway, worker, results, submit, next_of
):
    job = await submit(gateway)
    results.advance(job.job_id, SUCCEEDED, 3)
    worker.cut()
    async with asyncio.timeout(10):
        while gateway.app.hub.recent.find(job.job_id, "default"):
            await asyncio.sleep(0.01)
    call = gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id))
    assert (await next_of(call)).job.state == SUCCEEDED


async def test_a_terminal_job_is_answered_with_one_snapshot(gateway, results, submit, next_of):
    job = await submit(gateway)
    gateway.app.hub.recent.clear()
    results.advance(job.job_id, SUCCEEDED, 3)
    call = gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id.upper()))
    assert (await next_of(call)).job.state == SUCCEEDED
    assert await call.read() is grpc.aio.EOF


async def test_a_change_while_the_first_snapshot_is_read_is_not_missed(
    gateway, worker, results, submit, next_of
):
    job = await submit(gateway)
    gateway.app.hub.recent.clear()
    results.gates["GetJobs"] = asyncio.Event()
    call = gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id))
    await results.until(lambda: results.calls["GetJobs"])
    worker.send(results.advance(job.job_id, succeeded=2))
    results.gates.pop("GetJobs").set()
    seqs = []
    while not seqs or seqs[-1] < 2:
        seqs.append((await next_of(call)).job.seq)
    assert seqs == sorted(set(seqs))
    call.cancel()


async def test_a_resumed_watch_continues_with_the_next_newer_snapshot(
    gateway, worker, results, submit, next_of
):
    job = await submit(gateway)
    first = gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id))
    token = (await next_of(first)).resume_token
    first.cancel()
    second = gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id, resume_token=token))
    await second.initial_metadata()
    worker.send(results.advance(job.job_id, succeeded=1))
    assert (await next_of(second)).job.seq == 2
    second.cancel()


async def test_a_watch_resumed_after_the_end_gets_the_terminal_snapshot_even_if_it_was_seen(
    gateway, results, submit, next_of
):
    job = await submit(gateway)
    results.advance(job.job_id, SUCCEEDED, 3)
    first = gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id))
    token = (await next_of(first)).resume_token
    second = gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id, resume_token=token))
    assert (await next_of(second)).job.state == SUCCEEDED
    assert await second.read() is grpc.aio.EOF


async def test_a_token_from_the_future_does_not_hide_the_end(gateway, worker, results, submit, next_of):
    job = await submit(gateway)
    token = resume_token(job.job_id, 1000)
    call = gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id, resume_token=token))
    await call.initial_metadata()
    worker.send(results.advance(job.job_id, SUCCEEDED, 3))
    assert (await next_of(call)).job.state == SUCCEEDED


async def test_a_token_of_one_gateway_is_valid_at_another(start_gateway, gateway, results, submit, next_of):
    other = await start_gateway()
    job = await submit(gateway)
    first = gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id))
    token = (await next_of(first)).resume_token
    results.advance(job.job_id, succeeded=1)
    second = other.stub.WatchJob(WatchJobRequest(job_id=job.job_id, resume_token=token))
    assert (await next_of(second)).job.seq == 2
    first.cancel()
    second.cancel()


async def test_a_token_of_another_job_is_refused(gateway, submit, next_of, failure_of):
    one, other = await submit(gateway), await submit(gateway)
    call = gateway.stub.WatchJob(WatchJobRequest(job_id=one.job_id))
    token = (await next_of(call)).resume_token
    call.cancel()
    error = await failure_of(
        gateway.stub.WatchJob(WatchJobRequest(job_id=other.job_id, resume_token=token)).read()
    )
    assert error.reason == "INVALID_RESUME_TOKEN"


async def test_a_job_of_another_tenant_is_not_found_and_leaves_nothing_behind(gateway, submit, failure_of):
    job = await submit(gateway, tenant="theirs")
    error = await failure_of(gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id)).read())
    assert error.reason == "JOB_NOT_FOUND"
    await until_emptied(gateway.app.hub)


async def test_a_watcher_that_goes_away_leaves_nothing_behind(gateway, submit, next_of):
    job = await submit(gateway)
    calls = [gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id)) for _ in range(5)]
    for call in calls:
        await next_of(call)
    assert gateway.app.hub.watched_job_count == 1
    for call in calls:
        call.cancel()
    await until_emptied(gateway.app.hub)


async def test_a_watcher_that_reads_nothing_delays_no_other_and_leaves_nothing_behind(
    gateway, worker, results, submit, next_of
):
    job = await submit(gateway)
    lazy = gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id))
    await lazy.initial_metadata()
    keen = gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id))
    await next_of(keen)
    for count in range(200):
        worker.send(results.advance(job.job_id, succeeded=count))
    seq = 0
    while seq < 201:
        seq = (await next_of(keen)).job.seq
    lazy.cancel()
    keen.cancel()
    await until_emptied(gateway.app.hub)


async def test_live_events_reach_watchers_with_a_token_that_resumes(
    gateway, worker, results, submit, next_of
):
    job = await submit(gateway)
    call = gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id))
    token = (await next_of(call)).resume_token
    worker.send(live=(job.job_id, jobs_pb2.LiveEvent(in_flight_count=7)))
    response = await next_of(call)
    assert not response.HasField("job")
    assert [event.in_flight_count for event in response.live_events] == [7]
    assert response.forecast.in_flight_count == 7
    assert response.resume_token == token
    call.cancel()


async def test_watchers_get_the_rates_of_a_job_its_remaining_time_and_its_final_cost(
    gateway, worker, start_worker, results, submit, next_of, monkeypatch
):
    monkeypatch.setattr("services.gateway.watching.throughput.SETTLED_SECONDS", 0.05)
    monkeypatch.setattr("services.gateway.watching.topic.LIVE_SECONDS", 0.02)
    other = await start_worker()
    await other.until(lambda: other.streams)
    job = results.jobs[(await submit(gateway, item_count=1000)).job_id]
    call = gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id))
    await next_of(call)
    forecast, done = jobs_pb2.JobForecast(), 0
    while not forecast.HasField("estimated_remaining"):
        done += 1
        assert done < 1000
        job.usage.cost_micros, job.usage.input_tokens = 20 * done, 5 * done
        for each in (other, worker):
            live = jobs_pb2.LiveEvent(incarnation=each.incarnation, in_flight_count=1, limited_count=3)
            each.send(live=(job.job_id, live))
        worker.send(results.advance(job.job_id, succeeded=done))
        response = await next_of(call)
        while response.job.progress.succeeded_count < done:
            response = await next_of(call)
        forecast = response.forecast
    assert forecast.items_per_second > 0
    assert forecast.tokens_per_second == pytest.approx(5 * forecast.items_per_second)
    assert (forecast.in_flight_count, forecast.limited_count) == (2, 6)
    assert forecast.estimated_cost_micros == 20 * 1000
    assert forecast.estimated_remaining.ToMicroseconds() > 0
    call.cancel()


async def test_watched_jobs_are_read_again_at_once_after_a_broken_stream(
    gateway, worker, results, submit, next_of
):
    job = await submit(gateway)
    call = gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id))
    await next_of(call)
    results.advance(job.job_id, SUCCEEDED, 3)  # a snapshot that no stream brings
    worker.cut()
    assert (await next_of(call)).job.state == SUCCEEDED


async def test_a_broken_stream_is_opened_again(gateway, worker, results, submit, next_of):
    job = await submit(gateway)
    call = gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id))
    await next_of(call)
    worker.cut()
    await worker.until(lambda: worker.opened_count == 2 and worker.streams)
    worker.send(results.advance(job.job_id, succeeded=1))
    assert (await next_of(call)).job.seq == 2
    call.cancel()


async def test_a_quiet_job_is_read_again_after_the_set_time(start_gateway, results, submit, next_of):
    gateway = await start_gateway(gateway_resync_seconds=0.1)
    job = await submit(gateway)
    call = gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id))
    await next_of(call)
    results.advance(job.job_id, SUCCEEDED, 3)
    assert (await next_of(call)).job.state == SUCCEEDED


async def test_all_quiet_jobs_are_read_in_one_call(start_gateway, results, submit, next_of):
    gateway = await start_gateway(gateway_resync_seconds=0.2)
    jobs = [await submit(gateway) for _ in range(5)]
    calls = [gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id)) for job in jobs]
    for call in calls:
        await next_of(call)
    await results.until(lambda: any(len(request.jobs) == 5 for request in results.requests["GetJobs"]))
    for call in calls:
        call.cancel()


async def test_a_watch_survives_a_store_that_is_unavailable_for_a_while(
    start_gateway, results, submit, next_of, unavailable
):
    gateway = await start_gateway(gateway_resync_seconds=0.1)
    job = await submit(gateway)
    call = gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id))
    await next_of(call)
    results.failures["GetJobs"] = unavailable
    calls_before = results.calls["GetJobs"]
    await results.until(lambda: results.calls["GetJobs"] > calls_before + 1)
    del results.failures["GetJobs"]
    results.advance(job.job_id, SUCCEEDED, 3)
    assert (await next_of(call)).job.state == SUCCEEDED


async def test_a_stopping_gateway_ends_watches_so_that_clients_continue_elsewhere(
    start_gateway, submit, next_of, failure_of
):
    gateway = await start_gateway()
    job = await submit(gateway)
    call = gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id))
    await next_of(call)
    await asyncio.wait_for(gateway.app.stop(), 10)
    error = await failure_of(call.read())
    assert error.code is grpc.StatusCode.UNAVAILABLE
    assert error.reason == "GATEWAY_STOPPING"


@pytest.mark.parametrize("call_name", ["WatchJob", "StreamResults"])
async def test_a_stream_on_a_job_that_is_purged_ends_as_not_found(
    start_gateway, results, submit, monkeypatch, call_name
):
    monkeypatch.setattr("services.gateway.watching.hub.UNSEEN_SECONDS", 0.0)
    gateway = await start_gateway(gateway_resync_seconds=0.1)
    job = await submit(gateway)
    request = {"WatchJob": WatchJobRequest, "StreamResults": StreamResultsRequest}[call_name]
    call = getattr(gateway.stub, call_name)(request(job_id=job.job_id))
    await call.initial_metadata()
    results.jobs.pop(job.job_id)
    async with asyncio.timeout(10):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in call:
                pass
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
