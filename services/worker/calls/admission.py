"""Admits the calls of a worker's items to the provider, within all limits and outside cool-downs."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import Completion, ItemFailedError, RetryableError
from headrace.reasons import ErrorReason
from services.shared.metrics import timing
from services.shared.setting_types import MEMORY
from services.worker.calls.concurrency_limit import ConcurrencyLimit
from services.worker.calls.cooldowns import Cooldowns
from services.worker.calls.outages import Outage, OutageBreaker
from services.worker.calls.provider.provider import CompletionRequest, Provider
from services.worker.calls.rate_limits import ModelLimiter, RateLimits, Reservation, open_rate_limits
from services.worker.calls.slots import CallSlots
from services.worker.calls.tenant_slots import TenantSlotRegistry, open_tenant_slots
from services.worker.calls.token_estimates import TokenEstimates
from services.worker.metrics import PROVIDER_CALL_SECONDS, PROVIDER_CALLS, model_label

# Time until an item is looked at again if calls of its model wait for a slot, in seconds.
_CROWDED_WAIT_SECONDS = 0.05


class CallAdmission:
    """Makes calls once they are admitted.

    An item may make several calls at once. Calls beyond the limits wait here, so that waiting does not count
    towards a call's own timeout. A call first gets a slot of its tenant, then a request and tokens of the
    rate limit, then a slot of this worker. While it waits for one of them, it holds none of the later ones.
    Each of them goes to the call whose item has the fewest calls before it. So an item with one call never
    waits for all twenty calls of another item.

    Args:
        provider: Makes the calls.
        cooldowns: Cool-downs of models. Rejected calls start one.
        limit: Maximum calls in flight, of all models together. An overloaded model gets fewer.
        may_start: Returns whether a call may begin, because this worker counts as live.
        limits: Rate limits. None for no limits.
        tenants: Limits of tenants. None for no limits.
        outages: Keeps calls from beginning while the provider is down. None for one of this worker alone.
    """

    def __init__(
        self,
        provider: Provider,
        cooldowns: Cooldowns,
        limit: int,
        may_start: Callable[[], bool] = lambda: True,
        limits: RateLimits | None = None,
        *,
        tenants: TenantSlotRegistry | None = None,
        outages: OutageBreaker | None = None,
    ) -> None:
        self._provider = provider
        self._cooldowns = cooldowns
        self._slots = CallSlots(limit)
        self._may_start = may_start
        self._limits = limits or open_rate_limits({}, MEMORY)
        self._tenants = tenants or open_tenant_slots({}, MEMORY, "", limit)
        self._outages = outages or OutageBreaker()
        self._estimates = TokenEstimates()
        self._limited: Counter[str] = Counter()

    @property
    def limited_count(self) -> int:
        """Number of calls that wait for a rate limit or for a slot of their tenant."""
        return self._limits.waiting_count + self._tenants.waiting_count

    def limited_count_of(self, job_id: str) -> int:
        """Returns how many calls of a job wait for a rate limit or for a slot of their tenant."""
        return self._limited[job_id]

    @property
    def longest_cooldown_seconds(self) -> float:
        """Rest of the longest cool-down of any model, in seconds. 0 if there is none."""
        return self._cooldowns.longest()

    def cooldown_seconds(self, model: str) -> float:
        """Returns the rest of a model's cool-down, in seconds. 0 if the model may be called."""
        return self._cooldowns.remaining(self._cooldown_key(model))

    def wait_seconds(self, model: str) -> float:
        """Returns the delay before it is worthwhile to start items of a model, in seconds. 0 for none."""
        limiter = self._limiter(model)
        crowded = _CROWDED_WAIT_SECONDS if self._slots.is_crowded(model) else 0.0
        outage = self._outages.wait_seconds(self._cooldown_key(model))
        return max(self.cooldown_seconds(model), crowded, limiter.wait_seconds if limiter else 0.0, outage)

    def claim_probe(self, model: str) -> None:
        """Notes that an item of a model starts: in an outage no other one does."""
        self._outages.claim_probe(self._cooldown_key(model))

    def lasting_outage(self, model: str) -> Outage | None:
        """Returns the outage of a model if its jobs are to be paused for it."""
        return self._outages.lasting_outage(self._cooldown_key(model))

    async def complete(
        self,
        request: CompletionRequest,
        usage: jobs_pb2.Usage,
        rank: int,
        *,
        tenant: str = "",
        job_id: str = "",
        item_index: int = 0,
    ) -> Completion:
        """Makes one call once its tenant's limit, the rate limit and the slots admit it. See ``Provider``.

        Args:
            request: The call to make.
            usage: The call and its tokens are added to it.
            rank: Number of the item's unfinished calls that began before this one.
            tenant: Owner of the item's job.
            job_id: The item's job, for ``limited_count_of``.
            item_index: The item's index in its job.

        Raises:
            RetryableError: Also if a cool-down began while the call waited, and if no call may begin now. In
                the latter case an item at work makes no further call.
        """
        key = self._cooldown_key(request.model)
        self._outages.check(key)
        async with (
            self._tenant_slot(tenant, rank, job_id) as waited_before,
            self._admitted(request, rank, job_id) as (reservation, waited),
        ):
            try:
                self._check(request.model, waited or waited_before)
                watched = await self._outages.begin(key, (job_id, item_index))
            except (RetryableError, asyncio.CancelledError):
                if reservation is not None:
                    reservation.give_back()
                raise
            with watched:
                return await self._call(request, usage, reservation)

    def _check(self, model: str, waited: bool) -> None:
        if not self._may_start():
            raise RetryableError(ErrorReason.WORKER_CUT_OFF, "the worker has lost contact with the store")
        wait = self.cooldown_seconds(model) if waited else 0.0
        if wait > 0:
            raise RetryableError(ErrorReason.RATE_LIMITED, "the provider's rate limit is reached", wait)

    async def _call(
        self, request: CompletionRequest, usage: jobs_pb2.Usage, reservation: Reservation | None
    ) -> Completion:
        concurrency = self._slots.of(request.model)
        number = concurrency.begin()
        try:
            with _counted(request.model):
                completion = await self._provider.complete(request, usage)
        except RetryableError as error:
            if error.reason in (ErrorReason.RATE_LIMITED, ErrorReason.PROVIDER_TIMEOUT):
                concurrency.note_overload(number)
            if error.reason == ErrorReason.RATE_LIMITED:
                self._note_rejection(request.model, error.retry_after, reservation)
            raise
        self._adjust(concurrency, number, request.model)
        used = completion.input_tokens + completion.output_tokens
        if used:
            self._estimates.learn(request, completion.output_tokens)
            if reservation is not None:
                reservation.settle(used)
        return completion

    def _note_rejection(self, model: str, retry_after: float | None, reservation: Reservation | None) -> None:
        if reservation is not None:
            reservation.settle(0)  # the request counts at the provider, its tokens do not
        if retry_after:
            self._cooldowns.hold(self._cooldown_key(model), retry_after)

    def _adjust(self, concurrency: ConcurrencyLimit, number: int, model: str) -> None:
        remaining = self._provider.take_remaining(model)
        if remaining is not None and remaining < concurrency.in_flight_count:
            concurrency.note_overload(number)  # before the provider rejects any call
        else:
            concurrency.note_success(number)

    @asynccontextmanager
    async def _tenant_slot(self, tenant: str, rank: int, job_id: str) -> AsyncIterator[bool]:
        """Holds a slot of a limited tenant, and yields whether the call waited for it."""
        slots = self._tenants.of(tenant)
        if slots is None:
            yield False
            return
        async with AsyncExitStack() as slot:
            with self._counted_as_limited(job_id):
                waited = await slot.enter_async_context(slots.take(rank))
            yield waited

    @asynccontextmanager
    async def _admitted(
        self, request: CompletionRequest, rank: int, job_id: str
    ) -> AsyncIterator[tuple[Reservation | None, bool]]:
        """Holds a reservation and a slot. Yields the reservation, and whether the call waited."""
        model = request.model
        limiter = self._limiter(model)
        if limiter is None:
            async with self._slots.take(model, rank) as waited:
                yield None, waited
            return
        async with AsyncExitStack() as slot:
            slot.callback(limiter.slots_changed)
            while True:
                with self._counted_as_limited(job_id):
                    reservation = await limiter.reserve(self._estimates.of(request), rank)
                try:
                    async with asyncio.timeout(reservation.seconds_left):
                        await slot.enter_async_context(self._slots.take(model, rank))
                    break
                except TimeoutError:
                    reservation.give_back()
                except asyncio.CancelledError:
                    reservation.give_back()
                    raise
            yield reservation, True

    @contextmanager
    def _counted_as_limited(self, job_id: str) -> Iterator[None]:
        self._limited[job_id] += 1
        try:
            yield
        finally:
            self._limited[job_id] -= 1
            if not self._limited[job_id]:
                del self._limited[job_id]

    def _limiter(self, model: str) -> ModelLimiter | None:
        return self._limits.of(self._provider.name, model, lambda: self._slots.free_count(model))

    def _cooldown_key(self, model: str) -> str:
        return f"{self._provider.name}/{model}"


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
