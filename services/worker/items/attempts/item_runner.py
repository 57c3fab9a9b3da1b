"""Runs single attempts of items."""

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import ItemFailedError, JobFailedError, JobRefusedError, Kind, RetryableError
from headrace.reasons import ErrorReason
from services.shared.failed_attempts import with_failed_attempt
from services.shared.prices import Prices, read_prices
from services.stubs.results.v1 import results_pb2
from services.worker.calls.admission import CallAdmission
from services.worker.calls.allowance import Allowance
from services.worker.calls.costs import CallCosts, CallMeter
from services.worker.calls.outages import Outage, SparedError
from services.worker.calls.provider import CompletionRequest, RequestForm, form_of_options
from services.worker.calls.provider.faults import ProviderDownError
from services.worker.calls.response_cache import CachedCalls, ResponseCache
from services.worker.items.attempts.attempt_responses import AttemptResponses
from services.worker.items.attempts.error_message import error_message
from services.worker.items.attempts.item_context import CallingContext
from services.worker.items.attempts.item_outcome import ItemOutcome
from services.worker.items.attempts.item_time import ItemTime, duration_of
from services.worker.items.attempts.payload import decode_input, encode_output
from services.worker.items.attempts.prepared_jobs import PreparedJobs
from services.worker.items.attempts.refused_jobs import RefusedJobs
from services.worker.items.attempts.retries import Retries
from services.worker.items.job_logging import log_failed_attempt, log_handler_error


class ItemRunner:
    """Runs items by the handlers of their kinds.

    Args:
        kinds: Kinds by name.
        admission: Makes the calls of handlers.
        default_model: Model of jobs that name none.
        rng: Random numbers from 0 to 1, for jitter.
        response_cache: Serves jobs that reuse responses. None: their items make all of their calls.
        prices: Prices of models. None: those that come with Headrace.
        form_of: Returns the form of a request to the provider.
    """

    def __init__(
        self,
        kinds: Mapping[str, Kind[Any]],
        admission: CallAdmission,
        default_model: str,
        rng: Callable[[], float] = random.random,
        *,
        response_cache: ResponseCache | None = None,
        prices: Prices | None = None,
        form_of: Callable[[CompletionRequest], RequestForm] = form_of_options,
    ) -> None:
        self._kinds = kinds
        self._admission = admission
        self._default_model = default_model
        self._response_cache = response_cache
        self._costs = CallCosts(prices or read_prices(), form_of)
        self._jobs = PreparedJobs(kinds, default_model)
        self._retries = Retries(rng)
        self._refused_jobs = RefusedJobs()
        self._attempt_responses = AttemptResponses()

    async def run(
        self, spec: results_pb2.JobSpec, item: results_pb2.LeasedItem, allowance: Allowance | None = None
    ) -> ItemOutcome:
        """Makes one attempt of an item. Any error of the attempt is in the outcome.

        Args:
            spec: Job of the item.
            item: The item.
            allowance: Amount that the calls of its chunk may still cost. None: the job has no budget.

        Raises:
            asyncio.CancelledError: The attempt was cancelled. Its usage and its time are added to the item.
        """
        usage = jobs_pb2.Usage()
        usage.CopyFrom(item.usage)
        meter = CallMeter(self._costs, spec.job_id, usage, allowance)
        time = ItemTime(spec, item)
        try:
            output = await time.within(lambda: self._run_handler(spec, item, meter))
        except (Exception, asyncio.CancelledError) as caught:
            if isinstance(caught, asyncio.CancelledError) and _is_cancelled():
                item.usage.CopyFrom(usage)  # its calls were made, and may cost
                item.work_time.CopyFrom(duration_of(time.worked_seconds))
                raise
            if isinstance(caught, RetryableError) and caught.reason == ErrorReason.ALLOWANCE_SPENT:
                return _held_back(item, usage, caught, meter, time.worked_seconds)
            if isinstance(caught, SparedError):
                delay = self._retries.spared_delay(spec.job_id, item.item_index, caught)
                if delay is not None:
                    return _spared(item, usage, caught, delay, time.worked_seconds)
            return self._failed(spec, item, usage, caught, time.worked_seconds)
        self._retries.forget_item(spec.job_id, item.item_index)
        if not spec.options.cache_responses:  # otherwise the provider may not have been asked
            self._refused_jobs.note_success(spec.job_id)
        return ItemOutcome(
            output=output,
            attempt_count=item.attempt_count + 1,
            usage=usage,
            failed_attempts=list(item.failed_attempts),
            worked_seconds=time.worked_seconds,
        )

    @property
    def limited_count(self) -> int:
        """Calls waiting for a rate limit, for their tenant, or behind their model's limit."""
        return self._admission.limited_count

    def limited_count_of(self, job_id: str) -> int:
        """Returns the number of a job's calls waiting for one of these limits."""
        return self._admission.limited_count_of(job_id)

    @property
    def longest_cooldown_seconds(self) -> float:
        """Longest remaining cool-down of a model, in seconds; 0: no model cools down."""
        return self._admission.longest_cooldown_seconds

    def cooldown_seconds(self, spec: results_pb2.JobSpec) -> float:
        """Returns the remaining cool-down of a job's model, in seconds; 0: it does not cool down."""
        model = self._jobs.model_of(spec)
        return self._admission.cooldown_seconds(model, spec.job_id) if model else 0.0

    def wait_seconds(self, spec: results_pb2.JobSpec) -> float:
        """Returns the seconds during which no item of a job should start: its model cools down or is full."""
        model = self._jobs.model_of(spec)
        return self._admission.wait_seconds(model, spec.job_id) if model else 0.0

    def claim_probe(self, spec: results_pb2.JobSpec) -> None:
        """Notes that an item of a job starts: in an outage of its model no other one does."""
        model = self._jobs.model_of(spec)
        if model:
            self._admission.claim_probe(model)

    def outage(self, spec: results_pb2.JobSpec) -> Outage | None:
        """Returns the outage of a job's model. None if there is none."""
        model = self._jobs.model_of(spec)
        return self._admission.outage(model) if model else None

    def lasting_outage(self, spec: results_pb2.JobSpec) -> Outage | None:
        """Returns the outage of a job's model if the job is to be paused for it."""
        model = self._jobs.model_of(spec)
        return self._admission.lasting_outage(model) if model else None

    def makes_calls(self, spec: results_pb2.JobSpec) -> bool:
        """Returns whether the items of a job are known to call a model."""
        return self._jobs.model_of(spec) is not None

    def forget(self, job_id: str) -> None:
        """Forgets a job. A job that comes back is prepared again."""
        self._jobs.forget(job_id)
        self._retries.forget_job(job_id)
        self._refused_jobs.forget_job(job_id)

    async def _run_handler(
        self, spec: results_pb2.JobSpec, item: results_pb2.LeasedItem, meter: CallMeter
    ) -> str:
        job = self._jobs.prepare(spec)
        responses = self._attempt_responses.take(spec.job_id, item.item_index)
        value = decode_input(item.input)
        with self._cached_calls(spec, item) as cached:
            model = job.model or self._default_model
            context = CallingContext(
                self._admission,
                spec,
                model,
                meter,
                responses,
                item_index=item.item_index,
                cached=cached,
                call_succeeded=lambda: self._refused_jobs.note_success(spec.job_id),
            )
            try:
                return encode_output(await job.kind.run(job.params, value, context))
            except RetryableError as error:
                if context.call_failed:  # otherwise the handler rejected these responses
                    self._attempt_responses.keep(spec.job_id, item.item_index, responses)
                raise context.spare(error) from None

    def _cached_calls(
        self, spec: results_pb2.JobSpec, item: results_pb2.LeasedItem
    ) -> CachedCalls | nullcontext[None]:
        if self._response_cache is None or not spec.options.cache_responses:
            return nullcontext()
        return self._response_cache.begin_attempt(spec.tenant, item)

    def _failed(
        self,
        spec: results_pb2.JobSpec,
        item: results_pb2.LeasedItem,
        usage: jobs_pb2.Usage,
        caught: BaseException,
        worked_seconds: float,
    ) -> ItemOutcome:
        error = _error_of(spec, item, caught)
        delay = None
        job_failed = isinstance(caught, JobFailedError) or (
            isinstance(caught, JobRefusedError)
            and self._refused_jobs.note_refusal(spec.job_id, item.item_index)
        )
        if isinstance(caught, RetryableError) and not job_failed:
            delay = self._retries.delay(spec.job_id, item, caught, self._kinds[spec.kind].max_attempts)
        if not job_failed:
            log_failed_attempt(spec, item, error, delay)
        if delay is None:
            self._retries.forget_item(spec.job_id, item.item_index)
        return ItemOutcome(
            error=error,
            retry_delay=delay,
            job_failed=job_failed,
            attempt_count=item.attempt_count + 1,
            usage=usage,
            failed_attempts=with_failed_attempt(item.failed_attempts, item.attempt_count + 1, error),
            worked_seconds=worked_seconds,
            is_provider_fault=isinstance(caught, ProviderDownError),
        )


