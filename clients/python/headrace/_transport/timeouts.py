"""Limits the time of single calls and of streams."""

import asyncio
import math
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from headrace.errors import DeadlineExceededError, FieldViolation, InvalidArgumentError

T = TypeVar("T")

_LONGEST_SECONDS = 366 * 86_400.0  # gRPC overflows on much more


def checked_timeout(timeout: object) -> float:
    """Returns the timeout of a call.

    Raises:
        InvalidArgumentError: It is not a positive number of seconds, up to a year.
    """
    is_number = isinstance(timeout, (int, float)) and not isinstance(timeout, bool)
    if is_number and math.isfinite(timeout) and 0 < timeout <= _LONGEST_SECONDS:  # type: ignore[arg-type,operator]
        return float(timeout)  # type: ignore[arg-type]
    violation = FieldViolation("timeout", "must be a positive number of seconds, up to a year")
    raise InvalidArgumentError(f"timeout: {violation.description}", violations=[violation])


def within(source: AsyncGenerator[T, None], timeout: float | None) -> AsyncGenerator[T, None]:
    """Returns a generator that yields the values of another one, and raises once its time is over.

    Args:
        source: Generator to read and to close.
        timeout: Seconds from the first request of a value to the last value. None: no limit, and the
            generator itself is returned.

    Raises:
        InvalidArgumentError: The timeout is not a positive number of seconds.
    """
    return source if timeout is None else _within(source, checked_timeout(timeout))


async def _within(source: AsyncGenerator[T, None], seconds: float) -> AsyncGenerator[T, None]:
    end = asyncio.get_running_loop().time() + seconds
    async with aclosing(source) as values:
        while True:
            try:
                async with asyncio.timeout_at(end) as limit:
                    value = await anext(values)
            except StopAsyncIteration:
                return
            except TimeoutError:
                if not limit.expired():
                    raise
                raise DeadlineExceededError(
                    f"the call took longer than its timeout of {seconds:g} s"
                ) from None
            yield value


async def limit(coroutine: Coroutine[Any, Any, T], timeout: float | None) -> T:
    """Returns the value of a coroutine, which is cancelled once its time is over.

    Args:
        coroutine: Coroutine to wait for.
        timeout: Seconds for all of it. None: no limit.

    Raises:
        DeadlineExceededError: The time is over.
        InvalidArgumentError: The timeout is not a positive number of seconds.
    """
    try:
        seconds = None if timeout is None else checked_timeout(timeout)
    except InvalidArgumentError:
        coroutine.close()
        raise
    try:
        async with asyncio.timeout(seconds) as clock:
            return await coroutine
    except TimeoutError:
        if seconds is None or not clock.expired():
            raise
        raise _too_long(seconds) from None


def _too_long(seconds: float) -> DeadlineExceededError:
    return DeadlineExceededError(f"the call took longer than its timeout of {seconds:g} s")
