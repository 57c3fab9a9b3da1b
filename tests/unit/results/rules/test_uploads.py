import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import AbortedError, FailedPreconditionError, HeadraceError
from headrace.jobs.v1 import jobs_pb2
from services.results.rules.facts import JobFacts
from services.results.rules.settling import settle
from services.results.rules.uploads import IDLE_TIMEOUT, Addition, Batch, judge_batch

CANCELLED = jobs_pb2.JOB_STATE_CANCELLED


def job_of(stored_count, upload_open=True, stopping_to=0):
    return JobFacts(
        job_id="j",
        tenant="t",
        kind="noop",
        job_class=2,
        max_failed_ratio=0.5,
        max_parallelism=0,
        create_time=1,
        schedule_time=None,
        total_count=stored_count,
        chunk_size=1,
        upload_open=upload_open,
        stopping_to=stopping_to,
    )


OPEN, CLOSED, ENDED = job_of(5), job_of(5, upload_open=False), job_of(5, stopping_to=CANCELLED)


@pytest.mark.parametrize(
    ("job", "batch", "addition"),
    [
        (OPEN, Batch(5, 3, None), Addition(0, 3, False)),
        (OPEN, Batch(3, 3, None), Addition(2, 1, False)),
        (OPEN, Batch(0, 5, None), Addition(5, 0, False)),
        (OPEN, Batch(0, 3, None), Addition(3, 0, False)),
        (OPEN, Batch(5, 3, 8), Addition(0, 3, True)),
        (OPEN, Batch(0, 5, 5), Addition(5, 0, True)),
        (OPEN, Batch(0, 0, 5), Addition(0, 0, True)),
        (CLOSED, Batch(1, 4, 5), Addition(4, 0, False)),
        (CLOSED, Batch(0, 0, 5), Addition(0, 0, False)),
        (job_of(5, upload_open=False, stopping_to=CANCELLED), Batch(4, 1, 5), Addition(1, 0, False)),
        *((job, Batch(99, 0, None), Addition(0, 0, False)) for job in (OPEN, CLOSED, ENDED)),
    ],
)
def test_only_the_new_part_of_a_batch_is_added(job, batch, addition):
    assert judge_batch(job, batch) == addition


@pytest.mark.parametrize(
    ("job", "batch", "reason"),
    [
        (OPEN, Batch(6, 1, None), "UPLOAD_OFFSET"),
        (OPEN, Batch(0, 0, 6), "UPLOAD_OFFSET"),
        (OPEN, Batch(5, 1, 7), "UPLOAD_OFFSET"),
        (OPEN, Batch(0, 0, 4), "UPLOAD_TOTAL"),
        (OPEN, Batch(5, 1, 5), "UPLOAD_TOTAL"),
        (CLOSED, Batch(5, 1, None), "UPLOAD_CLOSED"),
        (CLOSED, Batch(6, 1, None), "UPLOAD_CLOSED"),
        (CLOSED, Batch(4, 2, 6), "UPLOAD_CLOSED"),
        (CLOSED, Batch(0, 0, 4), "UPLOAD_TOTAL"),
        (CLOSED, Batch(0, 0, 6), "UPLOAD_TOTAL"),
        (ENDED, Batch(5, 1, None), "JOB_ENDED"),
        (ENDED, Batch(0, 1, None), "JOB_ENDED"),
        (ENDED, Batch(0, 0, 5), "JOB_ENDED"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused_with_its_reason(job, batch, reason):
    with pytest.raises((AbortedError, FailedPreconditionError)) as caught:
        judge_batch(job, batch)
    assert caught.value.reason == reason
    assert caught.value.metadata == ({} if reason == "JOB_ENDED" else {"stored_count": "5"})


@given(st.integers(0, 20), st.integers(0, 25), st.integers(0, 8), st.none() | st.integers(0, 30))
def test_a_batch_never_leaves_a_gap_and_repeating_it_adds_nothing(stored, first, count, total):
    job, batch = job_of(stored), Batch(first, count, total)
    try:
        addition = judge_batch(job, batch)
    except HeadraceError:
        return
    assert addition.new_count == max(0, first + count - stored if count else 0)
    assert not addition.new_count or first + addition.skipped_count == stored
    job.total_count += addition.new_count
    job.upload_open = not addition.closes
    assert not addition.closes or job.total_count == total
    assert judge_batch(job, batch) == Addition(count, 0, False)


@pytest.mark.parametrize(("late", "state"), [(-1, "UPLOADING"), (0, "EXPIRED")])
def test_an_upload_expires_at_its_time(late, state):
    job = job_of(0)
    job.upload_expire_time = IDLE_TIMEOUT
    settle(job, IDLE_TIMEOUT + late, 0)
    assert jobs_pb2.JobState.Name(job.state) == f"JOB_STATE_{state}"
    assert (job.upload_expire_time is None) == (state == "EXPIRED")


@pytest.mark.parametrize("facts", [{"upload_open": False}, {"stopping_to": CANCELLED}])
def test_a_job_without_an_open_upload_has_no_expiry(facts):
    job = job_of(5, **facts)
    job.upload_expire_time = IDLE_TIMEOUT
    settle(job, 1, 0)
    assert job.upload_expire_time is None


def test_an_upload_that_is_being_ended_does_not_expire_on_top():
    job = job_of(1, stopping_to=CANCELLED)
    job.leased_chunk_count, job.upload_expire_time = 1, 1
    settle(job, 2, 0)
    assert (job.stopping_to, job.error_reason) == (CANCELLED, "")
