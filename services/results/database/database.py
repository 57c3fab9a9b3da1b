"""The database: connections, transactions, and what their failures mean."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection

from services.results.database import sql
from services.results.database.clock import Clock
from services.results.database.engine import SIGNS_OF_LIFE_POOL_SIZE, open_engine
from services.results.database.failures import DATABASE_ERRORS, is_repeatable, translate
from services.results.database.sessions import Session, Sessions
from services.results.metrics import TRANSACTION_SECONDS, TRANSACTIONS_REPEATED
from services.shared.metrics import timing

T = TypeVar("T")
ATTEMPTS = 6

_WRITE_SECONDS = TRANSACTION_SECONDS.labels("write").observe
_READ_SECONDS = TRANSACTION_SECONDS.labels("read").observe


class _Queued(NamedTuple):
    name: str
    template: str
    plain: Mapping[str, Any]
    rows: Mapping[str, Sequence[Sequence[Any]]]


class Transaction:
    """A running transaction.

    Attributes:
        now: Its time in microseconds, once a statement has told it (see ``told_by``); one transaction has
            one.
        sqlite: Whether the database is SQLite.
    """

    def __init__(self, session: Session, sqlite: bool, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self._queue: list[_Queued] = []
        self._notes: list[Callable[[], None]] = []
        self.sqlite = sqlite
        self.now = 0

    async def run(
        self,
        template: str,
        plain: Mapping[str, Any] | None = None,
        **rows: Sequence[Sequence[Any]],
    ) -> Sequence[Any]:
        """Returns the rows that a statement gives; none where it gives none.

        It sees everything that was written before, what is queued included.

        Args:
            template: As ``services.results.database.sql`` describes.
            plain: Its plain parameters.
            rows: The rows of each of its tables.
        """
        await self.flush()
        return await self._run(template, plain or {}, rows)

    def later(
        self,
        template: str,
        plain: Mapping[str, Any] | None = None,
        *,
        name: str = "",
        **rows: Sequence[Sequence[Any]],
    ) -> None:
        """Queues a write, to go with others in one round trip: at the latest when the transaction ends.

        Writes that are queued together must not touch the same rows, and name their tables of rows and
        plain parameters differently.

        Args:
            template: As ``services.results.database.sql`` describes.
            plain: Its plain parameters.
            name: On PostgreSQL, what the others can read the rows it returns from.
            rows: The rows of each of its tables.
        """
        self._queue.append(_Queued(name or f"w{len(self._queue)}", template, plain or {}, rows))

    def after_commit(self, note: Callable[[], None]) -> None:
        """Has something counted or logged once the transaction is committed; never if it is not."""
        self._notes.append(note)

    def committed(self) -> None:
        """Does what was to be done after the commit."""
        for note in self._notes:
            note()

    async def flush(self) -> None:
        """Runs what is queued."""
        if self._queue:
            last = self._queue.pop()
            await self.run_along(last.template, last.plain, **last.rows)

    async def run_along(
        self,
        template: str,
        plain: Mapping[str, Any] | None = None,
        **rows: Sequence[Sequence[Any]],
    ) -> Sequence[Any]:
        """Returns the rows of a statement that goes together with what is queued, and need not see it."""
        queue, self._queue = self._queue, []
        if self.sqlite:
            for queued in queue:
                await self._run(queued.template, queued.plain, queued.rows)
            return await self._run(template, plain or {}, rows)
        parts = [f"{queued.name} AS ({queued.template})" for queued in queue]
        together = f"WITH {', '.join(parts)} {template}" if parts else template
        all_plain, all_rows = dict(plain or {}), dict(rows)
        for queued in queue:
            all_plain |= queued.plain
            all_rows |= queued.rows
        return await self._run(together, all_plain, all_rows)

    async def _run(
        self, template: str, plain: Mapping[str, Any], rows: Mapping[str, Sequence[Sequence[Any]]]
    ) -> Sequence[Any]:
        statement = sql.prepare(template, self.sqlite)
        given = sql.parameters(statement, self.sqlite, self._clock, plain, rows)
        found = await self._session.run(statement, given)
        if not self.now and found and statement.tells_time:
            self.now = getattr(found[0], "now", 0)
        return found


class Database:
    """Runs transactions; one object a process.

    Args:
        url: A SQLAlchemy URL with ``postgresql`` or ``sqlite``; the async driver is added where missing.
        clock: The time that transitions go by.
    """

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.sqlite = url.startswith("sqlite")
        self.engine = open_engine(url)
        self._sessions = Sessions(self.engine, self.sqlite)
        self._engine_for_life = None if self.sqlite else open_engine(url, SIGNS_OF_LIFE_POOL_SIZE)
        self._sessions_for_life = Sessions(self._engine_for_life or self.engine, self.sqlite)
        self._one_writer = asyncio.Lock()
        self._running: set[asyncio.Task[Any]] = set()

    async def write(
        self,
        work: Callable[[Transaction], Awaitable[T]],
        *,
        one_statement: bool = False,
        sign_of_life: bool = False,
    ) -> T:
        """Returns what the work returned, once its transaction is committed.

        A deadlock or a lost race runs the work again from the start, so it must change nothing outside of
        the database (see ``after_commit``). A caller that goes away does not break a transaction off.

        Args:
            work: What to do.
            one_statement: The work writes with a single statement on PostgreSQL, so that it needs no BEGIN
                and no COMMIT there; each takes a round trip.
            sign_of_life: It has connections of its own, and so never waits behind those that wait for a job.

        Raises:
            RefusedError: The database refuses the content.
            UnavailableError: The database cannot be reached or cannot answer now.
        """
        return await self._finish(self._write(work, one_statement, sign_of_life))

    async def read(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Returns what the work returned; it must not write, and each statement sees the newest data.

        Raises:
            UnavailableError: The database cannot be reached or cannot answer now.
        """
        return await self._finish(_guard(self._read(work)))

    async def inspect(self, work: Callable[[Connection], T]) -> T:
        """Returns what a function of a synchronous connection returned; for looking at the schema.

        Raises:
            UnavailableError: The database cannot be reached.
        """

        async def run() -> T:
            async with self.engine.connect() as connection:
                return await connection.run_sync(work)

        return await self._finish(_guard(run()))

    async def close(self) -> None:
        """Ends all connections, after the running transactions."""
        await asyncio.gather(*self._running, return_exceptions=True)
        await self.engine.dispose()
        if self._engine_for_life is not None:
            await self._engine_for_life.dispose()

    async def _finish(self, work: Awaitable[T]) -> T:
        task: asyncio.Task[T] = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # seen, even where the caller is gone

    async def _write(
        self, work: Callable[[Transaction], Awaitable[T]], one_statement: bool, sign_of_life: bool
    ) -> T:
        sessions = self._sessions_for_life if sign_of_life and not self.sqlite else self._sessions
        for attempt in range(ATTEMPTS):
            try:
                if self.sqlite:
                    async with self._one_writer:
                        return await self._write_once(work, sessions, one_statement)
                return await self._write_once(work, sessions, one_statement)
            except DATABASE_ERRORS as error:
                if attempt == ATTEMPTS - 1 or not is_repeatable(error):
                    raise translate(error) from None
                TRANSACTIONS_REPEATED.inc()
                await asyncio.sleep(0.005 * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    async def _write_once(
        self, work: Callable[[Transaction], Awaitable[T]], sessions: Sessions, one_statement: bool
    ) -> T:
        with timing(_WRITE_SECONDS):
            async with sessions.write(one_statement=one_statement) as session:
                transaction = Transaction(session, self.sqlite, self.clock)
                result = await work(transaction)
                await transaction.flush()
        transaction.committed()
        return result

    async def _read(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        with timing(_READ_SECONDS):
            async with self._sessions.read() as session:
                return await work(Transaction(session, self.sqlite, self.clock))


async def _guard(work: Awaitable[T]) -> T:
    try:
        return await work
    except DATABASE_ERRORS as error:
        raise translate(error) from None
