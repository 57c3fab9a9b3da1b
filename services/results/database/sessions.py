"""Sessions: connections that run the statements of a transaction.

SQLAlchemy pools the connections. On PostgreSQL a session sends its statements straight to the driver,
asyncpg: SQLAlchemy's result objects would double the cost of a statement, and a small job takes a dozen of
them.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from asyncpg import Connection, Record
from sqlalchemy import PoolProxiedConnection
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.util import greenlet_spawn

from services.results.database.engine import without_begin
from services.results.database.sql import Statement

PING = "SELECT 1"


class Row(Record):  # type: ignore[misc]  # asyncpg has no types
    """A row of PostgreSQL with its columns as attributes, like a row of SQLAlchemy."""

    def __getattr__(self, name: str) -> Any:
        """Returns the value of a column."""
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Session(Protocol):
    """Runs statements, one after another."""

    async def run(self, statement: Statement, parameters: Mapping[str, Any]) -> Sequence[Any]:
        """Runs a statement and returns its rows; empty if it returns none."""


class Sessions:
    """Opens sessions.

    Args:
        engine: Engine with the pool of connections.
        sqlite: Whether the database is SQLite.
    """

    def __init__(self, engine: AsyncEngine, sqlite: bool) -> None:
        self._engine = engine
        self._without_begin = without_begin(engine, sqlite)
        self._sqlite = sqlite

    @asynccontextmanager
    async def write(self, *, one_statement: bool) -> AsyncIterator[Session]:
        """Opens a session. Its writes are committed at the end, or rolled back after an error.

        Args:
            one_statement: Whether it runs a single statement on PostgreSQL, which needs no BEGIN and no
                COMMIT.
        """
        if self._sqlite:
            async with self._engine.begin() as connection:
                yield _SqliteSession(connection)
            return
        async with self._postgresql() as driver:
            if one_statement:
                yield _PostgresqlSession(driver)
                return
            async with driver.transaction(isolation="read_committed"):
                yield _PostgresqlSession(driver)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Session]:
        """Opens a session for reading. Each of its statements sees the newest data."""
        if self._sqlite:
            async with self._without_begin.connect() as connection:
                yield _SqliteSession(connection)
            return
        async with self._postgresql() as driver:
            yield _PostgresqlSession(driver)

    async def ping(self) -> None:
        """Gets an answer from the database. Closes the connection if it is cancelled meanwhile."""
        if self._sqlite:
            async with self._without_begin.connect() as connection:
                await connection.exec_driver_sql("SELECT 1 FROM sqlite_schema")
            return
        async with self._postgresql() as driver:
            try:
                await driver.fetchval(PING)
            except asyncio.CancelledError:
                driver.terminate()
                raise

    @asynccontextmanager
    async def _postgresql(self) -> AsyncIterator["Connection[Row]"]:
        connection = await self._connect()
        driver = connection.driver_connection
        assert driver is not None
        try:
            yield driver
        finally:
            await greenlet_spawn(connection.invalidate if driver.is_closed() else connection.close)

    async def _connect(self) -> PoolProxiedConnection:
        try:
            return await self._engine.raw_connection()
        except self._engine.dialect.loaded_dbapi.Error as error:
            # SQLAlchemy's copy of the error of asyncpg. Elsewhere SQLAlchemy wraps it; here it does not.
            raise (error.__cause__ or error) from None
        except InvalidRequestError:
            raise ConnectionResetError("the server closes new connections at once") from None


class _PostgresqlSession:
    def __init__(self, driver: "Connection[Row]") -> None:
        self._driver = driver

    async def run(self, statement: Statement, parameters: Mapping[str, Any]) -> Sequence[Row]:
        values = [parameters[name] for name in statement.names]
        rows: Sequence[Row] = await self._driver.fetch(statement.text, *values, record_class=Row)
        return rows


class _SqliteSession:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def run(self, statement: Statement, parameters: Mapping[str, Any]) -> Sequence[Any]:
        result = await self._connection.exec_driver_sql(statement.text, dict(parameters))
        return result.fetchall() if result.returns_rows else []
