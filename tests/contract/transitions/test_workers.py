import asyncio

import grpc
import pytest

from headrace.jobs.v1 import jobs_pb2
from services.results.database.engine import POOL_SIZE
from services.results.transitions.heartbeat import heartbeat
from services.stubs.results.v1 import results_pb2 as pb

DRAINED = pb.EndWorkerRequest.CAUSE_DRAINED
PORT_CLOSED = pb.EndWorkerRequest.CAUSE_PORT_CLOSED


async def kill(store, worker):
    """Simulates the death of a worker's process: silence and a closed port."""
    store.advance(6)
    return (await store.end_worker(worker, PORT_CLOSED)).effects


async def lose(store, capacity=1_000):
    """Leases all there is with a new worker that then dies. Returns its leases."""
    worker = await store.worker()
    leases = (await worker.lease(capacity=capacity)).leases
    await kill(store, worker)
    return leases


async def test_a_heartbeat_returns_the_live_workers_and_the_classes_with_work(store):
    one, two = await store.worker(), await store.worker()
    await store.create(job_class=jobs_pb2.JOB_CLASS_BULK)
    response = await one.beat()
    assert response.live_worker_count == 2
    assert list(response.classes_with_work) == [jobs_pb2.JOB_CLASS_BULK]
    await two.lease(job_class=jobs_pb2.JOB_CLASS_BULK)
    assert not (await one.beat()).classes_with_work


async def test_a_worker_with_degraded_limits_is_listed_so_until_its_next_heartbeat(store):
    worker = await store.worker()
    for apart in (True, False):
        request = pb.HeartbeatRequest(
            incarnation=worker.incarnation, address=worker.address, limits_degraded=apart
        )
        await store.stub.Heartbeat(request)
        (listed,) = (await store.stub.ListWorkers(pb.ListWorkersRequest())).workers
        assert listed.limits_degraded is apart


async def test_workers_are_listed_with_the_numbers_of_their_last_heartbeat(store):
    worker = await store.worker()
    reported = {
        "in_flight_count": 96,
        "in_flight_limit": 100,
        "leased_item_count": 196,
        "items_per_second": 210.25,
        "tokens_per_second": 41_000.5,
        "limited_count": 12,
        "cooldown_seconds": 1.75,
    }
    names = {"incarnation": worker.incarnation, "address": worker.address}
    for numbers in (reported, {}):  # A worker of an older release sends none.
        await store.stub.Heartbeat(pb.HeartbeatRequest(**names, **numbers))
        (listed,) = (await store.stub.ListWorkers(pb.ListWorkersRequest())).workers
        assert {name: getattr(listed, name) for name in reported} == {**dict.fromkeys(reported, 0), **numbers}


async def test_a_listed_lease_that_does_not_exist_is_reported_lost(store):
    await store.create(items=1)
    worker = await store.worker()
    lease = (await worker.lease()).leases[0]
    assert not (await worker.beat(lease)).lost_leases
    old = pb.Lease(ref=pb.LeaseRef(job_id=lease.ref.job_id, chunk_index=0, fence=0))
    unknown = pb.Lease(ref=pb.LeaseRef(job_id=store.new_job().job_id, chunk_index=0, fence=1))
    assert list((await worker.beat(lease, old, unknown)).lost_leases) == [old.ref, unknown.ref]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
async def test_a_number_that_is_not_finite_counts_as_zero_and_costs_the_worker_nothing(store, number):
    await store.create()
    worker = await store.worker()
    (lease,) = (await worker.lease()).leases
    names = ("items_per_second", "tokens_per_second", "cooldown_seconds")
    request = pb.HeartbeatRequest(
        incarnation=worker.incarnation,
        address=worker.address,
        leases=[lease.ref],
        **dict.fromkeys(names, number),
    )
    assert not (await store.stub.Heartbeat(request)).lost_leases
    (listed,) = (await store.stub.ListWorkers(pb.ListWorkersRequest())).workers
    assert [getattr(listed, name) for name in names] == [0, 0, 0]


async def test_a_lease_that_no_heartbeat_names_is_released_without_loss(store):
    job = await store.create(items=1)
    worker = await store.worker()
    for _ in range(3):
        lease = (await worker.lease()).leases[0]
        assert not lease.quarantined
        store.advance(5)
        assert not (await worker.beat()).effects.tasks_to_publish
        store.advance(3.5)
        effects = (await worker.beat()).effects
        assert [task.job_id for task in effects.tasks_to_publish] == [job.job_id]


