"""Connections to the database, and how they are set."""

import re
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

POOL_SIZE = 20
# Apart, for what tells that workers live: it must not wait behind calls that wait for a job.
SIGNS_OF_LIFE_POOL_SIZE = 4
SQLITE_BUSY_SECONDS = 10
# Each statement finds few rows by a key, however large its tables have become. So it is planned once, for
# its indexes, and not again at every call, which would take longer than running it.
_POSTGRESQL_SETTINGS = {
    "application_name": "headrace-results",
    "enable_seqscan": "off",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    # A process that stands still, or a lost connection, must not hold the others up for ever.
    "lock_timeout": "5s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "30s",
}
_WITHOUT_BEGIN = "headrace_without_begin"


def open_engine(url: str, pool_size: int = POOL_SIZE) -> AsyncEngine:
    """Returns an engine for PostgreSQL (asyncpg) or SQLite (aiosqlite, write-ahead log).

    What statements are run with is shown in no error: it may be an item's content.

    Args:
        url: Of the database.
        pool_size: Connections to PostgreSQL at most.
    """
    if not url.startswith("sqlite"):
        engine = create_async_engine(
            re.sub("^postgresql://", "postgresql+asyncpg://", url),
            hide_parameters=True,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=10,
            connect_args={
                "timeout": 5,
                "command_timeout": 65,
                # All that there are, and those for many rows at once are long.
                "statement_cache_size": 500,
                "max_cacheable_statement_size": 0,
                "server_settings": _POSTGRESQL_SETTINGS,
            },
        )
        event.listen(engine.sync_engine, "checkout", _pass_over_closed)
        return engine
    engine = create_async_engine(
        re.sub("^sqlite://", "sqlite+aiosqlite://", url),
        hide_parameters=True,
        connect_args={"timeout": SQLITE_BUSY_SECONDS, "isolation_level": None},
    )
    event.listen(engine.sync_engine, "connect", _set_up_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def make_folder(url: str) -> None:
    """Makes the folder of an SQLite database, unless it is there."""
    parts = make_url(url)
    if parts.get_backend_name() == "sqlite" and parts.database and parts.database != ":memory:":
        Path(parts.database).parent.mkdir(parents=True, exist_ok=True)


def without_begin(engine: AsyncEngine, sqlite: bool) -> AsyncEngine:
    """Returns the same engine without transactions around statements: BEGIN and COMMIT cost round trips."""
    if sqlite:
        return engine.execution_options(**{_WITHOUT_BEGIN: True})
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def _pass_over_closed(connection: Any, record: Any, proxy: Any) -> None:
    """Has the pool open new connections where the server has closed one: then it has closed them all."""
    if connection.driver_connection.is_closed():
        raise InvalidatePoolError


def _set_up_sqlite(connection: Any, record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", f"busy_timeout={SQLITE_BUSY_SECONDS * 1000}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    if not connection.get_execution_options().get(_WITHOUT_BEGIN):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
