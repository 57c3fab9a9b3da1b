"""Changed jobs in the order in which their changes became visible."""

import asyncio

import pytest
from sqlalchemy import text

from headrace.jobs.v1 import jobs_pb2
from services.results.database import sql, store_identity
from services.results.database.store_identity import identify_store
from services.results.pages import changes as pages
from services.results.purging.purge_gone import purge_gone
from services.results.rows.job_labels import replace_name_and_labels
from services.results.transitions.pause_job import _pause_in
from services.results.transitions.transition import Transition
from services.stubs.results.v1 import results_pb2 as pb

RUNNING, SUCCEEDED = jobs_pb2.JOB_STATE_RUNNING, jobs_pb2.JOB_STATE_SUCCEEDED
DAY = 86_400


async def now(store, **fields):
    """Returns the present end of the changes."""
    return (await store.changes(**fields)).next


def states_of(page):
    return [(changed.job.job_id, changed.job.state) for changed in page.jobs]


async def update(store, job_id, name="", **labels):
    async def work(tx):
        transition = Transition(tx)
        job = await transition.lock_owned(job_id, "default")
        replace_name_and_labels(tx, job, name, labels)
        await transition.finish()

    await store.database.write(work)


async def test_a_page_has_each_job_that_changed_since_a_position_with_its_newest_snapshot(store):
    quiet = await store.create()
    begin = await now(store)
    first, second = await store.create(), await store.create(items=2)
    worker = await store.worker()
    for lease in await worker.lease_all():
        if lease.ref.job_id != quiet.job_id:
            await worker.succeed(lease)
    await store.create(tenant="other")
    page = await store.changes(begin)
    assert dict(states_of(page)) == {
        quiet.job_id: RUNNING,
        first.job_id: SUCCEEDED,
        second.job_id: SUCCEEDED,
    }
    assert not page.has_more
    assert not (await store.changes(page.next)).jobs


async def test_pages_of_one_have_every_change_once(store):
    begin = await now(store)
    created = await store.create_all(*(store.new_job() for _ in range(5)))
    found, after, more = [], begin, True
    while more:
        page = await store.changes(after, page_size=1)
        found += [changed.job.job_id for changed in page.jobs]
        after, more = page.next, page.has_more
    assert sorted(found) == sorted(outcome.job.job_id for outcome in created.outcomes)


async def test_a_page_ends_at_1_mb(store):
    begin = await now(store)
    labels = {f"k{number}": "\u00e9" * 256 for number in range(64)}
    jobs = [(await store.create(labels=labels)).job_id for _ in range(40)]
    page = await store.changes(begin)
    assert page.has_more
    assert page.ByteSize() < 1_100_000
    rest = await store.changes(page.next)
    assert [changed.job.job_id for part in (page, rest) for changed in part.jobs] == jobs


async def test_progress_is_no_change(store):
    job = await store.create(items=4)
    worker = await store.worker()
    leases = await worker.lease_all()
    changed = await store.get(job.job_id)
    begin = await now(store)
    await worker.succeed(leases[0])
    progressed = await store.get(job.job_id)
    assert not (await store.changes(begin)).jobs
    assert progressed.seq > changed.seq
    assert progressed.change_seq == changed.change_seq
    await worker.succeed(*leases[1:])
    ended = await store.get(job.job_id)
    assert states_of(await store.changes(begin)) == [(job.job_id, SUCCEEDED)]
    assert ended.change_seq == ended.seq


async def test_pauses_retries_late_successes_names_and_labels_are_changes(store):
    job = await store.create(items=2)
    worker = await store.worker()
    late, bad = await worker.lease_all()
    steps = [
        lambda: store.pause(job.job_id),
        lambda: store.resume(job.job_id),
        lambda: update(store, job.job_id, name="n"),
        lambda: update(store, job.job_id, name="n", a="b"),
        lambda: worker.fail(bad),
        lambda: store.cancel(job.job_id),
        lambda: worker.release(late),
        lambda: worker.succeed(late),
        lambda: store.retry(job.job_id),
    ]
    for number, step in enumerate(steps):
        before, begin = await store.get(job.job_id), await now(store)
        await step()
        (changed,) = (await store.changes(begin)).jobs or [None]
        if number == 4:  # progress, or the end if it fails the job
            continue
        assert changed is not None, number
        assert changed.job.change_seq > before.change_seq, number
    assert changed.was_retried
    assert changed.was_updated


async def test_the_same_name_and_labels_are_no_change(store):
    job = await store.create(name="n", labels={"a": "b"})
    begin = await now(store)
    await update(store, job.job_id, name="n", a="b")
    assert not (await store.changes(begin)).jobs


