"""Trials: the first items of a job run, then it is paused with a forecast of its cost."""

import asyncio

import pytest

from headrace.jobs.v1 import jobs_pb2

PAUSED, RUNNING = jobs_pb2.JOB_STATE_PAUSED, jobs_pb2.JOB_STATE_RUNNING
SUCCEEDED = jobs_pb2.JOB_STATE_SUCCEEDED
TRIAL, FAILURES = jobs_pb2.PAUSE_REASON_TRIAL, jobs_pb2.PAUSE_REASON_FAILURES


def indexes(leases):
    return sorted(item.item_index for lease in leases for item in lease.items)


async def run_all(worker):
    """Leases and succeeds until nothing is left; returns the indexes of the items."""
    found = []
    while leases := (await worker.lease()).leases:
        found += indexes(leases)
        await worker.succeed(*leases)
    return sorted(found)


async def pause_of(store, job):
    found = await store.get(job.job_id)
    return found.pause_reason if found.state == PAUSED else 0


@pytest.mark.parametrize("count", [1, 10, 16, 17, 99])
async def test_only_the_items_of_the_trial_run_then_the_job_is_paused(store, count):
    job = await store.create(100, trial_count=count)
    worker = await store.worker()
    assert await run_all(worker) == list(range(count))
    assert await pause_of(store, job) == TRIAL
    assert not (await worker.beat()).classes_with_work


async def test_resuming_runs_all_other_items(store):
    job = await store.create(100, trial_count=10)
    worker = await store.worker()
    await run_all(worker)
    response = await store.resume(job.job_id)
    assert response.job.state == RUNNING
    assert response.effects.tasks_to_publish[0].count > 0
    assert not response.job.HasField("trial")
    assert await run_all(worker) == list(range(10, 100))
    assert (await store.get(job.job_id)).state == SUCCEEDED


async def test_a_trial_is_cut_as_finely_as_a_job_of_its_own(store):
    await store.create(10_000, trial_count=20)
    leases = await (await store.worker()).lease_all()
    assert max(len(lease.items) for lease in leases) == 2


async def test_tasks_are_published_for_the_chunks_of_the_trial_only(store):
    created = await store.create_all(store.new_job(1_000, trial_count=1))
    assert [task.count for task in created.effects.tasks_to_publish] == [1]


@pytest.mark.parametrize("total", [3, 5])
async def test_a_job_with_no_other_items_ends_as_usual(store, total):
    job = await store.create(total, trial_count=5)
    assert await run_all(await store.worker()) == list(range(total))
    assert (await store.get(job.job_id)).state == SUCCEEDED


async def test_workers_are_not_told_of_work_while_the_last_items_of_the_trial_are_leased(store):
    await store.create(100, trial_count=2)
    worker = await store.worker()
    leases = (await worker.lease()).leases
    assert indexes(leases) == [0, 1]
    assert not (await worker.beat(*leases)).classes_with_work
    assert not (await worker.lease()).more_work


async def test_an_item_of_the_trial_that_waits_wakes_the_job_again(store):
    job = await store.create(100, trial_count=2)
    worker = await store.worker()
    first, second = (await worker.lease()).leases
    await worker.succeed(first)
    await worker.record(store.deferral_of(second, [1], delay_ms=60_000))
    assert not (await worker.lease()).leases
    assert not (await worker.beat()).classes_with_work
    assert await pause_of(store, job) == 0
    store.advance(61)
    assert await run_all(await store.worker()) == [1]
    assert await pause_of(store, job) == TRIAL


async def test_an_upload_is_paused_once_its_trial_is_over_and_takes_more_items(store):
    job = await store.open_upload(trial_count=5)
    worker = await store.worker()
    await store.append(job.job_id, items=3)
    assert await run_all(worker) == [0, 1, 2]
    assert await pause_of(store, job) == 0
    await store.append(job.job_id, first=3, items=7)
    assert await run_all(worker) == [3, 4]
    assert await pause_of(store, job) == TRIAL
    assert not (await store.get(job.job_id)).trial.HasField("estimated_cost_micros")
    await store.append(job.job_id, first=10, items=10)
    assert await run_all(worker) == []
    finished = (await store.finish(job.job_id, 20)).job
    assert finished.trial.estimated_cost_micros == 5 * 20
    await store.resume(job.job_id)
    assert await run_all(worker) == list(range(5, 20))
    assert (await store.get(job.job_id)).state == SUCCEEDED


async def test_an_upload_that_ends_with_its_trial_ends_as_usual(store):
    job = await store.open_upload(trial_count=5)
    await store.append(job.job_id, items=5)
    await run_all(await store.worker())
    assert await pause_of(store, job) == TRIAL
    assert (await store.finish(job.job_id, 5)).job.state == SUCCEEDED


async def test_other_pauses_go_first_and_resuming_them_does_not_end_the_trial(store):
    job = await store.create(100, trial_count=2)
    worker = await store.worker()
    leases = (await worker.lease()).leases
    await store.pause(job.job_id)
    await worker.succeed(*leases)
    assert await pause_of(store, job) == jobs_pb2.PAUSE_REASON_USER
    assert (await store.resume(job.job_id)).job.pause_reason == TRIAL
    assert await run_all(worker) == []
    await store.resume(job.job_id)
    assert len(await run_all(worker)) == 98


async def test_a_retried_job_runs_its_trial_again(store):
    job = await store.create(100, trial_count=4)
    worker = await store.worker()
    await worker.succeed((await worker.lease(capacity=1)).leases[0])
    await store.cancel(job.job_id)
    await store.retry(job.job_id)
    assert await run_all(worker) == [1, 2, 3]
    assert await pause_of(store, job) == TRIAL
    await store.cancel(job.job_id)
    retried = (await store.retry(job.job_id, "once more")).job
    assert (retried.state, retried.pause_reason) == (PAUSED, TRIAL)
    await store.resume(job.job_id)
    assert len(await run_all(worker)) == 96


