import asyncio
from datetime import UTC, datetime, timedelta

import grpc
import pytest

import headrace._transport.backoff
import headrace._transport.resumption
from headrace import (
    CancelledError,
    Client,
    InvalidArgumentError,
    JobForecast,
    JobOutage,
    JobState,
    NotFoundError,
    UnavailableError,
)
from headrace.errors import InternalError
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2


async def collect(events):
    return [event async for event in events]


async def test_a_watch_yields_every_snapshot_and_ends_after_the_terminal_one(
    client, gateway, make_job, job_id
):
    gateway.script(make_job(1, "PENDING"), make_job(2, succeeded=1), make_job(3, "SUCCEEDED", succeeded=3))
    events = await collect(client.watch(job_id))
    assert [event.job.seq for event in events] == [1, 2, 3]
    assert [event.state for event in events] == ["PENDING", "RUNNING", "SUCCEEDED"]
    assert events[-1].progress.succeeded_count == 3


@pytest.mark.parametrize(
    "end",
    [
        UnavailableError("the gateway stops"),
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        None,
    ],
    ids=str,
)
async def test_a_broken_watch_continues_after_the_last_message(client, gateway, make_job, job_id, end):
    gateway.script(make_job(1), make_job(4, succeeded=1), end=end)
    gateway.script(make_job(6, "SUCCEEDED", succeeded=3))
    events = await collect(client.watch(job_id))
    assert [event.job.seq for event in events] == [1, 4, 6]
    assert [request.resume_token for request in gateway.requests] == ["", "token-4"]


async def test_a_watch_never_goes_back_when_another_gateway_lags_behind(client, gateway, make_job, job_id):
    gateway.script(make_job(1), make_job(5, succeeded=2), end=grpc.StatusCode.UNAVAILABLE)
    gateway.script(make_job(3, succeeded=1), make_job(5, succeeded=2), make_job(7, "CANCELLED"))
    assert [event.job.seq for event in await collect(client.watch(job_id))] == [1, 5, 7]


async def test_a_watch_survives_many_breaks_and_does_not_miss_the_end(client, gateway, make_job, job_id):
    for seq in range(1, 8):
        gateway.script(make_job(seq), end=grpc.StatusCode.UNAVAILABLE)
        gateway.script(end=grpc.StatusCode.CANCELLED)
    gateway.script(make_job(9, "FAILED", error=jobs_pb2.Error(reason="TOO_MANY_FAILED", message="2 of 3")))
    events = await collect(client.watch(job_id))
    assert [event.job.seq for event in events] == [1, 2, 3, 4, 5, 6, 7, 9]
    assert events[-1].job.error.reason == "TOO_MANY_FAILED"


async def test_a_watch_continues_when_its_gateway_is_replaced(new_gateway, serve, make_job, job_id):
    first, second = new_gateway(), new_gateway()
    first.script(make_job(1), make_job(2), hold=True)
    second.script(make_job(5, "SUCCEEDED", succeeded=3))
    seqs = []
    async with serve(first) as server, Client(first.target) as client:
        async for event in client.watch(job_id):
            seqs.append(event.job.seq)
            if event.job.seq == 2:
                await server.stop(None)
                replacement = serve(second, first.target)
                await replacement.__aenter__()
        await replacement.__aexit__(None, None, None)
    assert seqs == [1, 2, 5]
    assert second.requests[0].resume_token == "token-2"


async def test_a_watch_goes_over_to_another_gateway(new_gateway, serve, make_job, job_id):
    gateways = [new_gateway(), new_gateway()]
    for gateway in gateways:
        gateway.script(make_job(1), hold=True)
        gateway.script(make_job(5, "SUCCEEDED", succeeded=3))
    async with serve(gateways[0]) as first, serve(gateways[1]) as second:
        targets = ",".join(gateway.target for gateway in gateways)
        async with Client(f"ipv4:{targets}") as client:
            seqs = []
            async for event in client.watch(job_id):
                seqs.append(event.job.seq)
                if event.job.seq == 1:
                    used, other = (0, 1) if gateways[0].requests else (1, 0)
                    gateways[other].streams.pop(0)
                    await [first, second][used].stop(None)
    assert seqs == [1, 5]
    assert gateways[other].requests[0].resume_token == "token-1"


