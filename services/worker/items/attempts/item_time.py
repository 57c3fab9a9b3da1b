"""Measures the time worked on an item, and ends it when its item_timeout is used up."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from google.protobuf.duration_pb2 import Duration

from headrace.kinds import ItemFailedError, JobFailedError, RetryableError
from headrace.reasons import ErrorReason
from services.stubs.results.v1 import results_pb2

T = TypeVar("T")


class ItemTime:
    """The time worked on an item in a round: its earlier attempts, and one that begins now.

    Waits between attempts do not count. The time of an attempt that ended with its process is not known.

    Args:
        spec: Job of the item; its item_timeout is optional.
        item: The item, with the time worked on it before.
    """

    def __init__(self, spec: results_pb2.JobSpec, item: results_pb2.LeasedItem) -> None:
        self._limit = seconds_of(spec.options.item_timeout) if spec.options.HasField("item_timeout") else None
        self._loop = asyncio.get_running_loop()
        self._begin = self._loop.time() - seconds_of(item.work_time)

    @property
    def worked_seconds(self) -> float:
        """Seconds worked so far, in all attempts of the round."""
        return self._loop.time() - self._begin

    async def within(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Returns the result of an attempt, which is cancelled when the item's time is used up.

        A success that arrives late is still accepted: it was paid for. An attempt that fails when the time is
        used up is the last one.

        Args:
            work: Makes the attempt.

        Raises:
            ItemFailedError: ITEM_TIMED_OUT, or raised by the attempt.
            TimeoutError: Raised by the attempt.
            asyncio.CancelledError: The running task was cancelled from outside, or the attempt raised it.
            Exception: Raised by the attempt.
        """
        if self._limit is None:
            return await work()
        seconds_left = self._limit - self.worked_seconds
        if seconds_left <= 0:
            raise self._timed_out()
        timer = asyncio.timeout(seconds_left)
        try:
            async with timer:
                return await work()
        except JobFailedError:
            raise
        except Exception as error:
            is_over = isinstance(error, RetryableError) and self.worked_seconds >= self._limit
            if is_over or timer.expired():
                raise self._timed_out() from None
            raise

    def _timed_out(self) -> ItemFailedError:
        return ItemFailedError(
            ErrorReason.ITEM_TIMED_OUT, f"the item's time is used up: item_timeout {self._limit:g} s"
        )


def seconds_of(duration: Duration) -> float:
    """Returns a duration in seconds; 0 if it is unset."""
    return duration.seconds + duration.nanos / 1e9


def duration_of(seconds: float) -> Duration:
    """Returns a duration of the given seconds, to the microsecond."""
    duration = Duration()
    duration.FromMicroseconds(round(seconds * 1e6))
    return duration
