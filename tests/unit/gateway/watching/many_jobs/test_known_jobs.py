"""Decisions of a watch of many jobs about each snapshot."""

import pytest

from headrace.jobs.v1 import jobs_pb2
from services.gateway.watching.many_jobs import jobs_watcher, known_jobs
from services.gateway.watching.many_jobs.job_filter import JobFilter
from services.gateway.watching.many_jobs.jobs_watcher import JobsWatcher
from services.gateway.watching.many_jobs.known_jobs import KnownJobs
from services.stubs.results.v1 import results_pb2

PENDING, RUNNING, PAUSED, SUCCEEDED = 1, 2, 6, 8
ALL = JobFilter(frozenset(), "", {})
ENDED = JobFilter(frozenset({8, 9, 10, 11}), "", {})
LABELLED = JobFilter(frozenset(), "", {"a": "b"})


def job(seq=1, state=RUNNING, job_id="j", kind="noop", **labels):
    return jobs_pb2.Job(job_id=job_id, seq=seq, state=state, kind=kind, labels=labels)


def change(*args, retried=False, updated=False, gone=False, **fields):
    return results_pb2.ChangedJob(
        job=job(*args, **fields), was_retried=retried, was_updated=updated, gone=gone
    )


def told(watched):
    if watched is None:
        return None
    return "deleted" if watched.deleted else "left" if watched.left else "job"


@pytest.mark.parametrize(
    ("job_filter", "changed", "expected"),
    [
        (ALL, change(), True),
        (ENDED, change(state=RUNNING), False),
        (ENDED, change(state=RUNNING, retried=True), True),
        (ENDED, change(state=SUCCEEDED), True),
        (JobFilter(frozenset({RUNNING}), "", {}), change(state=SUCCEEDED), True),
        (LABELLED, change(), False),
        (LABELLED, change(updated=True), True),
        (LABELLED, change(a="b"), True),
        (JobFilter(frozenset(), "other", {}), change(updated=True, retried=True), False),
    ],
)
def test_a_filter_tells_whether_an_earlier_snapshot_may_have_fitted(job_filter, changed, expected):
    assert job_filter.may_have_fitted(changed) is expected


def test_live_states_are_those_of_the_filter_that_are_live():
    assert ENDED.live_states == []
    assert JobFilter(frozenset({RUNNING, SUCCEEDED}), "", {}).live_states == [RUNNING]
    assert ALL.live_states == [1, 2, 3, 4, 5, 6, 7]


def test_a_snapshot_that_was_sent_live_is_not_sent_again_from_a_page():
    known = KnownJobs(ALL, is_complete=True)
    assert told(known.judge_live(job(3))) == "job"
    assert told(known.judge_live(job(2))) is None
    assert told(known.judge_change(change(3))) is None
    assert told(known.judge_change(change(4))) == "job"


def test_a_job_leaves_once_and_may_come_back():
    known = KnownJobs(LABELLED, is_complete=True)
    sent = [
        known.judge_change(change(1, a="b")),
        known.judge_live(job(2, a="c")),
        known.judge_change(change(2, updated=True, a="c")),
        known.judge_change(change(3, updated=True, a="d")),
        known.judge_change(change(4, updated=True, a="b")),
    ]
    assert [told(each) for each in sent] == ["job", "left", None, None, "job"]


@pytest.mark.parametrize(("is_complete", "expected"), [(True, None), (False, "left")])
def test_an_unknown_job_leaves_only_if_the_reader_may_know_it(is_complete, expected):
    known = KnownJobs(LABELLED, is_complete)
    assert told(known.judge_live(job(1, a="c"))) is None
    assert told(known.judge_change(change(1, updated=True, a="c"))) == expected
    assert told(known.judge_change(change(2, updated=True, a="c"))) is None


def test_a_deleted_job_is_told_to_those_who_know_it_or_would_have_got_it():
    known = KnownJobs(LABELLED, is_complete=True)
    known.judge_change(change(1, a="b", job_id="known"))
    known.judge_change(change(1, a="b", job_id="left"))
    known.judge_change(change(2, a="c", job_id="left"))
    gone = {"gone": True, "retried": True, "updated": True}
    sent = {
        name: told(known.judge_change(change(0, SUCCEEDED, job_id=name, **gone, **labels)))
        for name, labels in {"known": {"a": "c"}, "left": {}, "fits": {"a": "b"}, "other": {}}.items()
    }
    assert sent == {"known": "deleted", "left": None, "fits": "deleted", "other": None}


def test_a_watch_that_forgot_jobs_is_no_longer_complete(monkeypatch):
    monkeypatch.setattr(known_jobs, "MAX_KNOWN", 2)
    known = KnownJobs(LABELLED, is_complete=True)
    for number in range(3):
        known.judge_change(change(1, a="b", job_id=str(number)))
    assert told(known.judge_change(change(2, updated=True, job_id="0"))) == "left"


def page_of(*changes, xid=1):
    position = results_pb2.ChangePosition(store_id="s", change_xid=xid)
    return results_pb2.ListChangesResponse(jobs=changes, next=position)


async def test_a_full_mailbox_refuses_pages_and_drops_live_snapshots(monkeypatch):
    monkeypatch.setattr(jobs_watcher, "MAX_WAITING", 3)
    watcher = JobsWatcher(ALL, is_complete=True)
    watcher.put_page(page_of(*(change(1, job_id=str(number)) for number in range(5))))
    assert not watcher.is_behind  # an empty mailbox takes any page
    watcher.put_live(job(2, job_id="0"))
    watcher.put_live(job(2, job_id="new"))
    watcher.put_page(page_of(change(1, job_id="late"), xid=2))
    assert (watcher.is_behind, watcher.position.change_xid) == (True, 1)
    taken = {each.job.job_id: each.job.seq for each in watcher.take()}
    assert taken == {"0": 2, "1": 1, "2": 1, "3": 1, "4": 1}
    assert not watcher.has_jobs


async def test_the_bytes_of_a_mailbox_are_bounded_and_those_of_a_message(monkeypatch):
    monkeypatch.setattr(jobs_watcher, "MAX_WAITING_BYTES", 5_000)
    monkeypatch.setattr(jobs_watcher, "MAX_BYTES", 2_500)
    watcher = JobsWatcher(ALL, is_complete=True)
    watcher.put_page(page_of(*(change(1, job_id=str(number), a="x" * 1_000) for number in range(4))))
    watcher.put_page(page_of(change(1, job_id="late", a="x" * 1_000)))
    assert watcher.is_behind
    assert [len(watcher.take()), len(watcher.take()), len(watcher.take())] == [2, 2, 0]


async def test_a_page_without_jobs_moves_the_position_of_a_full_mailbox(monkeypatch):
    monkeypatch.setattr(jobs_watcher, "MAX_WAITING", 1)
    watcher = JobsWatcher(ENDED, is_complete=True)
    watcher.put_page(page_of(change(1, SUCCEEDED)))
    watcher.put_page(page_of(xid=9))
    assert (watcher.is_behind, watcher.position.change_xid) == (False, 9)