async def test_closing_the_client_ends_a_watch_with_an_error(gateway, make_job, job_id):
    gateway.script(make_job(1), hold=True)
    client = Client(gateway.target)
    watch = asyncio.create_task(collect(client.watch(job_id)))
    await asyncio.wait_for(gateway.held.wait(), 10)
    await client.close()
    with pytest.raises(CancelledError) as caught:
        await asyncio.wait_for(watch, 10)
    assert caught.value.reason == "CLIENT_CLOSED"


async def test_cancelling_the_task_of_a_watch_ends_it_on_the_server(client, gateway, make_job, job_id):
    gateway.script(make_job(1), hold=True)
    watch = asyncio.create_task(collect(client.watch(job_id)))
    await asyncio.wait_for(gateway.held.wait(), 10)
    watch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watch
    await asyncio.wait_for(gateway.watch_cancelled.wait(), 10)


async def test_live_events_come_with_the_snapshot_before_them(client, gateway, make_job, job_id):
    live = jobs_pb2.LiveEvent(incarnation="w1", in_flight_count=7, items_per_second=2.5)
    gateway.script(
        make_job(1),
        gateway_pb2.WatchJobResponse(resume_token="token-live", live_events=[live]),
        make_job(2, "SUCCEEDED"),
    )
    events = await collect(client.watch(job_id))
    assert [event.job.seq for event in events] == [1, 1, 2]
    assert events[1].live_events[0].in_flight_count == 7
    assert events[1].resume_token == "token-live"


async def test_an_outlook_stays_with_later_events_until_a_newer_one_and_the_end(
    client, gateway, make_job, job_id
):
    first = jobs_pb2.JobForecast(items_per_second=2.5, in_flight_count=7, limited_count=1)
    second = jobs_pb2.JobForecast(tokens_per_second=40.0, cooldown_seconds=1.5, estimated_cost_micros=99)
    second.estimated_remaining.FromMilliseconds(31_500)
    gateway.script(
        make_job(1),
        gateway_pb2.WatchJobResponse(resume_token="t", forecast=first),
        make_job(2, succeeded=1),
        gateway_pb2.WatchJobResponse(job=make_job(3, succeeded=2), resume_token="t", forecast=second),
        make_job(4, "SUCCEEDED"),
    )
    events = await collect(client.watch(job_id))
    early = JobForecast(2.5, 0.0, 7, 1, 0.0, None, None)
    late = JobForecast(0.0, 40.0, 0, 0, 1.5, timedelta(seconds=31.5), 99)
    assert [event.forecast for event in events] == [None, early, early, late, None]


async def test_an_outage_is_in_the_forecast_and_in_the_live_numbers_of_workers(
    client, gateway, make_job, job_id
):
    outage = jobs_pb2.JobOutage(reason="PROVIDER_ERROR", message="loading model")
    outage.begin_time.FromSeconds(1_800_000_000)
    gateway.script(
        gateway_pb2.WatchJobResponse(
            job=make_job(1),
            resume_token="t",
            forecast=jobs_pb2.JobForecast(outage=outage),
            live_events=[jobs_pb2.LiveEvent(incarnation="w", outage=outage), jobs_pb2.LiveEvent()],
        ),
        make_job(2, "SUCCEEDED"),
    )
    event, _ = await collect(client.watch(job_id))
    down = JobOutage(datetime.fromtimestamp(1_800_000_000, UTC), "PROVIDER_ERROR", "loading model")
    assert event.forecast.outage == down
    assert [live.outage for live in event.live_events] == [down, None]


