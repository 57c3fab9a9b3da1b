"""Calls of a worker that end too late: it is gone before the store has committed."""

import asyncio

import grpc
import pytest

from services.results.rows import job_rows
from services.results.transitions import heartbeat
from services.results.transitions import lease_chunks as module


class HeldJob:
    """A transaction of another replica that holds the lock of a job."""

    def __init__(self, store, job_id):
        self._store, self._job_id = store, job_id
        self._locked, self._release = asyncio.Event(), asyncio.Event()

    async def __aenter__(self):
        self._task = asyncio.create_task(self._store.database.write(self._hold))
        await asyncio.wait_for(self._locked.wait(), 10)
        return self

    async def __aexit__(self, *args):
        self._release.set()
        await self._task

    async def _hold(self, tx):
        await job_rows.lock_jobs(tx, [self._job_id])
        self._locked.set()
        await self._release.wait()


async def call_too_late(store, worker, job_id, call_id="a"):
    """Leases while the job is locked, until the deadline of the call has passed."""
    async with HeldJob(store, job_id):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asyncio.wait_for(lease_within(store, worker, 0.3, call_id), 10)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


async def lease_within(store, worker, seconds, call_id):
    request = module.results_pb2.LeaseChunksRequest(
        job_class=2, capacity=100, incarnation=worker.incarnation, call_id=call_id
    )
    return await store.stub.LeaseChunks(request, timeout=seconds)


async def lease_soon(worker):
    """Leases until there is something. The clock of the store stands, and nobody sends heartbeats."""
    async with asyncio.timeout(5):
        while not (leases := (await worker.lease()).leases):
            await asyncio.sleep(0.01)
    return leases


async def test_leases_of_a_call_whose_deadline_has_passed_go_to_the_next_worker_at_once(store):
    job = await store.create(items=1)
    slow, other = await store.worker(), await store.worker()
    await call_too_late(store, slow, job.job_id)
    (lease,) = await lease_soon(other)
    assert lease.ref.job_id == job.job_id
    assert lease.ref.fence == 2  # the late call had leased it
    await other.succeed(lease)
    assert (await store.get(job.job_id)).progress.succeeded_count == 1


async def test_the_budget_reserved_for_a_late_lease_is_free_again(store):
    job = await store.create(items=1, budget_micros=100)
    slow, other = await store.worker(), await store.worker()
    await call_too_late(store, slow, job.job_id)
    (lease,) = await lease_soon(other)
    assert lease.allowance_micros == 100


async def test_a_repeat_that_has_read_the_leases_keeps_them(store, monkeypatch):
    """The call is undone after its repeat was answered: the repeat has moved the time of the leases."""
    job = await store.create(items=1)
    slow, other = await store.worker(), await store.worker()
    undo, may_undo = module._end_unanswered, asyncio.Event()

    async def undo_later(tx, *arguments):
        await undo(tx, *arguments)
        undone.set()

    undone = asyncio.Event()
    write = module.Database.write

    async def write_later(self, work, **options):
        if not options and work.__qualname__.startswith("lease_chunks.<locals>.undo"):
            await may_undo.wait()
        return await write(self, work, **options)

    monkeypatch.setattr(module, "_end_unanswered", undo_later)
    monkeypatch.setattr(module.Database, "write", write_later)
    await call_too_late(store, slow, job.job_id)
    async with asyncio.timeout(5):
        while not (leases := (await slow.lease(capacity=0, call_id="a")).leases):
            await asyncio.sleep(0.01)
    may_undo.set()
    await asyncio.wait_for(undone.wait(), 10)
    assert not (await other.lease()).leases
    assert not (await slow.beat(*leases)).lost_leases


async def test_a_heartbeat_that_waited_too_long_does_not_end_leases_that_are_younger_than_it(
    store, monkeypatch
):
    await store.create(items=1)
    worker = await store.worker()
    (lease,) = (await worker.lease()).leases
    store.advance(10)
    monkeypatch.setattr(heartbeat, "LATE_SECONDS", 0.0)
    await worker.beat()
    monkeypatch.undo()
    assert not (await worker.beat(lease)).lost_leases


async def test_a_call_without_capacity_returns_what_its_first_attempt_has_leased(store):
    await store.create(items=1)
    worker = await store.worker()
    first = await worker.lease(call_id="a")
    again = await worker.lease(capacity=0, call_id="a")
    assert [lease.ref for lease in again.leases] == [lease.ref for lease in first.leases]
