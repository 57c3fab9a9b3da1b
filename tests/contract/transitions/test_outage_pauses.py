"""A worker asks for the pause of a job whose provider is down."""

import pytest

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2 as pb

OUTAGE = jobs_pb2.PAUSE_REASON_OUTAGE
ERROR = jobs_pb2.Error(reason="PROVIDER_UNREACHABLE", message="gone")


def request_of(job) -> pb.JobRecord:
    return pb.JobRecord(job_id=job.job_id, outage_error=ERROR)


async def pause(store):
    """Returns a job of one item, its worker and lease, and the answer to the request for a pause."""
    job = await store.create(items=1)
    worker = await store.worker()
    (lease,) = (await worker.lease()).leases
    return job, worker, lease, await worker.record(request_of(job))


async def test_a_job_whose_provider_is_down_is_paused_with_the_last_fault_as_its_error(store):
    job, worker, lease, response = await pause(store)
    assert (response.outcomes[0].pause, response.outcomes[0].stop) == (True, False)
    assert [notified.pause for notified in response.effects.workers_to_notify] == [True]
    paused = await store.get(job.job_id)
    assert (paused.state, paused.pause_reason, paused.error) == (jobs_pb2.JOB_STATE_PAUSED, OUTAGE, ERROR)
    await worker.release(lease)
    assert not (await worker.lease()).leases


async def test_a_resumed_job_goes_on_without_the_error(store):
    job, worker, lease, _ = await pause(store)
    await worker.release(lease)
    resumed = (await store.resume(job.job_id)).job
    assert (resumed.state, resumed.pause_reason) == (jobs_pb2.JOB_STATE_RUNNING, 0)
    assert not resumed.HasField("error")
    assert len((await worker.lease()).leases) == 1


async def test_a_paused_job_that_is_cancelled_or_whose_calls_in_flight_finish_it_has_no_error(store):
    job, worker, lease, _ = await pause(store)
    await worker.succeed(lease)
    done = await store.get(job.job_id)
    assert (done.state, done.HasField("error")) == (jobs_pb2.JOB_STATE_SUCCEEDED, False)
    job, worker, lease, _ = await pause(store)
    cancelled = (await store.cancel(job.job_id)).job
    assert (cancelled.state, cancelled.HasField("error")) == (jobs_pb2.JOB_STATE_CANCELLING, False)


async def test_an_outage_of_an_earlier_round_does_not_pause_the_new_one(store):
    job, worker, lease, _ = await pause(store)
    await worker.fail(lease)
    await store.retry(job.job_id)
    (again,) = (await worker.lease()).leases
    late = pb.JobRecord(job_id=job.job_id, outage_error=ERROR, error_round=lease.round)
    assert not (await worker.record(late)).outcomes[0].pause
    late.error_round = again.round
    assert (await worker.record(late)).outcomes[0].pause


async def test_only_a_worker_with_a_lease_pauses_a_job_and_a_pause_by_the_owner_stays(store):
    job = await store.create(items=1)
    worker, other = await store.worker(), await store.worker()
    await worker.lease()
    assert not (await other.record(request_of(job))).outcomes[0].pause
    await store.pause(job.job_id)
    await worker.record(request_of(job))
    paused = await store.get(job.job_id)
    assert (paused.pause_reason, paused.HasField("error")) == (jobs_pb2.PAUSE_REASON_USER, False)


@pytest.mark.parametrize("times", [2, 3])
async def test_repeating_the_request_changes_nothing(store, times):
    job, worker, _, _ = await pause(store)
    seq = (await store.get(job.job_id)).seq
    for _ in range(times):
        await worker.record(request_of(job))
    assert (await store.get(job.job_id)).seq == seq
