"""Running one item of a job, once."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from headrace.errors import InvalidArgumentError
from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import ItemFailedError, JobFailedError, Kind, RetryableError, validate_params
from services.shared.failed_attempts import with_failed_attempt
from services.shared.prices import Prices, read_prices
from services.stubs.results.v1 import results_pb2
from services.worker.calls.admission import WORKER_CUT_OFF, CallAdmission
from services.worker.calls.allowance import Allowance
from services.worker.calls.cooldowns import Cooldowns
from services.worker.calls.costs import ALLOWANCE_SPENT, CallCosts, CallMeter
from services.worker.calls.provider.faults import RATE_LIMITED
from services.worker.calls.provider.provider import Provider
from services.worker.calls.rate_limits import RateLimits
from services.worker.calls.response_cache import CachedCalls, ResponseCache
from services.worker.calls.tenant_slots import TenantSlotRegistry
from services.worker.items.attempt_responses import AttemptResponses
from services.worker.items.backoff import retry_delay
from services.worker.items.item_context import CallingContext
from services.worker.items.item_time import ItemTime, duration_of, seconds_of
from services.worker.items.job_logging import note_failed_attempt, note_handler_error
from services.worker.items.payload import decode_input, encode_output

# Attempts that may be turned away before the item fails; with the backoff this takes over an hour.
MAX_TURNED_AWAY_ATTEMPTS = 150
_TURNED_AWAY = frozenset({RATE_LIMITED, WORKER_CUT_OFF})


@dataclass(frozen=True)
class ItemOutcome:
    """What became of one attempt of an item.

    Attributes:
        output: JSON text; set if it succeeded.
        error: Why it did not; set otherwise.
        retry_delay: Seconds until another attempt shall be made; None: the item is finished.
        job_failed: The error is the whole job's: nothing of it can succeed.
        attempt_count: Attempts of this round, this one included.
        usage: Of all its attempts, this one included.
        failed_attempts: The last ten of this round; if it failed this one included.
        worked_seconds: Worked on it in this round, this attempt included.
        needed_micros: The attempt ended because a call of this price was held back, and counts as none: the item
            waits for an allowance; 0: it ended otherwise.
    """

    output: str | None
    error: jobs_pb2.Error | None
    retry_delay: float | None
    job_failed: bool
    attempt_count: int
    usage: jobs_pb2.Usage
    failed_attempts: Sequence[jobs_pb2.FailedAttempt] = ()
    worked_seconds: float = 0.0
    needed_micros: int = 0


@dataclass(frozen=True)
class _PreparedJob:
    kind: Kind[Any]
    params: BaseModel
    model: str | None  # None: its items call no model


class ItemRunner:
    """Runs items by the handlers of their kinds.

    Args:
        kinds: By name.
        provider: For the calls of handlers.
        default_model: Of jobs that name none.
        cooldowns: Told of models that turned a call away.
        rng: Gives numbers from 0 to 1, for jitter.
        call_limit: Calls to the provider under way at most.
        may_start: Whether a call may begin now.
        response_cache: For jobs that use answers again; None: their items make all of their calls.
        prices: Of models; None: those that come with Headrace.
        limits: Rate limits of calls; None: there are none.
        tenants: Limits of tenants; None: there are none.
    """

    def __init__(
        self,
        kinds: Mapping[str, Kind[Any]],
        provider: Provider,
        default_model: str,
        cooldowns: Cooldowns,
        rng: Callable[[], float] = random.random,
        *,
        call_limit: int = 100,
        may_start: Callable[[], bool] = lambda: True,
        response_cache: ResponseCache | None = None,
        prices: Prices | None = None,
        limits: RateLimits | None = None,
        tenants: TenantSlotRegistry | None = None,
    ) -> None:
        self._kinds = kinds
        self._admission = CallAdmission(provider, cooldowns, call_limit, may_start, limits, tenants=tenants)
        self._costs = CallCosts(prices or read_prices())
        self._default_model = default_model
        self._response_cache = response_cache
        self._rng = rng
        self._prepared: dict[str, _PreparedJob] = {}
        # Attempts of unfinished items that a rate limit, or the want of a store, turned away: they do not count
        # towards max_attempts. Those on another worker before are known from the item's last failed attempts alone.
        self._turned_away: dict[str, dict[int, int]] = {}
        self._attempt_responses = AttemptResponses()

    async def run(
        self, spec: results_pb2.JobSpec, item: results_pb2.LeasedItem, allowance: Allowance | None = None
    ) -> ItemOutcome:
        """Makes one attempt of an item; whatever happens in it is in the outcome.

        Args:
            spec: Its job.
            item: The item.
            allowance: What the calls of its chunk may still cost; None: its job has no budget.

        Raises:
            asyncio.CancelledError: The attempt was broken off; what it used is added to the item's own usage, and
                its time to the item's own.
        """
        usage = jobs_pb2.Usage()
        usage.CopyFrom(item.usage)
        meter = CallMeter(self._costs, spec.job_id, usage, allowance)
        time = ItemTime(spec, item)
        output: str | None = None
        error: jobs_pb2.Error | None = None
        delay, job_failed, attempts = None, False, list(item.failed_attempts)
        try:
            output = await time.within(lambda: self._run_handler(spec, item, meter))
        except (Exception, asyncio.CancelledError) as caught:
            if isinstance(caught, asyncio.CancelledError) and _is_broken_off():
                item.usage.CopyFrom(usage)  # its calls were made, and may cost
                item.work_time.CopyFrom(duration_of(time.worked_seconds))
                raise
            if isinstance(caught, RetryableError) and caught.reason == ALLOWANCE_SPENT:
                return _held_back(item, usage, caught, time, meter)
            error, delay = self._judge(spec, item, caught)
            attempts = with_failed_attempt(item.failed_attempts, item.attempt_count + 1, error)
            job_failed = isinstance(caught, JobFailedError)
        if delay is None:
            self._finish(spec, item)
        return ItemOutcome(
            output, error, delay, job_failed, item.attempt_count + 1, usage, attempts, time.worked_seconds
        )

    def _judge(
        self, spec: results_pb2.JobSpec, item: results_pb2.LeasedItem, caught: BaseException
    ) -> tuple[jobs_pb2.Error, float | None]:
        """Returns the error of an attempt, and the seconds until the next one; None: there is none."""
        delay = None
        if isinstance(caught, (RetryableError, ItemFailedError)):
            error = jobs_pb2.Error(reason=caught.reason, message=caught.message)
        else:
            note_handler_error(spec, item, caught)
            text = f"the kind's handler raised {type(caught).__name__}"
            error = jobs_pb2.Error(reason="HANDLER_ERROR", message=text)
        if isinstance(caught, RetryableError):
            delay = self._delay(spec, item, caught, item.attempt_count + 1)
        if not isinstance(caught, JobFailedError):
            note_failed_attempt(spec, item, error, delay)
        return error, delay

    @property
    def limited_count(self) -> int:
        """Calls that wait for a rate limit, or for a place of their tenant."""
        return self._admission.limited_count

    def limited_count_of(self, job_id: str) -> int:
        """Returns how many calls of a job wait for a rate limit."""
        return self._admission.limited_count_of(job_id)

    @property
    def longest_cooldown_seconds(self) -> float:
        """For how long the model that cools down for longest still does; 0: none does."""
        return self._admission.longest_cooldown_seconds

    def cooldown_seconds(self, spec: results_pb2.JobSpec) -> float:
        """Returns for how long the model of a job still cools down; 0: it does not."""
        model = self._model_of(spec)
        return self._admission.cooldown_seconds(model) if model else 0.0

    def wait_seconds(self, spec: results_pb2.JobSpec) -> float:
        """Returns for how long no item of a job should be started: its model cools down or is full."""
        model = self._model_of(spec)
        return self._admission.wait_seconds(model) if model else 0.0

    def makes_calls(self, spec: results_pb2.JobSpec) -> bool:
        """Returns whether the items of a job are known to call a model."""
        return self._model_of(spec) is not None

    def _model_of(self, spec: results_pb2.JobSpec) -> str | None:
        try:
            return self._prepare(spec).model
        except Exception:  # running an item will say it
            return None

    def forget(self, job_id: str) -> None:
        """Drops what is kept of a job. A job that comes again is prepared again."""
        self._prepared.pop(job_id, None)
        self._turned_away.pop(job_id, None)

    async def _run_handler(
        self, spec: results_pb2.JobSpec, item: results_pb2.LeasedItem, meter: CallMeter
    ) -> str:
        prepared = self._prepare(spec)
        model = prepared.model or self._default_model
        answers = self._attempt_responses.take(spec.job_id, item.item_index)
        call_timeout = (
            seconds_of(spec.options.call_timeout) if spec.options.HasField("call_timeout") else None
        )
        value = decode_input(item.input)
        with self._cached_calls(spec, item) as cached:
            context = CallingContext(
                self._admission, model, meter, answers, call_timeout, cached=cached, tenant=spec.tenant
            )
            try:
                return encode_output(await prepared.kind.run(prepared.params, value, context))
            except RetryableError:
                if context.call_failed:  # otherwise the handler does not want these answers
                    self._attempt_responses.keep(spec.job_id, item.item_index, answers)
                raise

    def _cached_calls(
        self, spec: results_pb2.JobSpec, item: results_pb2.LeasedItem
    ) -> CachedCalls | nullcontext[None]:
        if self._response_cache is None or not spec.options.cache_responses:
            return nullcontext()
        return self._response_cache.begin_attempt(spec.tenant, item)

    def _prepare(self, spec: results_pb2.JobSpec) -> _PreparedJob:
        prepared = self._prepared.get(spec.job_id)
        if prepared is not None:
            return prepared
        kind = self._kinds.get(spec.kind)
        if kind is None:
            raise JobFailedError("UNKNOWN_KIND", f"this worker does not know the kind {spec.kind}")
        try:
            params = validate_params(kind, spec.params)
        except InvalidArgumentError as error:
            raise JobFailedError("INVALID_PARAMS", error.message) from None
        model = None
        if "model" in type(params).model_fields:
            model = getattr(params, "model", None) or self._default_model
        prepared = self._prepared[spec.job_id] = _PreparedJob(kind, params, model)
        return prepared

    def _delay(
        self,
        spec: results_pb2.JobSpec,
        item: results_pb2.LeasedItem,
        error: RetryableError,
        attempt_count: int,
    ) -> float | None:
        turned_away = self._turned_away.setdefault(spec.job_id, {})
        told = sum(failed.error.reason in _TURNED_AWAY for failed in item.failed_attempts)
        known = max(told, turned_away.get(item.item_index, 0))
        if error.reason in _TURNED_AWAY:
            turned_away[item.item_index] = known + 1
            final = attempt_count >= MAX_TURNED_AWAY_ATTEMPTS
        else:
            final = attempt_count - known >= self._kinds[spec.kind].max_attempts
        return None if final else retry_delay(attempt_count, error.retry_after, self._rng)

    def _finish(self, spec: results_pb2.JobSpec, item: results_pb2.LeasedItem) -> None:
        turned_away = self._turned_away.get(spec.job_id)
        if turned_away is not None:
            turned_away.pop(item.item_index, None)


def _held_back(
    item: results_pb2.LeasedItem,
    usage: jobs_pb2.Usage,
    caught: RetryableError,
    time: ItemTime,
    meter: CallMeter,
) -> ItemOutcome:
    """Returns the outcome of an attempt that counts as none: it has to wait for an allowance."""
    error = jobs_pb2.Error(reason=caught.reason, message=caught.message)
    attempts = tuple(item.failed_attempts)
    wanted = max(1, meter.needed_micros)
    return ItemOutcome(
        None,
        error,
        0.0,
        False,
        item.attempt_count,
        usage,
        attempts,
        time.worked_seconds,
        needed_micros=wanted,
    )


def _is_broken_off() -> bool:
    """Returns whether the running task was asked to end; a handler may also raise a cancellation itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
