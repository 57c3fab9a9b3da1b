import pytest

from headrace.jobs.v1 import jobs_pb2
from services.gateway.watching.recent_jobs import LIFETIME_SECONDS, MAX_JOBS, RecentJobs


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def recent(clock):
    return RecentJobs(clock)


def job(job_id="a", seq=1, tenant="default"):
    return jobs_pb2.Job(job_id=job_id, seq=seq, tenant=tenant)


def test_a_new_job_is_found_by_its_tenant_only(recent):
    recent.add(job())
    assert recent.find("a", "default") == job()
    assert recent.find("a", "other") is None
    assert recent.find("b", "default") is None


def test_a_new_job_is_found_for_some_seconds_however_often_it_changes(recent, clock):
    recent.add(job())
    clock.now += LIFETIME_SECONDS - 0.1
    recent.update(job(seq=2))
    assert recent.find("a", "default").seq == 2
    clock.now += 0.1
    assert recent.find("a", "default") is None


def test_the_newest_snapshot_stays_and_other_jobs_are_not_added(recent):
    recent.add(job(seq=3))
    recent.update(job(seq=2))
    recent.update(job("b"))
    assert recent.find("a", "default").seq == 3
    assert recent.find("b", "default") is None


def test_the_number_of_recent_jobs_is_limited(recent, clock):
    for number in range(MAX_JOBS + 1):
        recent.add(job(str(number)))
    assert recent.find("0", "default") is None
    assert recent.find("1", "default") is not None
    clock.now += LIFETIME_SECONDS
    recent.add(job("new"))
    assert len(recent._jobs) == 1


def test_a_finished_job_is_not_found_so_that_the_store_is_asked(recent):
    recent.add(job())
    ended = job(seq=2)
    ended.state = jobs_pb2.JOB_STATE_SUCCEEDED
    recent.update(ended)
    assert recent.find("a", "default") is None


def test_nothing_is_found_after_snapshots_may_have_been_missed(recent):
    recent.add(job())
    recent.clear()
    assert recent.find("a", "default") is None
