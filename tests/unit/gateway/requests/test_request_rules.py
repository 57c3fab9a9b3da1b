"""Descriptions of broken rules of the protos."""

import asyncio
import math
import time

import pytest
from google.protobuf.duration_pb2 import Duration

from headrace.errors import InvalidArgumentError
from headrace.gateway.v1 import gateway_pb2
from services.gateway.requests.request_rules import check_rules, violations_of

MB = 1024 * 1024
MAX_ITEM_COUNT = 100_000
JOB_ID = "01890a5d-ac96-774b-bcce-b302099a8057"


def submission(**fields) -> gateway_pb2.SubmitJobRequest:
    return gateway_pb2.SubmitJobRequest(**{"kind": "noop", "items": ["1"], **fields})


def timeouts(**options) -> gateway_pb2.SubmitJobRequest:
    return submission(options=options)


async def descriptions_of(request) -> dict[str, str]:
    with pytest.raises(InvalidArgumentError) as caught:
        await check_rules(request)
    return {violation.field: violation.description for violation in caught.value.violations}


@pytest.mark.parametrize(
    ("wrong", "field", "words"),
    [
        (submission(kind=""), "kind", "required"),
        (submission(kind="k" * 129), "kind", "at most 128 characters"),
        (submission(params="x" * (MB + 1)), "params", "1,048,576 bytes"),
        (submission(options={"job_class": 9}), "options.job_class", "JOB_CLASS_BULK"),
        (submission(options={"max_failed_ratio": math.nan}), "options.max_failed_ratio", "or equal to 1"),
        (submission(options={"max_parallelism": 0}), "options.max_parallelism", "1 or more"),
        (timeouts(job_timeout=Duration(nanos=5)), "options.job_timeout", "must be 1 s to 366 days"),
        (timeouts(item_timeout=Duration(seconds=-1)), "options.item_timeout", "must be 1 ms to 1 day"),
        (timeouts(call_timeout=Duration(seconds=3601)), "options.call_timeout", "must be 1 ms to 1 hour"),
        (submission(items=[]), "items", "at least one item, unless upload is set"),
        (submission(upload=True), "items", "empty where upload is set"),
        (gateway_pb2.GetJobRequest(), "job_id", "UUID"),
        (gateway_pb2.GetJobRequest(job_id="7"), "job_id", "UUID"),
        (gateway_pb2.ListJobsRequest(page_size=-1), "page_size", "0 or more"),
        (gateway_pb2.ListJobsRequest(states=[0]), "states[0]", "JOB_STATE_PENDING"),
        (gateway_pb2.ListJobsRequest(states=[1, 1]), "states", "once"),
        (gateway_pb2.AppendItemsRequest(first_item_index=-1), "first_item_index", "10000000"),
        (gateway_pb2.AppendItemsRequest(finish={"total_count": -1}), "finish.total_count", "equal to 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_broken_rule_is_described_in_words_that_name_the_remedy(wrong, field, words):
    descriptions = await descriptions_of(wrong)
    assert list(descriptions) == [field]
    assert words in descriptions[field]


async def test_unspecified_values_are_not_offered():
    descriptions = await descriptions_of(gateway_pb2.GetResultsRequest(job_id=JOB_ID, item_state=9))
    assert descriptions["item_state"] == "must be one of ITEM_STATE_SUCCEEDED, ITEM_STATE_FAILED"


async def test_a_job_id_in_upper_case_is_valid():
    await check_rules(gateway_pb2.GetJobRequest(job_id=JOB_ID.upper()))


async def test_items_of_every_slice_are_checked_and_named_by_their_index():
    items = ["1"] * 12_000
    items[3] = items[7_000] = items[-1] = "x" * (MB + 1)
    descriptions = await descriptions_of(gateway_pb2.AppendItemsRequest(items=items, job_id="7"))
    assert list(descriptions) == ["job_id", "items[3]", "items[7000]", "items[11999]"]


async def test_the_maximum_number_of_items_is_checked_without_blocking_the_loop():
    request = gateway_pb2.SubmitJobRequest(kind="k", items=["1"] * MAX_ITEM_COUNT)
    checking = asyncio.create_task(violations_of(request))
    turns = 0
    while not checking.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 10
    checking.result().raise_if_any()


async def test_one_item_more_is_refused_as_a_whole():
    descriptions = await descriptions_of(gateway_pb2.AppendItemsRequest(items=["1"] * (MAX_ITEM_COUNT + 1)))
    assert list(descriptions) == ["items"]
    assert "100,000" in descriptions["items"]


async def test_the_request_itself_is_not_changed():
    request = gateway_pb2.SubmitJobRequest(kind="k", items=["1"] * 12_000)
    await check_rules(request)
    assert len(request.items) == 12_000


async def test_a_specific_reason_precedes_invalid_field():
    items = ["1", "x" * (MB + 1)]
    with pytest.raises(InvalidArgumentError) as caught:
        await check_rules(gateway_pb2.AppendItemsRequest(job_id="7", items=items))
    assert caught.value.reason == "ITEM_TOO_LARGE"
    assert caught.value.message.startswith("items[1]")
    assert [violation.field for violation in caught.value.violations] == ["job_id", "items[1]"]


@pytest.mark.parametrize(
    "request_",
    [
        gateway_pb2.RetryJobRequest(job_id=JOB_ID, item_indexes=[-1] * 10_000),
        gateway_pb2.RetryJobRequest(job_id=JOB_ID, reasons=[""] * 20),
    ],
    ids=["indexes", "reasons"],
)
async def test_an_error_lists_20_violations(request_):
    with pytest.raises(InvalidArgumentError) as caught:
        await check_rules(request_)
    listed = caught.value.violations
    assert len([each for each in listed if each.field]) == 20
    assert len(listed) <= 21


async def test_no_more_elements_are_checked_once_20_violations_are_known():
    with pytest.raises(InvalidArgumentError) as caught:
        await check_rules(gateway_pb2.RetryJobRequest(job_id=JOB_ID, item_indexes=[-1] * 10_000))
    assert caught.value.violations[-1].description == "and at least 480 more"
    assert "(and at least 499 more)" in caught.value.message


@pytest.mark.parametrize(
    ("wrong", "field", "bound"),
    [
        (gateway_pb2.ListJobsRequest(states=[1, 2] * 150_000), "states", "11"),
        (gateway_pb2.RetryJobRequest(job_id=JOB_ID, reasons=[""] * 1_000_000), "reasons", "20"),
        (gateway_pb2.RetryJobRequest(job_id=JOB_ID, item_indexes=[7] * 1_000_000), "item_indexes", "10,000"),
        (gateway_pb2.AppendItemsRequest(items=[""] * 1_000_000), "items", "100,000"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_list_that_is_too_long_is_refused_before_its_elements_are_checked(wrong, field, bound):
    begin = time.thread_time()
    descriptions = await descriptions_of(wrong)
    assert time.thread_time() - begin < 0.05
    assert descriptions[field] == f"must have at most {bound} elements"
