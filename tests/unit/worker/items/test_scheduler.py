"""The scheduler: which items start, and what follows from their outcomes."""

import asyncio

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2


def ref(job_id, chunk=0, fence=1):
    return results_pb2.LeaseRef(job_id=job_id, chunk_index=chunk, fence=fence)


async def test_no_more_items_are_in_flight_than_the_limit(make_bench):
    bench = make_bench(limit=3)
    bench.lease("j", 0, 5)
    await bench.started(3)
    assert bench.in_flight.count == 3
    bench.runner.succeed("j", 0)
    await bench.started(4)
    assert bench.runner.started[3] == ("j", 3)


async def test_few_items_start_before_their_calls_show_that_their_model_is_full(make_bench):
    bench = make_bench(limit=100)
    attempt = bench.runner.run

    async def run(*arguments):
        bench.runner.cooldown = 0.5
        return await attempt(*arguments)

    bench.runner.run = run
    bench.lease("j", 0, 50)
    await bench.started(8)
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(bench.runner.started) == 8


async def test_the_last_leased_item_of_a_job_is_recorded_at_once_and_forgotten(make_bench, eventually):
    bench = make_bench()
    bench.lease("j", 0, 1)
    await bench.started(1)
    bench.runner.succeed("j", 0, output='{"label":"x"}')
    await eventually(lambda: not bench.leased.jobs)
    record = bench.results.records[0].jobs[0].items[0]
    assert (record.output, record.fence, record.round, record.attempt_count) == ('{"label":"x"}', 1, 1, 1)
    assert bench.results.releases() == []


async def test_a_chunk_leased_twice_under_one_fence_is_worked_on_once(make_bench):
    bench = make_bench()
    bench.lease("j", 0, 2)
    bench.lease("j", 0, 2)
    await bench.started(2)
    await asyncio.sleep(0)
    assert bench.runner.started == [("j", 0), ("j", 1)]


async def test_nothing_starts_while_200_results_are_unacknowledged(make_bench, eventually):
    bench = make_bench(limit=300)
    bench.results.hold = asyncio.Event()
    for chunk in range(3):
        bench.lease("j", chunk * 100, 100, chunk=chunk)
    await bench.started(300)
    bench.runner.succeed_all()
    await eventually(lambda: bench.recorder.unacknowledged_count == 300)
    bench.lease("k", 0, 1)
    await asyncio.sleep(0)
    assert ("k", 0) not in bench.runner.started
    bench.results.hold.set()
    await eventually(lambda: ("k", 0) in bench.runner.started)


async def test_nothing_starts_while_the_worker_does_not_count_as_live(make_bench):
    bench = make_bench()
    bench.counts_as_live = False
    bench.lease("j", 0, 1)
    await asyncio.sleep(0)
    assert bench.runner.started == []
    bench.counts_as_live = True
    bench.scheduler.start_items()
    await bench.started(1)


async def test_a_short_backoff_is_waited_out_here_without_a_slot(make_bench, eventually):
    bench = make_bench(limit=1)
    bench.lease("j", 0, 2)
    await bench.started(1)
    error = jobs_pb2.Error(reason="RATE_LIMITED")
    bench.runner.end("j", 0, error=error, retry_delay=0.01, attempt_count=1)
    await bench.started(2)
    assert bench.runner.started[1] == ("j", 1)
    bench.runner.succeed("j", 1)
    await bench.started(3)
    assert bench.runner.started[2] == ("j", 0)
    assert bench.results.releases() == []


async def test_a_long_backoff_goes_to_the_store_and_the_chunk_is_released_after_its_last_item(
    make_bench, eventually
):
    bench = make_bench()
    bench.lease("j", 0, 2)
    await bench.started(2)
    error = jobs_pb2.Error(reason="RATE_LIMITED")
    bench.runner.end("j", 0, error=error, retry_delay=60.0, attempt_count=3)
    await eventually(lambda: bench.in_flight.count == 1)
    assert bench.results.releases() == []
    bench.runner.succeed("j", 1)
    await eventually(lambda: bench.results.releases() == [("j", 0)])
    jobs = [job for record in bench.results.records for job in record.jobs]
    (deferral,) = [d for job in jobs for d in job.deferrals]
    assert (deferral.item_index, deferral.delay_ms, deferral.attempt_count) == (0, 60_000, 3)
    await eventually(lambda: not bench.leased.jobs)


