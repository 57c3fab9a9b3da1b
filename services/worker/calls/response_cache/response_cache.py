"""Answers that are used again, across items, jobs and workers: what was paid for is not paid twice."""

from collections import Counter
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from headrace.kinds import Completion, ItemFailedError, RetryableError
from services.stubs.results.v1 import results_pb2
from services.worker.calls.admission import WORKER_CUT_OFF
from services.worker.calls.provider import CompletionRequest
from services.worker.calls.provider.faults import PASSING_REASONS
from services.worker.calls.response_cache.encoding import encode_response, key_of
from services.worker.calls.response_cache.exchange import Exchange
from services.worker.calls.response_cache.response_store import Drop, Put
from services.worker.calls.response_cache.single_flight import Outcome, SingleFlight
from services.worker.metrics import CACHED_RESPONSES

# How long to wait for another one's call where the job says nothing of its calls, in seconds.
PATIENCE_SECONDS = 120.0


class ResponseCache:
    """Answers of one worker's provider that its jobs may use again.

    Args:
        exchange: To the store of answers.
        single_flight: The calls under way.
        provider_name: Where calls go; answers of another provider are other answers.
        lifetime_seconds: How long the answers of items that succeeded are kept.
    """

    def __init__(
        self, exchange: Exchange, single_flight: SingleFlight, provider_name: str, lifetime_seconds: float
    ) -> None:
        self._exchange = exchange
        self._single_flight = single_flight
        self._provider_name = provider_name
        self._lifetime_seconds = lifetime_seconds

    def begin_attempt(self, tenant: str, item: results_pb2.LeasedItem) -> "CachedCalls":
        """Returns the calls of one attempt of an item.

        Args:
            tenant: The job's: no other tenant's answers are used.
            item: The item. One whose handler, not a call, has failed an attempt of this round gets fresh answers.
        """
        fresh = any(
            failed.error.reason not in PASSING_REASONS and failed.error.reason != WORKER_CUT_OFF
            for failed in item.failed_attempts
        )
        return CachedCalls(self, tenant, fresh=fresh)

    async def answer(
        self, key: str, request: CompletionRequest, make: Callable[[], Awaitable[Completion]]
    ) -> tuple[Completion, Outcome]:
        """Returns the answer of a call, and where it came from; raises what ``make`` raises."""
        return await self._single_flight.answer(key, make, request.timeout_seconds or PATIENCE_SECONDS)

    def key_of(self, tenant: str, request: CompletionRequest, number: int) -> str | None:
        """Returns the key of a call; see the encoding."""
        return key_of(tenant, self._provider_name, request, number)

    def keep(self, key: str, answer: Completion) -> None:
        """Keeps an answer for its lifetime."""
        value = encode_response(key, answer)
        if value is not None:
            self._exchange.tell(Put(key, value, self._lifetime_seconds))

    def forget(self, key: str, answer: Completion) -> None:
        """Forgets an answer, unless another one has taken its slot."""
        value = encode_response(key, answer)
        if value is not None:
            self._exchange.tell(Drop(key, value))

    async def close(self) -> None:
        """Sends what is to be kept, and lets go of the store. Safe to repeat."""
        await self._exchange.close()


class CachedCalls:
    """The calls of one attempt of an item: ``with`` it, the end of the block says what its answers were worth.

    Where the attempt succeeds, its answers are kept for others. Where the handler fails without a call having
    failed, it does not want these answers: they are forgotten. Where the attempt is broken off, nothing is known.

    Args:
        cache: Has answers and takes them.
        tenant: The job's.
        fresh: Every call is made, and nobody shares it.
    """

    def __init__(self, cache: ResponseCache, tenant: str, *, fresh: bool) -> None:
        self._cache = cache
        self._tenant = tenant
        self._fresh = fresh
        self._asked: Counter[CompletionRequest] = Counter()
        self._answers: dict[str, tuple[Completion, bool]] = {}  # and whether it was found
        self._call_failed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            for key, (answer, was_found) in self._answers.items():
                if not was_found:  # else it would never grow old
                    self._cache.keep(key, answer)
        elif isinstance(error, Exception) and not self._call_failed:
            for key, (answer, _) in self._answers.items():
                self._cache.forget(key, answer)

    def note_kept(self, request: CompletionRequest, answer: Completion) -> None:
        """Takes note of an answer that an earlier attempt of the item has brought."""
        key = self._next_key(request)
        if key is not None:
            self._answers[key] = (answer, False)

    async def complete(
        self, request: CompletionRequest, make: Callable[[], Awaitable[Completion]]
    ) -> Completion:
        """Returns the answer of a call, which ``make`` makes where it is not there and nobody makes it.

        Raises:
            Exception: What ``make`` raised.
        """
        key = self._next_key(request)
        outcome = Outcome.CALLED
        try:
            if key is None or self._fresh:
                answer = await make()
            else:
                answer, outcome = await self._cache.answer(key, request, make)
        except (RetryableError, ItemFailedError):
            self._call_failed = True
            raise
        CACHED_RESPONSES.labels(outcome).inc()
        if key is not None:
            self._answers[key] = (answer, outcome is Outcome.FOUND)
        return answer

    def _next_key(self, request: CompletionRequest) -> str | None:
        number = self._asked[request]
        self._asked[request] += 1
        return self._cache.key_of(self._tenant, request, number)
