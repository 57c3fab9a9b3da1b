"""A handwritten batch: ``asyncio.gather`` over a client, with a limit of concurrent calls.

``python -m tests.bench.peers.gather CLIENT URL ITEMS CONCURRENCY`` prints the cost as JSON. CLIENT is
``openai`` (with its defaults), ``openai-aiohttp`` (with its aiohttp back end) or ``aiohttp`` (no library).
"""

import asyncio
import json
import resource
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.bench.peers.chat import LABELS, MODEL, chat

Complete = Callable[[int], Awaitable[str]]
_WARM_UP_CALLS = 300


@asynccontextmanager
async def typed_client(url: str, concurrency: int, aiohttp_back_end: bool) -> AsyncIterator[Complete]:
    """Yields a function that makes one call with the openai library's typed client."""
    import openai

    limits: dict[str, Any] = {}
    if aiohttp_back_end:
        limits["http_client"] = openai.DefaultAioHttpClient()
    async with openai.AsyncOpenAI(base_url=url, api_key="bench", max_retries=0, **limits) as client:

        async def complete(number: int) -> str:
            completion = await client.chat.completions.create(model=MODEL, messages=chat(number))  # type: ignore[arg-type]
            return completion.choices[0].message.content or ""

        yield complete


@asynccontextmanager
async def raw_client(url: str, concurrency: int) -> AsyncIterator[Complete]:
    """Yields a function that makes one call with aiohttp and orjson alone."""
    import aiohttp
    import orjson

    connector = aiohttp.TCPConnector(limit=concurrency)
    headers = {"authorization": "Bearer bench", "content-type": "application/json"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def complete(number: int) -> str:
            body = orjson.dumps({"model": MODEL, "messages": chat(number)})
            async with session.post(f"{url}/chat/completions", data=body) as response:
                completion = orjson.loads(await response.read())
            return str(completion["choices"][0]["message"]["content"])

        yield complete


def open_client(name: str, url: str, concurrency: int) -> Any:
    """Returns the context manager of a client, by its name."""
    if name == "aiohttp":
        return raw_client(url, concurrency)
    return typed_client(url, concurrency, name == "openai-aiohttp")


async def gather_all(complete: Complete, item_count: int, concurrency: int) -> list[str]:
    """Returns the label of every item."""
    slots = asyncio.Semaphore(concurrency)

    async def classify(number: int) -> str:
        async with slots:
            text = await complete(number)
        if text not in LABELS:
            raise ValueError(f"not a label: {text}")
        return text

    return await asyncio.gather(*(classify(number) for number in range(item_count)))


def _waited() -> float:
    """Returns the seconds in which this thread was ready to run but had no core."""
    return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9


async def _measure(name: str, url: str, item_count: int, concurrency: int) -> None:
    async with open_client(name, url, concurrency) as complete:
        await gather_all(complete, _WARM_UP_CALLS, concurrency)
        cpu_begin, waited_begin, begin = time.process_time(), _waited(), time.perf_counter()
        await gather_all(complete, item_count, concurrency)
        seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu_begin
        waited = _waited() - waited_begin
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "waited": waited, "peak_mb": peak_kb / 1024}))


if __name__ == "__main__":
    asyncio.run(_measure(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
