"""Makes admitted calls, and learns from their outcomes."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import Completion, ItemFailedError, RetryableError
from headrace.reasons import ErrorReason
from services.shared.metrics import timing
from services.worker.calls.concurrency import BegunCall, ConcurrencyLimit
from services.worker.calls.provider.provider import CompletionRequest, Provider
from services.worker.calls.rate_limits import Reservation
from services.worker.calls.slots import CallSlots
from services.worker.calls.token_estimates import TokenEstimates
from services.worker.metrics import PROVIDER_CALL_SECONDS, PROVIDER_CALLS, model_label

# Reasons of calls that the provider answered, if late or badly: they show how long its answers take.
_ANSWERED = frozenset({ErrorReason.PROVIDER_TIMEOUT, ErrorReason.BROKEN_ANSWER})
# Reasons of calls that the provider rejected. A connection that failed shows nothing of its load.
_REJECTED = frozenset({ErrorReason.RATE_LIMITED, ErrorReason.PROVIDER_ERROR})


class ProviderCalls:
    """Calls the provider, and adjusts limits and estimates to what it answers.

    Args:
        provider: Makes the calls.
        slots: Slots of calls in flight.
        estimates: Learn the tokens of answers.
        cool: Starts a cool-down of a model for a number of seconds.
    """

    def __init__(
        self,
        provider: Provider,
        slots: CallSlots,
        estimates: TokenEstimates,
        cool: Callable[[str, float], None],
    ) -> None:
        self._provider = provider
        self._slots = slots
        self._estimates = estimates
        self._cool = cool

    async def make(
        self, request: CompletionRequest, usage: jobs_pb2.Usage, reservation: Reservation | None
    ) -> Completion:
        """Makes a call that has a slot.

        Args:
            request: The call to make.
            usage: The call and its tokens are added to it.
            reservation: Request and tokens of the rate limit. None if the model has none.
        """
        concurrency = self._slots.of(request.model)
        call = concurrency.begin(request.timeout_seconds)
        try:
            with _counted(request.model):
                completion = await self._provider.complete(request, usage)
        except RetryableError as error:
            self._note_failure(concurrency, call, request.model, error)
            if error.reason == ErrorReason.RATE_LIMITED and reservation is not None:
                reservation.settle(0)  # the request counts at the provider, its tokens do not
            raise
        self._note_remaining(concurrency, call, request.model)
        concurrency.note_answer(call)
        used = completion.input_tokens + completion.output_tokens
        if used:
            self._estimates.learn(request, completion.output_tokens)
            if reservation is not None:
                reservation.settle(used)
        return completion

    def _note_failure(
        self, concurrency: ConcurrencyLimit, call: BegunCall, model: str, error: RetryableError
    ) -> None:
        if error.reason in _ANSWERED:
            concurrency.note_answer(call)
        if error.reason not in _REJECTED:
            return
        self._slots.hold(model, concurrency.note_rejection(call))
        # Most of its calls are rejected: all workers wait. Otherwise only the item does, see ``retries``.
        if error.reason == ErrorReason.RATE_LIMITED and error.retry_after and concurrency.is_mostly_rejected:
            self._cool(model, error.retry_after)

    def _note_remaining(self, concurrency: ConcurrencyLimit, call: BegunCall, model: str) -> None:
        """Keeps the limit from growing if the provider would reject calls soon.

        Such a header never cuts: providers mean different things by it, and a cut costs more than the few
        rejections that it saves.
        """
        remaining = self._provider.take_remaining(model)
        if remaining is not None and remaining < concurrency.in_flight_count:
            concurrency.note_scarcity(call)


@contextmanager
def _counted(model: str) -> Iterator[None]:
    """Counts the call that the block makes, by its outcome."""
    model = model_label(model)
    outcome = "failed"
    try:
        with timing(PROVIDER_CALL_SECONDS.labels(model).observe):
            yield
        outcome = "succeeded"
    except (RetryableError, ItemFailedError) as error:
        outcome = error.reason  # one of the table in ``faults``
        raise
    except asyncio.CancelledError:
        outcome = "cancelled"
        raise
    finally:
        PROVIDER_CALLS.labels(model, outcome).inc()
