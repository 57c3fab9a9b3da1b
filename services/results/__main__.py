"""``python -m services.results`` runs the results service; ``... migrate`` upgrades its database.

``... migrate --wait`` waits for a database that cannot be reached.
"""

import asyncio
import sys

from headrace.errors import HeadraceError
from services.results.app import ResultsApp
from services.results.database.migration_step import migrate_once_reachable
from services.results.database.migrations import migrate
from services.results.settings import ResultsSettings
from services.shared.logging import configure_logging, get_logger
from services.shared.metrics_server import serve_metrics
from services.shared.process import collect_garbage_rarely, end_process, stop_on_signals
from services.shared.settings import read_settings

log = get_logger(__name__)


async def _serve(settings: ResultsSettings) -> int:
    """Serves until a signal, then ends the process. Returns the exit code if it could not start."""
    stop = stop_on_signals()
    app = ResultsApp(settings)
    starting, stopping = asyncio.create_task(app.start()), asyncio.create_task(stop.wait())
    await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        try:
            starting.result()
        except RuntimeError as error:
            log.error("results_not_started", listen=settings.listen, error=str(error))
            return 1
        await stopping
    else:
        starting.cancel()
        await asyncio.wait([starting])
    await app.drain()
    end_process()


async def _migrate(database_url: str, *, waits: bool) -> int:
    """Migrates the database and returns 0, or 1 after a signal, which also ends the wait for the database."""
    stop = asyncio.create_task(stop_on_signals().wait())
    work = asyncio.create_task(migrate_once_reachable(database_url) if waits else migrate(database_url))
    await asyncio.wait([work, stop], return_when=asyncio.FIRST_COMPLETED)
    if not work.done():
        work.cancel()
        await asyncio.wait([work])
        log.warning("migration_stopped")
        return 1
    stop.cancel()
    work.result()
    return 0


def main() -> None:
    """Runs the service until a signal, or migrates the database and exits."""
    if sys.argv[1:] not in ([], ["migrate"], ["migrate", "--wait"]):
        sys.exit("usage: python -m services.results [migrate [--wait]]")
    settings = read_settings(ResultsSettings)
    configure_logging("results", settings.log_level)
    collect_garbage_rarely()
    try:
        if sys.argv[1:]:
            sys.exit(asyncio.run(_migrate(settings.database_url, waits="--wait" in sys.argv)))
        with serve_metrics(settings.metrics_listen):
            sys.exit(asyncio.run(_serve(settings)))
    except HeadraceError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
