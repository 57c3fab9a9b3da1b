"""A handwritten loop in bad weather: ``python -m tests.bench.peers.weather_loop JSON`` prints its measures.

The loop is ``asyncio.gather`` over the typed openai client with its aiohttp back end, and the client's own
retries. With the rule of Inspect AI, calls in flight follow the rule, and an item whose retries are used up
is tried again for ever, with Inspect's backoff. Both hold the slot of an item until it has ended.
"""

import asyncio
import json
import random
import sys
import time
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from tests.bench.peers.chat import LABELS, MODEL, chat
from tests.bench.peers.inspect_rule import AdaptiveSlots, InspectRule
from tests.bench.weather.window import Ended, Schedule, measure_window

_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 3.0, 1800.0
_NOT_FOR_EVER = 20  # doublings after which the wait is the longest one anyway

# HTTP requests of the current item, in a list of one number that the client's hooks share with it.
_requests: ContextVar[list[int]] = ContextVar("_requests")


@dataclass(frozen=True)
class LoopOptions:
    """Options of a loop.

    Attributes:
        url: Base URL of the provider.
        concurrency: Maximum calls in flight.
        item_count: Items, more than the run can finish.
        max_retries: Retries of the client for each item.
        timeout_seconds: Time-out of each call. None for the client's default.
        with_rule: Whether calls in flight follow the rule of Inspect AI.
    """

    url: str
    concurrency: int
    item_count: int
    max_retries: int = 2
    timeout_seconds: float | None = None
    with_rule: bool = False


class Loop:
    """Works on all items and counts them. Use it as ``async with Loop(options) as loop:``."""

    def __init__(self, options: LoopOptions) -> None:
        self._options = options
        self._finished_count = self._failed_count = 0
        self._rule = InspectRule(options.concurrency)
        self._slots: Any = (
            AdaptiveSlots(self._rule) if options.with_rule else asyncio.Semaphore(options.concurrency)
        )

    async def __aenter__(self) -> "Loop":
        import openai

        hooks = {"request": [self._count_request], "response": [self._read_response]}
        limits: dict[str, Any] = {"event_hooks": hooks} if self._options.with_rule else {}
        more: dict[str, Any] = {}
        if self._options.timeout_seconds is not None:
            more["timeout"] = self._options.timeout_seconds
        self._client = openai.AsyncOpenAI(
            base_url=self._options.url, api_key="bench", max_retries=self._options.max_retries,
            http_client=openai.DefaultAioHttpClient(**limits), **more,
        )  # fmt: skip
        self._retried = openai.APIError
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def run(self) -> None:
        """Works on all items."""
        await asyncio.gather(*(self._work(number) for number in range(self._options.item_count)))

    async def read(self) -> Ended:
        """Returns the items that have ended."""
        return Ended(self._finished_count, self._failed_count)

    async def _work(self, number: int) -> None:
        _requests.set([0])
        async with self._slots:
            try:
                if self._options.with_rule:
                    await self._complete_at_last(number)
                else:
                    await self._complete(number)
            except self._retried:
                self._failed_count += 1
            else:
                self._finished_count += 1

    async def _complete_at_last(self, number: int) -> None:
        for attempt in range(sys.maxsize):
            try:
                await self._complete(number)
            except self._retried:
                wait = _FIRST_WAIT_SECONDS * 2 ** min(attempt, _NOT_FOR_EVER) + random.random()
                await asyncio.sleep(min(wait, _LONGEST_WAIT_SECONDS))
            else:
                if _requests.get()[0] == 1:
                    self._rule.note_answer()
                return

    async def _complete(self, number: int) -> None:
        completion = await self._client.chat.completions.create(model=MODEL, messages=chat(number))  # type: ignore[arg-type]
        text = completion.choices[0].message.content
        if text not in LABELS:
            raise ValueError(f"not a label: {text}")

    async def _count_request(self, request: Any) -> None:
        _requests.get()[0] += 1

    async def _read_response(self, response: Any) -> None:
        if response.status_code == 429:
            retry_after = response.headers.get("retry-after")
            self._rule.note_rejection(float(retry_after) if retry_after else None)


async def _measure(options: LoopOptions, control_url: str, schedule: Schedule) -> dict[str, float]:
    async with Loop(options) as loop:
        begin_time = time.monotonic()
        work = asyncio.create_task(loop.run())
        measures = await measure_window(control_url, schedule, begin_time, loop.read)
        if work.done():
            work.result()
            raise RuntimeError("all items ended before the measured span did")
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    return measures


if __name__ == "__main__":
    _described = json.loads(sys.argv[1])
    print(
        json.dumps(
            asyncio.run(
                _measure(
                    LoopOptions(**_described["options"]),
                    _described["control_url"],
                    Schedule(**_described["schedule"]),
                )
            )
        )
    )
