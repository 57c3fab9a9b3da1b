"""The failed items of a job, grouped by reason."""

import grpc
import pytest

from headrace.errors import from_rpc_error
from headrace.jobs.v1 import jobs_pb2


async def failed_job(store, reasons):
    """Fails the items of a job for these reasons, in order. An empty reason stands for a success."""
    job = await store.create(items=len(reasons), max_failed_ratio=1)
    worker = await store.worker()
    for lease in await worker.lease_all():
        for item in lease.items:
            reason = reasons[item.item_index]
            error = jobs_pb2.Error(reason=reason, message=f"m{item.item_index}", detail=f"d{item.item_index}")
            outcome = {"error": error} if reason else {"output": "1"}
            await worker.record(store.record_of(lease, [item.item_index], **outcome))
    return job, worker


async def test_failed_items_are_counted_by_reason_with_the_first_as_an_example(store):
    job, _ = await failed_job(store, ["", "BAD", "WORSE", "WORSE", "", "BAD", "WORSE"])
    assert await store.failures(job.job_id.upper()) == [
        jobs_pb2.FailureGroup(
            reason="WORSE", item_count=3, first_item_index=2, first_message="m2", first_detail="d2"
        ),
        jobs_pb2.FailureGroup(
            reason="BAD", item_count=2, first_item_index=1, first_message="m1", first_detail="d1"
        ),
    ]


async def test_only_failures_of_the_present_round_count(store):
    job, worker = await failed_job(store, ["BAD", "WORSE", "WORSE"])
    await store.retry(job.job_id, reasons=["WORSE"])
    assert [group.reason for group in await store.failures(job.job_id)] == ["BAD"]
    first, second = await worker.lease_all()
    await worker.fail(first, reason="BAD")
    await worker.succeed(second)
    groups = await store.failures(job.job_id)
    assert [(group.reason, group.item_count, group.first_item_index) for group in groups] == [("BAD", 2, 0)]


async def test_a_job_without_failures_has_no_groups(store):
    job, _ = await failed_job(store, ["", ""])
    assert await store.failures(job.job_id) == []


async def test_the_fifty_largest_groups_are_returned(store):
    reasons = [f"R{number}" for number in range(60)] + ["R55"]
    job, _ = await failed_job(store, reasons)
    groups = await store.failures(job.job_id)
    assert len(groups) == 50
    assert [group.reason for group in groups[:3]] == ["R55", "R0", "R1"]


async def test_a_job_of_another_tenant_is_not_found(store):
    job, _ = await failed_job(store, ["BAD"])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await store.failures(job.job_id, tenant="other")
    assert from_rpc_error(caught.value).reason == "JOB_NOT_FOUND"
