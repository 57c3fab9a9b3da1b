"""Budgets of jobs: reserved by leases, spent by records, and the pause at their end."""

import asyncio

import grpc
import pytest

from headrace.errors import from_rpc_error
from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2 as pb

PAUSED = jobs_pb2.JOB_STATE_PAUSED
BUDGET = jobs_pb2.PAUSE_REASON_BUDGET


def cost(micros):
    return {"usage": jobs_pb2.Usage(call_count=1, cost_micros=micros), "output": '"done"'}


async def release(store, worker, lease, wanted=0):
    record = store.release_of(lease)
    record.releases[0].needed_micros = wanted
    return await worker.record(record)


async def lease_one(worker, **fields):
    leases = (await worker.lease(capacity=1, **fields)).leases
    assert len(leases) == 1
    return leases[0]


async def spend_remainder(store, worker, job_id, micros=10, wanted=10):
    """Spends a budget until the rest is too small for the next call."""
    while (await store.get(job_id)).state != PAUSED:
        lease = await lease_one(worker)
        if lease.allowance_micros < micros:
            await release(store, worker, lease, wanted)
        else:
            await worker.record(store.record_of(lease, **cost(micros)))


async def test_leases_of_a_job_without_a_budget_have_no_allowance(store):
    await store.create()
    lease = await lease_one(await store.worker())
    assert not lease.HasField("allowance_micros")
    assert not lease.is_remainder


async def test_a_job_shows_its_budget(store):
    job = await store.create(budget_micros=1_000)
    assert (await store.get(job.job_id)).budget_micros == job.budget_micros == 1_000
    assert not (await store.create()).HasField("budget_micros")


async def test_without_a_finished_item_every_chunk_gets_its_part_of_the_budget(store):
    await store.create(4, budget_micros=1_000)
    leases = (await (await store.worker()).lease()).leases
    assert [lease.allowance_micros for lease in leases] == [250, 250, 250, 250 - 1]
    assert not any(lease.is_remainder for lease in leases)


async def test_when_items_have_finished_an_allowance_follows_their_cost(store):
    await store.create(4, budget_micros=1_000)
    worker = await store.worker()
    await worker.record(store.record_of(await lease_one(worker), **cost(20)))
    assert [lease.allowance_micros for lease in (await worker.lease()).leases] == [30, 30, 30]


async def test_what_a_lease_did_not_spend_is_there_for_others_when_it_ends(store):
    await store.create(2, budget_micros=100)
    worker = await store.worker()
    first = await lease_one(worker)
    await worker.record(store.record_of(first, **cost(10)))
    assert (await lease_one(worker)).allowance_micros == 15


async def test_an_allowance_is_returned_however_its_lease_ends(store):
    await store.create(budget_micros=100)
    worker = await store.worker()
    for _ in range(2):
        lease = await lease_one(worker)
        assert (lease.allowance_micros, lease.is_remainder) == (100, True)
        await worker.release(lease)
    assert (await lease_one(worker)).allowance_micros == 100
    await store.worker(worker.address)  # It replaces the other one and ends its leases.
    assert (await lease_one(await store.worker())).allowance_micros == 100


async def test_a_repeated_lease_call_names_the_same_allowance(store):
    await store.create(budget_micros=100)
    worker = await store.worker()
    first = await worker.lease(call_id="c")
    again = await worker.lease(call_id="c")
    assert (again.leases[0].allowance_micros, again.leases[0].is_remainder) == (100, True)
    assert list(first.leases) == list(again.leases)


async def test_a_deferred_attempt_is_spent_and_counts_once(store):
    job = await store.create(budget_micros=100)
    worker = await store.worker()
    deferral = store.deferral_of(await lease_one(worker), [0], 0)
    deferral.deferrals[0].usage.cost_micros = 30
    await worker.record(deferral)
    lease = await lease_one(worker)
    assert lease.allowance_micros == 70
    await worker.record(
        store.record_of(lease, usage=jobs_pb2.Usage(call_count=2, cost_micros=40), output='"done"')
    )
    assert (await store.get(job.job_id)).usage.cost_micros == 40


async def test_a_job_whose_budget_is_spent_is_paused_with_that_reason(store):
    job = await store.create(2, budget_micros=10)
    worker = await store.worker()
    first = await lease_one(worker)
    await worker.record(store.record_of(first, **cost(12)))
    paused = await store.get(job.job_id)
    assert (paused.state, paused.pause_reason, paused.seq > job.seq) == (PAUSED, BUDGET, True)
    assert not (await worker.lease()).leases


async def test_a_job_is_not_paused_while_another_lease_may_return_something(store):
    job = await store.create(3, budget_micros=30)
    worker = await store.worker()
    first, second = (await worker.lease(capacity=2)).leases
    await worker.record(store.record_of(first, **cost(25)))
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_RUNNING
    response = await worker.lease()
    assert not response.leases
    assert not response.more_work
    given_back = await worker.release(second)
    assert given_back.effects.tasks_to_publish
    assert (await lease_one(worker)).allowance_micros == 5


async def test_a_job_that_finishes_with_the_last_of_its_budget_succeeds(store):
    job = await store.create(budget_micros=10)
    worker = await store.worker()
    await worker.record(store.record_of(await lease_one(worker), **cost(10)))
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_SUCCEEDED


