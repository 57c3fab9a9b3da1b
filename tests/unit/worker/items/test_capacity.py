"""Capacity of a worker for more items of each class."""

from headrace.jobs.v1 import jobs_pb2
from services.worker.items.capacity import AHEAD_COUNT

INTERACTIVE, DEFAULT, BULK = (
    jobs_pb2.JOB_CLASS_INTERACTIVE,
    jobs_pb2.JOB_CLASS_DEFAULT,
    jobs_pb2.JOB_CLASS_BULK,
)


async def test_a_worker_with_one_class_has_capacity_for_the_limit_and_a_chunk(make_bench):
    bench = make_bench(limit=50)
    assert bench.capacity.of(DEFAULT) == 50 + AHEAD_COUNT
    bench.lease("j", 0, 30)
    assert bench.capacity.of(DEFAULT) == 20 + AHEAD_COUNT


async def test_classes_with_work_share_the_slots_by_weight_with_a_chunk_ahead_each(make_bench):
    bench = make_bench(limit=105)
    capacity = bench.capacity
    for job_class in (INTERACTIVE, DEFAULT, BULK):
        capacity.set_with_work(job_class, True)
    assert [capacity.of(c) for c in (INTERACTIVE, DEFAULT, BULK)] == [80 + 100, 20 + 100, 5 + 100]
    bench.lease("j", 0, 30)
    assert capacity.of(DEFAULT) == 20 + 100 - 30
    bench.lease("k", 0, 100)
    assert capacity.of(DEFAULT) < 0
    assert capacity.of(BULK) == 5 + 100


async def test_a_class_may_lease_its_next_large_chunk_while_the_last_one_still_fills_its_slots(
    make_bench, eventually
):
    bench = make_bench(limit=42)
    capacity = bench.capacity
    for job_class in (DEFAULT, INTERACTIVE):
        capacity.set_with_work(job_class, True)
    bench.lease("j", 0, 9)  # its share is 8 slots
    assert capacity.of(DEFAULT) == AHEAD_COUNT - 1
    await bench.started(9)
    bench.runner.succeed("j", 0)
    await eventually(lambda: capacity.of(DEFAULT) == AHEAD_COUNT)


async def test_a_small_class_has_capacity_although_another_fills_the_worker_and_has_no_more_work(
    make_bench,
):
    bench = make_bench(limit=20)
    bench.lease("bulk", 0, 120)
    capacity = bench.capacity
    assert capacity.of(DEFAULT) == 0
    assert capacity.of(INTERACTIVE) >= AHEAD_COUNT


async def test_a_class_with_few_items_leaves_the_rest_to_one_that_has_work(make_bench):
    bench = make_bench(limit=100)
    bench.lease("small", 0, 1)
    assert bench.capacity.of(BULK) == 199
