"""UpdateJob: what an owner may change, when, and who learns of it."""

import asyncio

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from headrace.errors import from_rpc_error
from headrace.jobs.v1 import jobs_pb2

BULK, DEFAULT = jobs_pb2.JOB_CLASS_BULK, jobs_pb2.JOB_CLASS_DEFAULT
PAUSED, RUNNING = jobs_pb2.JOB_STATE_PAUSED, jobs_pb2.JOB_STATE_RUNNING


async def refused(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return from_rpc_error(caught.value)


async def ended_job(store):
    job = await store.create()
    return (await store.cancel(job.job_id)).job


async def test_a_changed_job_shows_its_new_values_everywhere(store):
    job = await store.create(10)
    response = await store.update(
        job.job_id,
        name="first",
        labels={"b": "2", "a": "1"},
        job_class=BULK,
        max_parallelism=3,
        budget_micros=500,
        job_timeout=Duration(seconds=60),
        retention=Duration(seconds=120),
    )
    changed = response.job
    assert changed == await store.get(job.job_id)
    assert [each.job_id for each in response.effects.changed_jobs] == [job.job_id]
    assert (changed.name, dict(changed.labels), changed.job_class) == ("first", {"a": "1", "b": "2"}, BULK)
    assert (changed.options.max_parallelism, changed.budget_micros) == (3, 500)
    assert changed.options.job_timeout.seconds == 60
    assert changed.options.retention.seconds == 120
    assert changed.expire_time.ToMicroseconds() == job.create_time.ToMicroseconds() + 60_000_000
    assert changed.seq > job.seq
    assert changed.change_seq > job.change_seq


async def test_named_fields_without_a_value_are_cleared(store):
    new = store.new_job(10, max_parallelism=1, budget_micros=5)
    new.options.job_timeout.seconds = new.options.retention.seconds = 90
    job = (await store.create_all(new)).outcomes[0].job
    await store.update(job.job_id, name="n", labels={"a": "1"})
    cleared = (
        await store.update(
            job.job_id, "name", "labels", "max_parallelism", "budget_micros", "job_timeout", "retention"
        )
    ).job
    assert not cleared.name
    assert not cleared.labels
    assert not cleared.HasField("expire_time")
    assert cleared.options == jobs_pb2.JobOptions(job_class=DEFAULT, max_failed_ratio=0.5)
    assert cleared == await store.get(job.job_id)


async def test_fields_that_are_not_named_stay(store):
    job = await store.create(budget_micros=9)
    changed = (await store.update(job.job_id, "name", name="n", budget_micros=99)).job
    assert (changed.name, changed.budget_micros) == ("n", 9)


async def test_a_repeated_update_changes_nothing(store):
    job = await store.create()
    first = await store.update(job.job_id, name="n", if_change_seq=job.change_seq)
    again = await store.update(job.job_id, name="n", if_change_seq=job.change_seq)
    assert again.job == first.job
    assert not again.effects.ByteSize()


async def test_records_do_not_raise_change_seq_but_changes_of_state_do(store):
    job = await store.create(3)
    worker = await store.worker()
    leases = (await worker.lease()).leases
    running = await store.get(job.job_id)
    assert running.change_seq > job.change_seq
    await worker.succeed(leases[0])
    recorded = await store.get(job.job_id)
    assert recorded.seq > running.seq
    assert recorded.change_seq == running.change_seq
    await worker.succeed(*leases[1:])
    assert (await store.get(job.job_id)).change_seq > running.change_seq


async def test_of_two_updates_with_the_same_change_seq_one_is_refused(store):
    job = await store.create()
    calls = [
        store.update(job.job_id, name=name, max_parallelism=place, if_change_seq=job.change_seq)
        for place, name in enumerate(("one", "two"), start=1)
    ]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    (done,) = [outcome for outcome in outcomes if not isinstance(outcome, grpc.aio.AioRpcError)]
    (error,) = [from_rpc_error(each) for each in outcomes if isinstance(each, grpc.aio.AioRpcError)]
    assert error.reason == "JOB_CHANGED"
    assert error.metadata == {"change_seq": str(done.job.change_seq)}
    assert done.job == await store.get(job.job_id)


async def test_updates_of_different_fields_at_once_both_hold(store):
    job = await store.create()
    await asyncio.gather(
        store.update(job.job_id, max_parallelism=7),
        store.update(job.job_id, labels={"a": "1"}),
        store.update(job.job_id, name="n"),
    )
    found = await store.get(job.job_id)
    assert (found.options.max_parallelism, dict(found.labels), found.name) == (7, {"a": "1"}, "n")


async def test_a_terminal_job_takes_name_labels_and_retention_only(store):
    job = await ended_job(store)
    changed = (
        await store.update(job.job_id, name="n", labels={"a": "1"}, retention=Duration(seconds=60))
    ).job
    assert changed.purge_time.ToMicroseconds() == changed.finish_time.ToMicroseconds() + 60_000_000
    error = await refused(store.update(job.job_id, name="m", max_parallelism=2))
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "JOB_ENDED")
    assert (await store.get(job.job_id)).name == "n"


