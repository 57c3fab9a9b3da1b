"""Items whose chunk lacks allowance: they wait without a slot, or are released with their chunk."""

from headrace.jobs.v1 import jobs_pb2


def hold_back(bench, index, wanted, **usage):
    bench.runner.end(
        "j",
        index,
        retry_delay=0.0,
        attempt_count=0,
        error=jobs_pb2.Error(reason="ALLOWANCE_SPENT"),
        usage=jobs_pb2.Usage(**usage),
        needed_micros=wanted,
    )


def releases(bench):
    return [release for r in bench.results.records for j in r.jobs for release in j.releases]


async def test_a_held_back_item_waits_until_another_leaves_some_of_its_allowance(make_bench, eventually):
    bench = make_bench()
    bench.lease("j", 0, 2, allowance_micros=100)
    await bench.started(2)
    hold_back(bench, 1, 60)
    await eventually(lambda: bench.in_flight.count == 1)
    assert not releases(bench)
    bench.runner.succeed("j", 0)
    await bench.started(3)
    assert bench.runner.started[2] == ("j", 1)
    bench.runner.succeed("j", 1)
    await eventually(lambda: bench.results.recorded_indexes() == [0, 1])


async def test_a_held_back_item_takes_no_slot_from_other_jobs(make_bench, eventually):
    bench = make_bench(limit=2)
    bench.lease("j", 0, 2, allowance_micros=100)
    await bench.started(2)
    bench.lease("other", 0, 1)
    hold_back(bench, 1, 60)
    await bench.started(3)
    assert bench.runner.started[2] == ("other", 0)


async def test_a_chunk_that_cannot_continue_is_released_with_the_lowest_price_it_wants(
    make_bench, eventually
):
    bench = make_bench()
    bench.lease("j", 0, 3, allowance_micros=100)
    await bench.started(3)
    hold_back(bench, 0, 700)
    hold_back(bench, 1, 600)
    bench.runner.succeed("j", 2)
    await bench.started(5)
    hold_back(bench, 0, 700)
    hold_back(bench, 1, 600)
    await eventually(lambda: bool(releases(bench)))
    assert [release.needed_micros for release in releases(bench)] == [600]
    assert not bench.leased.jobs


async def test_an_item_whose_call_fits_after_all_is_attempted_again_at_once(make_bench):
    bench = make_bench()
    bench.lease("j", 0, 1, allowance_micros=100)
    await bench.started(1)
    hold_back(bench, 0, 90)  # another call ended meanwhile
    await bench.started(2)
    assert not releases(bench)


async def test_the_usage_of_a_held_back_item_is_reported_with_the_release(make_bench, eventually):
    bench = make_bench()
    bench.lease("j", 0, 1, allowance_micros=100)
    await bench.started(1)
    hold_back(bench, 0, 600, call_count=2, cost_micros=40)
    await eventually(lambda: bool(releases(bench)))
    deferrals = [d for r in bench.results.records for j in r.jobs for d in j.deferrals]
    assert [(d.item_index, d.attempt_count, d.usage.cost_micros, d.delay_ms) for d in deferrals] == [
        (0, 0, 40, 0)
    ]


async def test_a_stopped_job_resumes_no_held_back_item(make_bench, eventually):
    bench = make_bench()
    bench.lease("j", 0, 2, allowance_micros=100)
    await bench.started(2)
    hold_back(bench, 1, 60)
    await eventually(lambda: bench.in_flight.count == 1)
    bench.scheduler.stop_job("j")
    await eventually(lambda: bool(releases(bench)))
    assert len(bench.runner.started) == 2


async def test_a_quarantined_item_with_a_budget_waits_for_those_of_a_chunk_without_one(
    make_bench, eventually
):
    bench = make_bench()
    bench.lease("other", 0, 2, quarantined=True)
    bench.lease("j", 0, 1, allowance_micros=100, quarantined=True)
    await eventually(lambda: len(bench.quarantine.started) == 2)
    bench.quarantine.succeed("other", 0)
    await eventually(lambda: bench.in_flight.count == 1)
    assert ("j", 0) not in bench.quarantine.started
    bench.quarantine.succeed("other", 1)
    await eventually(lambda: ("j", 0) in bench.quarantine.started)


async def test_with_a_budget_quarantined_items_run_one_at_a_time(make_bench, eventually):
    bench = make_bench()
    bench.lease("j", 0, 2, allowance_micros=100, quarantined=True)
    await eventually(lambda: len(bench.quarantine.started) == 1)
    bench.quarantine.succeed("j", 0)
    await eventually(lambda: len(bench.quarantine.started) == 2)