async def test_stopping_a_job_cancels_its_calls_and_releases_its_chunks_once(make_bench, eventually):
    bench = make_bench(limit=2)
    bench.lease("j", 0, 3)
    bench.lease("other", 0, 1)
    await bench.started(2)
    bench.scheduler.stop_job("j")
    bench.scheduler.stop_job("j")
    await eventually(lambda: ("j", 0) in bench.results.releases())
    await eventually(lambda: "j" not in bench.leased.jobs)
    assert bench.results.releases() == [("j", 0)]
    assert ("j", 2) not in bench.runner.started
    await eventually(lambda: ("other", 0) in bench.runner.started)


async def test_the_usage_of_cancelled_calls_is_reported_with_the_release(make_bench, eventually):
    bench = make_bench(limit=3)
    bench.lease("j", 0, 4)
    await bench.started(3)
    unfinished = bench.leased.jobs["j"].chunks[0].unfinished
    for index in (0, 1):  # the third was still on its way to its first call
        unfinished[index].message.usage.call_count = index + 1
    bench.scheduler.stop_job("j")
    await eventually(lambda: "j" not in bench.leased.jobs)
    (record,) = (job for request in bench.results.records for job in request.jobs)
    reported = [(each.item_index, each.usage.call_count, each.attempt_count) for each in record.deferrals]
    assert reported == [(0, 1, 0), (1, 2, 0)]
    assert len(record.releases) == 1


async def test_pausing_a_job_lets_its_calls_end_starts_none_and_releases_its_chunks(make_bench, eventually):
    bench = make_bench(limit=2)
    bench.lease("j", 0, 3)
    bench.lease("j", 3, 2, chunk=1)
    await bench.started(2)
    bench.scheduler.pause_job("j")
    bench.scheduler.pause_job("j")
    await eventually(lambda: bench.results.releases() == [("j", 1)])  # it had nothing in flight
    bench.runner.succeed("j", 0)
    await eventually(lambda: bench.in_flight.count == 1)
    assert bench.results.releases() == [("j", 1)]
    bench.runner.succeed("j", 1)
    await eventually(lambda: bench.results.releases() == [("j", 1), ("j", 0)])
    await eventually(lambda: not bench.leased.jobs)
    assert bench.runner.started == [("j", 0), ("j", 1)]
    assert bench.runner.cancelled == []
    jobs = [job for record in bench.results.records for job in record.jobs]
    assert sorted(item.item_index for job in jobs for item in job.items) == [0, 1]


async def test_a_paused_job_reports_attempts_and_the_rest_of_backoffs(make_bench, eventually):
    bench = make_bench(limit=2)
    bench.lease("j", 0, 3)
    await bench.started(2)
    error = jobs_pb2.Error(reason="TIMED_OUT")
    bench.runner.end("j", 0, error=error, retry_delay=4.0, attempt_count=2)
    await bench.started(3)
    bench.scheduler.pause_job("j")
    bench.runner.end("j", 1, error=error, retry_delay=0.01, attempt_count=1)
    bench.runner.succeed("j", 2)
    await eventually(lambda: bench.results.releases() == [("j", 0)])
    jobs = [job for record in bench.results.records for job in record.jobs]
    deferrals = {d.item_index: d for job in jobs for d in job.deferrals}
    assert {index: d.attempt_count for index, d in deferrals.items()} == {0: 2, 1: 1}
    assert 3_000 < deferrals[0].delay_ms <= 4_000
    assert len(bench.runner.started) == 3


async def test_chunks_leased_after_a_pause_are_worked_on(make_bench, eventually):
    bench = make_bench(limit=1)
    bench.lease("j", 0, 2)
    await bench.started(1)
    bench.scheduler.pause_job("j")
    bench.lease("j", 5, 1, chunk=3)
    bench.runner.succeed("j", 0)
    await bench.started(2)
    assert bench.runner.started[1] == ("j", 5)
    await eventually(lambda: bench.results.releases() == [("j", 0)])
    bench.runner.succeed("j", 5)
    await eventually(lambda: not bench.leased.jobs)


async def test_a_paused_job_can_be_stopped(make_bench, eventually):
    bench = make_bench(limit=1)
    bench.lease("j", 0, 2)
    await bench.started(1)
    bench.scheduler.pause_job("j")
    bench.scheduler.stop_job("j")
    await eventually(lambda: bench.runner.cancelled == [("j", 0)])
    await eventually(lambda: not bench.leased.jobs)
    assert bench.results.releases() == [("j", 0)]


async def test_a_fatal_error_is_reported_at_once_and_ends_the_work_on_the_job(make_bench, eventually):
    bench = make_bench(limit=2)
    bench.lease("j", 0, 3)
    await bench.started(2)
    bench.runner.end("j", 0, error=jobs_pb2.Error(reason="PROVIDER_KEY_REFUSED"), job_failed=True)
    await eventually(lambda: bench.results.releases() == [("j", 0)])
    jobs = [job for record in bench.results.records for job in record.jobs]
    (failed,) = [job for job in jobs if job.HasField("job_error")]
    assert (failed.job_error.reason, failed.error_round) == ("PROVIDER_KEY_REFUSED", 1)
    assert bench.runner.cancelled == [("j", 1)]
    assert bench.results.recorded_indexes() == []