async def test_a_worker_silent_for_30_seconds_is_dead_and_its_chunks_are_leasable(store):
    job = await store.create(items=1)
    worker, other = await store.worker(), await store.worker()
    lease = (await worker.lease()).leases[0]
    for _ in range(11):
        store.advance(2.5)  # Well under the 3 s of an outage, because a slow machine adds to it.
        await other.beat()
        assert not (await store.sweep()).effects.tasks_to_publish
    store.advance(2.6)
    response = await store.sweep()
    assert [task.job_id for task in response.effects.tasks_to_publish] == [job.job_id]
    assert [live.incarnation for live in response.live_workers] == [other.incarnation]
    assert not (await store.sweep()).effects.tasks_to_publish
    again = (await other.lease()).leases[0]
    assert again.ref.fence == lease.ref.fence + 1


async def test_a_dead_worker_that_beats_again_is_live_without_leases(store):
    await store.create(items=1)
    worker = await store.worker()
    lease = (await worker.lease()).leases[0]
    store.advance(31)
    await store.sweep()
    with pytest.raises(grpc.aio.AioRpcError):
        await worker.lease()
    response = await worker.beat(lease)
    assert not response.ended
    assert list(response.lost_leases) == [lease.ref]
    assert len((await worker.lease()).leases) == 1


async def test_silence_during_an_outage_of_the_store_is_not_the_workers(store):
    await store.create(items=1)
    worker = await store.worker()
    lease = (await worker.lease()).leases[0]
    await store.sweep()
    store.advance(600)
    response = await store.sweep()
    assert [live.incarnation for live in response.live_workers] == [worker.incarnation]
    assert not response.silent_workers
    assert not (await worker.beat(lease)).lost_leases
    store.advance(2)
    await store.sweep()


async def test_a_silent_worker_is_named_and_dead_once_its_port_is_closed(store):
    job = await store.create(items=1)
    worker = await store.worker()
    await worker.lease()
    await store.sweep()
    assert not (await store.end_worker(worker, PORT_CLOSED)).effects.tasks_to_publish
    for _ in range(3):
        store.advance(2)
        response = await store.sweep()
    assert [silent.incarnation for silent in response.silent_workers] == [worker.incarnation]
    effects = (await store.end_worker(worker, PORT_CLOSED)).effects
    assert [task.job_id for task in effects.tasks_to_publish] == [job.job_id]
    assert not (await store.end_worker(worker, PORT_CLOSED)).effects.tasks_to_publish
    assert not (await store.sweep()).live_workers


async def test_the_leases_of_a_drained_worker_end_without_loss(store):
    await store.create(items=1)
    for _ in range(3):
        worker = await store.worker()
        assert not (await worker.lease()).leases[0].quarantined
        assert (await store.end_worker(worker, DRAINED)).effects.tasks_to_publish
        assert (await worker.beat()).ended


async def test_ending_a_worker_without_a_cause_is_refused(store):
    worker = await store.worker()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await store.end_worker(worker, 0)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_new_incarnation_at_an_address_ends_the_old_one_at_once(store):
    job = await store.create(items=1)
    old = await store.worker("127.0.0.1:7000")
    lease = (await old.lease()).leases[0]
    new = await store.worker("127.0.0.1:7000")
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_RUNNING
    response = await old.beat(lease)
    assert response.ended
    assert list(response.lost_leases) == [lease.ref]
    assert len((await new.lease()).leases) == 1
    assert not (await new.beat()).ended


async def test_replacing_a_worker_with_leases_asks_for_tasks(store):
    job = await store.create(items=1)
    old = await store.worker("127.0.0.1:7000")
    await old.lease()
    other = await store.worker("127.0.0.1:7001")
    other.address = "127.0.0.1:7000"
    other.incarnation = store.new_job().job_id
    assert [task.job_id for task in (await other.beat()).effects.tasks_to_publish] == [job.job_id]


async def test_a_chunk_lost_twice_is_quarantined(store):
    await store.create(items=1)
    assert [lease.quarantined for _ in range(3) for lease in await lose(store)] == [False, False, True]


