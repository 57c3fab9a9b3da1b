"""The store's database on SQLite without threads: a transaction is over in no time of the loop."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any

from sqlalchemy import Connection, CursorResult, TextClause, create_engine, event
from sqlalchemy.pool import StaticPool

from services.results.database import Database, T, Transaction
from services.results.engine import _begin_sqlite
from tests.simulation.virtual_time import VirtualClock


class Meter:
    """What the calls of the store did to the database.

    Attributes:
        call: Name of the call that the running task answers.
        calls: Of each name of a call, how many.
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


class _InlineConnection:
    """Looks like an asynchronous connection, and has answered before it is awaited."""

    def __init__(self, connection: Connection, meter: Meter) -> None:
        self._connection = connection
        self._meter = meter

    async def execute(self, clause: TextClause, given: Mapping[str, Any]) -> CursorResult[Any]:
        result = self._connection.execute(clause, given)
        self._meter.statements[self._meter.call.get()] += 1
        return result


class InlineDatabase(Database):
    """The store's own code on one connection of SQLite, by the loop's clock.

    Args:
        path: Of a database that has the schema.
        meter: Counts what is done.
    """

    def __init__(self, path: str, meter: Meter) -> None:
        super().__init__(f"sqlite:///{path}", VirtualClock())
        self._meter = meter
        self._inline = create_engine(
            f"sqlite:///{path}", poolclass=StaticPool, connect_args={"isolation_level": None}
        )
        with self._inline.connect() as connection:
            self._driver: Any = connection.connection.dbapi_connection
            for pragma in ("journal_mode=MEMORY", "synchronous=OFF", "cache_size=-200000"):
                connection.exec_driver_sql(f"PRAGMA {pragma}")
        event.listen(self._inline, "begin", _begin_sqlite)

    async def _write_once(self, work: Callable[[Transaction], Awaitable[T]], engine: Any) -> T:
        driver = self._driver
        changes = driver.total_changes
        with self._inline.begin() as connection:
            transaction = Transaction(_InlineConnection(connection, self._meter), True, self.clock)  # type: ignore[arg-type]
            result = await work(transaction)
            await transaction.flush()
        call = self._meter.call.get()
        self._meter.transactions[call] += 1
        self._meter.rows[call] += driver.total_changes - changes
        transaction.committed()
        return result

    async def _read(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        with self._inline.connect() as connection:
            inline: Any = _InlineConnection(connection, self._meter)
            return await work(Transaction(inline, True, self.clock))

    async def close(self) -> None:
        """Closes the connection."""
        self._inline.dispose()
        await super().close()
