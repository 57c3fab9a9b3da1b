import asyncio

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2 as pb

SUCCEEDED = jobs_pb2.ITEM_STATE_SUCCEEDED
FAILED = jobs_pb2.ITEM_STATE_FAILED


async def test_recorded_successes_move_counters_usage_and_seq_together(store):
    job = await store.create(items=16 * 2)
    worker = await store.worker()
    lease = (await worker.lease()).leases[0]
    response = await worker.succeed(lease)
    changed = response.effects.changed_jobs[0]
    assert (changed.progress.succeeded_count, changed.seq) == (2, 3)
    assert (changed.usage.call_count, changed.usage.cost_micros) == (2, 10)
    assert await store.get(job.job_id) == changed
    assert [(o.job_id, o.lost, o.stop) for o in response.outcomes] == [(job.job_id, False, False)]


async def test_a_job_whose_items_all_have_results_has_succeeded(store):
    job = await store.create(items=3, max_failed_ratio=0.5)
    worker = await store.worker()
    leases = (await worker.lease()).leases
    await worker.succeed(*leases[:2])
    effects = (await worker.fail(leases[2])).effects
    done = effects.changed_jobs[0]
    assert done.state == jobs_pb2.JOB_STATE_SUCCEEDED
    assert done.HasField("finish_time")
    assert (done.progress.succeeded_count, done.progress.failed_count) == (2, 1)
    assert done.progress.cancelled_count == 0
    assert await store.get(job.job_id) == done


async def test_a_repeated_record_changes_nothing(store):
    job = await store.create(items=2)
    worker = await store.worker()
    leases = (await worker.lease()).leases
    await worker.succeed(leases[0])
    before = await store.get(job.job_id)
    response = await worker.succeed(leases[0])
    assert not response.effects.changed_jobs
    assert await store.get(job.job_id) == before


async def test_two_records_of_one_item_at_the_same_time_give_one_row(store):
    job = await store.create(items=2)
    worker = await store.worker()
    lease = (await worker.lease()).leases[0]
    await asyncio.gather(
        *(worker.record(store.record_of(lease, output=f'"{number}"')) for number in range(6))
    )
    assert (await store.get(job.job_id)).progress.succeeded_count == 1
    assert len((await store.results(job.job_id)).results) == 1


async def test_a_success_from_a_lost_lease_is_accepted_and_its_item_is_not_leased_again(store):
    job = await store.create(items=32)
    slow, other = await store.worker(), await store.worker()
    lease = (await slow.lease(capacity=2)).leases[0]
    store.advance(9)
    await slow.beat()
    await slow.record(store.record_of(lease, [0], output='"late"'))
    again = (await other.lease(capacity=2)).leases[0]
    assert again.ref.chunk_index == lease.ref.chunk_index
    assert again.ref.fence == lease.ref.fence + 1
    assert [item.item_index for item in again.items] == [1]
    await other.succeed(again)
    assert (await store.results(job.job_id)).results[0].output == '"late"'


async def test_a_success_under_a_new_lease_beats_the_late_one(store):
    job = await store.create(items=1)
    slow, other = await store.worker(), await store.worker()
    lease = (await slow.lease()).leases[0]
    store.advance(9)
    await slow.beat()
    await other.record(store.record_of((await other.lease()).leases[0], output='"first"'))
    response = await slow.record(store.record_of(lease, output='"second"'))
    assert not response.effects.changed_jobs
    assert [r.output for r in (await store.results(job.job_id)).results] == ['"first"']


async def test_a_failure_under_a_current_lease_does_not_override_a_late_success(store):
    job = await store.create(items=32)
    slow, other = await store.worker(), await store.worker()
    lease = (await slow.lease(capacity=2)).leases[0]
    store.advance(9)
    await slow.beat()
    again = (await other.lease(capacity=2)).leases[0]
    await slow.record(store.record_of(lease, [0], output='"late"'))
    await other.fail(again)
    progress = (await store.get(job.job_id)).progress
    assert (progress.succeeded_count, progress.failed_count) == (1, 1)
    states = [(r.item_index, r.state) for r in (await store.results(job.job_id)).results]
    assert states == [(0, SUCCEEDED), (1, FAILED)]


