"""Single flight: of equal calls under way, on any worker, one is made, and the others get its answer."""

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

# Calls of others that may fail while one waits for their answer, before it makes a call of its own: else many
# equal calls to a provider that hangs would be made one after the other.
MAX_FAILED_CALLS = 2


class Outcome(StrEnum):
    """Where an answer came from."""

    FOUND = "found"  # it was there
    SHARED = "shared"  # another one's call under way brought it
    CALLED = "called"
    UNREACHABLE = "unreachable"  # called, without knowing what other workers do


@dataclass(frozen=True)
class FlightTimes:
    """Times of single flight, in seconds.

    Attributes:
        held: A mark that is not renewed is gone after so long: its owner is.
        renewed: How often the owner renews it.
        polled: How often others look whether the answer is there.
        answered: How long an answer is there for those that wait.
    """

    held: float = 10.0
    renewed: float = 3.0
    polled: float = 0.1
    answered: float = 60.0


class SingleFlight:
    """The calls of one worker that others may wait for.

    A call is made by whoever asked first, in its own task: it counts there, and ends with it. Ends it without
    an answer, the next one makes it. Those that wait hold no slot at the provider. Where the store is away,
    calls are shared within this worker alone.

    Args:
        exchange: To the store that workers share.
        owner: Names this worker; no other has the same.
        times: How long things last.
        rng: Gives numbers from 0 to 1, so that workers do not look at the same moment.
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
        self._phase = rng() * self._times.polled
        self._under_way: dict[str, asyncio.Future[tuple[Completion, Outcome] | None]] = {}

    async def answer(
        self, key: str, make: Callable[[], Awaitable[Completion]], patience: float
    ) -> tuple[Completion, Outcome]:
        """Returns the answer of a call, made now or by somebody else, and where it came from.

        Args:
            key: Names the call.
            make: Makes it.
            patience: Seconds to wait for other ones' calls; after them it is made beside them.

        Raises:
            Exception: What ``make`` raised.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + patience
        failed_count = 0
        while (call := self._under_way.get(key)) is not None and failed_count < MAX_FAILED_CALLS:
            await asyncio.wait([call], timeout=end - loop.time())
            if not call.done():
                break
            brought = call.result()
            if brought is not None:
                answer, outcome = brought
                return answer, Outcome.FOUND if outcome is Outcome.FOUND else Outcome.SHARED
            failed_count += 1
        if call is None:
            return await self._lead(key, make, end)
        return await make(), Outcome.CALLED

    async def _lead(
        self, key: str, make: Callable[[], Awaitable[Completion]], end: float
    ) -> tuple[Completion, Outcome]:
        call = self._under_way[key] = asyncio.get_running_loop().create_future()
        brought: tuple[Completion, Outcome] | None = None
        try:
            brought = await self._find_or_make(key, make, end)
            return brought
        finally:
            del self._under_way[key]
            call.set_result(brought)
            if brought is None:
                self._exchange.tell(Drop(key, self._mark))  # others need not wait until it is gone

    async def _find_or_make(
        self, key: str, make: Callable[[], Awaitable[Completion]], end: float
    ) -> tuple[Completion, Outcome]:
        found, waited = await self._look(key, end)
        answer = None if found is None or found is AWAY else decode_response(key, found)
        if answer is not None:
            return answer, Outcome.SHARED if waited else Outcome.FOUND
        with self._renewing(key):
            answer = await make()
        self._publish(key, answer)
        return answer, Outcome.UNREACHABLE if found is AWAY else Outcome.CALLED

    async def _look(self, key: str, end: float) -> tuple[bytes | Away | None, bool]:
        """Returns what is at a key when others are not to be waited for any more, and whether they were.

        Where nothing was there, this worker's mark is now.
        """
        loop = asyncio.get_running_loop()
        owners: set[bytes] = set()
        while True:
            found = await self._exchange.ask(Claim(key, self._mark, self._times.held))
            if found is None or found is AWAY or not is_mark(found) or found == self._mark:
                return found, bool(owners)
            owners.add(found)
            if loop.time() >= end or len(owners) > MAX_FAILED_CALLS:
                return found, True
            # All that wait on this worker wake in the same turn, and so ask in one exchange.
            period = self._times.polled
            await asyncio.sleep(period - (loop.time() + self._phase) % period)

    def _publish(self, key: str, answer: Completion) -> None:
        value = encode_response(key, answer)
        if value is None:
            self._exchange.tell(Drop(key, self._mark))
        else:
            self._exchange.tell(Put(key, value, self._times.answered))

    @contextmanager
    def _renewing(self, key: str) -> Iterator[None]:
        """Renews the mark of this worker while the block runs."""
        loop = asyncio.get_running_loop()
        renew = Renew(key, self._mark, self._times.held)

        timers: list[asyncio.TimerHandle] = []

        def renew_later() -> None:
            timers[:] = [loop.call_later(self._times.renewed, go_on)]

        def go_on() -> None:
            self._exchange.tell(renew)
            renew_later()

        renew_later()
        try:
            yield
        finally:
            timers[0].cancel()
