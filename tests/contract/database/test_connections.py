import asyncio
from contextlib import suppress

import pytest
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncEngine

from headrace.errors import UnavailableError
from services.results.database.database import Database


async def ask(tx):
    return (await tx.run("SELECT NOW() AS now"))[0].now


@pytest.fixture
async def open_database():
    databases = []

    def open_one(url):
        databases.append(Database(url))
        return databases[-1]

    yield open_one
    for database in databases:
        await database.close()


async def test_a_database_that_refuses_connections_is_unavailable(postgres_url, open_database):
    # As during its start: the server responds and refuses.
    database = open_database(f"{postgres_url}-that-is-not-there")
    for attempt in (database.write(ask), database.write(ask, sign_of_life=True), database.read(ask)):
        with pytest.raises(UnavailableError) as caught:
            await attempt
        assert caught.value.reason == "STORE_UNAVAILABLE"
        assert "not-there" not in str(caught.value)


async def test_connections_that_the_server_closed_are_replaced(postgres_url, open_database):
    database, other = open_database(postgres_url), open_database(postgres_url)
    before = await database.read(ask)

    async def close_all(tx):
        await tx.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )

    await other.read(close_all)
    after = 0
    async with asyncio.timeout(10):
        while not after:
            with suppress(UnavailableError):  # A call before the pool notices the end fails.
                after = await database.read(ask)
    assert after > before


async def test_connections_that_are_closed_at_once_are_unavailable(postgres_url, open_database, monkeypatch):
    async def connect(engine):
        raise InvalidRequestError("This connection is closed")

    database = open_database(postgres_url)
    monkeypatch.setattr(AsyncEngine, "raw_connection", connect)
    with pytest.raises(UnavailableError):
        await database.read(ask)


async def test_a_ping_without_an_answer_closes_its_connection_and_the_next_one_is_answered(
    postgres_url, open_database, monkeypatch
):
    database = open_database(postgres_url)
    assert await database.ping(10.0) == ""
    with monkeypatch.context() as patched:
        patched.setattr("services.results.database.sessions.PING", "SELECT pg_sleep(60)")
        assert await database.ping(0.2) == "TimeoutError"
    assert await database.ping(10.0) == ""


async def test_a_ping_of_a_database_that_is_not_there_names_the_error(postgres_url, open_database):
    assert await open_database(f"{postgres_url}-none").ping(10.0) == "InvalidCatalogNameError 3D000"
    assert await open_database("postgresql://u:p@127.0.0.1:1/x").ping(10.0) == "ConnectionRefusedError"


async def test_a_ping_that_waits_behind_answered_transactions_counts_as_answered(
    postgres_url, open_database, monkeypatch
):
    database = open_database(postgres_url)
    with monkeypatch.context() as patched:
        patched.setattr("services.results.database.sessions.PING", "SELECT pg_sleep(60)")
        pinging = asyncio.create_task(database.ping(1.0))
        await database.read(ask)
        assert await pinging == ""