async def test_an_outlook_is_forgotten_where_the_stream_breaks(client, gateway, make_job, job_id):
    forecast = jobs_pb2.JobForecast(items_per_second=2.5)
    response = gateway_pb2.WatchJobResponse(job=make_job(1), resume_token="token-1", forecast=forecast)
    gateway.script(response, end=grpc.StatusCode.UNAVAILABLE)
    gateway.script(make_job(2, succeeded=1), make_job(3, "SUCCEEDED"))
    events = await collect(client.watch(job_id))
    assert [event.forecast is not None for event in events] == [True, False, False]


async def test_leaving_a_watch_ends_it_on_the_server(client, gateway, make_job, job_id):
    gateway.script(make_job(1), hold=True)
    async for _event in client.watch(job_id):
        break
    await asyncio.wait_for(gateway.watch_cancelled.wait(), 10)


async def test_a_watch_of_an_unknown_job_raises_at_once(client, gateway, job_id):
    with pytest.raises(NotFoundError) as caught:
        await collect(client.watch(job_id))
    assert caught.value.reason == "JOB_NOT_FOUND"
    assert len(gateway.requests) == 1


async def test_a_fault_of_the_server_itself_is_not_taken_for_a_broken_stream(
    client, gateway, make_job, job_id
):
    gateway.script(make_job(1), end=InternalError("internal error"))
    with pytest.raises(InternalError):
        await collect(client.watch(job_id))


async def test_a_watch_starts_again_when_another_gateway_refuses_its_token(client, gateway, make_job, job_id):
    refusal = InvalidArgumentError("no such token", reason="INVALID_RESUME_TOKEN")
    gateway.script(make_job(1), make_job(3), end=grpc.StatusCode.UNAVAILABLE)
    gateway.script(end=refusal)
    gateway.script(make_job(3), make_job(4, "SUCCEEDED"))
    assert [event.job.seq for event in await collect(client.watch(job_id))] == [1, 3, 4]
    assert [request.resume_token for request in gateway.requests] == ["", "token-3", ""]


async def test_a_token_that_the_caller_brings_is_refused_with_an_error(client, gateway, job_id):
    gateway.script(end=InvalidArgumentError("no such token", reason="INVALID_RESUME_TOKEN"))
    with pytest.raises(InvalidArgumentError):
        await collect(client.watch(job_id, resume_token="nonsense"))


async def test_a_watch_gives_up_when_no_gateway_comes_back_in_time(gateway, make_job, job_id):
    gateway.script(make_job(1), end=UnavailableError("the gateway stops"))
    for _ in range(100):
        gateway.script(end=UnavailableError("the gateway stops"))
    async with Client(gateway.target, resume_timeout=0.3) as client:
        with pytest.raises(UnavailableError):
            await collect(client.watch(job_id))


async def test_a_break_after_hours_without_news_is_a_new_outage(gateway, make_job, job_id, monkeypatch):
    clock = [1000.0]
    for module in (headrace._transport.backoff, headrace._transport.resumption):
        monkeypatch.setattr(module, "monotonic", lambda: clock[0])
    gate = asyncio.Event()
    gateway.script(make_job(1, "SCHEDULED"), end=grpc.StatusCode.UNAVAILABLE)
    gateway.script(gate=gate, end=grpc.StatusCode.UNAVAILABLE)
    gateway.script(make_job(2, "SUCCEEDED"))
    async with Client(gateway.target, resume_timeout=10) as client:
        watch = asyncio.create_task(collect(client.watch(job_id)))
        await asyncio.wait_for(gateway.held.wait(), 10)
        await asyncio.wait_for(opened(client), 10)
        clock[0] += 7200
        gate.set()
        events = await asyncio.wait_for(watch, 10)
    assert [event.job.seq for event in events] == [1, 2]


async def opened(client):
    """Waits until earlier messages of the gateway have arrived: one connection keeps the order."""
    await client.kinds()


async def test_a_state_of_a_newer_server_is_unspecified(client, gateway, make_job, job_id):
    strange = make_job(1)
    strange.state = 77
    gateway.script(strange, make_job(2, "SUCCEEDED"))
    events = await collect(client.watch(job_id))
    assert events[0].state is JobState.UNSPECIFIED
