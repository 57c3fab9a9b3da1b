"""Whether items are JSON, which no rule of a proto can say."""

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol

import orjson

from services.gateway.requests.violations import Violations

_SLICE_SECONDS = 0.01


class Digest(Protocol):
    """A hash under way, as hashlib makes them."""

    def update(self, data: bytes, /) -> object:
        """Takes more bytes."""


async def check_items(items: Sequence[str], violations: Violations, digest: Digest | None = None) -> None:
    """Notes each item that is no JSON text; lets the loop go on while it checks many.

    Args:
        items: As the client sent them.
        violations: Takes notes, of ``items[3]``.
        digest: Takes every item with its length.
    """
    slice_end = time.perf_counter() + _SLICE_SECONDS
    for index, item in enumerate(items):
        text = item.encode()
        try:
            orjson.loads(text)
        except orjson.JSONDecodeError as error:
            violations.add(f"items[{index}]", f"is not JSON: {error}")
        if digest is not None:
            digest.update(len(text).to_bytes(8, "big"))
            digest.update(text)
        if time.perf_counter() > slice_end:
            await asyncio.sleep(0)
            slice_end = time.perf_counter() + _SLICE_SECONDS
