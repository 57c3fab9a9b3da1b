"""Migrations of the schema, and the check that a database has the newest one."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from headrace.errors import FailedPreconditionError
from headrace.reasons import ErrorReason
from services.results.database.database import Database
from services.results.database.engine import make_folder, open_engine
from services.results.database.failures import DATABASE_ERRORS, translate

# Any fixed number. The advisory lock serialises migrations of one PostgreSQL database.
_LOCK_KEY = 7_236_450_112


async def migrate(database_url: str, revision: str = "head") -> None:
    """Migrates a database to the newest schema. A database that has it already is unchanged.

    Creates the folder of an SQLite database if it does not exist.

    Args:
        database_url: URL in the form of HEADRACE_DATABASE_URL.
        revision: Revision to stop at, for tests of migrations. Default: the newest.

    Raises:
        UnavailableError: The database cannot be reached (STORE_UNAVAILABLE), or its files cannot be used
            (STORAGE_FAILED).
    """
    make_folder(database_url)
    engine = open_engine(database_url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade, revision)
    except DATABASE_ERRORS as error:
        raise translate(error) from None
    finally:
        await engine.dispose()


async def check_schema(database: Database) -> None:
    """Checks that the schema is the newest that this code knows, or a newer one.

    Raises:
        FailedPreconditionError: The schema is older or missing (SCHEMA_OUTDATED).
        UnavailableError: The database cannot be reached (STORE_UNAVAILABLE).
    """
    present = await database.inspect(_revision)
    scripts = ScriptDirectory.from_config(_config())
    newest = scripts.get_current_head()
    older = {script.revision for script in scripts.walk_revisions()} - {newest}
    if present is None or present in older:
        raise FailedPreconditionError(
            f"the database has schema {present or 'none'} but needs {newest}; "
            "run `python -m services.results migrate`",
            reason=ErrorReason.SCHEMA_OUTDATED,
        )


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
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
