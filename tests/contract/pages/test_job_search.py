"""Searches for jobs by name, labels, states and times."""

import time

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from headrace.jobs.v1 import jobs_pb2
from services.results.database import sql
from services.results.pages import job_search
from services.results.rows.job_labels import replace_name_and_labels
from services.results.transitions.transition import Transition
from services.stubs.results.v1 import results_pb2 as pb

CANCELLED, PENDING = jobs_pb2.JOB_STATE_CANCELLED, jobs_pb2.JOB_STATE_PENDING


async def page_of(store, page_size=100, before="", **filters):
    request = pb.ListJobsRequest(tenant="default", page_size=page_size, before_job_id=before, **filters)
    return await store.stub.ListJobs(request)


async def listed(store, page_size=100, **filters):
    """Returns the ids of all pages, and the number of pages."""
    found, before, more, count = [], "", True, 0
    while more:
        page = await page_of(store, page_size, before, **filters)
        found += [job.job_id for job in page.jobs]
        before, more, count = page.next_before_job_id, page.has_more, count + 1
    return found, count


async def ids(store, **filters):
    return (await listed(store, **filters))[0]


def instant(microseconds):
    stamp = Timestamp()
    stamp.FromMicroseconds(microseconds)
    return stamp


async def test_a_snapshot_has_the_name_and_the_labels(store):
    labels = {"b": "2", "a": "1", "empty": "", "\u00fc.x/y": "\U0001f600"}
    created = await store.create(name="nightly", labels=labels)
    for job in (created, await store.get(created.job_id), (await page_of(store)).jobs[0]):
        assert job.name == "nightly"
        assert dict(job.labels) == labels
        assert job.change_seq == 1
    assert not (await store.create()).labels


async def test_a_repeated_submit_returns_the_labels_of_the_first(store):
    new = store.new_job(labels={"a": "1"}, name="n")
    await store.create_all(new)
    (again,) = (await store.create_all(new)).outcomes
    assert (again.job.name, dict(again.job.labels)) == ("n", {"a": "1"})


async def test_jobs_are_found_by_all_of_the_labels(store):
    both = await store.create(labels={"team": "x", "run": "1"})
    team = await store.create(labels={"team": "x"})
    await store.create(labels={"team": "y", "run": "1"})
    await store.create(labels={"team": "x", "run": "1"}, tenant="other")
    await store.create()
    assert await ids(store, labels={"team": "x"}) == [team.job_id, both.job_id]
    assert await ids(store, labels={"team": "x", "run": "1"}) == [both.job_id]
    assert not await ids(store, labels={"team": "x", "run": "2"})


async def test_jobs_are_found_by_name_kind_states_and_labels_together(store):
    labels = {"team": "x"}
    found = await store.create(name="n", labels=labels, kind="a")
    for fields in ({"name": "m"}, {"labels": {}}, {"kind": "b"}):
        other = await store.create(**({"name": "n", "labels": labels, "kind": "a"} | fields))
        await store.cancel(other.job_id)
    await store.create(name="n", labels=labels, kind="a")
    await store.cancel(found.job_id)
    filters = {"name": "n", "labels": labels, "kind": "a", "states": [CANCELLED]}
    assert await ids(store, **filters) == [found.job_id]


async def test_jobs_are_found_by_times(store):
    begin = time.time_ns() // 1000
    first = await store.create()
    store.advance(60)
    second = await store.create()
    store.advance(60)
    await store.cancel(first.job_id)
    store.advance(60)
    await store.cancel(second.job_id)
    minute = begin + 50_000_000
    assert await ids(store, created_after=instant(minute)) == [second.job_id]
    assert await ids(store, created_before=instant(minute)) == [first.job_id]
    assert await ids(store, finished_after=instant(begin + 150_000_000)) == [second.job_id]
    exactly = second.create_time
    assert await ids(store, created_after=exactly) == [second.job_id]
    assert await ids(store, created_before=exactly) == [first.job_id]
    assert not await ids(store, created_after=instant(begin), created_before=instant(begin))