async def test_a_quarantined_chunk_is_halved_at_every_second_loss(store):
    await store.create(items=112)
    sizes = [[len(lease.items) for lease in await lose(store, capacity=7)] for _ in range(9)]
    assert sizes == [[7], [7], [7], [7], [4], [4], [2], [2], [1]]


async def test_a_worker_gets_one_quarantined_chunk_at_a_time(store):
    job = await store.create(items=16)
    await lose(store)
    await lose(store)
    fresh = await store.create(items=1)
    one, two = await store.worker(), await store.worker()
    first = await one.lease()
    assert sorted((lease.ref.job_id == job.job_id, lease.quarantined) for lease in first.leases) == [
        (False, False),
        (True, True),
    ]
    assert fresh.job_id in {lease.ref.job_id for lease in first.leases}
    assert not first.more_work
    second = await one.lease()
    assert not second.leases
    assert not second.more_work
    other = await two.lease()
    assert [lease.quarantined for lease in other.leases] == [True]
    assert other.leases[0].ref.chunk_index != first.leases[0].ref.chunk_index
    await one.succeed(*first.leases)
    assert [lease.quarantined for lease in (await one.lease()).leases] == [True]


async def test_only_the_item_that_kills_every_worker_fails(store):
    job = await store.create(items=16 * 3, max_failed_ratio=0.5)
    for _ in range(200):
        worker = await store.worker()
        leases = (await worker.lease()).leases
        if any(item.item_index == 5 for lease in leases for item in lease.items):
            await kill(store, worker)  # Before it recorded anything.
        else:
            await worker.succeed(*leases)
            await store.end_worker(worker, DRAINED)
        done = await store.get(job.job_id)
        if done.HasField("finish_time"):
            break
    assert done.state == jobs_pb2.JOB_STATE_SUCCEEDED
    assert (done.progress.succeeded_count, done.progress.failed_count) == (47, 1)
    failed = (await store.results(job.job_id, item_state=jobs_pb2.ITEM_STATE_FAILED)).results
    assert [(result.item_index, result.error.reason) for result in failed] == [(5, "WORKER_LOST")]


async def test_a_late_success_finds_its_place_in_a_halved_chunk(store):
    job = await store.create(items=16 * 8)
    first = None
    for _ in range(4):
        worker = await store.worker()
        leases = (await worker.lease(capacity=8)).leases
        first = first or (worker, leases[0])
        await kill(store, worker)
    worker, lease = first
    await worker.record(store.record_of(lease, [7], output='"late"'))
    taken = [lease for _ in range(2) for lease in (await (await store.worker()).lease()).leases]
    indexes = [item.item_index for each in taken for item in each.items]
    assert sorted(indexes) == [index for index in range(128) if index != 7]
    assert (await store.get(job.job_id)).progress.succeeded_count == 1


async def test_workers_are_listed_live_ones_first_then_by_start(store):
    gone = await store.worker()
    store.advance(1)
    first = await store.worker()
    store.advance(1)
    second = await store.worker()
    await store.end_worker(gone, DRAINED)
    listed = (await store.stub.ListWorkers(pb.ListWorkersRequest())).workers
    assert [(worker.incarnation, worker.live) for worker in listed] == [
        (first.incarnation, True),
        (second.incarnation, True),
        (gone.incarnation, False),
    ]
    store.advance(3_601)
    assert not (await store.stub.ListWorkers(pb.ListWorkersRequest())).workers


@pytest.mark.parametrize("database_name", ["postgresql"])
async def test_heartbeats_succeed_while_every_connection_waits_for_a_job(store):
    """Records of many workers wait for the row of one job. They must not count as dead because of it."""
    worker, all_taken, let_go, taken = await store.worker(), asyncio.Event(), asyncio.Event(), []

    async def hold(tx):
        taken.append(tx)
        if len(taken) == POOL_SIZE:
            all_taken.set()
        await let_go.wait()

    waiting = [asyncio.create_task(store.database.write(hold)) for _ in range(POOL_SIZE)]
    try:
        await asyncio.wait_for(all_taken.wait(), 10.0)
        beat = heartbeat(
            store.database, pb.HeartbeatRequest(incarnation=worker.incarnation, address=worker.address)
        )
        assert (await asyncio.wait_for(beat, 3.0)).live_worker_count == 1
    finally:
        let_go.set()
        await asyncio.gather(*waiting)
