"""The messages of one watch of many jobs."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TypeVar, cast

from headrace.errors import UnavailableError
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2
from services.gateway.requests.jobs_tokens import JobsPosition, jobs_token
from services.gateway.store import StoreClient
from services.gateway.watching.many_jobs.change_feeds import ChangeFeeds
from services.gateway.watching.many_jobs.job_filter import JobFilter
from services.gateway.watching.many_jobs.jobs_watcher import JobsWatcher
from services.shared.logging import get_logger
from services.stubs.results.v1 import results_pb2

log = get_logger(__name__)

T = TypeVar("T")

Response = gateway_pb2.WatchJobsResponse

# Seconds between two messages at least, in which snapshots are merged.
MERGE_SECONDS = 0.1
# Seconds without a message after which one brings a new token, so that a later stream begins there.
TOKEN_SECONDS = 10.0
# Seconds before a call is repeated that the store did not answer.
RETRY_SECONDS = 0.5
_JOBS_PER_PAGE = 1_000


async def watch_jobs(
    feeds: ChangeFeeds,
    store: StoreClient,
    tenant: str,
    job_filter: JobFilter,
    position: JobsPosition | None,
    *,
    on_found: Callable[[], Awaitable[None]],
) -> AsyncGenerator[Response, None]:
    """Yields the live jobs of a tenant, then each job that changes, until the reader leaves.

    Args:
        feeds: Feeds of changes.
        store: Store to read the live jobs from.
        tenant: Owner of the jobs.
        job_filter: Jobs to send.
        position: Position of the last message that the reader has. None: it has none.
        on_found: Called once the store has answered. The first message may take long.

    Raises:
        UnavailableError: STORE_UNAVAILABLE, before the first message; GATEWAY_STOPPING, at any time.
    """
    watcher = JobsWatcher(job_filter, is_complete=position is None)
    with feeds.watch(watcher):
        stream = _Stream(feeds, store, tenant, watcher, job_filter)
        await stream.begin(position)
        await on_found()
        async for response in stream.read():
            watcher.check()
            yield response


class _Stream:
    """The steps of a watch: list the live jobs, catch up with the changes, then follow the feed."""

    def __init__(
        self,
        feeds: ChangeFeeds,
        store: StoreClient,
        tenant: str,
        watcher: JobsWatcher,
        job_filter: JobFilter,
    ) -> None:
        self._feeds = feeds
        self._store = store
        self._tenant = tenant
        self._watcher = watcher
        self._filter = job_filter
        self._listed_before: str | None = None  # None: all live jobs have been listed
        self._sent: JobsPosition | None = None

    async def begin(self, position: JobsPosition | None) -> None:
        """Makes the first call to the store. A watch that cannot begin fails before its first message."""
        if position is None:
            # The end of the changes is read before the jobs: what changes in between is sent twice.
            self._watcher.position = (await self._feeds.read(self._tenant, None)).next
            self._listed_before = ""
        else:
            self._watcher.position, self._listed_before = position
            self._sent = position
            await self._read_page()

    async def read(self) -> AsyncIterator[Response]:
        yield self._message()
        while True:
            if self._watcher.is_reset:
                self._listed_before = ""
                yield self._message()
            async for response in self._list_jobs():
                yield response
            async for response in self._catch_up():
                yield response
            async for response in self._follow():
                yield response

    async def _list_jobs(self) -> AsyncIterator[Response]:
        while self._listed_before is not None:
            page = await self._patiently(partial(self._read_live_jobs, self._listed_before))
            self._watcher.put_listed(page.jobs)
            self._listed_before = page.next_before_job_id if page.has_more else None
            yield self._message()
            while self._watcher.has_jobs:
                yield self._message()

    async def _read_live_jobs(self, before_job_id: str) -> results_pb2.ListJobsResponse:
        if not self._filter.live_states:
            return results_pb2.ListJobsResponse()
        return await self._store.list_jobs(
            results_pb2.ListJobsRequest(
                tenant=self._tenant,
                page_size=_JOBS_PER_PAGE,
                before_job_id=before_job_id,
                states=[cast("jobs_pb2.JobState", state) for state in self._filter.live_states],
                kind=self._filter.kind,
                labels=self._filter.labels,
            )
        )

    async def _catch_up(self) -> AsyncIterator[Response]:
        """Reads pages until the watch is as far as the feed, and joins it. Ends at a void position."""
        has_more = True
        while not self._watcher.is_reset:
            while self._watcher.has_jobs:
                yield self._message()
            if not has_more:
                if self._feeds.join(self._tenant, self._watcher):
                    return
                await asyncio.sleep(MERGE_SECONDS)
            has_more = await self._patiently(self._read_page)

    async def _read_page(self) -> bool:
        """Puts the next page into the empty mailbox. Returns whether more follow."""
        page = await self._feeds.read(self._tenant, self._watcher.position)
        if page.reset:
            self._watcher.reset(page.next)
        else:
            self._watcher.is_behind = False
            self._watcher.put_page(page)
        return page.has_more

    async def _follow(self) -> AsyncIterator[Response]:
        """Yields what the feed brings, until the watch falls behind or its position is void."""
        while self._watcher.has_jobs or not self._watcher.is_behind:
            if not self._watcher.has_jobs:
                await self._watcher.wait(TOKEN_SECONDS)
            has_moved = self._sent is None or self._watcher.position != self._sent.changes
            if self._watcher.has_jobs or (has_moved and not self._watcher.is_behind):
                yield self._message()
                await asyncio.sleep(MERGE_SECONDS)

    async def _patiently(self, read: Callable[[], Awaitable[T]]) -> T:
        """Returns what a call to the store returns, and repeats it while the store is unavailable."""
        while True:
            try:
                return await read()
            except UnavailableError as error:
                log.debug("watched_jobs_not_read", reason=error.reason)
            await asyncio.sleep(RETRY_SECONDS)
            self._watcher.check()

    def _message(self) -> Response:
        """Returns a message with jobs that wait. Its token covers what was sent to the end of the mailbox."""
        jobs, is_reset = self._watcher.take(), self._watcher.is_reset
        if self._sent is None or is_reset or not self._watcher.has_jobs:
            self._sent = JobsPosition(self._watcher.position, self._listed_before)
        self._watcher.is_reset = False
        return Response(jobs=jobs, resume_token=jobs_token(self._sent), reset=is_reset)
