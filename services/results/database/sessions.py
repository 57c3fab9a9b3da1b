"""What transactions run their statements on.

SQLAlchemy keeps the connections. On PostgreSQL a statement goes from here straight to its driver, asyncpg:
with SQLAlchemy's result objects in between it costs twice as much, and a small job is a dozen statements.
"""

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


class Row(Record):  # type: ignore[misc]  # asyncpg has no types
    """A row of PostgreSQL whose columns are attributes too, as SQLAlchemy's are."""

    def __getattr__(self, name: str) -> Any:
        """Returns a column."""
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Session(Protocol):
    """Runs statements, one after another."""

    async def run(self, statement: Statement, given: Mapping[str, Any]) -> Sequence[Any]:
        """Returns the rows that a statement gives; none where it gives none."""


class Sessions:
    """Opens sessions.

    Args:
        engine: Keeps the connections.
        sqlite: Whether it is SQLite's.
    """

    def __init__(self, engine: AsyncEngine, sqlite: bool) -> None:
        self._engine = engine
        self._without_begin = without_begin(engine, sqlite)
        self._sqlite = sqlite

    @asynccontextmanager
    async def write(self, *, one_statement: bool) -> AsyncIterator[Session]:
        """Gives a session whose writes are committed at its end, or undone where it ends with an error.

        Args:
            one_statement: On PostgreSQL it is a single statement, which needs no BEGIN and no COMMIT.
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
        """Gives a session each of whose statements sees the newest data."""
        if self._sqlite:
            async with self._without_begin.connect() as connection:
                yield _SqliteSession(connection)
            return
        async with self._postgresql() as driver:
            yield _PostgresqlSession(driver)

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
            # SQLAlchemy's double of what asyncpg raised, which it wraps elsewhere and not here.
            raise (error.__cause__ or error) from None
        except InvalidRequestError:
            raise ConnectionResetError("new connections are closed at once") from None


class _PostgresqlSession:
    def __init__(self, driver: "Connection[Row]") -> None:
        self._driver = driver

    async def run(self, statement: Statement, given: Mapping[str, Any]) -> Sequence[Row]:
        values = [given[name] for name in statement.names]
        rows: Sequence[Row] = await self._driver.fetch(statement.text, *values, record_class=Row)
        return rows


class _SqliteSession:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def run(self, statement: Statement, given: Mapping[str, Any]) -> Sequence[Any]:
        result = await self._connection.exec_driver_sql(statement.text, dict(given))
        return result.fetchall() if result.returns_rows else []
