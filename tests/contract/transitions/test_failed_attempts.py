"""Failed attempts of items: stored across leases, shown with results, bounded."""

import pytest
from google.protobuf.duration_pb2 import Duration

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2 as pb


def failed_attempt(number, reason="PROVIDER_ERROR", message="it failed", detail=""):
    error = jobs_pb2.Error(reason=reason, message=message, detail=detail)
    return jobs_pb2.FailedAttempt(attempt_number=number, error=error)


async def leased(store, items=1):
    job = await store.create(items=items, max_failed_ratio=1)
    worker = await store.worker()
    (lease,) = (await worker.lease()).leases
    return job, worker, lease


async def shown(store, job_id):
    """Returns the failed attempts of the first item, which are equal in both kinds of pages."""
    by_page = (await store.results(job_id)).results[0].failed_attempts
    assert (await store.recorded(job_id)).results[0].failed_attempts == by_page
    return list(by_page)


async def test_a_result_shows_the_attempts_that_failed_before_it(store):
    job, worker, lease = await leased(store)
    attempts = [
        failed_attempt(1, "RATE_LIMITED", 'says "ä🙂"\n\0'),
        failed_attempt(2, detail='"quota" ä🙂\n\0'),
    ]
    await worker.record(store.record_of(lease, output="1", attempt_count=3, failed_attempts=attempts))
    assert await shown(store, job.job_id) == attempts


async def test_an_item_that_succeeds_at_once_has_no_failed_attempts(store):
    job, worker, lease = await leased(store)
    await worker.succeed(lease)
    assert await shown(store, job.job_id) == []


async def test_the_last_failed_attempt_is_the_one_that_failed_the_item_whatever_the_worker_lists(store):
    job, worker, lease = await leased(store)
    error = jobs_pb2.Error(reason="BAD", message="no")
    listed = [failed_attempt(1)]
    await worker.record(store.record_of(lease, error=error, attempt_count=2, failed_attempts=listed))
    assert await shown(store, job.job_id) == [failed_attempt(1), failed_attempt(2, "BAD", "no")]


async def test_an_output_that_cannot_be_stored_is_a_failed_attempt(store):
    job, worker, lease = await leased(store)
    await worker.record(
        store.record_of(lease, output='"\0"', attempt_count=2, failed_attempts=[failed_attempt(1)])
    )
    attempts = await shown(store, job.job_id)
    assert [(each.attempt_number, each.error.reason) for each in attempts] == [
        (1, "PROVIDER_ERROR"),
        (2, "OUTPUT_REFUSED"),
    ]


async def test_the_next_worker_gets_the_attempts_and_the_work_time_but_a_new_round_does_not(store):
    job, worker, lease = await leased(store)
    deferral = store.deferral_of(lease, [0], delay_ms=0, attempt_count=2)
    attempts, work_time = (
        [failed_attempt(1), failed_attempt(2, "RATE_LIMITED", detail="slow down")],
        Duration(seconds=3, nanos=5_000),
    )
    deferral.deferrals[0].failed_attempts.extend(attempts)
    deferral.deferrals[0].work_time.CopyFrom(work_time)
    await worker.record(deferral)
    other = await store.worker()
    (again,) = (await other.lease()).leases
    (item,) = again.items
    assert (list(item.failed_attempts), item.work_time) == (attempts, work_time)
    await other.fail(again)
    await store.retry(job.job_id)
    (fresh,) = (await other.lease()).leases
    assert not fresh.items[0].failed_attempts
    assert not fresh.items[0].HasField("work_time")


async def test_ten_attempts_with_short_messages_are_stored(store):
    job, worker, lease = await leased(store)
    attempts = [failed_attempt(number, "R" * 200, "ä" * 5_000, "ö" * 5_000) for number in range(1, 31)]
    await worker.record(store.record_of(lease, output="1", attempt_count=31, failed_attempts=attempts))
    listed = await shown(store, job.job_id)
    assert [each.attempt_number for each in listed] == list(range(21, 31))
    assert {(len(each.error.reason), len(each.error.message)) for each in listed} == {(100, 300)}
    assert {len(each.error.detail) for each in listed} == {500}


async def test_pages_are_bounded_by_the_attempts_that_they_show(store):
    job = await store.create(items=400, max_failed_ratio=1)
    worker = await store.worker()
    attempts = [failed_attempt(number, "BAD", "🙂" * 300, "🙂" * 500) for number in range(1, 11)]
    for lease in (await worker.lease()).leases:
        await worker.record(store.record_of(lease, output="1", attempt_count=11, failed_attempts=attempts))
    page = await store.results(job.job_id)
    assert page.has_more
    assert 0 < page.ByteSize() <= 1024 * 1024 + 20_000


@pytest.mark.parametrize("deferred", [False, True])
async def test_a_lost_worker_counts_as_an_attempt_of_its_own(store, deferred):
    job, worker, lease = await leased(store)
    deferral = store.deferral_of(lease, [0], delay_ms=0, attempt_count=2)
    deferral.deferrals[0].failed_attempts.append(failed_attempt(2))
    await (worker.record(deferral) if deferred else worker.release(lease))
    result = None
    for _ in range(20):
        worker = await store.worker()
        await worker.lease()
        store.advance(6)
        await store.end_worker(worker, pb.EndWorkerRequest.CAUSE_PORT_CLOSED)
        if (await store.get(job.job_id)).progress.failed_count:
            (result,) = (await store.results(job.job_id)).results
            break
    assert result is not None
    number = 3 if deferred else 1
    assert result.attempt_count == number
    assert result.failed_attempts[-1] == jobs_pb2.FailedAttempt(attempt_number=number, error=result.error)
    assert result.error.reason == "WORKER_LOST"
    assert len(result.failed_attempts) == 1 + deferred


@pytest.mark.parametrize(
    ("detail", "stored"),
    [
        ("", ""),
        ('model "ä🙂" not found', 'model "ä🙂" not found'),
        ("a\0" + "x" * 600, "a\ufffd" + "x" * 498),
    ],
)
async def test_the_providers_words_are_stored_with_the_failure_of_an_item(store, detail, stored):
    job, worker, lease = await leased(store)
    error = jobs_pb2.Error(reason="BAD", message="no", detail=detail)
    await worker.record(store.record_of(lease, error=error))
    for page in (await store.results(job.job_id), await store.recorded(job.job_id)):
        assert page.results[0].error == jobs_pb2.Error(reason="BAD", message="no", detail=stored)
    (attempt,) = await shown(store, job.job_id)
    assert attempt.error.detail == stored


async def test_the_providers_words_are_shown_with_the_failure_of_a_job_until_its_retry(store):
    job, worker, lease = await leased(store)
    record = store.release_of(lease)
    record.job_error.CopyFrom(jobs_pb2.Error(reason="MODEL_UNKNOWN", message="no", detail="x" * 501))
    changed = (await worker.record(record)).effects.changed_jobs[-1]
    failed = await store.get(job.job_id)
    assert failed == changed
    assert failed.error == jobs_pb2.Error(reason="MODEL_UNKNOWN", message="no", detail="x" * 500)
    assert not (await store.retry(job.job_id)).job.HasField("error")


async def test_pages_are_bounded_by_the_providers_words_that_they_show(store):
    job = await store.create(items=1_000, max_failed_ratio=1)
    worker = await store.worker()
    error = jobs_pb2.Error(reason="BAD", detail="🙂" * 500)
    for lease in await worker.lease_all():
        await worker.record(store.record_of(lease, error=error))
    page = await store.results(job.job_id)
    assert page.has_more
    assert 0 < page.ByteSize() <= 1024 * 1024 + 20_000
