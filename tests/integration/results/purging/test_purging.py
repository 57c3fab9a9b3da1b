"""A running service purges finished jobs on its own."""

import asyncio

import pytest
from sqlalchemy import text

from headrace import Client, JobState, NotFoundError
from services.results.database.engine import open_engine

pytestmark = pytest.mark.timeout(120)

# Two seconds: enough to see the end of a job before its purge.
SETTINGS = {"HEADRACE_RETENTION_HOURS": "0.00056"}
TABLES = (
    "jobs",
    "job_progress",
    "item_blocks",
    "chunks",
    "results",
    "item_attempts",
    "retry_requests",
    "purges",
)


async def finish(client, request_id, items):
    job = await client.submit("noop", items=items, request_id=request_id)
    async for event in client.watch(job.job_id):
        job = event.job
    assert job.state is JobState.SUCCEEDED
    return job


async def until_gone(client, job_id):
    async with asyncio.timeout(30):
        while True:
            try:
                await client.get(job_id)
            except NotFoundError:
                return
            await asyncio.sleep(0.1)


async def until_empty(url):
    engine = open_engine(url)
    counts = " UNION ALL ".join(f"SELECT count(*) FROM {table}" for table in TABLES)
    async with asyncio.timeout(30):
        while True:
            async with engine.begin() as connection:
                if not any((await connection.execute(text(counts))).scalars()):
                    break
            await asyncio.sleep(0.1)
    await engine.dispose()


async def test_a_finished_job_is_purged_with_all_its_rows_and_its_request_id_is_free(make_embedded):
    system = await asyncio.to_thread(make_embedded, settings=SETTINGS)
    async with Client(system.gateway_target) as client:
        first = await finish(client, "nightly", list(range(300)))
        await until_gone(client, first.job_id)
        second = await finish(client, "nightly", ["other items"])
        assert second.job_id != first.job_id
        await until_gone(client, second.job_id)
    await until_empty(f"sqlite:///{system.run_dir / 'headrace.db'}")
