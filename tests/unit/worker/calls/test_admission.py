"""Calls of all items share one limit, and no item waits for all those of another."""

import asyncio

import pytest

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import Completion, Message, RetryableError
from services.shared.prices import read_prices
from services.shared.setting_types import ModelLimit
from services.stubs.results.v1 import results_pb2
from services.worker.calls.admission import CallAdmission
from services.worker.calls.cooldowns import MemoryCooldowns
from services.worker.calls.costs import CallCosts, CallMeter
from services.worker.calls.rate_limits import RateLimits
from services.worker.calls.rate_limits.shared_buckets import SharedBuckets
from services.worker.calls.tenant_slots import TenantSlotRegistry, open_tenant_slots
from services.worker.items.attempts.attempt_responses import ItemResponses
from services.worker.items.attempts.item_context import CallingContext

LIMITED = RetryableError("RATE_LIMITED", "", retry_after=9.0)


class HeldProvider:
    """Holds every call until the test answers it by its prompt."""

    name = "held"

    def take_remaining(self, model):
        return self.remaining

    def __init__(self) -> None:
        self.started: list[str] = []
        self.remaining: int | None = None
        self._answers: dict[str, asyncio.Future[Completion]] = {}

    async def complete(self, request, usage: jobs_pb2.Usage) -> Completion:
        prompt = request.messages[0].content
        self.started.append(prompt)
        self._answers[prompt] = asyncio.get_running_loop().create_future()
        return await self._answers[prompt]

    async def answer(self, prompt: str, error: Exception | None = None) -> None:
        """Ends a call, and lets what it made possible begin."""
        if error is None:
            self._answers[prompt].set_result(Completion("ok"))
        else:
            self._answers[prompt].set_exception(error)
        await settle()

    async def close(self) -> None:
        pass


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class Items:
    """Items that make calls through one admission."""

    def __init__(
        self, limit: int, limits: RateLimits | None = None, tenants: TenantSlotRegistry | None = None
    ) -> None:
        self.provider = HeldProvider()
        self.may_start = True
        cooldowns = MemoryCooldowns(lambda: 0.0)
        self.admission = CallAdmission(
            self.provider, cooldowns, limit, lambda: self.may_start, limits, tenants=tenants
        )
        self.calls: dict[str, asyncio.Task[Completion]] = {}

    async def start(self, *prompts: str, tenant: str = "") -> None:
        """Starts one more item, with these calls at once."""
        meter = CallMeter(CallCosts(read_prices()), "job", jobs_pb2.Usage())
        context = CallingContext(
            self.admission, results_pb2.JobSpec(tenant=tenant), "m", meter, ItemResponses()
        )
        for prompt in prompts:
            self.calls[prompt] = asyncio.create_task(context.complete([Message("user", prompt)]))
        await settle()

    async def cancel(self, prompt: str) -> None:
        self.calls[prompt].cancel()
        await settle()

    async def end(self) -> None:
        for call in self.calls.values():
            call.cancel()
        await asyncio.gather(*self.calls.values(), return_exceptions=True)


@pytest.fixture
async def make_items():
    made: list[Items] = []

    def make(
        limit: int, limits: RateLimits | None = None, tenants: TenantSlotRegistry | None = None
    ) -> Items:
        made.append(Items(limit, limits, tenants))
        return made[-1]

    yield make
    for items in made:
        await items.end()


async def test_no_more_calls_than_the_limit_are_in_flight(make_items):
    items = make_items(2)
    await items.start("a1", "a2", "a3")
    assert items.provider.started == ["a1", "a2"]
    await items.provider.answer("a1")
    assert items.provider.started == ["a1", "a2", "a3"]


async def test_an_item_with_one_call_passes_those_that_wait_with_many(make_items):
    items = make_items(1)
    await items.start("a1", "a2", "a3")
    await items.start("b1")
    for prompt in ("a1", "b1", "a2"):
        await items.provider.answer(prompt)
    assert items.provider.started == ["a1", "b1", "a2", "a3"]


async def test_items_with_many_calls_take_turns(make_items):
    items = make_items(1)
    await items.start("a1", "a2", "a3")
    await items.start("b1", "b2")
    for prompt in ("a1", "b1", "a2", "b2"):
        await items.provider.answer(prompt)
    assert items.provider.started == ["a1", "b1", "a2", "b2", "a3"]


async def test_a_call_that_is_cancelled_leaves_its_slot_to_the_next(make_items):
    items = make_items(1)
    await items.start("a1", "a2", "a3")
    await items.cancel("a2")
    await items.cancel("a1")
    assert items.provider.started == ["a1", "a3"]


