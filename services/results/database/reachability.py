"""Checks every two seconds that the database answers."""

import asyncio

from services.results.database.database import Database
from services.shared.background_task import BackgroundTask
from services.shared.logging import get_logger
from services.shared.serving.readiness import Need

log = get_logger(__name__)

INTERVAL_SECONDS = 2.0
# Time for an answer, in seconds.
ANSWER_SECONDS = 3.0


class ReachabilityCheck:
    """Sends a query of its own every two seconds, and notes whether it was answered.

    Args:
        database: The database.
        need: Notified of answers and failures.
    """

    def __init__(self, database: Database, need: Need) -> None:
        self._database = database
        self._need = need
        self._reached = asyncio.Event()
        self._task = BackgroundTask(self._run, "reachability")

    def start(self) -> None:
        """Starts to check."""
        self._task.start()

    async def wait_until_reached(self) -> None:
        """Waits for the first answer."""
        await self._reached.wait()

    async def stop(self) -> None:
        """Stops checking."""
        await self._task.stop()

    async def _run(self) -> None:
        while True:
            try:
                error = await self._database.ping(ANSWER_SECONDS)
            except Exception as fault:  # the next check must happen
                log.exception("database_check_failed")
                error = type(fault).__name__
            if error:
                self._need.note_failure(error)
            else:
                self._need.note_answer()
                self._reached.set()
            await asyncio.sleep(INTERVAL_SECONDS)