async def test_a_late_success_that_completes_a_chunk_ends_its_new_lease(store):
    await store.create(items=32)
    slow, other = await store.worker(), await store.worker()
    lease = (await slow.lease(capacity=2)).leases[0]
    store.advance(9)
    await slow.beat()
    again = (await other.lease(capacity=2)).leases[0]
    await slow.succeed(lease)
    assert list((await other.beat(again)).lost_leases) == [again.ref]


async def test_a_failure_from_a_lost_lease_is_ignored(store):
    job = await store.create(items=1, max_failed_ratio=0.0)
    slow = await store.worker()
    lease = (await slow.lease()).leases[0]
    store.advance(9)
    await slow.beat()
    assert not (await slow.fail(lease)).effects.changed_jobs
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_RUNNING


async def test_too_many_failures_end_a_job_at_once_and_say_why(store):
    job = await store.create(items=16, max_failed_ratio=0.25)
    worker, other = await store.worker(), await store.worker()
    leases = (await worker.lease(capacity=15)).leases
    other_leases = (await other.lease()).leases
    await worker.fail(*leases[:4])
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_RUNNING
    response = await worker.fail(leases[4], reason="LABEL_UNKNOWN")
    changed = response.effects.changed_jobs[0]
    assert response.outcomes[0].stop
    assert changed.state == jobs_pb2.JOB_STATE_CANCELLING
    assert changed.error.reason == "TOO_MANY_FAILED_ITEMS"
    assert changed.error.message.startswith("5 of 16 items failed")
    assert "LABEL_UNKNOWN" in changed.error.message
    notified = {(t.incarnation, t.address, t.job_id) for t in response.effects.workers_to_notify}
    assert (other.incarnation, other.address, job.job_id) in notified
    assert not (await other.lease()).leases
    await worker.release(*leases[5:])
    ended = (await other.release(*other_leases)).effects.changed_jobs[0]
    assert ended.state == jobs_pb2.JOB_STATE_FAILED
    assert ended.progress.cancelled_count == 16 - 5


async def test_the_last_failure_of_all_decides_before_success_does(store):
    job = await store.create(items=2, max_failed_ratio=0.0)
    worker = await store.worker()
    leases = (await worker.lease()).leases
    await worker.succeed(leases[0])
    await worker.fail(leases[1])
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_FAILED


async def test_a_fatal_error_fails_the_job_and_its_recorded_results_stay(store):
    job = await store.create(items=2)
    worker = await store.worker()
    leases = (await worker.lease()).leases
    record = store.record_of(leases[0], output="1")
    record.releases.add(chunk_index=leases[0].ref.chunk_index, fence=leases[0].ref.fence)
    record.releases.add(chunk_index=leases[1].ref.chunk_index, fence=leases[1].ref.fence)
    record.job_error.CopyFrom(
        jobs_pb2.Error(reason="INVALID_API_KEY", message="the provider refuses the key")
    )
    response = await worker.record(record)
    failed = await store.get(job.job_id)
    assert failed.state == jobs_pb2.JOB_STATE_FAILED
    assert failed.error.reason == "INVALID_API_KEY"
    assert (failed.progress.succeeded_count, failed.progress.cancelled_count) == (1, 1)
    assert response.outcomes[0].stop


async def test_a_fatal_error_of_a_worker_without_a_lease_of_the_job_is_ignored(store):
    job = await store.create(items=2)
    record = pb.JobRecord(job_id=job.job_id, job_error=jobs_pb2.Error(reason="INVALID_API_KEY"))
    await (await store.worker()).record(record)
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_PENDING


async def test_a_fatal_error_of_an_earlier_round_leaves_the_new_round_as_it_is(store):
    job = await store.create(items=1)
    worker = await store.worker()
    (lease,) = (await worker.lease()).leases
    error = jobs_pb2.Error(reason="INVALID_API_KEY")
    record = pb.JobRecord(job_id=job.job_id, job_error=error, error_round=lease.round)
    record.releases.add(chunk_index=lease.ref.chunk_index, fence=lease.ref.fence)
    await worker.record(record)
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_FAILED
    await store.retry(job.job_id)
    (again,) = (await worker.lease()).leases
    response = await worker.record(record)  # repeated, since its answer was lost
    assert not response.outcomes[0].stop
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_RUNNING
    assert (
        (await worker.record(pb.JobRecord(job_id=job.job_id, job_error=error, error_round=again.round)))
        .outcomes[0]
        .stop
    )
    assert (await store.get(job.job_id)).error == error


