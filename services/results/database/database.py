"""Runs transactions: repeats those that lost a race, and translates the errors of the database."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from sqlalchemy import Connection

from services.results.database.clock import Clock
from services.results.database.engine import SIGNS_OF_LIFE_POOL_SIZE, open_engine
from services.results.database.failures import DATABASE_ERRORS, is_repeatable, name_of, translate
from services.results.database.sessions import Sessions
from services.results.database.transaction import Transaction
from services.results.metrics import TRANSACTION_SECONDS, TRANSACTIONS_REPEATED
from services.shared.metrics import timing

T = TypeVar("T")
MAX_ATTEMPTS = 6

_WRITE_SECONDS = TRANSACTION_SECONDS.labels("write").observe
_READ_SECONDS = TRANSACTION_SECONDS.labels("read").observe


class Database:
    """Runs transactions. A process has one instance.

    Args:
        url: SQLAlchemy URL with ``postgresql`` or ``sqlite``; the async driver is added if missing.
        clock: Clock of the transactions. Default: the database's own.
        retention: Time for which ended jobs are kept, in microseconds, unless they have one of their own.
            Default: for ever.
    """

    def __init__(self, url: str, clock: Clock | None = None, *, retention: int | None = None) -> None:
        self.clock = clock or Clock()
        self.retention = retention
        self.sqlite = url.startswith("sqlite")
        self.engine = open_engine(url)
        self._sessions = Sessions(self.engine, self.sqlite)
        self._life_engine = None if self.sqlite else open_engine(url, SIGNS_OF_LIFE_POOL_SIZE)
        self._life_sessions = Sessions(self._life_engine or self.engine, self.sqlite)
        self._one_writer = asyncio.Lock()
        self._running: set[asyncio.Task[Any]] = set()
        self._ended_count = 0  # transactions that the database has answered to the end

    async def write(
        self,
        work: Callable[[Transaction], Awaitable[T]],
        *,
        one_statement: bool = False,
        sign_of_life: bool = False,
        undo: Callable[[T], Awaitable[None]] | None = None,
    ) -> T:
        """Runs work in a transaction that is committed when the work returns.

        After a deadlock or a lost race the work runs again from the start, so it must change nothing outside
        the database (see ``after_commit``). A transaction runs to its end even if its caller is cancelled.

        Args:
            work: Reads and writes of the transaction.
            one_statement: Whether the work writes with a single statement on PostgreSQL. It then needs no
                BEGIN and no COMMIT there, which take a round trip each.
            sign_of_life: Whether to use the separate pool of connections for signs of life. They never wait
                behind transactions that wait for the lock of a job.
            undo: Called with the result after the commit if the caller was cancelled before it.

        Returns:
            The result of the work.

        Raises:
            ContentRefusedError: The database refuses the content for good.
            UnavailableError: The database cannot be reached or cannot answer now.
        """
        return await self._finish(self._write(work, one_statement, sign_of_life), undo)

    async def read(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Runs work that only reads. Each of its statements sees the newest data.

        Returns:
            The result of the work.

        Raises:
            UnavailableError: The database cannot be reached or cannot answer now.
        """
        return await self._finish(_guard(self._read(work)))

    async def inspect(self, work: Callable[[Connection], T]) -> T:
        """Runs a function of a synchronous connection, for looking at the schema.

        Returns:
            The result of the function.

        Raises:
            UnavailableError: The database cannot be reached.
        """

        async def run() -> T:
            async with self.engine.connect() as connection:
                return await connection.run_sync(work)

        return await self._finish(_guard(run()))

    async def ping(self, seconds: float) -> str:
        """Asks the database for an answer, on a connection for signs of life.

        A connection without an answer in time is closed, so that the next ping opens a new one. If a
        transaction was answered meanwhile, the database is only busy.

        Args:
            seconds: Time limit.

        Returns:
            Name of the error. Empty if the database has answered.
        """
        ended_count = self._ended_count
        try:
            async with asyncio.timeout(seconds):
                await self._life_sessions.ping()
        except DATABASE_ERRORS as error:  # TimeoutError is an OSError
            return name_of(error) if self._ended_count == ended_count else ""
        return ""

    async def close(self) -> None:
        """Waits for the running transactions, then closes all connections."""
        while self._running:
            await asyncio.gather(*self._running, return_exceptions=True)
        await self.engine.dispose()
        if self._life_engine is not None:
            await self._life_engine.dispose()

    async def _finish(self, work: Awaitable[T], undo: Callable[[T], Awaitable[None]] | None = None) -> T:
        task: asyncio.Task[T] = self._track(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if undo is not None:
                self._track(_undo(task, undo))
            raise

    def _track(self, work: Awaitable[T]) -> asyncio.Task[T]:
        task: asyncio.Task[T] = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as retrieved, even if the caller is gone

    async def _write(
        self, work: Callable[[Transaction], Awaitable[T]], one_statement: bool, sign_of_life: bool
    ) -> T:
        sessions = self._life_sessions if sign_of_life and not self.sqlite else self._sessions
        for attempt in range(MAX_ATTEMPTS):
            try:
                if self.sqlite:
                    async with self._one_writer:
                        return await self._write_once(work, sessions, one_statement)
                return await self._write_once(work, sessions, one_statement)
            except DATABASE_ERRORS as error:
                if attempt == MAX_ATTEMPTS - 1 or not is_repeatable(error):
                    raise translate(error) from None
                TRANSACTIONS_REPEATED.inc()
                await asyncio.sleep(0.005 * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    async def _write_once(
        self, work: Callable[[Transaction], Awaitable[T]], sessions: Sessions, one_statement: bool
    ) -> T:
        with timing(_WRITE_SECONDS):
            async with sessions.write(one_statement=one_statement) as session:
                transaction = Transaction(session, self.sqlite, self.clock, self.retention)
                result = await work(transaction)
                await transaction.flush()
        self._ended_count += 1
        transaction.run_callbacks()
        return result

    async def _read(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        with timing(_READ_SECONDS):
            async with self._sessions.read() as session:
                result = await work(Transaction(session, self.sqlite, self.clock, self.retention))
        self._ended_count += 1
        return result


async def _undo(task: asyncio.Task[T], undo: Callable[[T], Awaitable[None]]) -> None:
    await undo(await task)


async def _guard(work: Awaitable[T]) -> T:
    try:
        return await work
    except DATABASE_ERRORS as error:
        raise translate(error) from None
