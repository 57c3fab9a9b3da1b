"""Each call takes a timeout of its own, and the client's stays for the others."""

import asyncio
import inspect
import math
from datetime import timedelta
from time import monotonic

import grpc
import pytest

from headrace import Client, DeadlineExceededError, InvalidArgumentError, UnavailableError

WITHOUT = {"close"}  # ends calls, and waits for none
CALLS = sorted(name for name in dir(Client) if not name.startswith("_") and name not in WITHOUT)
UNARY = ("get", "cancel", "pause", "resume", "retry", "failures")


@pytest.mark.parametrize("name", CALLS)
def test_every_call_takes_a_timeout(name):
    parameter = inspect.signature(getattr(Client, name)).parameters["timeout"]
    assert (parameter.kind, parameter.default) == (parameter.KEYWORD_ONLY, None)


@pytest.mark.parametrize("name", UNARY)
async def test_a_call_without_a_gateway_gives_up_after_its_own_timeout(name, new_gateway, serve, job_id):
    gone = new_gateway()
    async with serve(gone):
        pass
    async with Client(gone.target, timeout=60) as client:
        begin = monotonic()
        with pytest.raises((UnavailableError, DeadlineExceededError)):
            await getattr(client, name)(job_id, timeout=0.3)
        assert monotonic() - begin < 10


async def test_a_submit_and_its_items_are_repeated_for_their_own_timeout(client, gateway):
    gateway.failures = [grpc.StatusCode.UNAVAILABLE] * 1000
    for call in (client.submit, client.estimate):
        with pytest.raises(UnavailableError):
            await call("noop", [1], timeout=0.3)


async def test_an_upload_waits_for_a_response_for_its_own_timeout(client, gateway):
    gateway.break_upload(end=None, gate=asyncio.Event())
    client._connection.resume_timeout = 0.1  # gives up after the first silence

    async def items():
        yield 1

    with pytest.raises(UnavailableError, match=r"within 0\.3 s"):
        await client.submit("noop", items(), timeout=0.3)


async def test_the_pages_of_a_listing_have_a_timeout_each(client, gateway, job_id):
    gateway.failures = [grpc.StatusCode.UNAVAILABLE] * 1000
    for pages in (client.list(timeout=0.2), client.results(job_id, timeout=0.2)):
        with pytest.raises(UnavailableError):
            async for _ in pages:
                pass


async def test_a_watch_ends_once_its_time_is_over_and_the_client_stays_usable(
    client, gateway, make_job, job_id
):
    gateway.script(make_job(1), hold=True)
    gateway.jobs = [make_job(1)]
    events = client.watch(job_id, timeout=0.3)
    assert (await anext(events)).job.seq == 1
    with pytest.raises(DeadlineExceededError, match=r"timeout of 0\.3 s"):
        await anext(events)
    await asyncio.wait_for(gateway.watch_cancelled.wait(), 10)
    assert (await client.get(job_id)).job_id == job_id


async def test_a_followed_stream_of_results_ends_once_its_time_is_over(client, gateway, make_result, job_id):
    gateway.recorded = [(1, make_result(0))]
    gateway.script_results(1, hold=True)
    results = client.results(job_id, follow=True, timeout=0.5)
    assert (await anext(results)).item_index == 0
    with pytest.raises(DeadlineExceededError):
        await anext(results)


async def test_a_watch_that_ends_in_time_yields_what_it_always_did(client, gateway, make_job, job_id):
    gateway.script(make_job(1), make_job(2, "SUCCEEDED"))
    assert [event.job.seq async for event in client.watch(job_id, timeout=30)][-1] == 2


async def test_a_call_of_the_waiting_client_has_its_own_timeout(sync_client, gateway, make_job, job_id):
    gateway.script(make_job(1), hold=True)

    def watch():
        return [event.job.seq for event in sync_client.watch(job_id, timeout=0.3)]

    with pytest.raises(DeadlineExceededError):
        await asyncio.to_thread(watch)


async def test_a_longer_timeout_than_that_of_the_client_holds_for_its_call(gateway, make_job, job_id):
    gateway.jobs = [make_job(1)]
    async with Client(gateway.target, timeout=0.05) as client:
        await client.get(job_id, timeout=10)
        gateway.failures = [grpc.StatusCode.UNAVAILABLE] * 3  # over 0.05 s of waits
        assert (await client.get(job_id, timeout=10)).job_id == job_id


@pytest.mark.parametrize("wrong", [0, -1, math.inf, math.nan, "5", True, timedelta(seconds=1), 1e12])
async def test_a_timeout_that_is_not_a_positive_number_is_refused_by_name(client, gateway, job_id, wrong):
    async def drain(values):
        return [value async for value in values]

    for call in (
        lambda: client.get(job_id, timeout=wrong),
        lambda: client.submit("noop", [1], timeout=wrong),
        lambda: drain(client.watch(job_id, timeout=wrong)),
        lambda: drain(client.results(job_id, timeout=wrong)),
        lambda: drain(client.results(job_id, follow=True, timeout=wrong)),
    ):
        with pytest.raises(InvalidArgumentError) as refused:
            await call()
        assert [violation.field for violation in refused.value.violations] == ["timeout"]
    assert not gateway.requests
