"""The one way of a worker's items to the provider: within its limits, and not while its model cools down."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import Completion, ItemFailedError, RetryableError
from services.shared.metrics import timing
from services.worker.calls.cooldowns import Cooldowns
from services.worker.calls.provider.faults import PROVIDER_TIMEOUT, RATE_LIMITED
from services.worker.calls.provider.provider import CompletionRequest, Provider
from services.worker.calls.rate_limits import RateLimits, Reservation, open_rate_limits
from services.worker.calls.slots import CallSlots
from services.worker.calls.tenant_slots import TenantSlotRegistry, open_tenant_slots
from services.worker.calls.token_estimates import TokenEstimates
from services.worker.metrics import PROVIDER_CALL_SECONDS, PROVIDER_CALLS, model_label

# Nothing may be started: the store may give what this worker holds to others.
WORKER_CUT_OFF = "WORKER_CUT_OFF"
# How soon an item of a model is looked at again whose calls wait for a slot, in seconds.
_CROWDED_SECONDS = 0.05
_MEMORY = "memory://"


class CallAdmission:
    """Lets calls through to a provider.

    An item in flight may make several calls at once; those beyond the limits wait here, so that waiting uses
    up nothing of a call's time. First a call gets a place of its tenant, then its request and tokens of the
    rate limit, then a place of this worker: what waits for an earlier one holds none of the later. All go to
    the call whose item has the fewest calls before it: an item with one call never waits for all those of an
    item with twenty.

    Args:
        provider: Makes the calls.
        cooldowns: Asked, and told of models that turned a call away.
        limit: Calls under way at most, of all models; a model that is overloaded gets fewer.
        may_start: Whether a new call may begin (the worker counts as live).
        limits: Rate limits; None: there are none.
        tenants: RateLimits of tenants; None: there are none.
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
    ) -> None:
        self._provider = provider
        self._cooldowns = cooldowns
        self._slots = CallSlots(limit)
        self._may_start = may_start
        self._limits = limits or open_rate_limits({}, _MEMORY)
        self._tenants = tenants or open_tenant_slots({}, _MEMORY, "", limit)
        self._estimates = TokenEstimates()
        self._limited: Counter[str] = Counter()

    @property
    def limited_count(self) -> int:
        """Calls that wait for a rate limit, or for a place of their tenant."""
        return self._limits.waiting_count + self._tenants.waiting_count

    def limited_count_of(self, job_id: str) -> int:
        """Returns how many calls of a job wait for a rate limit or for a place of their tenant."""
        return self._limited[job_id]

    @property
    def longest_cooldown_seconds(self) -> float:
        """For how long the model that cools down for longest still does; 0: none does."""
        return self._cooldowns.longest()

    def cooldown_seconds(self, model: str) -> float:
        """Returns for how long a model should be left alone; 0: it may be called."""
        return self._cooldowns.remaining(self._key(model))

    def wait_seconds(self, model: str) -> float:
        """Returns how soon it is worth while to start further items with calls of a model; 0: now."""
        limiter = self._limits.of(self._provider.name, model, lambda: self._slots.free_count(model))
        crowded = _CROWDED_SECONDS if self._slots.is_crowded(model) else 0.0
        return max(self.cooldown_seconds(model), crowded, limiter.wait_seconds if limiter else 0.0)

    async def complete(
        self,
        request: CompletionRequest,
        usage: jobs_pb2.Usage,
        rank: int,
        *,
        tenant: str = "",
        job_id: str = "",
    ) -> Completion:
        """Makes one call once its tenant's limit, the rate limit and the slots allow it; see Provider.

        Args:
            request: What to ask.
            usage: The call and its tokens are added to it.
            rank: Unfinished calls of the same item that were there before this one.
            tenant: Whose call it is.
            job_id: Of which job, for those who ask what waits.

        Raises:
            RetryableError: Also where the model was told to be left alone while the call waited here, and
                where nothing may be started now: then an item that is under way makes no further call.
        """
        async with (
            self._tenant_place(tenant, rank, job_id) as waited_before,
            self._admitted(request, rank, job_id) as (reservation, waited),
        ):
            try:
                self._check(request.model, waited or waited_before)
            except RetryableError:
                if reservation is not None:
                    reservation.give_back()
                raise
            return await self._call(request, usage, reservation)

    def _check(self, model: str, waited: bool) -> None:
        if not self._may_start():
            raise RetryableError(WORKER_CUT_OFF, "the worker has lost touch with the store")
        wait = self.cooldown_seconds(model) if waited else 0.0
        if wait > 0:
            raise RetryableError(RATE_LIMITED, "the provider's rate limit is reached", wait)

    async def _call(
        self, request: CompletionRequest, usage: jobs_pb2.Usage, reservation: Reservation | None
    ) -> Completion:
        concurrency = self._slots.of(request.model)
        number = concurrency.begin()
        try:
            with _counted(request.model):
                completion = await self._provider.complete(request, usage)
        except RetryableError as error:
            if error.reason in (RATE_LIMITED, PROVIDER_TIMEOUT):
                concurrency.overloaded(number)
            if error.reason == RATE_LIMITED and reservation is not None:
                reservation.settle(0)  # the request counts at the provider, its tokens do not
            if error.reason == RATE_LIMITED and error.retry_after:
                self._cooldowns.hold(self._key(request.model), error.retry_after)
            raise
        remaining = self._provider.take_remaining(request.model)
        if remaining is not None and remaining < concurrency.under_way_count:
            concurrency.overloaded(number)  # before the provider has to turn calls away
        else:
            concurrency.succeeded(number)
        used = completion.input_tokens + completion.output_tokens
        if used:
            self._estimates.learn(request, completion.output_tokens)
            if reservation is not None:
                reservation.settle(used)
        return completion

    @asynccontextmanager
    async def _tenant_place(self, tenant: str, rank: int, job_id: str) -> AsyncIterator[bool]:
        """Holds a place of a tenant, where there is a limit; gives whether it had to be waited for."""
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
        """Holds a reservation and a slot; gives the reservation, and whether it waited for anything."""
        model, waited = request.model, False
        limiter = self._limits.of(self._provider.name, model, lambda: self._slots.free_count(model))
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

    def _key(self, model: str) -> str:
        return f"{self._provider.name}/{model}"


@contextmanager
def _counted(model: str) -> Iterator[None]:
    """Counts the call that the block makes, by what became of it."""
    model = model_label(model)
    outcome = "failed"
    try:
        with timing(PROVIDER_CALL_SECONDS.labels(model).observe):
            yield
        outcome = "succeeded"
    except (RetryableError, ItemFailedError) as error:
        outcome = error.reason  # of the table in faults
        raise
    except asyncio.CancelledError:
        outcome = "cancelled"
        raise
    finally:
        PROVIDER_CALLS.labels(model, outcome).inc()
