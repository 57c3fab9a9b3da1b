"""Makes admitted calls, and learns from their outcomes."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import Completion, ItemFailedError, RetryableError
from headrace.reasons import ErrorReason
from services.worker.calls.answered_jobs import Caller
from services.worker.calls.concurrency import BegunCall, ConcurrencyLimit
from services.worker.calls.cooldowns import MemoryCooldowns
from services.worker.calls.job_rejections import JobRejections
from services.worker.calls.provider.provider import CompletionRequest, Provider
from services.worker.calls.rate_limits import Reservation
from services.worker.calls.slots import CallSlots
from services.worker.calls.token_estimates import TokenEstimates
from services.worker.metrics import PROVIDER_CALL_SECONDS, PROVIDER_CALLS, model_label

# Reasons of calls that the provider rejected. A connection that failed shows nothing of its load.
_REJECTED = frozenset({ErrorReason.RATE_LIMITED, ErrorReason.PROVIDER_ERROR})
# Cool-down of a job whose calls alone are rejected, without a Retry-After. In seconds.
_OWN_COOLDOWN_SECONDS = 1.0


class ProviderCalls:
    """Calls the provider, and adjusts limits and estimates to what it answers.

    Args:
        provider: Makes the calls.
        slots: Slots of calls in flight.
        estimates: Learn the tokens of answers.
        cool: Starts a cool-down of a model for a number of seconds.
        clock: Monotonic clock, in seconds.

    Attributes:
        job_cooldowns: Cool-downs of jobs, by id, whose calls are rejected while those of others are answered.
    """

    def __init__(
        self,
        provider: Provider,
        slots: CallSlots,
        estimates: TokenEstimates,
        cool: Callable[[str, float], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._provider = provider
        self._slots = slots
        self._estimates = estimates
        self._cool = cool
        self._job_rejections = JobRejections(clock)
        self.job_cooldowns = MemoryCooldowns(clock)

    async def make(
        self,
        request: CompletionRequest,
        usage: jobs_pb2.Usage,
        reservation: Reservation | None,
        caller: Caller,
    ) -> Completion:
        """Makes a call that has a slot.

        Args:
            request: The call to make.
            usage: The call and its tokens are added to it.
            reservation: Request and tokens of the rate limit. None if the model has none.
            caller: Job that makes the call.
        """
        concurrency = self._slots.of(request.model)
        call = concurrency.begin(request.timeout_seconds)
        try:
            with _counted(request.model):
                completion = await self._provider.complete(request, usage)
        except RetryableError as error:
            self._note_failure(concurrency, call, request.model, caller, error)
            if error.reason == ErrorReason.RATE_LIMITED and reservation is not None:
                reservation.settle(0)  # the request counts at the provider, its tokens do not
            raise
        self._job_rejections.add_answer(request.model, caller)
        self._note_remaining(concurrency, call, request.model)
        concurrency.note_answer(call)
        used = completion.input_tokens + completion.output_tokens
        if used:
            self._estimates.learn(request, completion.output_tokens)
            if reservation is not None:
                reservation.settle(used)
        return completion

    def _note_failure(
        self,
        concurrency: ConcurrencyLimit,
        call: BegunCall,
        model: str,
        caller: Caller,
        error: RetryableError,
    ) -> None:
        if error.reason == ErrorReason.BROKEN_ANSWER:
            concurrency.note_answer(call)
        elif error.reason == ErrorReason.PROVIDER_TIMEOUT:
            concurrency.note_timeout(call)
        if error.reason not in _REJECTED:
            return
        if self._job_rejections.add(model, caller):
            concurrency.discount(call)
            self.job_cooldowns.hold(caller.job_id, error.retry_after or _OWN_COOLDOWN_SECONDS)
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
    """Counts the call that the block makes, by its outcome.

    A model that does not exist gets no series: a client would use up those of all others.
    """
    outcome = "failed"
    start = time.perf_counter()
    try:
        yield
        outcome = "succeeded"
    except (RetryableError, ItemFailedError) as error:
        outcome = error.reason  # one of the table in ``faults``
        raise
    except asyncio.CancelledError:
        outcome = "cancelled"
        raise
    finally:
        label = model_label.known(model) if outcome == ErrorReason.MODEL_UNKNOWN else model_label(model)
        PROVIDER_CALL_SECONDS.labels(label).observe(time.perf_counter() - start)
        PROVIDER_CALLS.labels(label, outcome).inc()
