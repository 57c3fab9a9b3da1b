"""Names and labels next to the other changes of a job."""

import asyncio

import pytest

from services.results.database import sessions
from services.results.rows.job_labels import replace_name_and_labels
from services.results.transitions.create_jobs import JobCreator
from services.results.transitions.transition import Transition
from services.stubs.results.v1 import results_pb2 as pb


@pytest.fixture
def statements(monkeypatch):
    """The statements that run from now on."""
    found = []
    for session in (sessions._SqliteSession, sessions._PostgresqlSession):

        async def run(self, statement, parameters, run=session.run):
            found.append(statement.text)
            return await run(self, statement, parameters)

        monkeypatch.setattr(session, "run", run)
    return found


async def test_a_job_without_labels_takes_no_statement_for_them(store, statements):
    creator = JobCreator(store.database)
    await creator.create_jobs(pb.CreateJobsRequest(jobs=[store.new_job()]))
    statements.clear()
    await creator.create_jobs(pb.CreateJobsRequest(jobs=[store.new_job(name="n")]))
    plain_count = len(statements)
    assert not any("job_labels" in statement for statement in statements)
    statements.clear()
    await creator.create_jobs(pb.CreateJobsRequest(jobs=[store.new_job(labels={"a": "b"})]))
    assert len(statements) == plain_count + store.sqlite


async def test_running_a_job_with_labels_takes_the_statements_of_one_without(store, statements):
    worker = await store.worker()
    counts = []
    for labels in ({}, {"a": "b"}):
        job = await store.create(labels=labels)
        statements.clear()
        (lease,) = await worker.lease_all()
        await worker.succeed(lease)
        await store.get(job.job_id)
        counts.append(len(statements))
    assert counts[0] == counts[1]


async def test_who_waits_for_the_lock_of_a_job_sees_the_labels_that_were_replaced_meanwhile(store):
    job = await store.create(name="old", labels={"a": "old"})
    replaced, may_commit = asyncio.Event(), asyncio.Event()

    async def replace(tx):
        transition = Transition(tx)
        locked = await transition.lock_owned(job.job_id, "default")
        replace_name_and_labels(tx, locked, "new", {"a": "new"})
        await transition.finish()
        await tx.flush()
        replaced.set()
        await may_commit.wait()

    replacing = asyncio.create_task(store.database.write(replace))
    await replaced.wait()
    pausing = asyncio.create_task(store.pause(job.job_id))
    await asyncio.sleep(0.2)  # until it waits
    assert not pausing.done()
    may_commit.set()
    await replacing
    paused = await pausing
    for snapshot in (paused.job, *paused.effects.changed_jobs, await store.get(job.job_id)):
        assert (snapshot.name, dict(snapshot.labels)) == ("new", {"a": "new"})
        assert snapshot.seq == 3
