import asyncio
import os
import sys

import grpc
import pytest
import structlog
from sqlalchemy import text

from headrace.errors import FailedPreconditionError, UnavailableError, from_rpc_error
from services.results.app import ResultsApp
from services.results.database import engine as engines
from services.results.database import migrations
from services.results.database.engine import open_engine
from services.results.database.migrations import migrate
from services.results.settings import ResultsSettings
from services.stubs.results.v1 import results_pb2, results_pb2_grpc

# The same in every version: those of two images must exclude each other.
LOCK_KEY = 7_236_450_112


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


async def test_an_empty_database_is_migrated_once_however_many_processes_try(database_url):
    migrations = [await run_results("migrate", HEADRACE_DATABASE_URL=database_url) for _ in range(3)]
    outputs = [(await migration.communicate())[1].decode() for migration in migrations]
    assert [migration.returncode for migration in migrations] == [0, 0, 0], outputs
    assert sum('"schema_before": null' in output for output in outputs) == 1, outputs


async def test_a_migration_waits_for_another_one_longer_than_any_statement_may_take(
    database_name, database_url, monkeypatch
):
    monkeypatch.setattr(engines, "COMMAND_SECONDS", 0.1)
    monkeypatch.setattr(engines, "SQLITE_BUSY_SECONDS", 0.1)
    other = open_engine(database_url)
    async with other.begin() as connection:
        if database_name == "postgresql":
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK_KEY})"))
        waiting = asyncio.create_task(migrate(database_url))
        await asyncio.sleep(0.5)
        assert not waiting.done()
    await other.dispose()
    await waiting


@pytest.mark.parametrize("database_name", ["postgresql"], indirect=True)
async def test_a_migration_that_waits_for_a_table_lets_others_use_it_in_between(database_url, monkeypatch):
    monkeypatch.setattr(migrations, "_TABLE_LOCK_MS", 100)
    await migrate(database_url, "0007")
    reading, serving = open_engine(database_url), open_engine(database_url)
    async with reading.begin() as long_transaction:
        await long_transaction.execute(text("SELECT * FROM results"))
        waiting = asyncio.create_task(migrate(database_url))
        for _ in range(10):  # Each waits behind the migration for a moment.
            async with asyncio.timeout(5), serving.begin() as connection:
                await connection.execute(text("SELECT * FROM results"))
            await asyncio.sleep(0.1)
        assert not waiting.done()
    await waiting
    await reading.dispose()
    await serving.dispose()
    app = app_of(database_url)
    await app.start()
    await app.stop()


async def test_a_migration_that_never_gets_a_table_fails_as_unavailable(database_url, monkeypatch):
    monkeypatch.setattr(migrations, "_TABLE_LOCK_MS", 10)
    monkeypatch.setattr(migrations, "_LOCKED_SECONDS", 0.0)
    monkeypatch.setattr(engines, "SQLITE_BUSY_SECONDS", 0.1)
    await migrate(database_url, "0007")
    other = open_engine(database_url)
    async with other.begin() as connection:
        await connection.execute(text("UPDATE results SET seq = 1"))
        with pytest.raises(UnavailableError):
            await migrate(database_url)
    await other.dispose()
    await migrate(database_url)


async def set_revision(database_url, revision):
    await migrate(database_url)
    engine = open_engine(database_url)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": revision})
    await engine.dispose()


async def test_a_newer_schema_is_accepted_for_a_rolling_update(database_url):
    await set_revision(database_url, "9999")
    app = app_of(database_url)
    await app.start()
    await app.stop()


async def test_the_migration_of_an_image_that_was_rolled_back_leaves_a_newer_schema_unchanged(database_url):
    await set_revision(database_url, "9999")
    with structlog.testing.capture_logs() as lines:
        await migrate(database_url)
    assert [line["event"] for line in lines] == ["schema_newer"]
    assert lines[0]["schema"] == "9999"
    app = app_of(database_url)
    await app.start()
    await app.stop()


async def test_a_schema_of_another_program_is_neither_migrated_nor_served(database_url):
    await set_revision(database_url, "3f2a1b")
    with pytest.raises(FailedPreconditionError, match="3f2a1b, which is not one of Headrace"):
        await migrate(database_url)
    app = app_of(database_url)
    with pytest.raises(FailedPreconditionError, match="3f2a1b"):
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