@pytest.mark.parametrize("states", [[], [PENDING], [PENDING, CANCELLED]])
async def test_a_page_looks_at_a_bounded_number_of_jobs_and_continues_behind_them(store, monkeypatch, states):
    monkeypatch.setattr(job_search, "MAX_LOOKED_AT", 10)
    monkeypatch.setattr(job_search, "MAX_COUNTED", 3)
    jobs = [(await store.create(kind="a" if place % 12 == 0 else "b")).job_id for place in range(35)]
    found, count = await listed(store, kind="a", states=states)
    assert found == jobs[::12][::-1]
    assert count == 4
    first = await page_of(store, kind="missing", states=states)
    assert not first.jobs
    assert (first.has_more, first.next_before_job_id) == (True, jobs[25])


async def test_small_pages_of_a_search_have_each_job_once(store, monkeypatch):
    monkeypatch.setattr(job_search, "MAX_LOOKED_AT", 4)
    jobs = [await store.create(labels={"a": str(place % 2)}, name="n") for place in range(15)]
    for size in (1, 2, 3, 100):
        found, _ = await listed(store, size, labels={"a": "0"}, name="n")
        assert found == [job.job_id for job in jobs[::2]][::-1]


async def test_the_rarest_label_leads_the_search(store, monkeypatch):
    monkeypatch.setattr(job_search, "MAX_LOOKED_AT", 5)
    rare = await store.create(labels={"all": "1", "rare": "1"})
    for _ in range(20):
        await store.create(labels={"all": "1"})
    found, count = await listed(store, labels={"all": "1", "rare": "1"})
    assert (found, count) == ([rare.job_id], 1)


async def test_replaced_labels_are_found_and_former_ones_are_not(store):
    job = await store.create(name="old", labels={"kept": "1", "gone": "1", "changed": "1"})

    async def work(tx):
        transition = Transition(tx)
        locked = await transition.lock_owned(job.job_id, "default")
        replace_name_and_labels(tx, locked, "new", {"kept": "1", "changed": "2", "added": "1"})
        return await transition.finish()

    effects = await store.database.write(work)
    assert effects.changed_jobs[0].name == "new"
    for labels in ({"kept": "1"}, {"changed": "2"}, {"added": "1"}):
        assert await ids(store, labels=labels) == [job.job_id]
    for labels in ({"gone": "1"}, {"changed": "1"}):
        assert not await ids(store, labels=labels)
    assert await ids(store, name="new") == [job.job_id]
    assert not await ids(store, name="old")
    assert (await store.get(job.job_id)).change_seq == 2


async def test_labels_of_the_greatest_length_are_stored_and_found(store):
    labels = {f"k{number:062}": "\U0001f600" * 256 for number in range(64)}
    job = await store.create(labels=labels)
    assert await ids(store, labels=labels) == [job.job_id]


async def test_many_jobs_with_long_labels_are_leased_and_read_in_bounded_messages(store):
    labels = {f"k{number:062}": "\u00e9" * 256 for number in range(64)}
    jobs = []
    for _ in range(25):
        created = await store.create_all(*(store.new_job(labels=labels) for _ in range(20)))
        jobs += [outcome.job.job_id for outcome in created.outcomes]
    worker = await store.worker()
    leases = await worker.lease_all()
    assert len(leases) == 500
    await worker.succeed(*leases)
    known, read = set(jobs), []
    while known:
        request = pb.GetJobsRequest(jobs=[pb.KnownJob(job_id=job_id) for job_id in known])
        response = await store.stub.GetJobs(request)
        read += [job.job_id for job in response.jobs]
        known = set(response.left_out_job_ids)
    assert sorted(read) == sorted(jobs)


async def test_a_label_with_a_nul_is_refused_alone(store):
    outcomes = (await store.create_all(store.new_job(labels={"a": "\0"}), store.new_job())).outcomes
    assert [outcome.error.reason for outcome in outcomes] == ["STORE_REFUSED", ""]


@pytest.mark.parametrize("database_name", ["postgresql"], indirect=True)
async def test_searches_read_the_index_of_their_tenant_only(store):
    request = pb.ListJobsRequest(tenant="default", name="n", states=[PENDING, CANCELLED], labels={"a": "b"})
    wanted = ("jobs_name", "job_labels_pkey", "job_progress_states", "job_progress_newest")
    values = {"tenant": "default", "before": "~", "from": "", "count": 10}
    for index, name in zip(job_search._indexes(False, request), wanted, strict=True):
        statement = sql.prepare(index.text, False)
        plan = await store.explain(statement, values | index.plain)
        assert f" using {name} " in plan
        assert "pkey" not in plan.replace("job_labels_pkey", "")