def _error_of(
    spec: results_pb2.JobSpec, item: results_pb2.LeasedItem, caught: BaseException
) -> jobs_pb2.Error:
    if isinstance(caught, (RetryableError, ItemFailedError)):
        return error_message(caught)
    log_handler_error(spec, item, caught)
    text = f"the kind's handler raised {type(caught).__name__}"
    return jobs_pb2.Error(reason=ErrorReason.HANDLER_ERROR, message=text)


def _held_back(
    item: results_pb2.LeasedItem,
    usage: jobs_pb2.Usage,
    caught: RetryableError,
    meter: CallMeter,
    worked_seconds: float,
) -> ItemOutcome:
    """Returns the outcome of an attempt that does not count: the item waits for an allowance."""
    return ItemOutcome(
        error=error_message(caught),
        retry_delay=0.0,
        attempt_count=item.attempt_count,
        usage=usage,
        failed_attempts=tuple(item.failed_attempts),
        worked_seconds=worked_seconds,
        needed_micros=max(1, meter.needed_micros),
    )


def _spared(
    item: results_pb2.LeasedItem,
    usage: jobs_pb2.Usage,
    caught: SparedError,
    delay: float,
    worked_seconds: float,
) -> ItemOutcome:
    """Returns the outcome of an attempt that does not count: the provider is at fault."""
    return ItemOutcome(
        error=error_message(caught),
        retry_delay=delay,
        attempt_count=item.attempt_count,
        usage=usage,
        failed_attempts=tuple(item.failed_attempts),
        worked_seconds=worked_seconds,
    )


def _is_cancelled() -> bool:
    """Returns whether the running task was cancelled; a handler may also raise a cancellation of its own."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
