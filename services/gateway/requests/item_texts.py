"""Checks that items are JSON, which the rules of a proto cannot express."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from headrace.kinds.json_bounds import read_json
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
    """Adds a violation for each item that ``read_json`` refuses; yields to the loop every 10 ms.

    Once 20 violations are known, others are only counted.

    Args:
        items: Items as the client sent them.
        violations: Collects violations of ``items[3]`` and so on.
        digest: Hash to which each item is added, preceded by its length.
        on_item: Called with the value of each item that is JSON.
    """
    slice_end = time.perf_counter() + _SLICE_SECONDS
    for index, item in enumerate(items):
        try:
            value = read_json(item)
        except ValueError as error:
            if violations.is_full:
                violations.count()
            else:
                violations.add(f"items[{index}]", str(error))
        else:
            if on_item is not None:
                on_item(value)
        if digest is not None:
            text = item.encode()
            digest.update(len(text).to_bytes(8, "big"))
            digest.update(text)
        if time.perf_counter() > slice_end:
            await asyncio.sleep(0)
            slice_end = time.perf_counter() + _SLICE_SECONDS
