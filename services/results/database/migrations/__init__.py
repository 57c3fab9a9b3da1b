"""Migrations of the schema, and the check that a database has the newest one."""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from headrace.errors import FailedPreconditionError
from headrace.reasons import ErrorReason
from services.results.database.database import Database
from services.results.database.engine import make_folder, open_migration_engine
from services.results.database.failures import DATABASE_ERRORS, is_repeatable, translate
from services.shared.logging import get_logger

log = get_logger(__name__)

# Any fixed number. The advisory lock serialises migrations of one PostgreSQL database.
_LOCK_KEY = 7_236_450_112
# In milliseconds. A change of a table waits for the transactions that use it, and all others wait behind it.
# So the migration gives up after this time and starts again.
_TABLE_LOCK_MS = 3_000
# Time until a migration fails that finds a table, or an SQLite database, locked each time, in seconds.
_LOCKED_SECONDS = 300.0
_LOCKED_PAUSE_SECONDS = 0.5


async def migrate(database_url: str, revision: str = "head") -> None:
    """Migrates a database to the newest schema. A database with that schema or a newer one is unchanged.

    Of several migrations at once, one does the work and the others wait for it. Creates the folder of an
    SQLite database if it does not exist.

    Args:
        database_url: URL in the form of HEADRACE_DATABASE_URL.
        revision: Revision to stop at, for tests of migrations. Default: the newest.

    Raises:
        FailedPreconditionError: The schema is that of another program (SCHEMA_OUTDATED).
        UnavailableError: The database cannot be reached (STORE_UNAVAILABLE), or its files cannot be used
            (STORAGE_FAILED).
    """
    make_folder(database_url)
    engine = open_migration_engine(database_url)
    try:
        await _migrate_once_unlocked(engine, revision)
    except DATABASE_ERRORS as error:
        raise translate(error) from None
    finally:
        await engine.dispose()


async def check_schema(database: Database) -> None:
    """Checks that the schema is the newest that this code knows, or a newer one.

    Raises:
        FailedPreconditionError: The schema is older or missing, or that of another program (SCHEMA_OUTDATED).
        UnavailableError: The database cannot be reached (STORE_UNAVAILABLE).
    """
    present, newest = await database.inspect(_revision), _newest()
    if present != newest and not _is_newer(present, newest):
        raise FailedPreconditionError(
            f"the database has schema {present or 'none'} but needs {newest}; "
            "run `python -m services.results migrate`",
            reason=ErrorReason.SCHEMA_OUTDATED,
        )


async def _migrate_once_unlocked(engine: AsyncEngine, revision: str) -> None:
    """Migrates, from the start again if another transaction holds what the migration must lock."""
    deadline = asyncio.get_running_loop().time() + _LOCKED_SECONDS
    while True:
        try:
            async with engine.begin() as connection:
                return await connection.run_sync(_upgrade, revision)
        except DATABASE_ERRORS as error:
            if not is_repeatable(error) or asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(_LOCKED_PAUSE_SECONDS)


def _newest() -> str:
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    assert newest is not None
    return newest


def _is_newer(present: str | None, newest: str) -> bool:
    """Returns whether a schema is one of a later version of this code: revisions are numbers that grow.

    Raises:
        FailedPreconditionError: The schema is that of another program (SCHEMA_OUTDATED).
    """
    if present is not None and not present.isdecimal():
        raise FailedPreconditionError(
            f"the database has schema {present}, which is not one of Headrace; use a database of its own",
            reason=ErrorReason.SCHEMA_OUTDATED,
        )
    return present is not None and int(present) > int(newest)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    return config


def _upgrade(connection: Connection, revision: str) -> None:
    if connection.dialect.name == "postgresql":
        for setting in ("lock_timeout", "statement_timeout"):
            connection.execute(text(f"SET LOCAL {setting} = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        connection.execute(text(f"SET LOCAL lock_timeout = {_TABLE_LOCK_MS}"))
    present, newest = _revision(connection), _newest()
    if _is_newer(present, newest):
        # The image was rolled back. The versions that may do so are in deploy/upgrading.md.
        log.warning("schema_newer", schema=present, newest_known=newest)
        return
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    if _revision(connection) != present:
        log.info("schema_migrated", schema_before=present, schema=_revision(connection))


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
