"""Measures a span of a run that has warmed up, for our system and for its peers alike."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp


@dataclass(frozen=True)
class Schedule:
    """Times of a run, in seconds.

    Attributes:
        warm_up_seconds: Time before the measured span.
        seconds: Measured span.
        outage_seconds: Duration of an outage, after the first fifth of the span. 0 for none.
    """

    warm_up_seconds: float
    seconds: float
    outage_seconds: float = 0.0

    @property
    def outage_begin_seconds(self) -> float:
        """Seconds of the span before the outage."""
        return self.seconds / 5

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Ended:
    """Items that have ended since the begin of the run."""

    finished_count: int = 0
    failed_count: int = 0


@dataclass(frozen=True)
class Reading:
    """Counts at one moment of a run.

    Attributes:
        time: Time by a monotonic clock, in seconds.
        ended: Items, as the caller counts them.
        calls: Calls, as the provider counts them. See ``Counts``.
    """

    time: float
    ended: Ended
    calls: Mapping[str, int]


def rates(begin_time: float, first: Reading, last: Reading) -> dict[str, float]:
    """Returns the measures of the span between two readings.

    Args:
        begin_time: Time at which the run began, for the rate of its cold part.
        first: Reading at the begin of the span.
        last: Reading at its end.
    """
    finished = last.ended.finished_count - first.ended.finished_count
    calls = {name: count - first.calls[name] for name, count in last.calls.items()}
    return {
        "items_per_s": finished / (last.time - first.time),
        "failed_items": last.ended.failed_count - first.ended.failed_count,
        "calls_per_item": calls["call_count"] / max(1, finished),
        "rejected_calls": calls["rejected_count"],
        "timed_out_calls": calls["broken_off_count"],
        "cold_items_per_s": first.ended.finished_count / (first.time - begin_time),
    }


async def measure_window(
    control_url: str, schedule: Schedule, begin_time: float, read: Callable[[], Awaitable[Ended]]
) -> dict[str, float]:
    """Waits for the warm-up, then for the measured span, and returns the measures. Begins the outage.

    Args:
        control_url: Control address of the provider.
        schedule: Times of the run.
        begin_time: Time at which the run began, by ``time.monotonic``.
        read: Returns the items that have ended.
    """
    async with aiohttp.ClientSession() as session:

        async def take_reading() -> Reading:
            ended = await read()
            async with session.get(f"{control_url}/counts") as response:
                return Reading(time.monotonic(), ended, await response.json())

        await asyncio.sleep(begin_time + schedule.warm_up_seconds - time.monotonic())
        first = await take_reading()
        if schedule.outage_seconds:
            await asyncio.sleep(schedule.outage_begin_seconds)
            outage = {"seconds": schedule.outage_seconds}
            async with session.post(f"{control_url}/outage", json=outage) as response:
                response.raise_for_status()
        await asyncio.sleep(first.time + schedule.seconds - time.monotonic())
        return rates(begin_time, first, await take_reading())
