import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.jobs.v1 import jobs_pb2
from services.results.rules.facts import JobFacts
from services.results.rules.settling import has_visible_change, is_leasable_now, settle
from services.results.rules.state import LEASABLE_STATES, compute_state, has_failed

NOW = 1_000


def job_with(**facts):
    names = {"job_id": "j", "tenant": "t", "kind": "noop", "job_class": 2}
    limits = {"max_failed_ratio": 0.5, "max_parallelism": 0, "chunk_size": 1}
    times = {"create_time": 1, "schedule_time": None}
    return JobFacts(**({"total_count": 2} | names | limits | times | facts))


PRECEDENCE = [
    (jobs_pb2.JOB_STATE_SUCCEEDED, {"finish_time": 1}),
    (jobs_pb2.JOB_STATE_CANCELLING, {"stopping_to": jobs_pb2.JOB_STATE_CANCELLED}),
    (jobs_pb2.JOB_STATE_PAUSED, {"pause_reason": jobs_pb2.PAUSE_REASON_USER}),
    (jobs_pb2.JOB_STATE_SCHEDULED, {"schedule_time": NOW + 1}),
    (jobs_pb2.JOB_STATE_BLOCKED, {"waiting_parent_count": 1}),
    (jobs_pb2.JOB_STATE_UPLOADING, {"upload_open": True}),
    (jobs_pb2.JOB_STATE_RUNNING, {"start_time": 1}),
    (jobs_pb2.JOB_STATE_PENDING, {}),
]


@pytest.mark.parametrize("place", range(len(PRECEDENCE)))
def test_the_first_fact_that_holds_determines_the_state(place):
    facts = {}
    for _, fact in reversed(PRECEDENCE[place:]):
        facts |= fact
    if place == 0:
        del facts["stopping_to"]
    assert compute_state(job_with(**facts), NOW) == PRECEDENCE[place][0]


@pytest.mark.parametrize(
    "stopping_to", [jobs_pb2.JOB_STATE_FAILED, jobs_pb2.JOB_STATE_CANCELLED, jobs_pb2.JOB_STATE_EXPIRED]
)
def test_a_finished_job_has_the_state_it_was_ended_as(stopping_to):
    assert compute_state(job_with(finish_time=1, stopping_to=stopping_to, pause_reason=1), NOW) == stopping_to


def test_a_scheduled_job_is_pending_from_its_time_on():
    assert compute_state(job_with(schedule_time=NOW), NOW) == jobs_pb2.JOB_STATE_PENDING


@pytest.mark.parametrize(
    ("failed", "total", "ratio", "expected"),
    [
        (29, 100, 0.29, False),
        (30, 100, 0.29, True),
        (1, 1, 0.0, True),
        (0, 1, 0.0, False),
        (5, 5, 1.0, False),
        (3, 10, 0.3, False),
        (50_001, 100_000, 0.5, True),
    ],
)
def test_a_job_fails_when_more_than_its_ratio_failed(failed, total, ratio, expected):
    assert has_failed(failed, total, ratio) is expected


jobs = st.builds(
    JobFacts,
    job_id=st.just("j"),
    tenant=st.just("t"),
    kind=st.just("noop"),
    job_class=st.just(2),
    max_failed_ratio=st.sampled_from([0.0, 0.5, 1.0]),
    max_parallelism=st.integers(0, 3),
    create_time=st.just(1),
    schedule_time=st.sampled_from([None, 10, NOW + 10]),
    total_count=st.integers(4, 6),
    chunk_size=st.just(1),
    succeeded_count=st.integers(0, 2),
    failed_count=st.integers(0, 2),
    upload_open=st.booleans(),
    upload_expire_time=st.sampled_from([None, NOW, NOW + 1]),
    pause_reason=st.integers(0, 2),
    waiting_parent_count=st.integers(0, 1),
    stopping_to=st.sampled_from([0, jobs_pb2.JOB_STATE_CANCELLED]),
    not_before=st.sampled_from([0, 10, NOW + 20]),
    open_chunk_count=st.integers(2, 5),
    leased_chunk_count=st.integers(0, 2),
    start_time=st.sampled_from([None, 5]),
    expire_time=st.sampled_from([None, NOW, NOW + 1]),
    job_timeout=st.just(100),
)


