"""How long an item is worked on, and its end where its time is used up."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from google.protobuf.duration_pb2 import Duration

from headrace.kinds import ItemFailedError, JobFailedError, RetryableError
from services.stubs.results.v1 import results_pb2

ITEM_TIMED_OUT = "ITEM_TIMED_OUT"

T = TypeVar("T")


class ItemTime:
    """The time worked on an item in a round: that of its earlier attempts, and of one that begins now.

    Waits between attempts are no work. Of an attempt that ended with its process nothing is known.

    Args:
        spec: Its job, which may give its items an item_timeout.
        item: The item, with the time worked on it before.
    """

    def __init__(self, spec: results_pb2.JobSpec, item: results_pb2.LeasedItem) -> None:
        self._limit = seconds_of(spec.options.item_timeout) if spec.options.HasField("item_timeout") else None
        self._loop = asyncio.get_running_loop()
        self._begin = self._loop.time() - seconds_of(item.work_time)

    @property
    def worked_seconds(self) -> float:
        """Worked on it so far, in all its attempts of the round."""
        return self._loop.time() - self._begin

    async def within(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Returns what an attempt returned; it is broken off when the time of the item is used up.

        A success that comes all the same is taken: it was paid for. An attempt that failed at the end of the time
        is the last one.

        Args:
            work: Makes the attempt.

        Raises:
            ItemFailedError: ITEM_TIMED_OUT, or what the attempt raised.
            TimeoutError: One of the attempt's own.
            asyncio.CancelledError: The running task was cancelled by somebody else, or the attempt raised it.
            Exception: What the attempt raised.
        """
        if self._limit is None:
            return await work()
        left = self._limit - self.worked_seconds
        if left <= 0:
            raise self._timed_out()
        timer = asyncio.timeout(left)
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
        return ItemFailedError(ITEM_TIMED_OUT, f"the item's time is used up: item_timeout {self._limit:g} s")


def seconds_of(duration: Duration) -> float:
    """Returns a length of time in seconds; 0 for one that is not set."""
    return duration.seconds + duration.nanos / 1e9


def duration_of(seconds: float) -> Duration:
    """Returns a length of time of so many seconds, to the microsecond."""
    duration = Duration()
    duration.FromMicroseconds(round(seconds * 1e6))
    return duration