async def test_a_chunk_that_wanted_more_gets_more_as_long_as_there_is(store):
    job = await store.create(2, budget_micros=100)
    worker = await store.worker()
    lease = await lease_one(worker)
    assert lease.allowance_micros == 50
    await release(store, worker, lease, wanted=80)
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_RUNNING
    assert (await lease_one(worker)).allowance_micros == 80


async def test_a_job_is_paused_when_its_remainder_is_too_small_for_a_call(store):
    job = await store.create(2, budget_micros=100)
    worker = await store.worker()
    await release(store, worker, await lease_one(worker), wanted=200)
    lease = await lease_one(worker)
    assert (lease.allowance_micros, lease.is_remainder) == (100, True)
    await release(store, worker, lease, wanted=200)
    assert (await store.get(job.job_id)).pause_reason == BUDGET


async def test_a_chunk_that_must_wait_for_other_leases_is_leased_later_without_polling(store):
    await store.create(2, budget_micros=100)
    worker = await store.worker()
    first, second = (await worker.lease()).leases
    await release(store, worker, first, wanted=80)
    response = await worker.lease()
    assert not response.leases
    assert not response.more_work
    await worker.release(second)
    store.advance(1)
    assert (await store.sweep()).effects.tasks_to_publish
    assert (await lease_one(worker)).allowance_micros == 80


async def test_resuming_with_a_higher_budget_continues_the_job(store):
    job = await store.create(3, budget_micros=15)
    worker = await store.worker()
    await spend_remainder(store, worker, job.job_id)
    request = pb.ResumeJobRequest(job_id=job.job_id, tenant="default", budget_micros=40)
    resumed = await store.stub.ResumeJob(request)
    assert (resumed.job.state, resumed.job.budget_micros) == (jobs_pb2.JOB_STATE_RUNNING, 40)
    assert resumed.effects.tasks_to_publish
    await worker.succeed(*(await worker.lease()).leases)
    await worker.succeed(*(await worker.lease()).leases)
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_SUCCEEDED


@pytest.mark.parametrize("budget", [None, 9, 10])
async def test_resuming_without_a_budget_above_the_spent_amount_is_refused(store, budget):
    job = await store.create(3, budget_micros=15)
    await spend_remainder(store, await store.worker(), job.job_id)
    before = await store.get(job.job_id)
    assert before.usage.cost_micros == 10
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await store.stub.ResumeJob(
            pb.ResumeJobRequest(job_id=job.job_id, tenant="default", budget_micros=budget)
        )
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    error = from_rpc_error(refused.value)
    assert (error.reason, error.metadata) == ("BUDGET_SPENT", {"cost_micros": str(before.usage.cost_micros)})
    assert await store.get(job.job_id) == before


async def test_a_job_paused_by_its_owner_resumes_within_its_budget(store):
    job = await store.create(3, budget_micros=100)
    worker = await store.worker()
    await worker.record(store.record_of(await lease_one(worker), **cost(10)))
    await store.pause(job.job_id)
    assert (await store.resume(job.job_id)).job.state == jobs_pb2.JOB_STATE_RUNNING
    assert (await lease_one(worker)).allowance_micros == 15


async def test_a_running_job_may_get_a_higher_budget(store):
    job = await store.create(2, budget_micros=10)
    await lease_one(await store.worker())
    request = pb.ResumeJobRequest(job_id=job.job_id, tenant="default", budget_micros=1_000)
    changed = (await store.stub.ResumeJob(request)).job
    assert changed.budget_micros == 1_000
    assert changed.seq > job.seq


async def test_a_job_paused_for_its_budget_can_be_cancelled(store):
    job = await store.create(3, budget_micros=15)
    await spend_remainder(store, await store.worker(), job.job_id)
    assert (await store.pause(job.job_id)).job.pause_reason == BUDGET
    cancelled = (await store.cancel(job.job_id)).job
    assert (cancelled.state, cancelled.budget_micros) == (jobs_pb2.JOB_STATE_CANCELLED, 15)
    again = await store.stub.ResumeJob(
        pb.ResumeJobRequest(job_id=job.job_id, tenant="default", budget_micros=100)
    )
    assert again.job == cancelled


async def test_a_retry_keeps_the_budget(store):
    job = await store.create(1, budget_micros=10, max_failed_ratio=0.0)
    worker = await store.worker()
    await worker.record(
        store.record_of(
            await lease_one(worker),
            error=jobs_pb2.Error(reason="BAD"),
            usage=jobs_pb2.Usage(call_count=1, cost_micros=10),
        )
    )
    retried = (await store.retry(job.job_id)).job
    assert (retried.state, retried.pause_reason, retried.budget_micros) == (PAUSED, BUDGET, 10)


async def test_a_late_success_of_a_lost_lease_is_spent_but_not_from_the_new_leases_allowance(store):
    job = await store.create(1, budget_micros=100)
    lost, holder = await store.worker(), await store.worker()
    old = await lease_one(lost)
    await lost.release(old)
    await lease_one(holder)
    await lost.record(store.record_of(old, **cost(60)))
    done = await store.get(job.job_id)
    assert (done.usage.cost_micros, done.state) == (60, jobs_pb2.JOB_STATE_SUCCEEDED)


async def test_however_many_workers_lease_at_once_their_allowances_are_disjoint(store):
    await store.create(40, budget_micros=1_000)
    workers = [await store.worker() for _ in range(4)]
    responses = await asyncio.gather(*(worker.lease(capacity=6) for worker in workers))
    given = [lease.allowance_micros for response in responses for lease in response.leases]
    assert len(given) > 4
    assert sum(given) < 1_000
