"""The lease client and the lease loop, on a fake store."""

import asyncio

import pytest

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2

DEFAULT = jobs_pb2.JOB_CLASS_DEFAULT


class LeaseStore:
    """Answers LeaseChunks from a list of chunk sizes, each of its own job.

    ``leased_before`` are those that an earlier call with the same id has leased.
    """

    def __init__(self, unavailable):
        self.requests = []
        self.chunks = []
        self.leased_before = []
        self.failures = 0
        self.hold = None
        self.reports_needed_capacity = False
        self._unavailable = unavailable

    async def LeaseChunks(self, request, timeout):
        self.requests.append(request)
        if self.hold is not None:
            await self.hold.wait()
        if self.failures:
            self.failures -= 1
            raise self._unavailable
        leases, jobs, capacity = [], [], request.capacity
        repeated, self.leased_before = self.leased_before, []
        while repeated or (self.chunks and self.chunks[0][1] <= capacity):
            job_id, count = repeated.pop(0) if repeated else self.chunks.pop(0)
            capacity -= count
            ref = results_pb2.LeaseRef(job_id=job_id, chunk_index=0, fence=1)
            items = [results_pb2.LeasedItem(item_index=i, input="{}") for i in range(count)]
            leases.append(results_pb2.Lease(ref=ref, round=1, items=items))
            jobs.append(results_pb2.JobSpec(job_id=job_id, tenant="t", job_class=request.job_class))
        needed = self.chunks[0][1] if self.chunks and self.reports_needed_capacity else 0
        return results_pb2.LeaseChunksResponse(
            leases=leases, jobs=jobs, more_work=bool(self.chunks), needed_capacity=needed
        )


class Publisher:
    def __init__(self):
        self.tasks = []

    def publish(self, tasks):
        self.tasks.extend(tasks)


@pytest.fixture
def store(unavailable):
    return LeaseStore(unavailable)


async def test_callers_at_the_same_time_share_a_call_and_later_ones_share_the_next(
    make_bench, store, eventually
):
    lease_client = make_bench().make_lease_client(store)
    store.hold = asyncio.Event()
    first = [asyncio.create_task(lease_client.lease()) for _ in range(3)]
    await eventually(lambda: len(store.requests) == 1)
    later = [asyncio.create_task(lease_client.lease()) for _ in range(3)]
    await asyncio.sleep(0)
    store.hold.set()
    await asyncio.gather(*first, *later)
    assert len(store.requests) == 2


async def test_a_response_that_is_read_too_late_is_not_accepted_and_given_back_at_once(
    make_bench, store, eventually
):
    """The worker was frozen: the store may have given the chunks to another worker, or be about to."""
    bench, times = make_bench(), iter([0.0, 5.1, 6.0, 6.1, 6.1])
    lease_client = bench.make_lease_client(store, clock=lambda: next(times))
    store.chunks = [("j", 3), ("k", 3)]
    assert not (await lease_client.lease()).answered
    assert not bench.leased.leases()
    await eventually(lambda: bench.results.releases() == [("j", 0), ("k", 0)])
    store.chunks = [("j", 3)]
    assert (await lease_client.lease()).chunk_count == 1
    # Under the same id, the store could answer with the leases that are being given back.
    assert len({request.call_id for request in store.requests}) == 2


async def test_a_call_without_an_answer_is_repeated_although_nothing_asks_for_chunks(
    make_bench, store, eventually
):
    """The store may have leased chunks to it. Then no heartbeat says that their class has work."""
    bench = make_bench()
    lease_client = bench.make_lease_client(store)
    store.failures, store.chunks = 2, [("j", 3)]
    await lease_client.lease()
    await eventually(bench.leased.leases)
    assert len({request.call_id for request in store.requests}) == 1


async def test_leases_that_a_repeat_returns_to_a_worker_without_capacity_are_given_back(
    make_bench, store, eventually
):
    bench = make_bench(limit=1)
    lease_client = bench.make_lease_client(store)
    store.failures = 1
    await lease_client.lease()
    bench.lease("full", 0, 101)
    store.leased_before = [("j", 3)]
    await eventually(lambda: bench.results.releases() == [("j", 0)])
    assert store.requests[-1].capacity == 0
    assert [ref.job_id for ref in bench.leased.leases()] == ["full"]


