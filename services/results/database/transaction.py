"""A running transaction: its statements, its queued writes and its time."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from services.results.database import sql
from services.results.database.clock import Clock
from services.results.database.sessions import Session


class _QueuedWrite(NamedTuple):
    name: str
    template: str
    plain: Mapping[str, Any]
    rows: Mapping[str, Sequence[Sequence[Any]]]


class Transaction:
    """A running transaction.

    Attributes:
        now: Time of the transaction, in microseconds. Set by its first statement that reads the clock and
            returns a row; 0 before. A transaction has one time.
        sqlite: Whether the database is SQLite.
        retention: Time for which ended jobs are kept, in microseconds, unless they have one of their own.
            None: for ever.
    """

    def __init__(self, session: Session, sqlite: bool, clock: Clock, retention: int | None = None) -> None:
        self._session = session
        self._clock = clock
        self._queue: list[_QueuedWrite] = []
        self._callbacks: list[Callable[[], None]] = []
        self.sqlite = sqlite
        self.retention = retention
        self.now = 0

    async def run(
        self,
        template: str,
        plain: Mapping[str, Any] | None = None,
        **rows: Sequence[Sequence[Any]],
    ) -> Sequence[Any]:
        """Runs a statement. It sees all earlier writes, queued ones included.

        Args:
            template: SQL in the form that ``services.results.database.sql`` describes.
            plain: Plain parameters.
            rows: Rows of each of its tables of rows.

        Returns:
            The rows of the statement; empty if it returns none.
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
        """Queues a write. Queued writes share one round trip, at the end of the transaction at the latest.

        Writes queued together must not touch the same rows. The names of their tables of rows and plain
        parameters must differ.

        Args:
            template: SQL in the form that ``services.results.database.sql`` describes.
            plain: Plain parameters.
            name: Name by which the other statements read the returned rows, on PostgreSQL only.
            rows: Rows of each of its tables of rows.
        """
        self._queue.append(_QueuedWrite(name or f"w{len(self._queue)}", template, plain or {}, rows))

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Registers a callback that counts or logs after the commit. Without a commit it does not run."""
        self._callbacks.append(callback)

    def run_callbacks(self) -> None:
        """Runs the callbacks; to be called once the transaction is committed."""
        for callback in self._callbacks:
            callback()

    async def flush(self) -> None:
        """Runs the queued writes."""
        if self._queue:
            last = self._queue.pop()
            await self.run_along(last.template, last.plain, **last.rows)

    async def run_along(
        self,
        template: str,
        plain: Mapping[str, Any] | None = None,
        **rows: Sequence[Sequence[Any]],
    ) -> Sequence[Any]:
        """Runs a statement in one round trip with the queued writes. It may not see their effect.

        Args:
            template: SQL in the form that ``services.results.database.sql`` describes.
            plain: Plain parameters.
            rows: Rows of each of its tables of rows.

        Returns:
            The rows of the statement.
        """
        queue, self._queue = self._queue, []
        if self.sqlite:
            for write in queue:
                await self._run(write.template, write.plain, write.rows)
            return await self._run(template, plain or {}, rows)
        parts = [f"{write.name} AS ({write.template})" for write in queue]
        together = f"WITH {', '.join(parts)} {template}" if parts else template
        all_plain, all_rows = dict(plain or {}), dict(rows)
        for write in queue:
            all_plain |= write.plain
            all_rows |= write.rows
        return await self._run(together, all_plain, all_rows)

    async def _run(
        self, template: str, plain: Mapping[str, Any], rows: Mapping[str, Sequence[Sequence[Any]]]
    ) -> Sequence[Any]:
        statement = sql.prepare(template, self.sqlite)
        values = sql.parameters(statement, self.sqlite, self._clock, plain, rows)
        found = await self._session.run(statement, values)
        if not self.now and found and statement.reads_clock:
            self.now = getattr(found[0], "now", 0)
        return found
