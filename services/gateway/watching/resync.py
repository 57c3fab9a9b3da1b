"""Reading watched jobs again from the store, so that every watcher converges."""

import asyncio

from headrace.errors import HeadraceError
from services.gateway.store import StoreClient
from services.gateway.watching.hub import Hub
from services.shared.logging import get_logger

log = get_logger(__name__)

_CHECKS_PER_PERIOD = 4


class Resync:
    """Puts on the hub what it may have missed: jobs that were quiet for a while, and all when asked.

    Args:
        hub: Says which jobs are watched and quiet.
        store: Is read, all jobs in one call.
        quiet_seconds: How long nothing must be heard of a job; 0: it reads only when asked.
    """

    def __init__(self, hub: Hub, store: StoreClient, quiet_seconds: float) -> None:
        self._hub = hub
        self._store = store
        self._quiet_seconds = quiet_seconds
        self._asked = asyncio.Event()

    def read_all_soon(self) -> None:
        """Has every watched job read again at once: a stream of news broke or began."""
        self._hub.recent.clear()
        self._asked.set()

    async def run(self) -> None:
        """Works until cancelled."""
        while True:
            quiet_seconds = 0.0 if await self._wait() else self._quiet_seconds
            quiet = self._hub.quiet_jobs(quiet_seconds)
            if not quiet:
                continue
            try:
                self._hub.put_reading(quiet, await self._store.get_newer_jobs(quiet))
            except HeadraceError as error:
                log.debug("watched_jobs_not_read", reason=error.reason)
                if not quiet_seconds:
                    await asyncio.sleep(0.2)
                    self._asked.set()

    async def _wait(self) -> bool:
        """Returns whether a reading was asked for; else a quarter of the period is over."""
        period = self._quiet_seconds / _CHECKS_PER_PERIOD if self._quiet_seconds else None
        try:
            await asyncio.wait_for(self._asked.wait(), period)
        except TimeoutError:
            return False
        self._asked.clear()
        return True