async def test_a_worker_that_drains_repeats_no_call(make_bench, store):
    bench = make_bench()
    lease_loop = bench.make_lease_loop(store)
    store.failures = 1
    await lease_loop.run_task("j", DEFAULT)
    repeats = lease_loop._lease_clients[DEFAULT]._repeats
    lease_loop.drain()
    await asyncio.wait([repeats])
    assert len(store.requests) == 1


async def test_a_failed_call_is_repeated_under_its_call_id_and_an_answered_one_is_not(make_bench, store):
    lease_client = make_bench().make_lease_client(store)
    store.failures = 1
    assert not (await lease_client.lease()).answered
    await lease_client.lease()
    await lease_client.lease()
    ids = [request.call_id for request in store.requests]
    assert ids[0] == ids[1] != ids[2]


async def test_the_spec_of_a_leased_job_is_not_requested_again(make_bench, store):
    bench = make_bench(limit=1)
    lease_client = bench.make_lease_client(store)
    store.chunks = [("a", 2)]
    await lease_client.lease()
    await lease_client.lease()
    assert list(store.requests[0].known_job_ids) == []
    assert list(store.requests[1].known_job_ids) == ["a"]


async def test_a_run_leases_until_the_store_has_no_more_and_publishes_nothing(make_bench, store):
    bench, publisher = make_bench(limit=1000), Publisher()
    lease_loop = bench.make_lease_loop(store, publisher)
    store.chunks = [(f"j{n}", 100) for n in range(10)]
    await lease_loop.run_task("j0", DEFAULT)
    assert store.chunks == []
    assert publisher.tasks == []


async def test_a_task_without_capacity_is_published_again_and_ends(make_bench, store):
    bench, publisher = make_bench(limit=1), Publisher()
    lease_loop = bench.make_lease_loop(store, publisher)
    bench.lease("full", 0, 101)
    await lease_loop.run_task("j", DEFAULT)
    assert publisher.tasks == [results_pb2.TaskToPublish(job_id="j", job_class=DEFAULT, count=1)]
    assert store.requests == []


async def test_a_chunk_that_does_not_fit_does_not_make_a_call_for_every_item_that_ends(make_bench, store):
    bench, publisher = make_bench(limit=1), Publisher()
    lease_loop = bench.make_lease_loop(store, publisher)
    store.chunks = [("big", 100)]
    bench.lease("leased", 0, 50)
    task = asyncio.create_task(lease_loop.run_task("j", DEFAULT))
    for index in range(20):
        await bench.started(index + 1)
        bench.runner.succeed("leased", index)
    await task
    assert len(store.requests) <= 4
    assert len(publisher.tasks) == 1


async def test_a_run_continues_as_soon_as_a_cool_down_is_over(make_bench, store, eventually):
    bench, publisher = make_bench(limit=10), Publisher()
    lease_loop = bench.make_lease_loop(store, publisher)
    bench.runner.cooldown = 1.0
    bench.lease("cold", 0, 1)
    task = asyncio.create_task(lease_loop.run_task("cold", DEFAULT))
    await eventually(lambda: len(store.requests) == 1)
    assert list(store.requests[0].excluded_job_ids) == ["cold"]
    store.chunks = [("cold", 5)]
    bench.runner.cooldown = 0.0
    await task
    assert store.chunks == []


async def test_a_run_that_results_does_not_answer_ends_without_publishing(make_bench, store):
    bench, publisher = make_bench(), Publisher()
    lease_loop = bench.make_lease_loop(store, publisher)
    store.failures = 1
    await lease_loop.run_task("j", DEFAULT)
    assert publisher.tasks == []


async def test_a_heartbeat_wakes_a_class_unless_a_run_of_it_is_under_way(make_bench, store, eventually):
    bench = make_bench()
    lease_loop = bench.make_lease_loop(store)
    store.hold = asyncio.Event()
    lease_loop.wake(DEFAULT)
    await eventually(lambda: len(store.requests) == 1)
    lease_loop.wake(DEFAULT)
    store.hold.set()
    await eventually(lease_loop._woken[DEFAULT].done)
    assert len(store.requests) == 1


