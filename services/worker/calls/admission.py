"""Admits the calls of a worker's items to the provider, within all limits and outside cool-downs."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import Completion, ItemFailedError, RetryableError
from headrace.reasons import ErrorReason
from services.shared.setting_types import MEMORY
from services.worker.calls.answered_jobs import Caller
from services.worker.calls.concurrency import SharedLimits
from services.worker.calls.cooldowns import Cooldowns
from services.worker.calls.model_slots import ModelSlots, open_model_slots
from services.worker.calls.outages import Outage, OutageBreaker
from services.worker.calls.provider.provider import CompletionRequest, Provider
from services.worker.calls.provider_calls import ProviderCalls
from services.worker.calls.rate_limits import ModelLimiter, RateLimits, Reservation, open_rate_limits
from services.worker.calls.shared_slots.slots import SharedSlots, SlotHolder
from services.worker.calls.slots import CallSlots
from services.worker.calls.tenant_slots import TenantSlotRegistry, open_tenant_slots
from services.worker.calls.token_estimates import TokenEstimates

# Time until an item is looked at again if calls of its model wait for a slot, in seconds.
_CROWDED_WAIT_SECONDS = 0.05


class CallAdmission:
    """Makes calls once they are admitted.

    An item may make several calls at once. Calls beyond the limits wait here, so that waiting does not count
    towards a call's own timeout. A call first gets a slot of its tenant, then one of its model, then a
    request and tokens of the rate limit, then a slot of this worker. While it waits for one of them, it holds
    none of the later ones. Each of them goes to the call whose item has the fewest calls before it. So an
    item with one call never waits for all twenty calls of another item. A later call of an item that has been
    answered goes before the first calls of others, because it finishes work that is paid for.

    Args:
        provider: Makes the calls.
        cooldowns: Cool-downs of models. Calls start one if most of them are rejected.
        limit: Maximum calls in flight, of all models together. Each model gets as many as its provider bears.
        may_start: Returns whether a call may begin, because this worker counts as live.
        limits: Rate limits. None for no limits.
        tenants: Limits of tenants. None for no limits.
        clock: Monotonic clock, in seconds.
        outages: Keeps calls from beginning while the provider is down. None for one of this worker alone.
        model_slots: Limits of models that were set by hand. None for no limits.
        shared_limits: Shares what is found out of models with other workers. None for this worker alone.
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
        clock: Callable[[], float] = time.monotonic,
        outages: OutageBreaker | None = None,
        model_slots: ModelSlots | None = None,
        shared_limits: SharedLimits | None = None,
    ) -> None:
        self._provider = provider
        self._cooldowns = cooldowns
        self._model_slots = model_slots or open_model_slots({}, MEMORY, SlotHolder("", limit), provider.name)
        self._slots = CallSlots(limit, clock, shared_limits, self._model_slots.limit)
        self._may_start = may_start
        self._limits = limits or open_rate_limits({}, MEMORY)
        self._tenants = tenants or open_tenant_slots({}, MEMORY, "", limit)
        self._outages = outages or OutageBreaker()
        self._outages.serve(self._restart_limit)
        self._estimates = TokenEstimates()
        self._calls = ProviderCalls(provider, self._slots, self._estimates, self._cool, clock)
        self._limited: Counter[str] = Counter()
        self._behind_model_count = 0

    @property
    def limited_count(self) -> int:
        """Number of calls that wait for a rate limit, for their tenant, or behind their model's limit.

        Of those behind their model's limit, only the first call of each item counts.
        """
        waiting_for_pools = self._tenants.waiting_count + self._model_slots.waiting_count
        return self._limits.waiting_count + waiting_for_pools + self._behind_model_count

    def limited_count_of(self, job_id: str) -> int:
        """Returns how many calls of a job wait for one of these limits."""
        return self._limited[job_id]

    @property
    def longest_cooldown_seconds(self) -> float:
        """Rest of the longest cool-down of any model or job, in seconds. 0 if there is none."""
        return max(self._cooldowns.longest(), self._calls.job_cooldowns.longest())

    def cooldown_seconds(self, model: str, job_id: str = "") -> float:
        """Returns the rest of the cool-down of a model, or of a job of it, in seconds. 0 for none."""
        cooldown = self._cooldowns.remaining(self._cooldown_key(model))
        return max(cooldown, self._calls.job_cooldowns.remaining(job_id))

    def wait_seconds(self, model: str, job_id: str = "") -> float:
        """Returns the delay before it is worthwhile to start items of a job, in seconds. 0 for none.

        Args:
            model: Model of the job.
            job_id: The job. Empty for any.
        """
        limiter = self._limiter(model)
        is_crowded = self._slots.is_crowded(model) or self._model_slots.is_crowded(model)
        crowded = _CROWDED_WAIT_SECONDS if is_crowded else 0.0
        outage = self._outages.wait_seconds(self._cooldown_key(model))
        cooldown = self.cooldown_seconds(model, job_id)
        return max(cooldown, crowded, limiter.wait_seconds if limiter else 0.0, outage)

    def claim_probe(self, model: str) -> None:
        """Notes that an item of a model starts: in an outage no other one does."""
        self._outages.claim_probe(self._cooldown_key(model))

    def outage(self, model: str) -> Outage | None:
        """Returns the outage of a model. None if there is none."""
        return self._outages.outage(self._cooldown_key(model))

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
            rank: Number of the item's unfinished calls that began before this one. Negative if the item has
                none, but was answered before.
            tenant: Owner of the item's job.
            job_id: The item's job, for ``limited_count_of``.
            item_index: The item's index in its job.

        Raises:
            ItemFailedError: Also PROMPT_TOO_LARGE if the prompt has more tokens than the rate limit allows in
                a minute.
            RetryableError: Also if a cool-down began while the call waited, and if no call may begin now. In
                the latter case an item at work makes no further call.
        """
        self._check_size(request)
        caller = Caller(tenant, job_id)
        self._outages.check(self._cooldown_key(request.model))
        tenant_slots, model_slots = self._tenants.of(tenant), self._model_slots.of(request.model)
        if tenant_slots is None and model_slots is None and self._limiter(request.model) is None:
            async with self._slot(request.model, rank, caller) as waited:
                return await self._make(request, usage, None, caller, item_index, waited=waited)
        async with (
            self._pool_slot(tenant_slots, rank, job_id) as waited_for_tenant,
            self._pool_slot(model_slots, rank, job_id) as waited_for_model,
            self._admitted(request, rank, caller) as (reservation, waited_here),
        ):
            waited = waited_here or waited_for_tenant or waited_for_model
            return await self._make(request, usage, reservation, caller, item_index, waited=waited)

    async def _make(
        self,
        request: CompletionRequest,
        usage: jobs_pb2.Usage,
        reservation: Reservation | None,
        caller: Caller,
        item_index: int,
        *,
        waited: bool,
    ) -> Completion:
        """Makes a call that holds its slots, if it may still begin."""
        try:
            self._check(request.model, waited)
            key = self._cooldown_key(request.model)
            watched = await self._outages.begin(key, (caller.job_id, item_index), caller)
        except (RetryableError, asyncio.CancelledError):
            if reservation is not None:
                reservation.give_back()
            raise
        with watched:
            return await self._calls.make(request, usage, reservation, caller)

    def _check_size(self, request: CompletionRequest) -> None:
        """Refuses a prompt that no minute has tokens for. Calls of others would pay for it later."""
        limiter = self._limiter(request.model)
        limit = limiter.tokens_per_minute if limiter is not None else None
        if limit is None:
            return
        token_count = self._estimates.of_input(request)
        if token_count > limit:
            raise ItemFailedError(
                ErrorReason.PROMPT_TOO_LARGE,
                f"the prompt has about {token_count} tokens, and HEADRACE_LIMITS allows {limit} in a minute; "
                "shorten it or raise the limit",
            )

    def _check(self, model: str, waited: bool) -> None:
        if not self._may_start():
            raise RetryableError(ErrorReason.WORKER_CUT_OFF, "the worker has lost contact with the store")
        wait = self.cooldown_seconds(model) if waited else 0.0
        if wait > 0:
            raise RetryableError(ErrorReason.RATE_LIMITED, "the provider's rate limit is reached", wait)

    @asynccontextmanager
    async def _pool_slot(self, slots: SharedSlots | None, rank: int, job_id: str) -> AsyncIterator[bool]:
        """Holds a slot of a limited tenant or model, and yields whether the call waited for it."""
        if slots is None:
            yield False
            return
        async with AsyncExitStack() as slot:
            with self._counted_as_limited(job_id):
                waited = await slot.enter_async_context(slots.take(rank))
            yield waited

    @asynccontextmanager
    async def _admitted(
        self, request: CompletionRequest, rank: int, caller: Caller
    ) -> AsyncIterator[tuple[Reservation | None, bool]]:
        """Holds a reservation and a slot. Yields the reservation, and whether the call waited."""
        model = request.model
        limiter = self._limiter(model)
        if limiter is None:
            async with self._slot(model, rank, caller) as waited:
                yield None, waited
            return
        async with AsyncExitStack() as slot:
            slot.callback(limiter.slots_changed)
            while True:
                with self._counted_as_limited(caller.job_id):
                    reservation = await limiter.reserve(self._estimates.of(request), rank)
                try:
                    async with asyncio.timeout(reservation.seconds_left):
                        await slot.enter_async_context(self._slot(model, rank, caller))
                    break
                except TimeoutError:
                    reservation.give_back()
                except asyncio.CancelledError:
                    reservation.give_back()
                    raise
            yield reservation, True

    def _slot(self, model: str, rank: int, caller: Caller) -> AbstractAsyncContextManager[bool]:
        """Holds a slot of this worker for a block, and yields whether the call waited for it.

        An item whose first unfinished call waits behind its model's limit keeps no other item from starting.
        """
        if rank <= 0 and self._slots.is_full(model):
            return self._slot_behind_model(model, rank, caller)
        return self._slots.take(model, rank, caller.tenant)

    @asynccontextmanager
    async def _slot_behind_model(self, model: str, rank: int, caller: Caller) -> AsyncIterator[bool]:
        async with AsyncExitStack() as slot:
            with self._counted_as_limited(caller.job_id), self._counted_behind_model():
                waited = await slot.enter_async_context(self._slots.take(model, rank, caller.tenant))
            yield waited

    @contextmanager
    def _counted_behind_model(self) -> Iterator[None]:
        self._behind_model_count += 1
        try:
            yield
        finally:
            self._behind_model_count -= 1

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

    def _cool(self, model: str, seconds: float) -> None:
        self._cooldowns.hold(self._cooldown_key(model), seconds)

    def _restart_limit(self, key: str) -> None:
        """Starts a model from few calls after an outage: a provider that comes back may be slow or small."""
        self._slots.restart(key.removeprefix(f"{self._provider.name}/"))

    def _cooldown_key(self, model: str) -> str:
        return f"{self._provider.name}/{model}"
