"""The context in which a worker runs an item's handler."""

from collections.abc import Callable, Sequence
from functools import partial

from headrace.kinds import Completion, Message, RequestOptions, RetryableError
from services.stubs.results.v1 import results_pb2
from services.worker.calls.admission import CallAdmission
from services.worker.calls.costs import CallMeter, ServedTier
from services.worker.calls.outages import SparedError, spared
from services.worker.calls.provider.faults import ProviderDownError, as_provider_down
from services.worker.calls.provider.provider import CompletionRequest
from services.worker.calls.response_cache import CachedCalls
from services.worker.items.attempts.attempt_responses import ItemResponses
from services.worker.items.attempts.item_time import seconds_of
from services.worker.items.attempts.retries import TURNED_AWAY

# A later call of an item, such as a repair, goes before first calls of other items: so items are finished
# before others are begun.
_LATER_CALL_RANK = -1


class CallingContext:
    """An ItemContext whose calls go to a provider and are counted on the item.

    Args:
        admission: Makes the calls.
        spec: Job of the item.
        default_model: Model of calls that name none.
        meter: Counts calls, tokens and costs, and holds back calls that cost too much.
        responses: Responses to the item's calls so far. A request answered in an earlier attempt is not
            repeated.
        item_index: The item's index in its job.
        cached: Responses to calls of other items. None: every call is made.
        call_succeeded: Called after each call that the provider has answered.

    Attributes:
        call_failed: Whether a call of this attempt failed that may succeed in the next one.
    """

    def __init__(
        self,
        admission: CallAdmission,
        spec: results_pb2.JobSpec,
        default_model: str,
        meter: CallMeter,
        responses: ItemResponses,
        *,
        item_index: int = 0,
        cached: CachedCalls | None = None,
        call_succeeded: Callable[[], None] = lambda: None,
    ) -> None:
        options = spec.options
        self._admission = admission
        self._tenant = spec.tenant
        self._default_model = default_model
        self._meter = meter
        self._responses = responses
        self._call_timeout = seconds_of(options.call_timeout) if options.HasField("call_timeout") else None
        self._item_index = item_index
        self._cached = cached
        self._call_succeeded = call_succeeded
        self._unfinished_count = 0
        self._has_answer = False
        self.call_failed = False
        self._spared: SparedError | None = None
        self._is_at_fault = self._is_provider_at_fault = False

    def spare(self, error: RetryableError) -> RetryableError:
        """Returns the error of an attempt, as a SparedError if all of its failed calls are spared.

        It is a ProviderDownError if the provider was at fault in all of them, and not all are spared.

        Args:
            error: The handler's error. It may be a new one that sums up those of several calls.
        """
        if self._is_at_fault:
            return error
        if self._is_provider_at_fault:
            return as_provider_down(error)
        return error if self._spared is None else spared(error, is_open=self._spared.is_open)

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        model: str | None = None,
        temperature: float | None = None,
        max_output_tokens: int | None = None,
        options: RequestOptions | None = None,
    ) -> Completion:
        """Makes one chat completion; see ItemContext."""
        request = CompletionRequest(
            model=model or self._default_model,
            messages=tuple(messages),
            temperature=temperature,
            max_output_tokens=max_output_tokens,
            timeout_seconds=self._call_timeout,
            options=options,
        )
        response = self._responses.take(request)
        if response is None:
            response = await self._make(request)
            self._responses.add(request, response)
        elif self._cached is not None:
            self._cached.note_kept(request, response)
        self._has_answer = True
        return response

    async def _make(self, request: CompletionRequest) -> Completion:
        rank = self._unfinished_count
        if rank == 0 and self._has_answer:
            rank = _LATER_CALL_RANK
        self._unfinished_count += 1
        try:
            call = partial(self._call, request, rank)
            return await (call() if self._cached is None else self._cached.complete(request, call))
        except RetryableError as error:
            self.call_failed = True
            if isinstance(error, SparedError):
                self._spared = error
            elif isinstance(error, ProviderDownError):
                self._is_provider_at_fault = True
            elif error.reason not in TURNED_AWAY:
                self._is_at_fault = True
            raise
        finally:
            self._unfinished_count -= 1

    async def _call(self, request: CompletionRequest, rank: int) -> Completion:
        served = ServedTier()
        with self._meter.counted(request, served) as usage:
            response = await self._admission.complete(
                request,
                usage,
                rank,
                tenant=self._tenant,
                job_id=self._meter.job_id,
                item_index=self._item_index,
            )
            served.name = response.service_tier
        self._call_succeeded()
        return response
