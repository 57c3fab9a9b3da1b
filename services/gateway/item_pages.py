"""Pages of the items of a job."""

from headrace.gateway.v1 import gateway_pb2
from services.gateway.requests.fields import canonical_job_id, page_size_or
from services.gateway.requests.page_tokens import PagedQuery
from services.gateway.requests.request_rules import check_rules
from services.gateway.store import StoreClient
from services.stubs.results.v1 import results_pb2

_DEFAULT_ITEMS_PER_PAGE = 100


async def get_items(
    store: StoreClient, request: gateway_pb2.GetItemsRequest, tenant: str
) -> gateway_pb2.GetItemsResponse:
    """Returns a page of items.

    Args:
        store: Store to read from.
        request: Request as the client sent it.
        tenant: Owner of the job.

    Raises:
        InvalidArgumentError: INVALID_FIELD or INVALID_PAGE_TOKEN.
        NotFoundError: The tenant has no such job.
    """
    await check_rules(request)
    job_id = canonical_job_id(request.job_id)
    indexes, keys = sorted(set(request.item_indexes)), sorted(set(request.item_keys))
    query = PagedQuery("GetItems", tenant, job_id, indexes, keys)
    page = await store.get_items(
        results_pb2.GetItemsRequest(
            job_id=job_id,
            tenant=tenant,
            page_size=page_size_or(_DEFAULT_ITEMS_PER_PAGE, request.page_size),
            after_item_index=query.index_position(request.page_token),
            item_indexes=indexes,
            item_keys=keys,
        )
    )
    token = query.page_token(page.items[-1].item_index) if page.has_more and page.items else ""
    return gateway_pb2.GetItemsResponse(items=page.items, next_page_token=token)
