"""Checks that items are JSON, which the rules of a proto cannot express."""

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol

import orjson

from headrace.kinds.json_nesting import TOO_DEEP, describe, is_nested_too_deeply
from services.gateway.requests.violations import Violations

_SLICE_SECONDS = 0.01


class Digest(Protocol):
    """A hash of hashlib that is still being updated."""

    def update(self, data: bytes, /) -> object:
        """Adds bytes to the hash."""


async def check_items(items: Sequence[str], violations: Violations, digest: Digest | None = None) -> None:
    """Adds a violation for each item that is not JSON or nested too deeply; yields to the loop every 10 ms.

    Once 20 violations are known, others are only counted.

    Args:
        items: Items as the client sent them.
        violations: Collects violations of ``items[3]`` and so on.
        digest: Hash to which each item is added, preceded by its length.
    """
    slice_end = time.perf_counter() + _SLICE_SECONDS
    for index, item in enumerate(items):
        text = item.encode()
        problem = _problem_of(item, text)
        if problem and violations.is_full:
            violations.count()
        elif problem:
            violations.add(f"items[{index}]", problem)
        if digest is not None:
            digest.update(len(text).to_bytes(8, "big"))
            digest.update(text)
        if time.perf_counter() > slice_end:
            await asyncio.sleep(0)
            slice_end = time.perf_counter() + _SLICE_SECONDS


def _problem_of(item: str, text: bytes) -> str:
    """Returns what is wrong with an item; empty if nothing is."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return describe(error)
    return TOO_DEEP if is_nested_too_deeply(item, value) else ""
