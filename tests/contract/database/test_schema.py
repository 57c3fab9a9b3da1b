import asyncio
import os
import sys

import grpc
import pytest
from sqlalchemy import text

from headrace.errors import FailedPreconditionError, from_rpc_error
from services.results.app import ResultsApp
from services.results.database.engine import open_engine
from services.results.database.migrations import migrate
from services.results.settings import ResultsSettings
from services.stubs.results.v1 import results_pb2, results_pb2_grpc


@pytest.fixture
def database_url(database_name, make_database, tmp_path):
    return make_database() if database_name == "postgresql" else f"sqlite:///{tmp_path}/results.db"


def app_of(url):
    return ResultsApp(ResultsSettings(listen="127.0.0.1:0", database_url=url, drain_seconds=0))


async def test_an_empty_database_is_refused_with_the_remedy(database_url):
    app = app_of(database_url)
    with pytest.raises(FailedPreconditionError, match=r"services\.results migrate"):
        await app.start()
    await app.stop()


async def test_a_database_is_migrated_once_however_many_try(database_url):
    await migrate(database_url)
    await asyncio.gather(*(migrate(database_url) for _ in range(3)))
    app = app_of(database_url)
    await app.start()
    await app.stop()


async def test_a_newer_schema_is_accepted_for_a_rolling_update(database_url):
    await migrate(database_url)
    engine = open_engine(database_url)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await engine.dispose()
    app = app_of(database_url)
    await app.start()
    await app.stop()


async def test_a_database_that_cannot_be_reached_is_awaited_and_calls_meanwhile_are_unavailable():
    app = app_of("postgresql://user:secret@127.0.0.1:1/none")
    starting = asyncio.create_task(app.start())
    async with asyncio.timeout(10):
        while app.target.endswith(":0"):
            await asyncio.sleep(0.01)
    async with grpc.aio.insecure_channel(app.target) as channel:
        stub = results_pb2_grpc.ResultsServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Sweep(results_pb2.SweepRequest(), timeout=10, wait_for_ready=True)
    error = from_rpc_error(caught.value)
    assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
    assert not starting.done()
    starting.cancel()
    await asyncio.wait([starting])
    await app.stop()


async def run_results(*arguments, **environment):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.results",
        *arguments,
        env={"PATH": os.environ["PATH"]} | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    return process


async def test_the_process_migrates_serves_and_stops_on_a_signal(database_url):
    migration = await run_results("migrate", HEADRACE_DATABASE_URL=database_url)
    await migration.communicate()
    assert migration.returncode == 0
    process = await run_results(HEADRACE_DATABASE_URL=database_url, HEADRACE_LISTEN="127.0.0.1:0")
    async for line in process.stderr:
        if b"results_started" in line:
            break
    process.terminate()
    await process.communicate()
    assert process.returncode == 0


async def test_a_missing_database_url_is_named():
    process = await run_results()
    _, error = await process.communicate()
    assert process.returncode == 2
    assert b"HEADRACE_DATABASE_URL" in error


async def test_an_older_schema_is_refused_until_it_is_migrated(database_url):
    await migrate(database_url, "0001")
    app = app_of(database_url)
    with pytest.raises(FailedPreconditionError, match="0001"):
        await app.start()
    await app.stop()
    await migrate(database_url)
    app = app_of(database_url)
    await app.start()
    await app.stop()