async def test_a_change_whose_transaction_commits_late_is_not_skipped(store):
    early, late = await store.create(), await store.create()
    begin = await now(store)
    written, may_commit = asyncio.Event(), asyncio.Event()

    async def pause_slowly(tx):
        await _pause_in(tx, pb.PauseJobRequest(job_id=late.job_id, tenant="default"))
        await tx.flush()
        written.set()
        await may_commit.wait()

    slow = asyncio.create_task(store.database.write(pause_slowly))
    await written.wait()
    # Its transaction begins later. On PostgreSQL it commits first, on SQLite it waits.
    quick = asyncio.create_task(store.pause(early.job_id))
    if not store.sqlite:
        await quick
    page = await store.changes(begin)
    assert not page.jobs
    position = page.next
    may_commit.set()
    await asyncio.gather(slow, quick)
    page = await store.changes(position)
    assert {job_id for job_id, _ in states_of(page)} == {early.job_id, late.job_id}
    assert {state for _, state in states_of(page)} == {jobs_pb2.JOB_STATE_PAUSED}


async def test_a_purged_job_is_told_as_gone_with_its_kind_labels_and_state(store):
    job = await store.create(kind="a", labels={"team": "x"})
    worker = await store.worker()
    await worker.succeed(*await worker.lease_all())
    begin = await now(store)
    store.advance(7_200)
    await store.purge()
    (gone,) = (await store.changes(begin)).jobs
    assert gone.gone
    assert (gone.job.job_id, gone.job.kind, gone.job.state) == (job.job_id, "a", SUCCEEDED)
    assert dict(gone.job.labels) == {"team": "x"}
    assert set((await store.count_rows()).values()) == {0}


async def test_a_position_is_valid_for_a_week_and_void_after_what_it_missed_is_forgotten(store):
    await store.create()
    worker = await store.worker()
    await worker.succeed(*await worker.lease_all())
    old = await now(store)
    store.advance(7_200)
    await store.purge()
    recent = await now(store)
    store.advance(6 * DAY)
    assert await purge_gone(store.database) == 0
    assert not (await store.changes(old)).reset
    store.advance(2 * DAY)
    assert await purge_gone(store.database) == 1
    page = await store.changes(old)
    assert page.reset
    assert not page.jobs
    assert not (await store.changes(recent)).reset
    assert not (await store.changes(page.next)).reset


async def test_a_position_of_another_store_or_beyond_the_end_is_void(store):
    begin = await now(store)
    other = pb.ChangePosition(store_id="other", change_xid=begin.change_xid)
    beyond = pb.ChangePosition(store_id=begin.store_id, change_xid=begin.change_xid + 1_000_000)
    assert (await store.changes(other)).reset
    assert (await store.changes(beyond)).reset


@pytest.mark.parametrize("database_name", ["postgresql"], indirect=True)
async def test_a_database_restored_from_a_dump_gets_a_new_id_and_begins_anew(store, monkeypatch):
    monkeypatch.setattr(store_identity, "_ROWS_PER_STATEMENT", 2)
    jobs = [await store.create() for _ in range(5)]
    begin = await now(store)
    await identify_store(store.database)
    assert not (await store.changes(begin)).reset
    async with store._engine.begin() as connection:  # as the dump of another cluster has it
        await connection.execute(text("UPDATE store_state SET database_identity = 'other'"))
    await asyncio.gather(*(identify_store(store.database) for _ in range(3)))
    page = await store.changes(begin)
    assert page.reset
    assert page.next.store_id != begin.store_id
    assert not (await store.changes(page.next)).jobs
    await store.pause(jobs[0].job_id)
    assert [job_id for job_id, _ in states_of(await store.changes(page.next))] == [jobs[0].job_id]


async def test_a_page_without_news_takes_one_statement(store, monkeypatch):
    await store.create()
    begin = await now(store)
    statements = []

    async def count(tx):
        run = tx.run

        async def counted(*args, **rows):
            statements.append(args[0])
            return await run(*args, **rows)

        tx.run = counted
        return await pages._list_in(tx, pages.HorizonCheck(), pb.ListChangesRequest(after=begin))

    await store.database.read(count)
    assert len(statements) == 1


async def test_the_index_of_changes_is_used(store):
    statement = sql.prepare(pages._READ_CHANGES, store.sqlite)
    names = {"tenant": "default", "after_xid": 1, "after_job_id": "", "horizon": 2, "limit": 3}
    plan = await store.explain(statement, names)
    assert "job_progress_changes" in plan
