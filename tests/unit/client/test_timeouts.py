"""Time limits in requests, and their traces in jobs and results."""

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from headrace import FailedAttempt, Failure
from headrace.jobs.v1.jobs_pb2 import JobOptions

MICROSECOND = Duration(nanos=1_000)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (timedelta(minutes=2, microseconds=1), Duration(seconds=120, nanos=1_000)),
        (90, Duration(seconds=90)),
        (0.000001, MICROSECOND),
        (-1, Duration(seconds=-1)),
        (timedelta(0), Duration()),
    ],
)
@pytest.mark.parametrize("name", ["job_timeout", "item_timeout", "call_timeout"])
async def test_a_timeout_is_sent_as_it_was_given_and_judged_by_the_gateway(
    client, gateway, name, given, sent
):
    await client.submit("noop", items=[1], **{name: given})
    (request,) = gateway.requests
    assert request.options == JobOptions(**{name: sent})
    assert request.options.HasField(name)


async def test_a_job_shows_when_it_expires(client, gateway, make_job, job_id):
    gateway.jobs = [make_job(expire_time=Timestamp(seconds=1_800_000_090))]
    assert (await client.get(job_id)).expire_time == datetime(2027, 1, 15, 8, 1, 30, tzinfo=UTC)
    gateway.jobs = [make_job()]
    assert (await client.get(job_id)).expire_time is None


@pytest.mark.parametrize("follow", [False, True])
async def test_a_result_shows_its_failed_attempts(client, gateway, make_job, make_result, job_id, follow):
    tried = make_result(0)
    tried.failed_attempts.add(attempt_number=1, error={"reason": "RATE_LIMITED", "message": "later"})
    gateway.recorded = [(1, tried), (1, make_result(1))]
    gateway.script_results(2, make_job(2, "SUCCEEDED"))
    first, second = [result async for result in client.results(job_id, follow=follow)]
    assert first.failed_attempts == (FailedAttempt(1, Failure("RATE_LIMITED", "later")),)
    assert second.failed_attempts == ()
