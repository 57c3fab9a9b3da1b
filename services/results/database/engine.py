"""Engines: connections to the database and their settings."""

import re
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from headrace.errors import UnavailableError
from headrace.reasons import ErrorReason

POOL_SIZE = 20
# Separate pool for signs of life of workers, which must not wait behind calls that wait for a job's lock.
SIGNS_OF_LIFE_POOL_SIZE = 4
SQLITE_BUSY_SECONDS = 10
# Time limit of the driver for a statement. It ends those that the server's own limit cannot.
COMMAND_SECONDS = 65.0
# Each statement finds few rows by a key, however large its tables are. So PostgreSQL plans it once, for the
# indexes. Planning at every call would take longer than running it.
_POSTGRESQL_SETTINGS = {
    "application_name": "headrace-results",
    "enable_seqscan": "off",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    # A process that hangs, or a lost connection, must not block the others for ever.
    "lock_timeout": "5s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "30s",
}
_WITHOUT_BEGIN = "headrace_without_begin"


def open_engine(url: str, pool_size: int = POOL_SIZE) -> AsyncEngine:
    """Returns an engine for PostgreSQL (asyncpg) or SQLite (aiosqlite, write-ahead log).

    Errors do not show the parameters of statements, which may be the content of an item.

    Args:
        url: URL of the database.
        pool_size: Maximum connections to PostgreSQL.
    """
    if url.startswith("sqlite"):
        return _sqlite_engine(url)
    return _postgresql_engine(url, pool_size, COMMAND_SECONDS)


def open_migration_engine(url: str) -> AsyncEngine:
    """Returns an engine for a migration: one connection, and no time limit of the driver on statements."""
    return _sqlite_engine(url) if url.startswith("sqlite") else _postgresql_engine(url, 1, None)


def _postgresql_engine(url: str, pool_size: int, command_seconds: float | None) -> AsyncEngine:
    engine = create_async_engine(
        re.sub("^postgresql://", "postgresql+asyncpg://", url),
        hide_parameters=True,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        connect_args={
            "timeout": 5,
            "command_timeout": command_seconds,
            # Caches all statements, even the long ones for many rows.
            "statement_cache_size": 500,
            "max_cacheable_statement_size": 0,
            "server_settings": _POSTGRESQL_SETTINGS,
        },
    )
    event.listen(engine.sync_engine, "checkout", _reject_closed)
    return engine


def _sqlite_engine(url: str) -> AsyncEngine:
    engine = create_async_engine(
        re.sub("^sqlite://", "sqlite+aiosqlite://", url),
        hide_parameters=True,
        connect_args={"timeout": SQLITE_BUSY_SECONDS, "isolation_level": None},
    )
    event.listen(engine.sync_engine, "connect", _set_up_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def make_folder(url: str) -> None:
    """Creates the folder of an SQLite database if it does not exist.

    Raises:
        UnavailableError: The folder cannot be created (STORAGE_FAILED).
    """
    parts = make_url(url)
    if parts.get_backend_name() != "sqlite" or not parts.database or parts.database == ":memory:":
        return
    folder = Path(parts.database).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnavailableError(
            f"the folder of the database, {folder}, cannot be created: {error.strerror}; name another place "
            "in HEADRACE_DATABASE_URL",
            reason=ErrorReason.STORAGE_FAILED,
        ) from None


def without_begin(engine: AsyncEngine, sqlite: bool) -> AsyncEngine:
    """Returns the engine without a transaction around each statement: BEGIN and COMMIT cost round trips."""
    if sqlite:
        return engine.execution_options(**{_WITHOUT_BEGIN: True})
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def _reject_closed(connection: Any, record: Any, proxy: Any) -> None:
    """Empties the pool if the server closed one connection: then it has closed them all."""
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
