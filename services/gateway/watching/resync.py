"""Re-reads watched jobs from the store, so that every watcher converges."""

import asyncio

from headrace.errors import HeadraceError
from services.gateway.store import StoreClient
from services.gateway.watching.hub import Hub
from services.shared.logging import get_logger

log = get_logger(__name__)

_CHECKS_PER_PERIOD = 4
_RETRY_SECONDS = 0.2


class Resync:
    """Puts snapshots on the hub that it may have missed: of quiet jobs, and of all jobs on request.

    Args:
        hub: Knows which jobs are watched and quiet.
        store: Store to read from, all jobs in one call.
        quiet_seconds: Time without a snapshot after which a job is re-read; 0: on request only.
    """

    def __init__(self, hub: Hub, store: StoreClient, quiet_seconds: float) -> None:
        self._hub = hub
        self._store = store
        self._quiet_seconds = quiet_seconds
        self._requested = asyncio.Event()

    def read_all_soon(self) -> None:
        """Requests that every watched job is re-read at once, because a worker's stream broke or began."""
        self._hub.recent.clear()
        self._requested.set()

    async def run(self) -> None:
        """Re-reads jobs until cancelled."""
        while True:
            quiet_seconds = 0.0 if await self._wait() else self._quiet_seconds
            quiet = self._hub.take_quiet_jobs(quiet_seconds)
            if not quiet:
                continue
            try:
                self._hub.put_read_jobs(quiet, await self._store.get_newer_jobs(quiet))
            except HeadraceError as error:
                log.debug("watched_jobs_not_read", reason=error.reason)
                if not quiet_seconds:
                    await asyncio.sleep(_RETRY_SECONDS)
                    self._requested.set()

    async def _wait(self) -> bool:
        """Waits for a request, or a quarter of the period; returns whether there was a request."""
        period = self._quiet_seconds / _CHECKS_PER_PERIOD if self._quiet_seconds else None
        try:
            await asyncio.wait_for(self._requested.wait(), period)
        except TimeoutError:
            return False
        self._requested.clear()
        return True