async def test_the_calls_of_a_lost_lease_end_and_are_recorded(make_bench, eventually):
    bench = make_bench(limit=1)
    bench.lease("j", 0, 2)
    await bench.started(1)
    bench.scheduler.lose([ref("j")])
    assert bench.leased.leases() == []
    assert bench.leased.unfinished_count() == 0
    bench.runner.succeed("j", 0)
    await eventually(lambda: bench.results.recorded_indexes() == [0])
    assert bench.runner.started == [("j", 0)]
    assert bench.results.releases() == []


async def test_losing_an_older_lease_of_a_chunk_leaves_the_newer_one(make_bench):
    bench = make_bench(limit=1)
    bench.lease("j", 0, 2, fence=2)
    bench.scheduler.lose([ref("j", fence=1)])
    assert bench.leased.unfinished_count() == 2


async def test_a_newer_lease_of_a_leased_chunk_replaces_it(make_bench):
    bench = make_bench(limit=1)
    bench.lease("j", 0, 3, fence=1)
    await bench.started(1)
    bench.lease("j", 1, 2, fence=2)
    assert [lease.fence for lease in bench.leased.leases()] == [2]
    bench.runner.succeed("j", 0)
    await bench.started(2)
    bench.runner.succeed("j", 1)
    await bench.started(3)
    assert bench.runner.started == [("j", 0), ("j", 1), ("j", 2)]


async def test_an_answer_that_says_stop_stops_the_job(make_bench, eventually):
    bench = make_bench(limit=1)
    bench.results.outcome = lambda job: results_pb2.JobRecordOutcome(job_id=job.job_id, stop=True)
    bench.lease("j", 0, 1, chunk=0)
    bench.lease("j", 1, 200, chunk=1)
    await bench.started(1)
    bench.runner.succeed("j", 0)
    await eventually(lambda: ("j", 1) in bench.results.releases())
    await eventually(lambda: not bench.leased.jobs)


async def test_the_end_of_a_job_releases_none_of_its_finished_chunks(make_bench, eventually):
    bench = make_bench()
    bench.results.outcome = lambda job: results_pb2.JobRecordOutcome(job_id=job.job_id, stop=True)
    for chunk in range(3):
        bench.lease("j", chunk, 1, chunk=chunk)
    await bench.started(3)
    bench.runner.succeed_all()
    await eventually(lambda: not bench.leased.jobs)
    assert await bench.recorder.flush(5)
    assert bench.results.releases() == []
    assert len(bench.results.records) == 1


async def test_an_answer_that_says_lost_forgets_the_job(make_bench, eventually):
    bench = make_bench(limit=1)
    bench.results.outcome = lambda job: results_pb2.JobRecordOutcome(job_id=job.job_id, lost=True)
    bench.lease("j", 0, 2)
    await bench.started(1)
    bench.runner.succeed("j", 0)
    await eventually(lambda: not bench.leased.jobs)
    assert bench.results.releases() == []


async def test_draining_lets_calls_end_and_releases_the_rest(make_bench, eventually):
    bench = make_bench(limit=2)
    bench.lease("j", 0, 5)
    await bench.started(2)
    drain = asyncio.create_task(bench.scheduler.drain(5))
    await asyncio.sleep(0)
    bench.runner.succeed_all()
    await drain
    assert await bench.recorder.flush(5)
    assert bench.results.recorded_indexes() == [0, 1]
    assert bench.results.releases() == [("j", 0)]
    assert len(bench.runner.started) == 2
    assert not bench.leased.jobs


async def test_draining_cancels_calls_that_outlast_the_grace_period(make_bench):
    bench = make_bench()
    bench.lease("j", 0, 1)
    await bench.started(1)
    await bench.scheduler.drain(0.01)
    assert bench.runner.cancelled == [("j", 0)]
    assert await bench.recorder.flush(5)
    assert bench.results.releases() == [("j", 0)]


async def test_a_cool_down_holds_items_back_without_deferring_them(make_bench):
    bench = make_bench()
    bench.runner.cooldown = 0.05
    bench.lease("j", 0, 1)
    assert bench.held_up.unwanted_job_ids(jobs_pb2.JOB_CLASS_DEFAULT) == ["j"]
    assert bench.runner.started == []
    bench.runner.cooldown = 0.0
    await bench.started(1)
    assert bench.results.records == []


