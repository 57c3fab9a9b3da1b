"""Estimates a job with one call, or with several if one cannot carry its items."""

from collections.abc import AsyncIterable, Iterable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from headrace._messages.conversion import to_estimate
from headrace._submitting.item_reading import encode_item, items_in, read_items
from headrace._submitting.submission import MAX_REQUEST_BYTES, MAX_REQUEST_ITEMS, check_params
from headrace._submitting.warnings_of_gateway import log_warnings
from headrace._transport.connection import GatewayConnection
from headrace.gateway.v1 import gateway_pb2
from headrace.resources import FailureGroup, JobEstimate


async def estimate_job(
    connection: GatewayConnection,
    request: gateway_pb2.SubmitJobRequest,
    items: Iterable[Any] | AsyncIterable[Any],
) -> JobEstimate:
    """Returns the estimated total over all items. Nothing is stored.

    Args:
        connection: Connection to call on.
        request: The job without its items.
        items: JSON values.

    Raises:
        HeadraceError: As ``Client.estimate`` says.
    """
    items = items_in(items)
    check_params(request.params)
    request.validate_only = True
    base_size = size = request.ByteSize()
    parts: list[JobEstimate] = []
    index = first_index = 0
    async with aclosing(read_items(items)) as source:
        async for item in source:
            encoded = encode_item(item, index)
            index += 1
            is_full = size + encoded.size > MAX_REQUEST_BYTES or len(request.items) == MAX_REQUEST_ITEMS
            if request.items and is_full:
                parts.append(await _estimate(connection, request, first_index))
                first_index += len(request.items)
                del request.items[:]
                del request.item_keys[:]
                size = base_size
            request.items.append(encoded.text)
            if encoded.key:
                request.item_keys.append(encoded.key)
            size += encoded.size
    if request.items or not parts:
        parts.append(await _estimate(connection, request, first_index))
    return _sum(parts)


async def _estimate(
    connection: GatewayConnection, request: gateway_pb2.SubmitJobRequest, first_index: int
) -> JobEstimate:
    response = await connection.call(connection.stub.SubmitJob, request)
    log_warnings(response.warnings)
    for group in response.estimate.failing_groups:
        group.first_item_index += first_index
    return to_estimate(response.estimate)


def _sum(parts: list[JobEstimate]) -> JobEstimate:
    costs = [part.cost_micros for part in parts if part.cost_micros is not None]
    return JobEstimate(
        call_count=sum(part.call_count for part in parts),
        input_tokens=sum(part.input_tokens for part in parts),
        output_tokens=sum(part.output_tokens for part in parts),
        cost_micros=sum(costs) if len(costs) == len(parts) else None,
        failing_item_count=sum(part.failing_item_count for part in parts),
        failing_groups=_merge(group for part in parts for group in part.failing_groups),
    )


def _merge(groups: Iterable[FailureGroup]) -> tuple[FailureGroup, ...]:
    """Returns one group for each reason, with the first example, largest first."""
    merged: dict[str, FailureGroup] = {}
    for group in groups:
        known = merged.setdefault(group.reason, group)
        if known is not group:
            merged[group.reason] = replace(known, item_count=known.item_count + group.item_count)
    return tuple(sorted(merged.values(), key=lambda group: (-group.item_count, group.first_item_index)))
