"""Failed attempts of an item and the time worked on it stay with it."""

import asyncio

from google.protobuf.duration_pb2 import Duration

from headrace.jobs.v1 import jobs_pb2

BUSY = jobs_pb2.Error(reason="BUSY", message="later")
ATTEMPTS = [jobs_pb2.FailedAttempt(attempt_number=1, error=BUSY)]


async def attempted(bench, retry_delay):
    """Returns an item after its first attempt, which failed."""
    bench.lease("j", 0, 1)
    await bench.started(1)
    (chunk,) = bench.leased.jobs["j"].chunks.values()
    (item,) = chunk.unfinished.values()
    bench.runner.end(
        "j",
        0,
        error=BUSY,
        retry_delay=retry_delay,
        attempt_count=1,
        failed_attempts=ATTEMPTS,
        worked_seconds=1.25,
    )
    return item


async def test_failed_attempts_are_kept_over_a_backoff_that_is_waited_out_here(make_bench):
    bench = make_bench()
    item = await attempted(bench, retry_delay=0.0)
    await bench.started(2)
    assert list(item.message.failed_attempts) == ATTEMPTS
    assert item.message.work_time == Duration(seconds=1, nanos=250_000_000)


async def test_failed_attempts_go_to_the_store_with_a_longer_backoff(make_bench, eventually):
    bench = make_bench()
    await attempted(bench, retry_delay=30.0)
    await eventually(lambda: bool(bench.results.records))
    (deferral,) = bench.results.records[0].jobs[0].deferrals
    assert list(deferral.failed_attempts) == ATTEMPTS
    assert deferral.work_time == Duration(seconds=1, nanos=250_000_000)


async def test_failed_attempts_go_to_the_store_with_the_result(make_bench, eventually):
    bench = make_bench()
    await attempted(bench, retry_delay=0.0)
    await bench.started(2)
    bench.runner.end("j", 0, output="1", attempt_count=2, failed_attempts=ATTEMPTS)
    await eventually(lambda: bool(bench.results.records))
    assert list(bench.results.records[0].jobs[0].items[0].failed_attempts) == ATTEMPTS


async def test_failed_attempts_go_to_the_store_if_the_worker_itself_fails_the_item(make_bench, eventually):
    bench = make_bench()
    await attempted(bench, retry_delay=0.0)
    await bench.started(2)
    bench.runner.attempts["j", 0].set_exception(RuntimeError("a bug of the worker"))
    await eventually(lambda: bool(bench.results.records))
    (record,) = bench.results.records[0].jobs[0].items
    assert (record.error.reason, record.attempt_count) == ("INTERNAL", 2)
    assert list(record.failed_attempts) == ATTEMPTS


async def test_failed_attempts_go_to_the_store_if_the_worker_drains_in_a_backoff(make_bench, eventually):
    bench = make_bench()
    await attempted(bench, retry_delay=4.0)
    await eventually(lambda: bench.in_flight.count == 0)
    await asyncio.wait_for(bench.scheduler.drain(0), 5)
    await eventually(lambda: bool(bench.results.records))
    (deferral,) = bench.results.records[0].jobs[0].deferrals
    assert list(deferral.failed_attempts) == ATTEMPTS
