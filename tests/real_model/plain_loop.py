"""The server's own rate: a plain loop of four connections that makes recorded calls again."""

import asyncio
from collections.abc import Sequence

import aiohttp

from tests.real_model.proxy import Call

CONNECTIONS = 4
COUNTED_CALLS = 40


async def replay(url: str, calls: Sequence[Call]) -> None:
    """Makes the first calls again, in the same order, four at a time, so that 40 end with all slots in use.

    Raises:
        aiohttp.ClientResponseError: A call was not answered with 200.
    """
    answered = [call for call in calls if call.outcome == "answered"]
    bodies = iter([call.body for call in answered[: COUNTED_CALLS + CONNECTIONS]])

    async def work(session: aiohttp.ClientSession) -> None:
        for body in bodies:
            async with session.post(f"{url}/v1/chat/completions", data=body) as response:
                await response.read()

    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(raise_for_status=True, headers=headers) as session:
        await asyncio.gather(*(work(session) for _ in range(CONNECTIONS)))


def calls_per_second(calls: Sequence[Call]) -> float:
    """Returns answered calls per second until the 40th answer, from the begin of the first call."""
    answered = [call for call in calls if call.outcome == "answered"]
    ends = sorted(call.end for call in answered if call.end is not None)[:COUNTED_CALLS]
    return len(ends) / (ends[-1] - min(call.begin for call in answered))
