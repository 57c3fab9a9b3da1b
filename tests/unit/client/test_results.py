import asyncio

import grpc
import pytest

from headrace import ItemState, NotFoundError, UnavailableError
from headrace.gateway.v1 import gateway_pb2


async def indices(results):
    return [result.item_index async for result in results]


async def test_results_of_all_pages_come_ordered_by_index(client, gateway, make_result, job_id):
    gateway.recorded = [(seq, make_result(index)) for seq, index in enumerate([4, 0, 3, 1, 2], start=1)]
    assert await indices(client.results(job_id)) == [0, 1, 2, 3, 4]
    assert len(gateway.requests_of(gateway_pb2.GetResultsRequest)) == 3


async def test_a_result_holds_a_python_value_and_its_exact_text(client, gateway, make_result, job_id):
    gateway.recorded = [
        (1, make_result(0, '{"label": "a",  "n": 1.50}')),
        (1, make_result(1, error="LABEL_UNKNOWN")),
    ]
    good, bad = [result async for result in client.results(job_id)]
    assert (good.state, good.output, good.error) == (ItemState.SUCCEEDED, {"label": "a", "n": 1.5}, None)
    assert good.output_text == '{"label": "a",  "n": 1.50}'
    assert (bad.state, bad.output, bad.error.reason) == (ItemState.FAILED, None, "LABEL_UNKNOWN")
    assert good.finish_time.utcoffset().total_seconds() == 0


async def test_an_output_with_a_single_surrogate_is_still_read(client, gateway, make_result, job_id):
    gateway.recorded = [(1, make_result(0, '"\\ud800"'))]
    assert [result.output async for result in client.results(job_id)] == ["\ud800"]


async def test_only_failed_results_are_asked_for(client, gateway, make_result, job_id):
    gateway.recorded = [(1, make_result(0)), (1, make_result(1, error="TIMEOUT"))]
    assert await indices(client.results(job_id, item_state="failed")) == [1]


async def test_following_yields_each_result_once_in_the_order_of_snapshots(
    client, gateway, make_job, make_result, job_id
):
    order = [5, 2, 7, 0, 1, 6, 3, 4]
    gateway.recorded = [(seq, make_result(index)) for seq, index in enumerate(order, start=2)]
    gateway.script(make_job(1), make_job(4), make_job(5), end=grpc.StatusCode.UNAVAILABLE)
    gateway.script(make_job(4), make_job(8), make_job(9, "SUCCEEDED"))
    followed = await indices(client.results(job_id, follow=True))
    assert followed == [2, 5, 7, 0, 1, 3, 6, 4]


async def test_following_a_finished_job_yields_all_and_ends(client, gateway, make_job, make_result, job_id):
    gateway.recorded = [(seq, make_result(index)) for seq, index in enumerate([2, 1, 0], start=1)]
    gateway.script(make_job(3, "SUCCEEDED", succeeded=3))
    assert await indices(client.results(job_id, follow=True)) == [0, 1, 2]


async def test_following_goes_on_while_the_store_is_away(client, gateway, make_job, make_result, job_id):
    gateway.recorded = [(1, make_result(0)), (2, make_result(1))]
    gateway.failures = [UnavailableError("no store", reason="STORE_UNAVAILABLE")] * 3
    gateway.script(make_job(1), make_job(2, "SUCCEEDED"))
    assert await indices(client.results(job_id, follow=True)) == [0, 1]


async def test_following_reads_nothing_that_comes_after_the_snapshot(
    client, gateway, make_job, make_result, job_id
):
    gateway.recorded = [(1, make_result(0)), (9, make_result(1))]
    gateway.script(make_job(1), make_job(2, "CANCELLED"))
    assert await indices(client.results(job_id, follow=True)) == [0]
    bounds = [(r.after_seq, r.up_to_seq) for r in gateway.requests_of(gateway_pb2.GetResultsRequest)]
    assert bounds == [(0, 1), (1, 2)]


async def test_leaving_a_followed_read_ends_its_watch(client, gateway, make_job, make_result, job_id):
    gateway.recorded = [(1, make_result(0))]
    gateway.script(make_job(1), hold=True)
    async for _result in client.results(job_id, follow=True):
        break
    await asyncio.wait_for(gateway.watch_cancelled.wait(), 10)


async def test_following_an_unknown_job_raises(client, job_id):
    with pytest.raises(NotFoundError):
        await indices(client.results(job_id, follow=True))
