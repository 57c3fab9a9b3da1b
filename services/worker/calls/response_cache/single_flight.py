"""Single flight: of equal calls in flight on any worker, one is made, and the others share its response."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from headrace.kinds import Completion
from services.worker.calls.response_cache.encoding import decode_response, encode_response, is_mark, mark_of
from services.worker.calls.response_cache.exchange import AWAY, Away, Exchange
from services.worker.calls.response_cache.response_store import Claim, Drop, Put, Renew

# Calls of others that may fail while a call waits for their response. After that it is made as well, so that
# equal calls to a provider that hangs are not made one after the other.
MAX_FAILED_CALLS = 2


class Outcome(StrEnum):
    """Source of a response."""

    FOUND = "found"  # the store had it
    SHARED = "shared"  # an equal call in flight brought it
    CALLED = "called"
    UNREACHABLE = "unreachable"  # called, without knowledge of other workers' calls


@dataclass(frozen=True)
class FlightTimes:
    """Times of single flight, in seconds.

    Attributes:
        mark_lifetime: Lifetime of a mark that is not renewed, because its owner is gone.
        renewal_period: Time between two renewals of a mark by its owner.
        poll_period: Time between two reads by those that wait for the response.
        response_lifetime: Lifetime of a response for those that wait.
    """

    mark_lifetime: float = 10.0
    renewal_period: float = 3.0
    poll_period: float = 0.1
    response_lifetime: float = 60.0


class SingleFlight:
    """Calls of one worker that other calls may wait for.

    The first to ask makes the call, in its own task. The call counts there, and ends with that task. If it
    ends without a response, the next one makes the call. Calls that wait hold no slot at the provider. While
    the store is away, calls are shared only within this worker.

    Args:
        exchange: Connection to the store that workers share.
        owner: Unique name of this worker.
        times: Lifetimes and periods.
        rng: Returns random numbers from 0 to 1, so that workers read at different moments.
    """

    def __init__(
        self,
        exchange: Exchange,
        owner: str,
        times: FlightTimes | None = None,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._exchange = exchange
        self._mark = mark_of(owner)
        self._times = times or FlightTimes()
        self._phase = rng() * self._times.poll_period
        self._in_flight: dict[str, asyncio.Future[tuple[Completion, Outcome] | None]] = {}

    async def complete(
        self, key: str, make_call: Callable[[], Awaitable[Completion]], patience_seconds: float
    ) -> tuple[Completion, Outcome]:
        """Returns the response of a call, made now or by somebody else, and its source.

        Args:
            key: Key of the call.
            make_call: Makes the call.
            patience_seconds: Time to wait for calls of others. After that the call is made as well.

        Raises:
            Exception: Whatever ``make_call`` raised.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + patience_seconds
        failed_count = 0
        while (call := self._in_flight.get(key)) is not None and failed_count < MAX_FAILED_CALLS:
            await asyncio.wait([call], timeout=end - loop.time())
            if not call.done():
                break
            result = call.result()
            if result is not None:
                response, outcome = result
                return response, Outcome.FOUND if outcome is Outcome.FOUND else Outcome.SHARED
            failed_count += 1
        if call is None:
            return await self._lead(key, make_call, end)
        return await make_call(), Outcome.CALLED

    async def _lead(
        self, key: str, make_call: Callable[[], Awaitable[Completion]], end: float
    ) -> tuple[Completion, Outcome]:
        call = self._in_flight[key] = asyncio.get_running_loop().create_future()
        result: tuple[Completion, Outcome] | None = None
        try:
            result = await self._find_or_make(key, make_call, end)
            return result
        finally:
            del self._in_flight[key]
            call.set_result(result)
            if result is None:
                self._exchange.send(Drop(key, self._mark))  # others need not wait for it to expire

    async def _find_or_make(
        self, key: str, make_call: Callable[[], Awaitable[Completion]], end: float
    ) -> tuple[Completion, Outcome]:
        found, waited = await self._look(key, end)
        response = None if found is None or found is AWAY else decode_response(key, found)
        if response is not None:
            return response, Outcome.SHARED if waited else Outcome.FOUND
        with self._renewing(key):
            response = await make_call()
        self._publish(key, response)
        return response, Outcome.UNREACHABLE if found is AWAY else Outcome.CALLED

    async def _look(self, key: str, end: float) -> tuple[bytes | Away | None, bool]:
        """Waits for the call of another worker, if one is in flight.

        Returns:
            The value at the key once there is nothing more to wait for, and whether this call waited. If the
            key was empty, it now has this worker's mark.
        """
        loop = asyncio.get_running_loop()
        owners: set[bytes] = set()
        while True:
            found = await self._exchange.ask(Claim(key, self._mark, self._times.mark_lifetime))
            if found is None or found is AWAY or not is_mark(found) or found == self._mark:
                return found, bool(owners)
            owners.add(found)
            if loop.time() >= end or len(owners) > MAX_FAILED_CALLS:
                return found, True
            # All calls that wait on this worker wake in the same turn, so they ask in one exchange.
            period = self._times.poll_period
            await asyncio.sleep(period - (loop.time() + self._phase) % period)

    def _publish(self, key: str, response: Completion) -> None:
        value = encode_response(key, response)
        if value is None:
            self._exchange.send(Drop(key, self._mark))
        else:
            self._exchange.send(Put(key, value, self._times.response_lifetime))

    @contextmanager
    def _renewing(self, key: str) -> Iterator[None]:
        """Renews this worker's mark while the block runs."""
        loop = asyncio.get_running_loop()
        renewal = Renew(key, self._mark, self._times.mark_lifetime)
        timers: list[asyncio.TimerHandle] = []

        def schedule() -> None:
            timers[:] = [loop.call_later(self._times.renewal_period, renew)]

        def renew() -> None:
            self._exchange.send(renewal)
            schedule()

        schedule()
        try:
            yield
        finally:
            timers[0].cancel()
