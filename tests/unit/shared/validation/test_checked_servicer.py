"""Requests between services: right ones cost nothing, wrong ones are the caller's fault."""

import math

import pytest

from headrace.errors import InternalError, InvalidArgumentError, NotFoundError
from services.shared.validation.bounds import length_bounds, list_bounds, too_long_lists
from services.shared.validation.checked_servicer import CheckedServicer, check_lengths
from services.stubs.results.v1 import results_pb2
from services.stubs.worker.v1 import worker_pb2

RESULTS = results_pb2.DESCRIPTOR.services_by_name["ResultsService"]
WORKER = worker_pb2.DESCRIPTOR.services_by_name["WorkerService"]
JOB_ID = "01890a5d-ac96-774b-bcce-b302099a8057"


class Failing:
    """A servicer whose calls all end with one error, or with none."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.calls = 0

    def __getattr__(self, name: str):
        is_stream = any(method.name == name and method.server_streaming for method in WORKER.methods)
        return self.stream if is_stream else self.unary

    async def unary(self, request, context):
        self.calls += 1
        if self.error:
            raise self.error
        return "response"

    async def stream(self, request, context):
        self.calls += 1
        yield "response"
        if self.error:
            raise self.error


class RefusedError(Exception):
    """The database refuses a value."""


def results(error: Exception | None = None) -> CheckedServicer:
    return CheckedServicer(Failing(error), RESULTS, refusal=RefusedError)


RIGHT = results_pb2.CancelJobRequest(job_id=JOB_ID, tenant="default")
WRONG = results_pb2.CancelJobRequest(job_id="7", tenant="default")


async def test_a_right_request_is_answered():
    assert await results().CancelJob(RIGHT, None) == "response"
    worker = CheckedServicer(Failing(None), WORKER)
    assert [each async for each in worker.StreamProgress(worker_pb2.StreamProgressRequest(), None)] == [
        "response"
    ]


async def test_a_wrong_request_that_does_no_harm_is_answered():
    assert await results().CancelJob(WRONG, None) == "response"


@pytest.mark.parametrize("error", [ValueError("bad uuid"), KeyError(7), InternalError("the store failed")])
async def test_an_unexpected_error_of_a_wrong_request_names_its_field(error):
    with pytest.raises(InvalidArgumentError) as caught:
        await results(error).CancelJob(WRONG, None)
    assert [violation.field for violation in caught.value.violations] == ["job_id"]


@pytest.mark.parametrize("error", [ValueError("bug"), InternalError("the store failed")])
async def test_an_unexpected_error_of_a_right_request_stays_one(error):
    with pytest.raises(type(error)) as caught:
        await results(error).CancelJob(RIGHT, None)
    assert caught.value is error


async def test_an_expected_error_stays_whatever_the_request():
    with pytest.raises(NotFoundError):
        await results(NotFoundError("there is no job 7")).CancelJob(WRONG, None)


async def test_a_value_that_the_database_refuses_is_the_fault_of_the_request():
    with pytest.raises(InvalidArgumentError):
        await results(RefusedError("22003")).Heartbeat(
            results_pb2.HeartbeatRequest(incarnation=JOB_ID, items_per_second=math.nan), None
        )


async def test_a_stream_that_fails_names_the_wrong_field():
    worker = CheckedServicer(Failing(ValueError()), WORKER)
    request = worker_pb2.StreamProgressRequest(gateway="x" * 300)
    with pytest.raises(ValueError):
        [each async for each in worker.StreamProgress(request, None)]
    request.gateway = "x" * 301
    with pytest.raises(InvalidArgumentError):
        [each async for each in worker.StreamProgress(request, None)]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (results_pb2.GetJobsRequest(jobs=[{}] * 10_001), "jobs"),
        (results_pb2.CreateJobsRequest(jobs=[{}] * 1_001), "jobs"),
        (results_pb2.RetryJobRequest(item_indexes=[1] * 10_001), "item_indexes"),
        (results_pb2.ListJobsRequest(states=[1] * 12), "states"),
        (results_pb2.LeaseChunksRequest(call_id="x" * 129), "call_id"),
        (worker_pb2.StreamProgressRequest(gateway="x" * 301), "gateway"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_too_long_is_refused_before_the_call(request_, field):
    with pytest.raises(InvalidArgumentError) as caught:
        check_lengths(request_)
    assert [violation.field for violation in caught.value.violations] == [field]


async def test_a_request_that_is_too_long_does_not_reach_the_servicer():
    servicer = Failing(None)
    checked = CheckedServicer(servicer, RESULTS)
    with pytest.raises(InvalidArgumentError):
        await checked.GetJobs(results_pb2.GetJobsRequest(jobs=[{}] * 10_001), None)
    assert servicer.calls == 0


def test_bounds_are_those_of_the_protos():
    retry = results_pb2.RetryJobRequest.DESCRIPTOR
    assert list_bounds(retry) == {"reasons": 20, "item_indexes": 10_000, "item_keys": 10_000}
    assert length_bounds(retry) == list_bounds(retry) | {"tenant": 64, "request_id": 128, "actor": 1024}
    assert length_bounds(results_pb2.NewJob.DESCRIPTOR)["content_hash"] == 32
    assert too_long_lists(results_pb2.RetryJobRequest(reasons=["a"] * 20, item_indexes=[1] * 10_001)) == {
        "item_indexes": 10_000
    }
