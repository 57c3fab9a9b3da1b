"""Reads the changes of each watched tenant once a second, for all watches of the tenant."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from headrace.errors import HeadraceError
from headrace.jobs.v1 import jobs_pb2
from services.gateway.stopping import gateway_stopping
from services.gateway.store import StoreClient
from services.gateway.watching.hub import Hub
from services.gateway.watching.many_jobs.jobs_watcher import JobsWatcher
from services.shared.logging import get_logger
from services.shared.tracing import detached_context
from services.stubs.results.v1 import results_pb2

log = get_logger(__name__)

# Seconds between two reads of a tenant's changes.
READ_SECONDS = 1.0
PAGE_SIZE = 1_000
# Watches that read pages of their own at the same time, such as those that resume after a restart of the
# gateway.
MAX_READERS = 8


class _Feed:
    """The changes of one tenant, from a position on."""

    def __init__(self, tenant: str, position: results_pb2.ChangePosition) -> None:
        self.tenant = tenant
        self.position = position
        self.watchers: set[JobsWatcher] = set()
        self.reader: asyncio.Task[None] | None = None

    def put_live(self, job: jobs_pb2.Job) -> None:
        for watcher in self.watchers:
            watcher.put_live(job)

    def put_page(self, page: results_pb2.ListChangesResponse) -> None:
        self.position = page.next
        for watcher in list(self.watchers):
            if page.reset:
                watcher.reset(page.next)
            else:
                watcher.put_page(page)
            if watcher.is_behind:
                self.watchers.discard(watcher)


class ChangeFeeds:
    """One feed for each tenant with watches, however many there are.

    Build it on the running event loop.

    Args:
        hub: Hands over live snapshots.
        store: Store to read the changes from.
    """

    def __init__(self, hub: Hub, store: StoreClient) -> None:
        self._hub = hub
        self._store = store
        self._feeds: dict[str, _Feed] = {}
        self._watchers: set[JobsWatcher] = set()
        self._readers = asyncio.Semaphore(MAX_READERS)
        self._closed = False

    @contextmanager
    def watch(self, watcher: JobsWatcher) -> Iterator[None]:
        """Ends a watcher when the gateway stops; removes it from its feed at the end."""
        self._watchers.add(watcher)
        if self._closed:
            watcher.end(gateway_stopping())
        try:
            yield
        finally:
            self._watchers.discard(watcher)
            for feed in list(self._feeds.values()):
                feed.watchers.discard(watcher)
                self._end_if_unwatched(feed)

    def join(self, tenant: str, watcher: JobsWatcher) -> bool:
        """Adds a watcher to the feed of its tenant. Returns False if it has not come as far as the feed."""
        feed = self._feeds.get(tenant)
        if feed is None:
            feed = self._feeds[tenant] = _Feed(tenant, watcher.position)
            feed.reader = asyncio.create_task(self._run(feed), context=detached_context())
        elif not _is_as_far(watcher.position, feed.position):
            return False
        watcher.is_behind = False
        feed.watchers.add(watcher)
        return True

    async def read(
        self, tenant: str, after: results_pb2.ChangePosition | None
    ) -> results_pb2.ListChangesResponse:
        """Returns the page of changes after a position; without one, only the present end of the changes.

        Raises:
            UnavailableError: STORE_UNAVAILABLE.
        """
        async with self._readers:
            return await self._read(tenant, after)

    def close(self) -> None:
        """Ends every watch, now and later, with GATEWAY_STOPPING."""
        self._closed = True
        for watcher in self._watchers:
            watcher.end(gateway_stopping())

    async def _read(
        self, tenant: str, after: results_pb2.ChangePosition | None
    ) -> results_pb2.ListChangesResponse:
        request = results_pb2.ListChangesRequest(tenant=tenant, page_size=PAGE_SIZE, after=after)
        return await self._store.list_changes(request)

    async def _run(self, feed: _Feed) -> None:
        with self._hub.listen(feed.tenant, feed.put_live):
            while True:
                await asyncio.sleep(READ_SECONDS)
                try:
                    await self._read_all(feed)
                except HeadraceError as error:
                    log.debug("changes_not_read", reason=error.reason)

    async def _read_all(self, feed: _Feed) -> None:
        has_more = True
        while has_more:
            page = await self._read(feed.tenant, feed.position)
            feed.put_page(page)
            self._end_if_unwatched(feed)
            has_more = page.has_more and bool(feed.watchers)

    def _end_if_unwatched(self, feed: _Feed) -> None:
        if not feed.watchers and self._feeds.get(feed.tenant) is feed:
            del self._feeds[feed.tenant]
            if feed.reader is not None:
                feed.reader.cancel()


def _is_as_far(position: results_pb2.ChangePosition, other: results_pb2.ChangePosition) -> bool:
    if position.store_id != other.store_id:
        return False
    return (position.change_xid, position.job_id) >= (other.change_xid, other.job_id)
