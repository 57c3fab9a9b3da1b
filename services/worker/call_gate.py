"""The one way of a worker's items to the provider: so many calls at once, none while its model cools down."""

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import Completion, ItemFailedError, TryAgainError
from services.shared.metrics import timing
from services.worker.cooldowns import Cooldowns
from services.worker.metrics import PROVIDER_CALL_SECONDS, PROVIDER_CALLS, model_label
from services.worker.provider.faults import RATE_LIMITED
from services.worker.provider.provider import CompletionRequest, Provider

# Nothing may be started: the store may give what this worker holds to others.
WORKER_CUT_OFF = "WORKER_CUT_OFF"


class CallGate:
    """Lets calls through to a provider.

    An item in flight may make several calls at once; those beyond the limit wait here, so that waiting uses
    up nothing of a call's time. A place goes to the call whose item has the fewest calls before it: an item
    with one call never waits for all those of an item with twenty.

    Args:
        provider: Makes the calls.
        cooldowns: Asked, and told of models that turned a call away.
        limit: Calls under way at most.
        may_start: Whether a new call may begin (the worker counts as live).
    """

    def __init__(
        self,
        provider: Provider,
        cooldowns: Cooldowns,
        limit: int,
        may_start: Callable[[], bool] = lambda: True,
    ) -> None:
        self._provider = provider
        self._cooldowns = cooldowns
        self._free_count = limit
        self._may_start = may_start
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._arrivals = count()

    def cooldown_seconds(self, model: str) -> float:
        """Returns for how long a model should be left alone; 0: it may be called."""
        return self._cooldowns.remaining(self._key(model))

    async def complete(self, request: CompletionRequest, usage: jobs_pb2.Usage, rank: int) -> Completion:
        """Makes one call once it has a place; see Provider.

        Args:
            request: What to ask.
            usage: The call and its tokens are added to it.
            rank: Unfinished calls of the same item that were there before this one.

        Raises:
            TryAgainError: Also where the model was told to be left alone while the call waited here, and
                where nothing may be started now: then an item that is under way makes no further call.
        """
        async with self._place(rank) as waited:
            if not self._may_start():
                raise TryAgainError(WORKER_CUT_OFF, "the worker has lost touch with the store")
            wait = self.cooldown_seconds(request.model) if waited else 0.0
            if wait > 0:
                raise TryAgainError(RATE_LIMITED, "the provider's rate limit is reached", wait)
            try:
                with _counted(request.model):
                    return await self._provider.complete(request, usage)
            except TryAgainError as error:
                if error.reason == RATE_LIMITED and error.retry_after:
                    self._cooldowns.hold(self._key(request.model), error.retry_after)
                raise

    @asynccontextmanager
    async def _place(self, rank: int) -> AsyncIterator[bool]:
        """Holds a place; gives whether it had to be waited for."""
        waits = self._free_count == 0
        if waits:
            await self._wait(rank)
        else:
            self._free_count -= 1
        try:
            yield waits
        finally:
            self._release()

    async def _wait(self, rank: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._arrivals), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # got its place and was cancelled at once
                self._release()
            raise

    def _release(self) -> None:
        while self._waiting:
            *_, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)  # the place changes hands
                return
        self._free_count += 1

    def _key(self, model: str) -> str:
        return f"{self._provider.name}/{model}"


@contextmanager
def _counted(model: str) -> Iterator[None]:
    """Counts the call that the block makes, by what became of it."""
    model = model_label(model)
    outcome = "failed"
    try:
        with timing(PROVIDER_CALL_SECONDS.labels(model).observe):
            yield
        outcome = "succeeded"
    except (TryAgainError, ItemFailedError) as error:
        outcome = error.reason  # of the table in faults
        raise
    except asyncio.CancelledError:
        outcome = "cancelled"
        raise
    finally:
        PROVIDER_CALLS.labels(model, outcome).inc()