async def test_a_job_of_another_tenant_is_not_found(store):
    job = await store.create()
    assert (await refused(store.update(job.job_id, name="n", tenant="other"))).reason == "JOB_NOT_FOUND"


async def test_a_new_class_publishes_its_tasks_and_is_leased_from_there(store):
    job = await store.create(4)
    worker = await store.worker()
    response = await store.update(job.job_id, job_class=BULK)
    (task,) = response.effects.tasks_to_publish
    assert (task.job_class, task.count) == (BULK, 2)
    assert not (await worker.lease()).leases
    assert list((await worker.beat()).classes_with_work) == [BULK]
    assert len((await worker.lease(job_class=BULK)).leases) == 4


async def test_leases_of_the_former_class_are_recorded_as_usual(store):
    job = await store.create(4)
    worker = await store.worker()
    leases = (await worker.lease(capacity=2)).leases
    await asyncio.gather(worker.succeed(*leases), store.update(job.job_id, job_class=BULK))
    rest = (await worker.lease(job_class=BULK)).leases
    assert len(rest) == 2
    await worker.succeed(*rest)
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_SUCCEEDED


async def test_a_higher_limit_on_parallelism_publishes_tasks(store):
    job = await store.create(10, max_parallelism=1)
    worker = await store.worker()
    assert len((await worker.lease()).leases) == 1
    assert (await store.update(job.job_id, max_parallelism=3)).effects.tasks_to_publish[0].count == 2
    assert len((await worker.lease()).leases) == 2
    await store.update(job.job_id, "max_parallelism")
    assert len((await worker.lease()).leases) == 7


async def paused_for_budget(store, worker):
    job = await store.create(4, budget_micros=5)
    await worker.succeed(*(await worker.lease(capacity=1)).leases)
    found = await store.get(job.job_id)
    assert found.pause_reason == jobs_pb2.PAUSE_REASON_BUDGET
    return found


async def test_a_higher_budget_resumes_the_job_in_the_same_step_if_asked(store):
    worker = await store.worker()
    job = await paused_for_budget(store, worker)
    assert (await store.update(job.job_id, budget_micros=100)).job.state == PAUSED
    response = await store.update(job.job_id, budget_micros=200, resume=True)
    assert response.job.state == RUNNING
    assert response.effects.tasks_to_publish
    assert len((await worker.lease()).leases) == 3


async def test_a_budget_that_is_spent_is_refused(store):
    job = await paused_for_budget(store, await store.worker())
    error = await refused(store.update(job.job_id, budget_micros=4, name="n"))
    assert error.reason == "BUDGET_SPENT"
    error = await refused(store.update(job.job_id, resume=True))
    assert error.reason == "BUDGET_SPENT"
    assert await store.get(job.job_id) == job


async def test_resume_leaves_other_pauses_alone(store):
    job = await store.create(4)
    await store.pause(job.job_id)
    assert (await store.update(job.job_id, name="n", resume=True)).job.state == PAUSED


async def test_a_budget_can_be_removed_while_chunks_are_leased(store):
    job = await store.create(4, budget_micros=100)
    worker = await store.worker()
    leases = (await worker.lease(capacity=2)).leases
    await store.update(job.job_id, "budget_micros")
    await worker.succeed(*leases)
    rest = (await worker.lease()).leases
    assert not any(lease.HasField("allowance_micros") for lease in rest)
    await worker.succeed(*rest)
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_SUCCEEDED


async def test_a_deadline_counts_from_the_last_retry(store):
    job = await ended_job(store)
    store.advance(1_000)
    await store.retry(job.job_id)
    changed = (await store.update(job.job_id, job_timeout=Duration(seconds=50))).job
    since = changed.expire_time.ToMicroseconds() - job.create_time.ToMicroseconds()
    assert since / 1_000_000 == pytest.approx(1_050, abs=5)
    store.advance(60)
    await store.sweep()
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_EXPIRED


async def test_a_deadline_that_has_passed_ends_the_job_at_once(store):
    job = await store.create()
    store.advance(100)
    assert (await store.update(job.job_id, job_timeout=Duration(seconds=50))).job.error.reason == (
        "JOB_TIMED_OUT"
    )
