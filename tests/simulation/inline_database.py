"""The store's database on SQLite without threads: a transaction takes no time on the loop's clock."""

import functools
import sqlite3
from collections import Counter, namedtuple
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, cast

from services.results.database.database import Database
from services.results.database.sessions import Session
from services.results.database.sql import Statement
from tests.simulation.virtual_time import VirtualClock


class Meter:
    """Counts the effects of the store's calls on the database.

    Attributes:
        call: Name of the call that the running task serves.
        calls: Calls, by name.
        transactions: Transactions that wrote, by call.
        statements: Statements, by call.
        rows: Rows inserted, updated or deleted, by call.
    """

    def __init__(self) -> None:
        self.call: ContextVar[str] = ContextVar("call", default="other")
        self.calls: Counter[str] = Counter()
        self.transactions: Counter[str] = Counter()
        self.statements: Counter[str] = Counter()
        self.rows: Counter[str] = Counter()


class _InlineSession:
    """A session whose statements run at once."""

    def __init__(self, connection: sqlite3.Connection, meter: Meter) -> None:
        self._connection = connection
        self._meter = meter

    async def run(self, statement: Statement, given: Mapping[str, Any]) -> Sequence[Any]:
        cursor = self._connection.execute(statement.text, dict(given))
        self._meter.statements[self._meter.call.get()] += 1
        if cursor.description is None:
            return []
        row = _row_of(tuple(column[0] for column in cursor.description))
        return [row._make(values) for values in cursor.fetchall()]


class InlineSessions:
    """Opens sessions on one connection of SQLite; a transaction is over before another begins."""

    def __init__(self, path: str, meter: Meter) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._meter = meter
        for pragma in ("journal_mode=MEMORY", "synchronous=OFF", "cache_size=-200000"):
            self._connection.execute(f"PRAGMA {pragma}")

    @asynccontextmanager
    async def write(self, **_: Any) -> AsyncIterator[Session]:
        connection, call = self._connection, self._meter.call.get()
        changes = connection.total_changes
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield _InlineSession(connection, self._meter)
        except BaseException:
            connection.rollback()
            raise
        connection.commit()
        self._meter.transactions[call] += 1
        self._meter.rows[call] += connection.total_changes - changes

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Session]:
        yield _InlineSession(self._connection, self._meter)

    def close(self) -> None:
        self._connection.close()


class InlineDatabase(Database):
    """The store's own code on one SQLite connection, with the loop's clock.

    Args:
        path: Path of a database with the schema.
        meter: Counts the statements and rows.
    """

    def __init__(self, path: str, meter: Meter) -> None:
        super().__init__(f"sqlite:///{path}", VirtualClock())
        self._inline = InlineSessions(path, meter)
        self._sessions = cast("Any", self._inline)

    async def close(self) -> None:
        self._inline.close()
        await super().close()


@functools.cache
def _row_of(names: tuple[str, ...]) -> Any:
    return namedtuple("Row", names, rename=True)