async def test_a_call_cancelled_just_as_it_gets_its_slot_hands_it_on(make_items):
    items = make_items(1)
    await items.start("a1", "a2", "a3")
    items.calls["a1"].cancel()
    while not items.calls["a1"].done():
        await asyncio.sleep(0)
    items.calls["a2"].cancel()  # its turn has come, but it has not run yet
    await settle()
    assert items.provider.started == ["a1", "a3"]


async def test_calls_that_wait_while_the_model_is_told_to_cool_down_are_not_made(make_items):
    items = make_items(1)
    await items.start("a1", "a2", "a3")
    await items.provider.answer("a1", error=LIMITED)
    assert items.provider.started == ["a1"]
    for prompt in ("a1", "a2", "a3"):
        with pytest.raises(RetryableError) as raised:
            await items.calls[prompt]
        assert (raised.value.reason, raised.value.retry_after) == ("RATE_LIMITED", 9.0)


async def test_a_worker_that_may_start_nothing_makes_no_further_call_of_an_item_in_flight(make_items):
    items = make_items(1)
    await items.start("a1", "a2")
    items.may_start = False
    await items.provider.answer("a1")
    assert (await items.calls["a1"]).text == "ok"  # it was in flight, and is paid for
    with pytest.raises(RetryableError) as raised:
        await items.calls["a2"]
    assert raised.value.reason == "WORKER_CUT_OFF"
    assert items.provider.started == ["a1"]
    items.may_start = True
    await items.start("a3")
    assert items.provider.started == ["a1", "a3"]


def limited_to(requests_per_minute: int) -> RateLimits:
    """Rate limits whose time stands still."""
    buckets = SharedBuckets(None, lambda: 1, lambda: 0.0)
    return RateLimits({"m": ModelLimit(requests_per_minute=requests_per_minute)}, buckets)


async def test_a_call_over_the_rate_limit_waits_and_holds_no_slot(make_items):
    items = make_items(2, limited_to(60))
    await items.start("a1")
    await items.start("b1")
    assert items.provider.started == ["a1"]
    assert items.admission.limited_count == items.admission.limited_count_of("job") == 1
    assert items.admission.limited_count_of("other") == 0
    assert items.admission.wait_seconds("other") == 0.0
    await items.start("c1")
    assert items.admission.wait_seconds("m") > 0.0  # nothing more of this model is worth starting
    await items.cancel("b1")
    await items.cancel("c1")
    assert items.admission.limited_count_of("job") == 0


async def test_a_call_that_may_not_be_made_gives_its_request_back(make_items):
    items = make_items(2, limited_to(60))
    items.may_start = False
    await items.start("a1")
    with pytest.raises(RetryableError):
        await items.calls["a1"]
    items.may_start = True
    await items.start("b1")
    assert items.provider.started == ["b1"]


async def test_a_model_that_turns_calls_away_gets_half_as_many_at_once_and_others_do_not(make_items):
    items = make_items(4)
    await items.start("a1", "a2", "a3", "a4")
    for prompt in ("a1", "a2"):
        await items.provider.answer(prompt, error=RetryableError("RATE_LIMITED", ""))
    await items.start("b1")
    assert "b1" not in items.provider.started  # two are in flight, and two are the limit now
    assert items.admission.wait_seconds("m") > 0.0
    assert items.admission.wait_seconds("other") == 0.0
    await items.provider.answer("a3")
    assert items.provider.started[-1] == "b1"


async def test_a_call_without_an_answer_in_time_halves_them_too(make_items):
    items = make_items(2)
    await items.start("a1")
    await items.provider.answer("a1", error=RetryableError("PROVIDER_TIMEOUT", ""))
    await items.start("b1", "b2")
    assert items.provider.started == ["a1", "b1"]


async def test_a_provider_with_few_calls_left_gets_fewer_before_it_turns_any_away(make_items):
    items = make_items(4)
    items.provider.remaining = 9
    await items.start("a1", "a2", "a3", "a4", "a5", "a6", "a7")
    await items.provider.answer("a1")
    assert len(items.provider.started) == 5
    items.provider.remaining = 2
    await items.provider.answer("a2")
    assert len(items.provider.started) == 5


async def test_a_call_that_waits_for_its_tenant_holds_no_slot_and_nothing_of_the_rate_limit(make_items):
    tenants = open_tenant_slots({"narrow": 1}, "memory://", "h", 2)
    items = make_items(2, limited_to(300), tenants)  # two of them are granted at once
    await items.start("a1", tenant="narrow")
    await items.start("a2", tenant="narrow")
    await items.start("b1", tenant="other")
    assert items.provider.started == ["a1", "b1"]
    assert items.admission.limited_count == 1
    await items.cancel("a1")
    assert tenants.of("narrow").waiting_count == 0  # a2 has the slot now, and waits for the rate limit
    assert items.provider.started == ["a1", "b1"]
    await items.cancel("a2")
    await tenants.close()
