import asyncio

import grpc
import pytest

from headrace.errors import from_rpc_error
from headrace.jobs.v1 import jobs_pb2


def indexes(response):
    return [(lease.ref.job_id, item.item_index) for lease in response.leases for item in lease.items]


async def test_a_worker_without_a_heartbeat_gets_nothing(store):
    worker = await store.worker()
    worker.incarnation = "unknown"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await worker.lease()
    assert from_rpc_error(caught.value).reason == "WORKER_NOT_LIVE"
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION


async def test_the_first_lease_makes_a_job_running(store):
    job = await store.create(items=3)
    response = await (await store.worker()).lease()
    assert len(response.leases) == 3
    changed = response.effects.changed_jobs
    assert [(c.state, c.seq) for c in changed] == [(jobs_pb2.JOB_STATE_RUNNING, 2)]
    assert await store.get(job.job_id) == changed[0]
    assert changed[0].HasField("start_time")


async def test_later_leases_change_no_snapshot(store):
    await store.create(items=3)
    worker = await store.worker()
    await worker.lease(capacity=1)
    assert not (await worker.lease(capacity=1)).effects.changed_jobs


async def test_a_chunk_is_leased_once(store):
    await store.create(items=40)
    one, two = await store.worker(), await store.worker()
    first, second = await one.lease(capacity=20), await two.lease()
    assert not set(indexes(first)) & set(indexes(second))
    assert len(indexes(first)) + len(indexes(second)) == 40
    assert not second.more_work


async def test_callers_at_the_same_time_get_different_chunks_and_together_all(store):
    for _ in range(5):
        await store.create(items=160)
    workers = [await store.worker() for _ in range(6)]

    async def drain(worker):
        taken, more = [], True
        while more:
            response = await worker.lease(capacity=37)
            taken += indexes(response)
            more = response.more_work
        return taken

    taken = [item for part in await asyncio.gather(*map(drain, workers)) for item in part]
    assert len(taken) == len(set(taken)) == 800


async def test_a_repeated_call_returns_the_same_leases(store):
    await store.create(items=32)
    worker = await store.worker()
    first = await worker.lease(capacity=4, call_id="a")
    between = await worker.lease(capacity=4, call_id="b")
    again = await worker.lease(capacity=4, call_id="a")
    assert sorted(indexes(again)) == sorted(indexes(first))
    assert {lease.ref.fence for lease in again.leases} == {1}
    assert not set(indexes(between)) & set(indexes(first))


async def test_a_concurrent_repeat_of_a_call_returns_the_same_leases(store):
    await store.create(items=32)
    worker = await store.worker()
    calls = await asyncio.gather(*(worker.lease(capacity=4, call_id="a") for _ in range(4)))
    assert len({tuple(sorted(indexes(call))) for call in calls}) == 1


async def test_a_lease_that_a_repeated_call_returns_counts_as_given_then(store):
    await store.create(items=1)
    worker = await store.worker()
    (lease,) = (await worker.lease(call_id="a")).leases
    store.advance(7)
    await worker.beat()
    assert len((await worker.lease(call_id="a")).leases) == 1
    store.advance(4)
    assert not (await worker.beat()).effects.tasks_to_publish
    assert not (await worker.beat(lease)).lost_leases


async def test_what_ended_meanwhile_is_missing_in_a_repeated_call(store):
    await store.create(items=32)
    worker = await store.worker()
    first = await worker.lease(capacity=4, call_id="a")
    await worker.succeed(first.leases[0])
    again = await worker.lease(capacity=4, call_id="a")
    assert len(again.leases) == len(first.leases) - 1


async def test_the_spec_of_a_job_is_sent_once(store):
    job = await store.create(items=32, kind="llm.classify", params='{"a": 1}', tenant="t")
    worker = await store.worker()
    first = await worker.lease(capacity=2)
    assert [(spec.job_id, spec.kind, spec.tenant) for spec in first.jobs] == [
        (job.job_id, "llm.classify", "t")
    ]
    assert not (await worker.lease(capacity=2, known_job_ids=[job.job_id])).jobs


async def test_excluded_jobs_are_skipped(store):
    first, second = await store.create(), await store.create()
    response = await (await store.worker()).lease(excluded_job_ids=[first.job_id])
    assert [lease.ref.job_id for lease in response.leases] == [second.job_id]
    assert not response.more_work


async def test_excluded_tenants_are_skipped_and_do_not_count_as_more_work(store):
    await store.create(tenant="full", items=1_600)
    other = await store.create(tenant="other")
    worker = await store.worker()
    response = await worker.lease(excluded_tenants=["full", "unknown"])
    assert [lease.ref.job_id for lease in response.leases] == [other.job_id]
    assert not response.more_work
    response = await worker.lease(excluded_tenants=["full"])
    assert not response.leases
    assert not response.more_work
    assert (await worker.lease()).leases


