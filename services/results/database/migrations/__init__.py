"""The schema: how a database gets it, and whether it has it."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from headrace.errors import FailedPreconditionError
from services.results.database.database import Database
from services.results.database.engine import make_folder, open_engine
from services.results.database.failures import DATABASE_ERRORS, translate

# Any fixed number: it keeps two migrations of one PostgreSQL database apart.
_LOCK_KEY = 7_236_450_112


async def migrate(database_url: str, revision: str = "head") -> None:
    """Brings a database to the newest schema, or makes it; a database that has it stays as it is.

    The folder of an SQLite database is made too.

    Args:
        database_url: As HEADRACE_DATABASE_URL.
        revision: The schema to stop at; tests bring rows from an older one on. Default: the newest.

    Raises:
        UnavailableError: The database cannot be reached (STORE_UNAVAILABLE).
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
    """Returns if the schema is the newest one that this code knows, or a still newer one.

    Raises:
        FailedPreconditionError: It is older, or there is none (SCHEMA_OUTDATED).
        UnavailableError: The database cannot be reached (STORE_UNAVAILABLE).
    """
    present = await database.inspect(_revision)
    scripts = ScriptDirectory.from_config(_config())
    newest = scripts.get_current_head()
    older = {script.revision for script in scripts.walk_revisions()} - {newest}
    if present is None or present in older:
        raise FailedPreconditionError(
            f"the database has schema {present or 'none'}, and {newest} is needed: "
            "run `python -m services.results migrate`",
            reason="SCHEMA_OUTDATED",
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
