"""The messages of one stream of results, from a position to the end of the job."""

from collections.abc import AsyncGenerator, Awaitable, Callable

from headrace.gateway.v1 import gateway_pb2
from services.gateway.requests.cursors import ResultsQuery, invalid_cursor
from services.gateway.store import StoreClient
from services.gateway.watching.hub import Hub, Watcher
from services.shared.job_states import TERMINAL_STATES
from services.stubs.results.v1 import results_pb2

RESULTS_PER_PAGE = 1000


async def stream_results(
    hub: Hub,
    store: StoreClient,
    query: ResultsQuery,
    tenant: str,
    after: results_pb2.RecordPosition | None,
    *,
    include_inputs: bool,
    on_found: Callable[[], Awaitable[None]],
) -> AsyncGenerator[gateway_pb2.StreamResultsResponse, None]:
    """Yields results in the order of recording; the last message has the terminal snapshot.

    A page is read only after the reader has taken the one before, so a slow reader uses no memory.

    Args:
        hub: Hub that reports new snapshots of the job.
        store: Store to read results from.
        query: Job id in canonical form, and the item state to filter by.
        tenant: Owner of the job.
        after: Position of the last result that the reader has; None: it has none.
        include_inputs: Whether each result brings the input of its item.
        on_found: Called once the job is known to exist. Its first result may take long.

    Raises:
        NotFoundError: The tenant has no such job, or, at any time, the job was purged.
        InvalidArgumentError: INVALID_CURSOR: the store has not reached this position yet.
        UnavailableError: STORE_UNAVAILABLE or GATEWAY_STOPPING, at any time: resume from the last cursor.
    """
    # Watch first and read second: results recorded in between wake the watcher.
    with hub.watch(query.job_id, 0) as watcher:
        page = await _read(store, query, tenant, after, include_inputs)
        if after is not None and after.seq > page.job.seq:
            raise invalid_cursor()  # from before a restore of the store: new results would be skipped
        await on_found()
        while True:
            ended = not page.has_more and page.job.state in TERMINAL_STATES
            if page.results or ended or _skipped_others(query, page, after):
                yield _response(query, page, ended)
            if ended:
                return
            after = page.next
            watcher.check()
            if not page.has_more:
                hub.put_jobs([page.job])
                await _wait_for_newer(watcher, page.job.seq)
            page = await _read(store, query, tenant, after, include_inputs)


async def _read(
    store: StoreClient,
    query: ResultsQuery,
    tenant: str,
    after: results_pb2.RecordPosition | None,
    include_inputs: bool,
) -> results_pb2.ListRecordedResultsResponse:
    return await store.list_recorded_results(
        results_pb2.ListRecordedResultsRequest(
            job_id=query.job_id,
            tenant=tenant,
            page_size=RESULTS_PER_PAGE,
            after=after,
            item_state=query.item_state,
            include_inputs=include_inputs,
        )
    )


def _response(
    query: ResultsQuery, page: results_pb2.ListRecordedResultsResponse, ended: bool
) -> gateway_pb2.StreamResultsResponse:
    return gateway_pb2.StreamResultsResponse(
        results=page.results, cursor=query.cursor(page.next), job=page.job if ended else None
    )


def _skipped_others(
    query: ResultsQuery,
    page: results_pb2.ListRecordedResultsResponse,
    after: results_pb2.RecordPosition | None,
) -> bool:
    """Returns whether results of the other state were skipped; a new cursor spares reading them again."""
    return bool(query.item_state) and page.next != after


async def _wait_for_newer(watcher: Watcher, seen_seq: int) -> None:
    """Waits for a snapshot that is newer than the one that was read."""
    watcher.seen_seq = seen_seq
    while not (await watcher.next()).HasField("job"):
        pass  # live numbers bring no results
