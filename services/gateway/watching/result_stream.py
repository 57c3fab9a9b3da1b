"""The messages of one stream of results, from a place on to the end of the job."""

from collections.abc import AsyncGenerator, Awaitable, Callable

from headrace.gateway.v1 import gateway_pb2
from services.gateway.requests.cursors import ResultsOfJob, invalid_cursor
from services.gateway.store import StoreClient
from services.gateway.watching.hub import Hub, Watcher
from services.shared.job_states import TERMINAL_STATES
from services.stubs.results.v1 import results_pb2

RESULTS_PER_PAGE = 1000


async def stream_results(
    hub: Hub,
    store: StoreClient,
    wanted: ResultsOfJob,
    tenant: str,
    after: results_pb2.RecordPosition | None,
    *,
    on_found: Callable[[], Awaitable[None]],
) -> AsyncGenerator[gateway_pb2.StreamResultsResponse, None]:
    """Yields results in the order of recording, and with the last of them the terminal snapshot.

    A page is read when the reader has taken the one before: nothing waits in memory for a slow reader.

    Args:
        hub: Tells that there is more to read.
        store: Where results are read.
        wanted: The job, in canonical form, and which of its results.
        tenant: Its owner.
        after: The place of the last result that the reader has; None: it has none.
        on_found: Called once the job is known to exist; its first result may be long in coming.

    Raises:
        NotFoundError: The tenant has no such job, or, at any time, it has been purged.
        InvalidArgumentError: INVALID_CURSOR: the store has not come to this place yet.
        UnavailableError: STORE_UNAVAILABLE or GATEWAY_STOPPING, at any time: go on from the last cursor.
    """
    # Watched first and read second: what is recorded in between is heard of.
    with hub.watch(wanted.job_id, 0) as watcher:
        page = await _read(store, wanted, tenant, after)
        if after is not None and after.seq > page.job.seq:
            raise invalid_cursor()  # of a store before it was restored: what comes now would be skipped
        await on_found()
        while True:
            ended = not page.has_more and page.job.state in TERMINAL_STATES
            if page.results or ended or _passed_others(wanted, page, after):
                yield gateway_pb2.StreamResultsResponse(
                    results=page.results,
                    cursor=wanted.cursor(page.next),
                    job=page.job if ended else None,
                )
            if ended:
                return
            after = page.next
            watcher.check()
            if not page.has_more:
                hub.put_jobs([page.job])
                await _news(watcher, page.job.seq)
            page = await _read(store, wanted, tenant, after)


async def _read(
    store: StoreClient, wanted: ResultsOfJob, tenant: str, after: results_pb2.RecordPosition | None
) -> results_pb2.ListRecordedResultsResponse:
    return await store.list_recorded_results(
        results_pb2.ListRecordedResultsRequest(
            job_id=wanted.job_id,
            tenant=tenant,
            page_size=RESULTS_PER_PAGE,
            after=after,
            item_state=wanted.item_state,
        )
    )


def _passed_others(
    wanted: ResultsOfJob,
    page: results_pb2.ListRecordedResultsResponse,
    after: results_pb2.RecordPosition | None,
) -> bool:
    """Returns whether results of the other state were passed, not to be searched again on resuming."""
    return bool(wanted.item_state) and page.next != after


async def _news(watcher: Watcher, seen_seq: int) -> None:
    """Waits for a snapshot that is newer than what was read."""
    watcher.seen_seq = seen_seq
    while not (await watcher.next()).HasField("job"):
        pass  # live numbers bring no results
