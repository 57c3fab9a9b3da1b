"""Quarantined chunks whose child process dies while the worker lives."""

import pytest

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2 as pb

PORT_CLOSED = pb.EndWorkerRequest.CAUSE_PORT_CLOSED


def death_of(lease, *suspects):
    record = pb.JobRecord(job_id=lease.ref.job_id)
    place = {"chunk_index": lease.ref.chunk_index, "fence": lease.ref.fence}
    record.deaths.add(**place, suspect_item_indexes=suspects)
    return record


def indexes_of(lease):
    return [item.item_index for item in lease.items]


async def lose(store):
    worker = await store.worker()
    assert len((await worker.lease()).leases) == 1
    store.advance(6)
    await store.end_worker(worker, PORT_CLOSED)


@pytest.fixture
async def job(store):
    """A job with chunks of eight items, leased one at a time. The first was lost twice."""
    job = await store.create(items=16 * 8, max_parallelism=1)
    await lose(store)
    await lose(store)
    return job


@pytest.fixture
async def worker(store, job):
    """A live worker."""
    return await store.worker()


async def lease_one(worker):
    (lease,) = (await worker.lease()).leases
    return lease


async def lease_parts(worker):
    """Leases and finishes one chunk after another. Returns the items of the quarantined ones."""
    parts = []
    while leases := (await worker.lease()).leases:
        parts += [indexes_of(lease) for lease in leases if lease.quarantined]
        await worker.succeed(*leases)
    return parts


async def test_a_death_halves_its_suspects_and_sets_the_rest_apart(worker):
    lease = await lease_one(worker)
    assert lease.quarantined
    await worker.record(death_of(lease, 2, 3, 4))
    assert sorted(await lease_parts(worker)) == [[0, 1, 2, 3], [4], [5, 6, 7]]


async def test_a_death_before_any_item_was_started_halves_the_chunk(worker):
    await worker.record(death_of(await lease_one(worker)))
    assert sorted(await lease_parts(worker)) == [[0, 1, 2, 3], [4, 5, 6, 7]]


async def test_results_handed_over_before_the_death_stay(store, job, worker):
    lease = await lease_one(worker)
    record = store.record_of(lease, [0, 1, 3], output='"done"')
    record.MergeFrom(death_of(lease, 1, 2))  # Item 1 was finished before.
    await worker.record(record)
    assert (await store.get(job.job_id)).progress.succeeded_count == 3
    assert sorted(await lease_parts(worker)) == [[2], [4, 5, 6, 7]]


async def test_the_only_suspect_fails_at_its_third_death_and_no_other_item_does(store, job, worker):
    await worker.record(death_of(await lease_one(worker), 3))
    death_count = 1
    while leases := (await worker.lease()).leases:
        if indexes_of(leases[0]) == [3]:
            await worker.record(death_of(leases[0], 3))
            death_count += 1
        else:
            await worker.succeed(*leases)
    assert death_count == 3
    results = (await store.results(job.job_id)).results
    assert [(result.item_index, result.error.reason) for result in results] == [
        (index, "WORKER_LOST" if index == 3 else "") for index in range(128)
    ]


async def test_a_repeated_death_changes_nothing(store, job, worker):
    lease = await lease_one(worker)
    await worker.record(death_of(lease, 3))
    seq = (await store.get(job.job_id)).seq
    again = await worker.record(death_of(lease, 3))
    assert not again.effects.tasks_to_publish
    assert (await store.get(job.job_id)).seq == seq
    assert sorted(await lease_parts(worker)) == [[0, 1, 2], [3], [4, 5, 6, 7]]


async def test_a_death_makes_its_parts_leasable_at_once(worker, job):
    response = await worker.record(death_of(await lease_one(worker), 3))
    assert [task.job_id for task in response.effects.tasks_to_publish] == [job.job_id]


async def test_a_death_that_a_cancel_overtook_ends_the_job(store, job, worker):
    lease = await lease_one(worker)
    assert (await store.cancel(job.job_id)).job.state == jobs_pb2.JOB_STATE_CANCELLING
    await worker.record(death_of(lease, 3))
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_CANCELLED


async def test_a_death_of_a_chunk_that_is_not_quarantined_only_ends_its_lease(store):
    await store.create(items=8 * 16, max_parallelism=1)
    worker = await store.worker()
    for _ in range(3):
        lease = await lease_one(worker)
        assert not lease.quarantined
        await worker.record(death_of(lease, 3))
    assert indexes_of(await lease_one(worker)) == list(range(8))
