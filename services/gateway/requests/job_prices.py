"""Estimates the cost of jobs before they are stored."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import orjson
from pydantic import BaseModel

from headrace.gateway.v1 import gateway_pb2
from headrace.kinds import CallEstimate, ItemFailedError, Kind, RetryableError
from services.gateway.requests.failing_items import FailingItems
from services.shared.prices import Prices

_SLICE_SECONDS = 0.01
# An item of 1 MB can take 100 ms to read and to measure, which a thread does in parts.
_LARGE_ITEM = 128 * 1024


class JobPrices:
    """Estimates jobs, and finds models whose price is unknown.

    Args:
        prices: Prices of models.
        default_model: Model that workers call for jobs that name none.
    """

    def __init__(self, prices: Prices, default_model: str) -> None:
        self._prices = prices
        self._default_model = default_model

    def model_without_price(self, params: BaseModel) -> str | None:
        """Returns the model of a job if its price is unknown, else None.

        Also None for a kind whose params have no ``model``: it may call any model, or none, and the workers
        find out.
        """
        if "model" not in type(params).model_fields:
            return None
        model = getattr(params, "model", None) or self._default_model
        return model if self._prices.of(model) is None else None

    async def estimate(
        self, kind: Kind[Any], params: BaseModel, items: Sequence[str], *, are_large: bool = False
    ) -> gateway_pb2.JobEstimate:
        """Returns the calls, tokens and cost of a job; yields to the loop every 10 ms.

        Each call is counted once, without retries. An item that will fail before any call counts as failing.
        For a kind without an estimate all counts are 0 and the cost is unset.

        Args:
            kind: Kind of the job.
            params: Params, validated by the kind.
            items: JSON texts.
            are_large: Whether the params are large. Then a thread makes what all items share.
        """
        estimate = gateway_pb2.JobEstimate()
        if kind.estimate is None:
            return estimate
        cost: int | None = 0
        failing = FailingItems()
        slice_end = time.perf_counter() + _SLICE_SECONDS
        for place, item in enumerate(items):
            if len(item) > _LARGE_ITEM or (place == 0 and are_large):
                calls = await asyncio.to_thread(_calls_of, kind, params, item)
            else:
                calls = _calls_of(kind, params, item)
            if isinstance(calls, ItemFailedError):
                failing.add(place, calls)
                continue
            for call in calls:
                estimate.call_count += 1
                estimate.input_tokens += call.input_tokens
                estimate.output_tokens += call.output_tokens
                cost = self._add_cost(cost, call)
            if time.perf_counter() > slice_end:
                await asyncio.sleep(0)
                slice_end = time.perf_counter() + _SLICE_SECONDS
        if cost is not None:
            estimate.cost_micros = cost
        estimate.failing_item_count = failing.count
        estimate.failing_groups.extend(failing.groups())
        return estimate

    def _add_cost(self, cost: int | None, call: CallEstimate) -> int | None:
        price = self._prices.of(call.model or self._default_model)
        if cost is None or price is None:
            return None
        price = price.highest_of_tier(call.service_tier)
        return cost + price.cost_micros(call.input_tokens, call.output_tokens)


def _calls_of(kind: Kind[Any], params: BaseModel, item: str) -> Sequence[CallEstimate] | ItemFailedError:
    """Returns the calls of an item, or its error if it will fail before any."""
    assert kind.estimate is not None
    try:
        return kind.estimate(params, orjson.loads(item))
    except ItemFailedError as error:
        return ItemFailedError(error.reason, error.message)  # without the traceback, which holds the item
    except RetryableError:
        return ()
