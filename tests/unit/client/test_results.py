from headrace import ItemState
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
