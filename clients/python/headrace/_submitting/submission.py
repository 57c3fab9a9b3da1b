"""Submits a job: items that fit in one request travel with it, more are uploaded."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any

from headrace._messages.conversion import to_job
from headrace._messages.json_text import JsonText, encode, utf8_size
from headrace._messages.request_building import build_request
from headrace._submitting.item_gathering import GatheredItems
from headrace._submitting.item_reading import encode_item, is_stream, items_in, read_items
from headrace._submitting.uploading import upload_items
from headrace._submitting.warnings_of_gateway import log_warnings
from headrace._transport.connection import GatewayConnection
from headrace.errors import FieldViolation, InvalidArgumentError
from headrace.gateway.v1 import gateway_pb2
from headrace.resources import Job

MAX_REQUEST_BYTES = 4 * 1024 * 1024
MAX_REQUEST_ITEMS = 100_000
_MAX_PARAMS_BYTES = 1024 * 1024
_MAX_SAMPLE_ITEMS = 100
_MAX_SAMPLE_BYTES = 64 * 1024


def submit_request(
    kind: str,
    params: Any,
    options: dict[str, Any],
    request_id: str | None = None,
    *,
    name: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> gateway_pb2.SubmitJobRequest:
    """Returns the request of a job without its items.

    Args:
        kind: Name of the kind.
        params: JSON value. None: no params.
        options: Job options as fields of their message.
        request_id: Name of the wanted job. None for an estimate.
        name: Name of the job for people.
        labels: Labels of the job.

    Raises:
        InvalidArgumentError: The request cannot hold some of the values; ``violations`` names each.
    """
    return build_request(
        gateway_pb2.SubmitJobRequest,
        kind=kind,
        params="" if params is None else encode(params, "params"),
        request_id=request_id,
        options=options,
        name=name,
        labels=labels,
    )


async def submit_job(
    connection: GatewayConnection,
    request: gateway_pb2.SubmitJobRequest,
    items: Iterable[Any] | AsyncIterable[Any],
    on_open: Callable[[Job], object] | None,
) -> Job:
    """Stores a job with its items and returns its snapshot after all of them are stored.

    The items alone decide whether they are uploaded, so that a repeated submit makes the same request. Items
    that arrive over time are always uploaded, others if one request cannot carry them.

    Args:
        connection: Connection to call on.
        request: The job without its items.
        items: JSON values.
        on_open: Called with the job as soon as it is stored, before the rest of its items.

    Raises:
        HeadraceError: As ``Client.submit`` says.
    """
    items = items_in(items)
    check_params(request.params)
    async with aclosing(read_items(items)) as source:
        gathered, is_all = await _gather(request, source, only_first=is_stream(items))
        if is_all:
            gathered.put_into(request)
        else:
            request.upload = True
            request.sample_items.extend(_sample(list(gathered.texts())))
        response = await connection.call(connection.stub.SubmitJob, request)
        log_warnings(response.warnings)
        job = to_job(response.job)
        if on_open is not None:
            on_open(job)
        return job if is_all else await upload_items(connection, job.job_id, gathered.items, source)


async def _gather(
    request: gateway_pb2.SubmitJobRequest, source: AsyncGenerator[Any, None], only_first: bool
) -> tuple[GatheredItems, bool]:
    """Returns the first items, and whether these are all of them and fit in the request.

    Reads one item more than fit in the request. With ``only_first``, reads a single item.
    """
    gathered = GatheredItems()
    size = request.ByteSize()
    async for item in source:
        encoded = encode_item(item, len(gathered))
        gathered.add(encoded)
        size += encoded.size
        if only_first or size > MAX_REQUEST_BYTES or len(gathered) > MAX_REQUEST_ITEMS:
            return gathered, False
    return gathered, True


def _sample(gathered: list[JsonText]) -> list[JsonText]:
    """Returns items at equal distances, up to 100 and about 64 KB, for a check before the upload."""
    size = sum(map(len, gathered)) // len(gathered)
    count = min(_MAX_SAMPLE_ITEMS, len(gathered), _MAX_SAMPLE_BYTES // max(size, 1))
    return [gathered[len(gathered) * place // count] for place in range(count)]


def check_params(text: str) -> None:
    """Raises an InvalidArgumentError for params that exceed 1 MB."""
    size = utf8_size(text, "params")
    if size > _MAX_PARAMS_BYTES:
        violation = FieldViolation("params", f"has {size:,} bytes; the maximum is {_MAX_PARAMS_BYTES:,}")
        raise InvalidArgumentError("params is too large: it can have at most 1 MB", violations=[violation])
