"""What a running item may use, as the worker gives it."""

from collections.abc import Sequence
from functools import partial

from headrace.kinds import Completion, Message, RetryableError
from services.worker.calls.admission import CallAdmission
from services.worker.calls.costs import CallMeter
from services.worker.calls.provider.provider import CompletionRequest
from services.worker.calls.response_cache import CachedCalls
from services.worker.items.attempt_responses import ItemResponses


class CallingContext:
    """An ItemContext whose calls go to a provider and are counted on the item.

    Args:
        admission: Makes the calls.
        default_model: Of calls that name none.
        meter: Counts calls, tokens and costs, and holds calls back that cost too much.
        answers: Of the item's calls so far: a request answered in an earlier attempt is not made again.
        call_timeout: Seconds that each call may take; None: as long as the provider's adapter has it.
        cached: Answers calls with those of other items; None: every call is made.
        tenant: Whose calls they are.

    Attributes:
        call_failed: A call of this attempt may succeed in another one.
    """

    def __init__(
        self,
        admission: CallAdmission,
        default_model: str,
        meter: CallMeter,
        answers: ItemResponses,
        call_timeout: float | None = None,
        *,
        cached: CachedCalls | None = None,
        tenant: str = "",
    ) -> None:
        self._admission = admission
        self._default_model = default_model
        self._meter = meter
        self._answers = answers
        self._call_timeout = call_timeout
        self._cached = cached
        self._tenant = tenant
        self._unfinished_count = 0
        self.call_failed = False

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        model: str | None = None,
        temperature: float | None = None,
        max_output_tokens: int | None = None,
    ) -> Completion:
        """Makes one chat completion; see ItemContext."""
        request = CompletionRequest(
            model or self._default_model, tuple(messages), temperature, max_output_tokens, self._call_timeout
        )
        answer = self._answers.take(request)
        if answer is not None:
            if self._cached is not None:
                self._cached.note_kept(request, answer)
            return answer
        self._unfinished_count += 1
        try:
            make = partial(self._call, request, self._unfinished_count - 1)
            answer = await (make() if self._cached is None else self._cached.complete(request, make))
        except RetryableError:
            self.call_failed = True
            raise
        finally:
            self._unfinished_count -= 1
        self._answers.add(request, answer)
        return answer

    async def _call(self, request: CompletionRequest, rank: int) -> Completion:
        with self._meter.counted(request) as usage:
            return await self._admission.complete(
                request, usage, rank, tenant=self._tenant, job_id=self._meter.job_id
            )