async def test_the_deadline_stands_still_until_the_job_is_resumed(store):
    new = store.new_job(100, trial_count=1)
    new.options.job_timeout.seconds = 100
    job = (await store.create_all(new)).outcomes[0].job
    store.advance(40)
    worker = await store.worker()
    await run_all(worker)
    assert not (await store.get(job.job_id)).HasField("expire_time")
    store.advance(10_000)
    await store.sweep()
    resumed = (await store.resume(job.job_id)).job
    since = resumed.expire_time.ToMicroseconds() - job.create_time.ToMicroseconds()
    assert since == pytest.approx(10_100_000_000, abs=5_000_000)
    store.advance(50)
    await store.sweep()
    assert (await store.get(job.job_id)).state == RUNNING
    store.advance(20)
    await store.sweep()
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_EXPIRED


async def record_costs(store, worker, costs):
    while leases := (await worker.lease()).leases:
        for lease in leases:
            for item in lease.items:
                usage = jobs_pb2.Usage(call_count=1, input_tokens=9, cost_micros=costs[item.item_index])
                record = store.record_of(lease, [item.item_index], output="1", usage=usage)
                await worker.record(record)


async def test_the_forecast_is_the_mean_times_all_items_with_its_interval(store):
    costs = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    trials = []
    for _ in range(2):
        job = await store.create(1_000, trial_count=10)
        await record_costs(store, await store.worker(), costs)
        trials.append((await store.get(job.job_id)).trial)
    assert trials[0] == trials[1]
    assert trials[0].item_count == 10
    assert trials[0].estimated_cost_micros == 55_000
    # 1.96 standard errors are 17,800 here.
    assert 35_000 < trials[0].low_cost_micros < 41_000
    assert 69_000 < trials[0].high_cost_micros < 74_000


async def test_a_large_trial_has_the_normal_interval(store):
    job = await store.create(6_000, trial_count=600)
    await record_costs(store, await store.worker(), [100 if index % 2 else 0 for index in range(600)])
    trial = (await store.get(job.job_id)).trial
    assert trial.estimated_cost_micros == 300_000
    assert trial.low_cost_micros == pytest.approx(300_000 - 24_000, abs=200)
    assert trial.high_cost_micros == pytest.approx(300_000 + 24_000, abs=200)


async def test_there_is_no_forecast_without_a_price(store):
    job = await store.create(100, trial_count=2)
    await record_costs(store, await store.worker(), [0, 0])
    trial = (await store.get(job.job_id)).trial
    assert trial == jobs_pb2.JobTrial(item_count=2)


async def test_too_many_failures_in_a_trial_pause_it_once(store):
    job = await store.create(1_000, trial_count=10)
    worker = await store.worker()
    leases = (await worker.lease()).leases
    await worker.fail(*leases[:5])
    assert await pause_of(store, job) == 0
    response = await worker.fail(leases[5])
    paused = await store.get(job.job_id)
    assert (paused.state, paused.pause_reason) == (PAUSED, FAILURES)
    assert paused.error.reason == "TOO_MANY_FAILED_ITEMS"
    assert response.effects.workers_to_notify
    resumed = (await store.resume(job.job_id)).job
    assert (resumed.state, resumed.HasField("error")) == (RUNNING, False)
    await worker.fail(*leases[6:])
    assert await pause_of(store, job) == TRIAL
    assert (await store.resume(job.job_id)).job.state == RUNNING


async def test_too_many_failures_in_an_upload_pause_it_and_fail_it_once_it_is_closed(store):
    job = await store.open_upload()
    worker = await store.worker()
    await store.append(job.job_id, items=60)
    leases = await worker.lease_all()
    await worker.fail(*leases[:-1])
    failed_count = (await store.get(job.job_id)).progress.failed_count
    assert failed_count > 50
    assert await pause_of(store, job) == FAILURES
    await store.append(job.job_id, first=60, items=10)
    closed = (await store.finish(job.job_id, 70)).job
    assert (closed.state, closed.pause_reason) == (PAUSED, FAILURES)
    failed = (await store.resume(job.job_id)).job
    assert failed.state in (jobs_pb2.JOB_STATE_FAILED, jobs_pb2.JOB_STATE_CANCELLING)
    assert failed.error.reason == "TOO_MANY_FAILED_ITEMS"


async def test_few_failures_at_the_start_of_an_upload_say_nothing(store):
    job = await store.open_upload()
    worker = await store.worker()
    await store.append(job.job_id, items=40)
    await worker.fail(*await worker.lease_all())
    assert await pause_of(store, job) == 0


async def test_an_upload_that_allows_no_failure_is_paused_by_the_first(store):
    job = await store.open_upload(max_failed_ratio=0)
    worker = await store.worker()
    await store.append(job.job_id, items=2)
    await worker.fail((await worker.lease()).leases[0])
    assert await pause_of(store, job) == FAILURES


@pytest.mark.parametrize("attempt", range(5))
async def test_resuming_at_the_time_of_the_last_result_of_a_trial_loses_nothing(store, attempt):
    job = await store.create(50, trial_count=3)
    worker = await store.worker()
    leases = (await worker.lease()).leases
    await worker.succeed(*leases[:-1])
    await asyncio.gather(worker.succeed(leases[-1]), store.resume(job.job_id))
    if await pause_of(store, job) == TRIAL:  # The resume came first and found nothing to do.
        await store.resume(job.job_id)
    assert await run_all(worker) == list(range(3, 50))
    assert (await store.get(job.job_id)).state == SUCCEEDED