@given(jobs, st.sampled_from([0, NOW + 30]))
def test_settling_leaves_a_job_in_order(job, first_due):
    settle(job, NOW, first_due)
    if job.leasable:
        assert job.state in LEASABLE_STATES
        assert not job.stopping_to
        assert job.leasable_chunk_count > 0
        assert is_leasable_now(job) == (max(job.not_before, first_due) <= NOW)
    if job.stopping_to and not job.leased_chunk_count:
        assert job.finish_time == NOW
    if job.succeeded_count + job.failed_count == job.total_count and not job.upload_open:
        assert job.finish_time == NOW
    if job.wake_time is not None:
        assert job.wake_time > NOW
        assert job.leasable or job.state == jobs_pb2.JOB_STATE_SCHEDULED
    if job.upload_expire_time is not None:
        assert job.upload_expire_time > NOW
        assert job.upload_open
        assert job.finish_time is None
    if job.expire_time == NOW:
        assert job.stopping_to or job.finish_time is not None
        assert not job.leasable
    if job.error_reason == "JOB_TIMED_OUT":
        assert job.expire_time == NOW
        assert job.stopping_to == jobs_pb2.JOB_STATE_EXPIRED


def late_job(**facts):
    return job_with(**({"expire_time": NOW, "job_timeout": 1_500_000} | facts))


@pytest.mark.parametrize(
    ("facts", "state", "reason"),
    [
        ({}, jobs_pb2.JOB_STATE_EXPIRED, "JOB_TIMED_OUT"),
        ({"leased_chunk_count": 1}, jobs_pb2.JOB_STATE_CANCELLING, "JOB_TIMED_OUT"),
        ({"succeeded_count": 2}, jobs_pb2.JOB_STATE_SUCCEEDED, ""),
        ({"succeeded_count": 2, "upload_open": True}, jobs_pb2.JOB_STATE_EXPIRED, "JOB_TIMED_OUT"),
        ({"failed_count": 2}, jobs_pb2.JOB_STATE_FAILED, "TOO_MANY_FAILED_ITEMS"),
        ({"stopping_to": jobs_pb2.JOB_STATE_CANCELLED}, jobs_pb2.JOB_STATE_CANCELLED, ""),
        ({"finish_time": 5, "stopping_to": jobs_pb2.JOB_STATE_FAILED}, jobs_pb2.JOB_STATE_FAILED, ""),
        ({"pause_reason": jobs_pb2.PAUSE_REASON_BUDGET}, jobs_pb2.JOB_STATE_EXPIRED, "JOB_TIMED_OUT"),
    ],
)
def test_a_passed_deadline_ends_a_job_without_another_end(facts, state, reason):
    job = late_job(**facts)
    settle(job, NOW, 0)
    assert (job.state, job.error_reason) == (state, reason)
    assert ("1.5 s" in job.error_message) == (reason == "JOB_TIMED_OUT")


@given(jobs, st.sampled_from([0, NOW + 30]))
def test_settling_again_changes_nothing(job, first_due):
    settle(job, NOW, first_due)
    once = dict(vars(job))
    settle(job, NOW, first_due)
    assert vars(job) == once
    assert not has_visible_change(job, job)


@given(jobs)
def test_an_open_upload_is_neither_judged_nor_done(job):
    job.upload_open, job.upload_expire_time, job.stopping_to = True, NOW + 1, 0
    job.expire_time = None
    job.failed_count = job.total_count
    settle(job, NOW, 0)
    assert job.finish_time is None
    assert not job.stopping_to
