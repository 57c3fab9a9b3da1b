"""The migration as a step of a deployment: it can wait until the database is there."""

import asyncio

from sqlalchemy.engine import URL, make_url

from headrace.errors import UnavailableError
from services.results.database.migrations import migrate
from services.shared.logging import get_logger

log = get_logger(__name__)

FIRST_WAIT_SECONDS = 1.0
MAX_WAIT_SECONDS = 5.0


async def migrate_once_reachable(database_url: str) -> None:
    """Migrates a database as ``migrate`` does, but waits while it cannot be reached.

    It logs the address of the database at every attempt, so that a wrong one is seen.

    Args:
        database_url: URL in the form of HEADRACE_DATABASE_URL.

    Raises:
        FailedPreconditionError: The schema is that of another program (SCHEMA_OUTDATED).
    """
    wait = FIRST_WAIT_SECONDS
    while True:
        try:
            return await migrate(database_url)
        except UnavailableError as error:
            log.warning("database_awaited", database=_address(database_url), reason=error.reason)
        await asyncio.sleep(wait)
        wait = min(2 * wait, MAX_WAIT_SECONDS)


def _address(database_url: str) -> str:
    """Returns the URL without user, password and options."""
    url = make_url(database_url)
    address = URL.create(url.drivername, host=url.host, port=url.port, database=url.database)
    return address.render_as_string()
