"""Responses that are used again by other items, jobs and workers."""

from collections import Counter
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from headrace.kinds import Completion, ItemFailedError, RetryableError
from headrace.reasons import ErrorReason
from services.stubs.results.v1 import results_pb2
from services.worker.calls.provider import CompletionRequest, RequestForm, form_of_options
from services.worker.calls.provider.faults import PASSING_REASONS
from services.worker.calls.response_cache.encoding import encode_response, key_of
from services.worker.calls.response_cache.exchange import Exchange
from services.worker.calls.response_cache.response_store import Drop, Put
from services.worker.calls.response_cache.single_flight import Outcome, SingleFlight
from services.worker.metrics import CACHED_RESPONSES

# Time to wait for another's call if the job sets no timeout for its calls, in seconds.
PATIENCE_SECONDS = 120.0


class ResponseCache:
    """Responses of a worker's provider that its jobs may use again.

    Args:
        exchange: Connection to the response store.
        single_flight: Calls in flight.
        provider_name: Name of the provider. Each provider's responses are separate.
        lifetime_seconds: Lifetime of the responses of items that succeeded.
        form_of: Returns the form of a request, since another form may have another response.
    """

    def __init__(
        self,
        exchange: Exchange,
        single_flight: SingleFlight,
        provider_name: str,
        lifetime_seconds: float,
        form_of: Callable[[CompletionRequest], RequestForm] = form_of_options,
    ) -> None:
        self._exchange = exchange
        self._single_flight = single_flight
        self._provider_name = provider_name
        self._lifetime_seconds = lifetime_seconds
        self._form_of = form_of

    def begin_attempt(self, tenant: str, item: results_pb2.LeasedItem) -> "CachedCalls":
        """Returns the calls of one attempt of an item.

        Args:
            tenant: Owner of the job. Responses are not shared between tenants.
            item: The item. If its handler, rather than a call, failed an attempt of this round, it gets fresh
                responses.
        """
        fresh = any(
            failed.error.reason not in PASSING_REASONS and failed.error.reason != ErrorReason.WORKER_CUT_OFF
            for failed in item.failed_attempts
        )
        return CachedCalls(self, tenant, fresh=fresh)

    async def complete(
        self, key: str, request: CompletionRequest, make_call: Callable[[], Awaitable[Completion]]
    ) -> tuple[Completion, Outcome]:
        """Returns the response of a call, and its source. Raises whatever ``make_call`` raises."""
        patience = request.timeout_seconds or PATIENCE_SECONDS
        return await self._single_flight.complete(key, make_call, patience)

    def key_of(self, tenant: str, request: CompletionRequest, number: int) -> str | None:
        """Returns the key of a call. See ``encoding``."""
        form = self._form_of(request).answer_key
        return key_of(tenant, self._provider_name, request, number, form)

    def keep(self, key: str, response: Completion, tenant: str) -> None:
        """Keeps a response of a tenant for its lifetime."""
        value = encode_response(key, response)
        if value is not None:
            self._exchange.send(Put(key, value, self._lifetime_seconds, tenant))

    def forget(self, key: str, response: Completion) -> None:
        """Forgets a response, unless another one has replaced it."""
        value = encode_response(key, response)
        if value is not None:
            self._exchange.send(Drop(key, value))

    async def close(self) -> None:
        """Sends the responses to keep and closes the store. Safe to repeat."""
        await self._exchange.close()


class CachedCalls:
    """Calls of one attempt of an item. Used as a context manager that spans the attempt.

    If the attempt succeeds, its responses are kept for others. If the handler fails although no call has
    failed, the responses are unwanted and are forgotten. If the attempt is cancelled, nothing is known of
    them.

    Args:
        cache: Source of responses.
        tenant: Owner of the job.
        fresh: Whether every call is made, and shared with nobody.
    """

    def __init__(self, cache: ResponseCache, tenant: str, *, fresh: bool) -> None:
        self._cache = cache
        self._tenant = tenant
        self._fresh = fresh
        self._call_counts: Counter[CompletionRequest] = Counter()
        self._responses: dict[str, tuple[Completion, bool]] = {}  # and whether it was found in the store
        self._call_failed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            for key, (response, was_found) in self._responses.items():
                if not was_found:  # otherwise its lifetime would never end
                    self._cache.keep(key, response, self._tenant)
        elif isinstance(error, Exception) and not self._call_failed:
            for key, (response, _) in self._responses.items():
                self._cache.forget(key, response)

    def note_kept(self, request: CompletionRequest, response: Completion) -> None:
        """Records a response of an earlier attempt of the item."""
        key = self._next_key(request)
        if key is not None:
            self._responses[key] = (response, False)

    async def complete(
        self, request: CompletionRequest, make_call: Callable[[], Awaitable[Completion]]
    ) -> Completion:
        """Returns the response of a call. Makes it only if the cache lacks it and no equal call is in flight.

        Args:
            request: The call.
            make_call: Makes the call.

        Raises:
            Exception: Whatever ``make_call`` raised.
        """
        key = self._next_key(request)
        outcome = Outcome.CALLED
        try:
            if key is None or self._fresh:
                response = await make_call()
            else:
                response, outcome = await self._cache.complete(key, request, make_call)
        except (RetryableError, ItemFailedError):
            self._call_failed = True
            raise
        CACHED_RESPONSES.labels(outcome).inc()
        if key is not None:
            self._responses[key] = (response, outcome is Outcome.FOUND)
        return response

    def _next_key(self, request: CompletionRequest) -> str | None:
        number = self._call_counts[request]
        self._call_counts[request] += 1
        return self._cache.key_of(self._tenant, request, number)