async def test_a_tenant_that_was_excluded_has_saved_up_no_turns_and_lost_none(store):
    full = await store.create(tenant="full", items=1_600)
    other = await store.create(tenant="other", items=3_200)
    worker = await store.worker()
    await worker.lease(capacity=200)
    await worker.lease(capacity=1_000, excluded_tenants=["full"])
    counts = {full.job_id: 0, other.job_id: 0}
    for _ in range(8):
        for lease in (await worker.lease(capacity=100)).leases:
            counts[lease.ref.job_id] += 1
    assert sorted(counts.values()) in ([3, 5], [4, 4])  # Up to a chunk.


async def test_only_the_wanted_class_is_leased(store):
    bulk = await store.create(job_class=jobs_pb2.JOB_CLASS_BULK)
    await store.create()
    response = await (await store.worker()).lease(job_class=jobs_pb2.JOB_CLASS_BULK)
    assert [lease.ref.job_id for lease in response.leases] == [bulk.job_id]


async def test_the_first_chunk_that_does_not_fit_ends_the_choice(store):
    await store.create(items=1_600)
    small = await store.create(items=1)
    worker = await store.worker()
    response = await worker.lease(capacity=50)
    assert not response.leases
    assert response.more_work
    response = await worker.lease(capacity=101)
    assert indexes(response)[-1] == (small.job_id, 0)
    assert len(indexes(response)) == 101


async def test_a_first_chunk_always_fits_a_capacity_of_100(store):
    await store.create(items=1_600)
    assert len(indexes(await (await store.worker()).lease(capacity=100))) == 100


async def test_a_small_job_does_not_wait_for_a_large_one(store):
    await store.create(items=100_000)
    worker = await store.worker()
    for _ in range(3):
        await worker.lease(capacity=100)
    small = await store.create(items=1)
    assert (small.job_id, 0) in indexes(await worker.lease(capacity=100 + 1))


async def test_the_rest_of_a_small_job_comes_before_later_jobs(store):
    jobs = [await store.create(items=10) for _ in range(3)]
    worker = await store.worker()
    taken = [
        [lease.ref.job_id for lease in (await worker.lease(capacity=capacity)).leases]
        for capacity in (15, 10)
    ]
    first, second, third = sorted(job.job_id for job in jobs)  # By age.
    assert sorted(taken[0]) == sorted([first] * 10 + [second] * 5)
    assert sorted(taken[1]) == sorted([second] * 5 + [third] * 5)


async def test_tenants_share_capacity_whatever_the_number_of_their_jobs(store):
    for _ in range(20):
        await store.create(items=16, tenant="many")
    await store.create(items=160, tenant="one")
    response = await (await store.worker()).lease(capacity=100)
    tenants = {spec.job_id: spec.tenant for spec in response.jobs}
    taken = [tenants[job_id] for job_id, _ in indexes(response)]
    assert 40 <= taken.count("one") <= 60


async def test_a_tenant_that_was_away_has_saved_up_no_turns(store):
    await store.create(items=1_000, tenant="busy")
    worker = await store.worker()
    await worker.lease(capacity=800)
    await store.create(items=1_000, tenant="back")
    response = await worker.lease(capacity=3 * 63)
    tenants = {spec.job_id: spec.tenant for spec in response.jobs}
    assert [tenants[lease.ref.job_id] for lease in response.leases].count("busy") == 1


async def test_max_parallelism_bounds_the_chunks_leased_at_once(store):
    await store.create(items=32, max_parallelism=2)
    one, two = await store.worker(), await store.worker()
    first = await one.lease()
    assert len(first.leases) == 2
    assert not first.more_work
    assert not (await two.lease()).leases
    effects = (await one.succeed(first.leases[0])).effects
    assert [task.count for task in effects.tasks_to_publish] == [1]
    assert len((await two.lease()).leases) == 1


async def test_leases_are_bounded_by_8_mb_of_inputs(store):
    text = '"' + "x" * 900_000 + '"'
    for _ in range(4):
        await store.create(items=[text] * 4)
    worker = await store.worker()
    first = await worker.lease()
    assert len(first.leases) == 9
    assert first.more_work
    assert len((await worker.lease()).leases) == 7


async def test_a_leased_job_says_whether_it_caches_responses(store):
    cached, plain = await store.create(cache_responses=True), await store.create()
    specs = {spec.job_id: spec for spec in (await (await store.worker()).lease()).jobs}
    assert specs[cached.job_id].options.cache_responses
    assert not specs[plain.job_id].options.cache_responses


async def test_a_response_names_the_capacity_that_the_smallest_remaining_chunk_needs(store):
    await store.create(items=480)  # Chunks of 30.
    worker = await store.worker()
    assert [(await worker.lease(capacity=capacity)).needed_capacity for capacity in (40, 29, 30)] == [
        30,
        30,
        30,
    ]
    rest = await worker.lease()
    assert (len(rest.leases), rest.needed_capacity, rest.more_work) == (14, 0, False)