async def test_an_unknown_job_is_lost_and_its_neighbours_are_recorded(store):
    job = await store.create(items=1)
    worker = await store.worker()
    lease = (await worker.lease()).leases[0]
    gone = pb.JobRecord(job_id=store.new_job().job_id)
    gone.items.add(item_index=0, output="1")
    nonsense = pb.JobRecord(job_id="no uuid")
    response = await worker.record(gone, nonsense, store.record_of(lease, output="1"))
    assert [outcome.lost for outcome in response.outcomes] == [True, True, False]
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_SUCCEEDED


async def test_an_index_beyond_the_job_is_ignored(store):
    job = await store.create(items=1)
    record = pb.JobRecord(job_id=job.job_id)
    for index in (-1, 1, 2**40):
        record.items.add(item_index=index, output="1")
    await (await store.worker()).record(record)
    assert not (await store.results(job.job_id)).results


async def test_an_output_over_3_mb_fails_its_item_alone(store):
    job = await store.create(items=2)
    worker = await store.worker()
    first, second = (await worker.lease()).leases
    await worker.record(store.record_of(first, output='"' + "x" * 3 * 1024 * 1024 + '"'))
    await worker.record(store.record_of(second, output='"' + "x" * 2_900_000 + '"'))
    results = (await store.results(job.job_id)).results
    assert (results[0].state, results[0].error.reason) == (FAILED, "OUTPUT_TOO_LARGE")
    assert not results[0].output
    done = await store.get(job.job_id)
    assert (done.progress.failed_count, done.progress.succeeded_count) == (1, 1)


async def test_an_output_with_a_nul_fails_its_item_alone(store):
    job = await store.create(items=2)
    worker = await store.worker()
    first, second = (await worker.lease()).leases
    await worker.record(
        store.record_of(first, output='"\0"'), store.record_of(second, output='"\\u0000 \U0001f600"')
    )
    results = (await store.results(job.job_id)).results
    assert results[0].error.reason == "OUTPUT_REFUSED"
    assert results[1].output == '"\\u0000 \U0001f600"'


async def test_an_error_with_a_nul_is_stored_without_it(store):
    job = await store.create(items=1)
    worker = await store.worker()
    await worker.record(
        store.record_of(
            (await worker.lease()).leases[0],
            error=jobs_pb2.Error(reason="BAD", message="a\0b" + "x" * 10_000),
        )
    )
    message = (await store.results(job.job_id)).results[0].error.message
    assert message.startswith("a\ufffdb")
    assert len(message) == 4_000


async def test_a_thousand_rows_of_many_jobs_are_recorded_in_one_call(store):
    jobs = [await store.create(items=100) for _ in range(10)]
    worker = await store.worker()
    leases = [lease for _ in range(2) for lease in (await worker.lease(capacity=1_000)).leases]
    response = await worker.succeed(*leases)
    assert {job.job_id for job in response.effects.changed_jobs} == {job.job_id for job in jobs}
    assert {job.state for job in response.effects.changed_jobs} == {jobs_pb2.JOB_STATE_SUCCEEDED}


async def test_records_and_leases_of_the_same_jobs_at_the_same_time_all_count(store):
    jobs = [await store.create(items=60) for _ in range(4)]
    workers = [await store.worker() for _ in range(5)]

    async def work(worker):
        more = True
        while more:
            response = await worker.lease(capacity=10)
            more = response.more_work or bool(response.leases)
            for lease in response.leases[::-1]:
                await worker.succeed(lease)

    await asyncio.gather(*map(work, workers))
    for job in jobs:
        done = await store.get(job.job_id)
        assert done.state == jobs_pb2.JOB_STATE_SUCCEEDED
        assert done.progress.succeeded_count == 60
        assert done.usage.call_count == 60