async def test_a_cool_down_longer_than_a_run_releases_the_job_with_one_wait(make_bench, eventually):
    bench = make_bench()
    bench.runner.cooldown = 120.0
    bench.lease("j", 0, 2)
    await eventually(lambda: bench.results.releases() == [("j", 0)])
    (release,) = bench.results.records[0].jobs[0].releases
    assert release.job_delay_ms == 120_000


async def test_a_small_job_waits_for_at_most_two_slots_alongside_a_large_one(make_bench):
    bench = make_bench(limit=2)
    bench.lease("big", 0, 100, tenant="a")
    bench.lease("small", 0, 1, tenant="b")
    await bench.started(2)
    bench.runner.succeed("big", 0)
    bench.runner.succeed("big", 1)
    await bench.started(4)
    assert ("small", 0) in bench.runner.started[2:4]


async def test_an_item_cancelled_before_its_attempt_began_frees_its_slot_and_releases_its_chunk(
    make_bench, eventually
):
    bench = make_bench(limit=1)
    bench.lease("j", 0, 1)
    bench.scheduler.stop_job("j")  # in the same step of the loop: the attempt has not begun
    await eventually(lambda: bench.results.releases() == [("j", 0)])
    assert bench.in_flight.count == 0
    bench.lease("other", 0, 1)
    await eventually(lambda: ("other", 0) in bench.runner.started)


async def test_an_attempt_without_an_outcome_fails_its_item_and_not_the_worker(make_bench, eventually):
    bench = make_bench(limit=1)
    bench.lease("j", 0, 1)
    await bench.started(1)
    bench.runner.attempts["j", 0].set_exception(RuntimeError("a bug"))
    await eventually(lambda: bench.results.recorded_indexes() == [0])
    record = bench.results.records[0].jobs[0].items[0]
    assert record.error.reason == "INTERNAL"
    assert "a bug" not in record.error.message


async def test_a_chunk_leased_again_is_released_with_its_last_item(make_bench, eventually):
    # The lease may have left out items that wait for an attempt, so the store does not end it on its own.
    bench = make_bench()
    bench.lease("j", 0, 2, fence=2)
    await bench.started(2)
    bench.runner.succeed_all()
    await eventually(lambda: bench.results.releases() == [("j", 0)])
    assert bench.results.recorded_indexes() == [0, 1]
    await eventually(lambda: not bench.leased.jobs)


async def test_a_released_chunk_reports_its_attempts_and_usage(make_bench, eventually):
    bench = make_bench()
    bench.lease("j", 0, 2)
    await bench.started(2)
    error = jobs_pb2.Error(reason="PROVIDER_ERROR")
    usage = jobs_pb2.Usage(call_count=3, input_tokens=30)
    bench.runner.end("j", 0, error=error, retry_delay=4.0, attempt_count=3, usage=usage)
    await eventually(lambda: bench.in_flight.count == 1)
    drain = asyncio.create_task(bench.scheduler.drain(0.01))
    await eventually(lambda: bench.results.releases() == [("j", 0)])
    await drain
    jobs = [job for record in bench.results.records for job in record.jobs]
    (deferral,) = [d for job in jobs for d in job.deferrals]
    assert (deferral.item_index, deferral.attempt_count, deferral.usage, deferral.error) == (
        0,
        3,
        usage,
        error,
    )
    assert 3_000 < deferral.delay_ms <= 4_000


async def test_a_drain_releases_waiting_chunks_before_the_calls_in_flight_end(make_bench, eventually):
    bench = make_bench(limit=1)
    bench.lease("j", 0, 1)
    bench.lease("k", 0, 5)
    await bench.started(1)
    drain = asyncio.create_task(bench.scheduler.drain(5))
    await eventually(lambda: bench.results.releases() == [("k", 0)])
    bench.runner.succeed("j", 0)
    await drain


async def test_items_that_wait_for_a_rate_limit_hold_no_slot(make_bench, eventually):
    bench = make_bench(limit=2)
    bench.lease("limited", 0, 2)
    await bench.started(2)
    bench.runner.limited_count = 1
    bench.lease("other", 0, 2)
    await eventually(lambda: ("other", 0) in bench.runner.started)
    assert ("other", 1) not in bench.runner.started
    bench.runner.succeed_all()


async def test_live_events_report_items_that_wait_for_a_model(make_bench):
    bench = make_bench()
    bench.runner.cooldown = 7.0
    bench.lease("cooling", 0, 3)
    (event,) = bench.live_numbers.read("w", 1.0)
    assert event.job_id == "cooling"
    assert (event.live_event.limited_count, event.live_event.cooldown_seconds) == (3, 7.0)