async def test_a_run_that_a_heartbeat_woke_continues_when_there_is_capacity_again(
    make_bench, store, eventually, monkeypatch
):
    # If all tasks were lost, nothing else brings the work of the next seconds.
    monkeypatch.setattr("services.worker.intake.lease_loop.NO_CAPACITY_SECONDS", 0.01)
    bench = make_bench(limit=1)
    lease_loop = bench.make_lease_loop(store)
    store.chunks = [("first", 100), ("second", 100)]
    lease_loop.wake(DEFAULT)
    await eventually(lambda: len(store.chunks) == 1)
    await asyncio.sleep(0.05)
    for index in range(100):
        await bench.started(index + 1)
        bench.runner.succeed("first", index)
    await eventually(lambda: store.chunks == [])


async def test_a_job_that_is_being_stopped_is_not_leased_until_it_is_released(make_bench, store, eventually):
    bench = make_bench()
    bench.results.hold = asyncio.Event()
    lease_client = bench.make_lease_client(store)
    bench.lease("stopped", 0, 1)
    bench.scheduler.stop_job("stopped")
    await lease_client.lease()
    assert list(store.requests[0].excluded_job_ids) == ["stopped"]
    bench.results.hold.set()
    await eventually(lambda: not bench.leased.jobs)
    await lease_client.lease()
    assert list(store.requests[1].excluded_job_ids) == []


async def test_a_lease_call_times_out_before_the_store_takes_unlisted_leases_back(make_bench, store):
    # The leases of a later response would be started here and, once released, elsewhere too.
    waits = []
    lease = store.LeaseChunks

    async def note_wait(request, timeout):
        waits.append(timeout)
        return await lease(request, timeout)

    store.LeaseChunks = note_wait
    await make_bench().make_lease_client(store).lease()
    assert waits == [5.0]


async def test_a_worker_that_was_full_when_a_heartbeat_woke_it_leases_once_it_has_capacity(
    make_bench, store, eventually
):
    bench = make_bench(limit=1)
    lease_loop = bench.make_lease_loop(store)
    store.chunks = [("next", 1)]
    bench.lease("full", 0, 101)
    await bench.started(1)
    lease_loop.wake(DEFAULT)
    await asyncio.sleep(0)
    bench.runner.succeed("full", 0)
    await eventually(lambda: store.chunks == [])


async def test_a_worker_that_knows_the_capacity_the_next_chunk_needs_asks_when_it_has_it(
    make_bench, store, eventually, monkeypatch
):
    monkeypatch.setattr("services.worker.intake.lease_loop.NO_FIT_SECONDS", 0.001)
    bench = make_bench(limit=20)
    lease_loop = bench.make_lease_loop(store)
    store.reports_needed_capacity, store.chunks = True, [("next", 40)]
    bench.lease("leased", 0, 100)
    lease_loop.wake(DEFAULT)
    await eventually(lambda: len(store.requests) == 1)
    for index in range(20):
        assert len(store.requests) == 1
        await bench.started(index + 1)
        bench.runner.succeed("leased", index)
    await eventually(lambda: store.chunks == [])
    assert len(store.requests) == 2


async def test_tasks_that_arrive_while_the_next_chunk_is_known_not_to_fit_make_no_calls(make_bench, store):
    bench, times = make_bench(limit=20), [0.0]
    lease_client = bench.make_lease_client(store, clock=lambda: times[0])
    store.reports_needed_capacity, store.chunks = True, [("next", 40)]
    bench.lease("leased", 0, 100)
    for times[0] in (0.0, 0.05, 0.09, 0.11):
        leased = await lease_client.lease()
        assert (leased.needed_capacity, leased.more_work) == (40, True)
    assert len(store.requests) == 2  # the last one because a smaller chunk may have been stored


async def test_a_task_without_capacity_is_not_published_again_if_all_workers_know_of_the_work(
    make_bench, store, eventually
):
    bench, publisher = make_bench(limit=1), Publisher()
    lease_loop = bench.make_lease_loop(store, publisher)
    bench.lease("full", 0, 101)
    await bench.started(1)
    lease_loop.wake(DEFAULT)
    await lease_loop.run_task("j", DEFAULT)
    assert publisher.tasks == []
    store.chunks = [("j", 1)]
    bench.runner.succeed("full", 0)
    await eventually(lambda: store.chunks == [])  # leased by the run that the heartbeat woke
