"""Each job keeps the trace of its submission, even if many jobs are stored in one call."""

import asyncio

import pytest
import structlog

from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2
from services.gateway.creation import JobCreator
from services.shared.tracing import _trace_unary, current_traceparent
from services.stubs.results.v1 import results_pb2

TRACES = ["a" * 32, "b" * 32, "c" * 32]
PARENT = f"00-{TRACES[0]}-00f067aa0ba902b7-01"


class NoEffects:
    def carry_out(self, effects):
        pass

    def add_recent(self, job):
        pass


class TracedStore:
    """Stores every job, and records the trace of each call."""

    def __init__(self):
        self.traceparents = []

    async def create_jobs(self, request):
        self.traceparents.append(current_traceparent())
        return results_pb2.CreateJobsResponse(
            outcomes=[
                results_pb2.CreateJobOutcome(job=jobs_pb2.Job(job_id=new.job_id)) for new in request.jobs
            ]
        )


async def submit(gateway, trace_id, **fields):
    request = gateway_pb2.SubmitJobRequest(kind="noop", items=["1"], **fields)
    metadata = (("traceparent", f"00-{trace_id}-00f067aa0ba902b7-01"),)
    return (await gateway.stub.SubmitJob(request, metadata=metadata, timeout=10)).job


async def test_jobs_are_stored_and_logged_with_the_trace_of_their_own_call(gateway, results):
    with structlog.testing.capture_logs() as lines:
        jobs = await asyncio.gather(*(submit(gateway, trace_id) for trace_id in TRACES))
    stored = {new.job_id: new.trace_id for request in results.requests["CreateJobs"] for new in request.jobs}
    assert [stored[job.job_id] for job in jobs] == TRACES
    logged = {line["job_id"]: line["trace_id"] for line in lines if line["event"] == "job_submitted"}
    assert logged == stored


async def test_the_trace_is_not_part_of_the_content(gateway):
    first = await submit(gateway, TRACES[0], request_id="r")
    again = await submit(gateway, TRACES[1], request_id="r")
    assert again.job_id == first.job_id


@pytest.mark.parametrize("size", [1, 200_000])
async def test_a_call_that_stores_many_jobs_has_no_trace(size):
    store, seen = TracedStore(), []
    creator = JobCreator(store, NoEffects())
    new = results_pb2.NewJob(
        job_id="j", items=["1" * size], options={"job_class": jobs_pb2.JOB_CLASS_DEFAULT}
    )

    async def create(request, context):
        seen.append(current_traceparent())
        await creator.create(new)

    await asyncio.create_task(_trace_unary(create, PARENT)(None, None))
    assert seen == [PARENT]
    assert store.traceparents == [""]
