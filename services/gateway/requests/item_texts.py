"""Checks that items are JSON, which the rules of a proto cannot express."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import orjson

from services.gateway.requests.violations import Violations

_SLICE_SECONDS = 0.01


class Digest(Protocol):
    """A hash of hashlib that is still being updated."""

    def update(self, data: bytes, /) -> object:
        """Adds bytes to the hash."""


async def check_items(
    items: Sequence[str],
    violations: Violations,
    digest: Digest | None = None,
    on_item: Callable[[Any], None] | None = None,
) -> None:
    """Adds a violation for each item that is not JSON; yields to the loop every 10 ms.

    Args:
        items: Items as the client sent them.
        violations: Collects violations of ``items[3]`` and so on.
        digest: Hash to which each item is added, preceded by its length.
        on_item: Called with the value of each item that is JSON.
    """
    slice_end = time.perf_counter() + _SLICE_SECONDS
    for index, item in enumerate(items):
        text = item.encode()
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            violations.add(f"items[{index}]", f"is not JSON: {error}")
        else:
            if on_item is not None:
                on_item(value)
        if digest is not None:
            digest.update(len(text).to_bytes(8, "big"))
            digest.update(text)
        if time.perf_counter() > slice_end:
            await asyncio.sleep(0)
            slice_end = time.perf_counter() + _SLICE_SECONDS
