"""Pause, resume, retry and schedule_time, as a client sees them."""

import time

import pytest

from headrace.gateway.v1.gateway_pb2 import (
    GetFailuresRequest,
    PauseJobRequest,
    ResumeJobRequest,
    RetryJobRequest,
    SubmitJobRequest,
    WatchJobRequest,
)
from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2

PAUSED, PENDING = jobs_pb2.JOB_STATE_PAUSED, jobs_pb2.JOB_STATE_PENDING


async def test_a_job_is_paused_and_resumed_and_watchers_see_both(gateway, results, submit, next_of):
    job = await submit(gateway)
    call = gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id))
    await next_of(call)
    paused = (await gateway.stub.PauseJob(PauseJobRequest(job_id=job.job_id))).job
    assert paused.state == PAUSED
    assert (await next_of(call)).job == paused
    assert (await gateway.stub.PauseJob(PauseJobRequest(job_id=job.job_id))).job == paused
    resumed = (await gateway.stub.ResumeJob(ResumeJobRequest(job_id=job.job_id))).job
    assert resumed.state == PENDING
    assert (await next_of(call)).job == resumed
    assert (await gateway.stub.ResumeJob(ResumeJobRequest(job_id=job.job_id))).job == resumed


async def test_workers_are_notified_of_a_pause_as_a_pause(start_worker, start_gateway, results, submit):
    worker = await start_worker()
    gateway = await start_gateway()
    await worker.until(lambda: worker.streams)
    job = await submit(gateway)
    results.workers_to_notify.append(
        results_pb2.WorkerToNotify(
            incarnation=worker.incarnation, address=worker.row.address, job_id=job.job_id, pause=True
        )
    )
    await gateway.stub.PauseJob(PauseJobRequest(job_id=job.job_id), timeout=10)
    await worker.until(lambda: worker.paused)
    assert (worker.paused[0].job_id, worker.paused[0].incarnation) == (job.job_id, worker.incarnation)
    assert worker.cancelled == []


async def test_a_finished_job_is_retried_with_the_request_id_of_the_client(gateway, results, submit):
    job = await submit(gateway)
    results.advance(job.job_id, jobs_pb2.JOB_STATE_SUCCEEDED)
    retried = await gateway.stub.RetryJob(RetryJobRequest(job_id=job.job_id, request_id="again"))
    assert retried.job.state == PENDING
    await gateway.stub.RetryJob(RetryJobRequest(job_id=job.job_id))
    await gateway.stub.RetryJob(RetryJobRequest(job_id=job.job_id))
    first, second, third = (request.request_id for request in results.requests["RetryJob"])
    assert first == "again"
    assert second
    assert third not in ("", second)


@pytest.mark.parametrize("request_id", ["x" * 129, "a\0b"])
async def test_a_wrong_request_id_of_a_retry_is_named(gateway, failure_of, submit, request_id):
    job = await submit(gateway)
    call = gateway.stub.RetryJob(RetryJobRequest(job_id=job.job_id, request_id=request_id))
    assert [violation.field for violation in (await failure_of(call)).violations] == ["request_id"]


async def test_a_retry_passes_its_selection_on(gateway, results, submit):
    job = await submit(gateway)
    selection = {"reasons": ["BAD"], "item_indexes": [3, 1]}
    await gateway.stub.RetryJob(RetryJobRequest(job_id=job.job_id, **selection))
    (sent,) = results.requests["RetryJob"]
    assert (list(sent.reasons), list(sent.item_indexes)) == (["BAD"], [3, 1])


@pytest.mark.parametrize(
    ("selection", "fields"),
    [
        ({"reasons": ["", "a\0b", "x" * 101]}, ["reasons[0]", "reasons[2]", "reasons[1]"]),
        ({"reasons": ["BAD"] * 21}, ["reasons"]),
        ({"item_indexes": [0, -1]}, ["item_indexes[1]"]),
        ({"item_indexes": [0] * 10_001}, ["item_indexes"]),
    ],
)
async def test_a_wrong_selection_of_a_retry_is_named(gateway, failure_of, submit, selection, fields):
    job = await submit(gateway)
    call = gateway.stub.RetryJob(RetryJobRequest(job_id=job.job_id, **selection))
    assert [violation.field for violation in (await failure_of(call)).violations] == fields


async def test_failures_are_those_of_the_store(gateway, results, submit, failure_of):
    job = await submit(gateway)
    results.jobs[job.job_id].progress.failed_count = 3
    response = await gateway.stub.GetFailures(GetFailuresRequest(job_id=job.job_id.upper()))
    assert list(response.groups) == [jobs_pb2.FailureGroup(reason="BAD", item_count=3)]
    other = gateway.stub.GetFailures(
        GetFailuresRequest(job_id=job.job_id), metadata=[("headrace-tenant", "b")]
    )
    assert (await failure_of(other)).reason == "JOB_NOT_FOUND"
    wrong = gateway.stub.GetFailures(GetFailuresRequest(job_id="x"))
    assert [violation.field for violation in (await failure_of(wrong)).violations] == ["job_id"]


def scheduled(seconds, nanos=0, **fields):
    request = SubmitJobRequest(kind="noop", items=["1"], **fields)
    request.options.schedule_time.seconds, request.options.schedule_time.nanos = int(seconds), nanos
    return request


async def test_a_schedule_time_goes_to_the_store_and_is_part_of_the_content(gateway, results, failure_of):
    start = time.time() + 3600
    await gateway.stub.SubmitJob(scheduled(start, 5000, request_id="r"))
    (new,) = results.requests["CreateJobs"][0].jobs
    assert (new.options.schedule_time.seconds, new.options.schedule_time.nanos) == (int(start), 5000)
    await gateway.stub.SubmitJob(scheduled(start, 5000, request_id="r"))
    for other in (
        scheduled(start + 1, request_id="r"),
        SubmitJobRequest(kind="noop", items=["1"], request_id="r"),
    ):
        assert (await failure_of(gateway.stub.SubmitJob(other))).reason == "REQUEST_ID_REUSED"


async def test_a_schedule_time_in_the_past_is_accepted(gateway):
    assert await gateway.stub.SubmitJob(scheduled(time.time() - 10**9))


@pytest.mark.parametrize(("seconds", "nanos"), [(10**12, 0), (0, -5), (0, 2 * 10**9), (-(10**12), 0)])
async def test_a_schedule_time_that_is_not_a_time_is_refused(gateway, failure_of, seconds, nanos):
    error = await failure_of(gateway.stub.SubmitJob(scheduled(seconds, nanos)))
    assert [violation.field for violation in error.violations] == ["options.schedule_time"]


async def test_a_schedule_time_over_a_year_ahead_is_refused(gateway, failure_of):
    error = await failure_of(gateway.stub.SubmitJob(scheduled(time.time() + 400 * 86_400)))
    assert error.message == "options.schedule_time: must be at most a year ahead"
