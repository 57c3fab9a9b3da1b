import asyncio

import grpc
import pytest

import headrace._transport.backoff
import headrace._transport.resumption
from headrace import Client, InvalidArgumentError, NotFoundError, UnavailableError
from headrace.errors import InternalError
from headrace.gateway.v1 import gateway_pb2

UNKNOWN_CURSOR = InvalidArgumentError("no such cursor", reason="INVALID_CURSOR")


async def indices(results):
    return [result.item_index async for result in results]


def cursors(gateway):
    return [request.cursor for request in gateway.requests_of(gateway_pb2.StreamResultsRequest)]


@pytest.fixture
def ended(make_job):
    return make_job(9, "SUCCEEDED")


@pytest.fixture
def record(gateway, make_result):
    def record(order, **more):
        gateway.recorded += [(seq, make_result(index, **more)) for seq, index in enumerate(order, start=1)]

    return record


async def test_results_come_in_the_order_of_recording_until_the_job_has_ended(
    client, gateway, record, ended, job_id
):
    record([5, 2, 7, 0, 1])
    gateway.script_results(5, ended)
    assert await indices(client.results(job_id, follow=True)) == [5, 2, 7, 0, 1]


@pytest.mark.parametrize(
    "end",
    [
        UnavailableError("the gateway stops"),
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
        None,
    ],
    ids=str,
)
async def test_a_broken_read_continues_after_the_last_result(client, gateway, record, ended, job_id, end):
    record([3, 1, 0, 2, 4])
    gateway.script_results(3, end=end)
    gateway.script_results(3, end=end)
    gateway.script_results(5, ended)
    assert await indices(client.results(job_id, follow=True)) == [3, 1, 0, 2, 4]
    assert cursors(gateway) == ["", "cursor-3", "cursor-3"]


async def test_a_read_ends_with_the_terminal_snapshot_even_without_results(client, gateway, ended, job_id):
    gateway.script_results(0, ended)
    assert await indices(client.results(job_id, follow=True)) == []


async def test_only_results_of_the_wanted_state_are_followed(client, gateway, record, ended, job_id):
    record([0])
    record([1], error="TIMEOUT")
    gateway.script_results(2, ended)
    assert await indices(client.results(job_id, follow=True, item_state="failed")) == [1]


async def test_a_read_starts_again_without_repeating_where_its_cursor_is_not_known_any_more(
    client, gateway, record, ended, job_id
):
    record([3, 1, 0])
    gateway.script_results(3, end=grpc.StatusCode.UNAVAILABLE)
    gateway.script_results(3, end=UNKNOWN_CURSOR)
    gateway.script_results(5, ended)
    seen = []
    async for result in client.results(job_id, follow=True):
        seen.append(result.item_index)
        if len(seen) == 3:  # the store is restored, and items are computed again in another order
            gateway.recorded.clear()
            record([0, 2, 3, 1, 4])
    assert seen == [3, 1, 0, 2, 4]
    assert cursors(gateway) == ["", "cursor-3", ""]


async def test_a_success_after_a_failure_of_an_item_is_not_a_repeat(client, gateway, record, ended, job_id):
    record([0, 1], error="TIMEOUT")
    record([0])
    gateway.script_results(2, end=grpc.StatusCode.UNAVAILABLE)
    gateway.script_results(2, end=UNKNOWN_CURSOR)
    gateway.script_results(3, ended)
    results = [result async for result in client.results(job_id, follow=True)]
    assert [(result.item_index, result.state) for result in results] == [
        (0, "FAILED"),
        (1, "FAILED"),
        (0, "SUCCEEDED"),
    ]


async def test_a_cursor_that_is_refused_from_the_first_is_an_error(client, gateway, job_id):
    gateway.script_results(0, end=UNKNOWN_CURSOR)
    with pytest.raises(InvalidArgumentError):
        await indices(client.results(job_id, follow=True))


async def test_a_slow_reader_holds_back_the_stream(client, gateway, make_result, ended, job_id):
    gateway.recorded = [(1, make_result(index, f'"{"x" * 10_000}"')) for index in range(2000)]
    gateway.script_results(2000, ended)
    results = client.results(job_id, follow=True)
    assert (await anext(results)).item_index == 0
    for _ in range(20):
        await client.kinds()  # anything the gateway may send before this is sent by now
    assert gateway.sent_count < 1500  # the transport may buffer some of the 20 MB
    assert len(await indices(results)) == 1999


async def test_leaving_a_followed_read_ends_its_stream(client, gateway, record, job_id):
    record([0])
    gateway.script_results(1, hold=True)
    async for _result in client.results(job_id, follow=True):
        break
    await asyncio.wait_for(gateway.watch_cancelled.wait(), 10)


async def test_following_an_unknown_job_raises(client, job_id):
    with pytest.raises(NotFoundError):
        await indices(client.results(job_id, follow=True))


async def test_a_fault_of_the_server_itself_ends_a_read(client, gateway, record, job_id):
    record([0])
    gateway.script_results(1, end=InternalError("internal error"))
    with pytest.raises(InternalError):
        await indices(client.results(job_id, follow=True))


async def test_a_read_gives_up_when_no_gateway_comes_back_in_time(gateway, record, job_id):
    record([0])
    gateway.script_results(1, end=UnavailableError("the gateway stops"))
    for _ in range(100):
        gateway.script_results(0, end=UnavailableError("the gateway stops"))
    async with Client(gateway.target, resume_timeout=0.3) as client:
        with pytest.raises(UnavailableError):
            await indices(client.results(job_id, follow=True))


async def test_a_break_after_hours_without_results_is_a_new_outage(
    gateway, record, ended, job_id, monkeypatch
):
    clock = [1000.0]
    for module in (headrace._transport.backoff, headrace._transport.resumption):
        monkeypatch.setattr(module, "monotonic", lambda: clock[0])
    record([0, 1])
    gateway.script_results(1, end=grpc.StatusCode.UNAVAILABLE)
    gateway.script_results(2, ended)
    async with Client(gateway.target, resume_timeout=10) as client:
        results = client.results(job_id, follow=True)
        assert (await anext(results)).item_index == 0
        clock[0] += 7200
        assert await asyncio.wait_for(indices(results), 10) == [1]
