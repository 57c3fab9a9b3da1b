"""Calls of all items share one limit, and no item waits for all those of another."""

import asyncio
from typing import Any

import pytest

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import Completion, ItemFailedError, Message, RetryableError
from services.shared.prices import read_prices
from services.shared.setting_types import ModelLimit
from services.stubs.results.v1 import results_pb2
from services.worker.calls.admission import CallAdmission
from services.worker.calls.cooldowns import MemoryCooldowns
from services.worker.calls.costs import CallCosts, CallMeter
from services.worker.calls.model_slots import ModelSlots, open_model_slots
from services.worker.calls.outages import MemoryOutages, OutageBreaker
from services.worker.calls.provider.faults import connection_fault
from services.worker.calls.rate_limits import RateLimits
from services.worker.calls.rate_limits.shared_buckets import SharedBuckets
from services.worker.calls.shared_slots.slots import SlotHolder
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
        self,
        limit: int,
        limits: RateLimits | None = None,
        tenants: TenantSlotRegistry | None = None,
        model_slots: ModelSlots | None = None,
    ) -> None:
        self.provider = HeldProvider()
        self.may_start = True
        self.now = 0.0
        self.outages = MemoryOutages(lambda: self.now)
        self.admission = CallAdmission(
            self.provider,
            MemoryCooldowns(lambda: 0.0),
            limit,
            lambda: self.may_start,
            limits,
            tenants=tenants,
            clock=lambda: self.now,
            outages=OutageBreaker(self.outages, clock=lambda: self.now),
            model_slots=model_slots,
        )
        self.calls: dict[str, asyncio.Task[Completion]] = {}

    async def start(
        self,
        *prompts: str,
        tenant: str = "",
        job_id: str = "",
        call_timeout: float | None = None,
        context: CallingContext | None = None,
    ) -> CallingContext:
        """Starts one more item, or continues one by its context, with these calls at once."""
        if context is None:
            meter = CallMeter(CallCosts(read_prices()), job_id or "job", jobs_pb2.Usage())
            spec = results_pb2.JobSpec(tenant=tenant, job_id=job_id)
            if call_timeout is not None:
                spec.options.call_timeout.FromMicroseconds(round(call_timeout * 1e6))
            context = CallingContext(self.admission, spec, "m", meter, ItemResponses())
        for prompt in prompts:
            self.calls[prompt] = asyncio.create_task(context.complete([Message("user", prompt)]))
        await settle()
        return context

    async def start_each(self, *prompts: str, **job: Any) -> None:
        """Starts one item for each call."""
        for prompt in prompts:
            await self.start(prompt, **job)

    async def end_all(self, *prompts: str, seconds: float, error: Exception | None = None) -> None:
        """Ends calls after some time."""
        self.now += seconds
        for prompt in prompts:
            await self.provider.answer(prompt, error)

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
        limit: int,
        limits: RateLimits | None = None,
        tenants: TenantSlotRegistry | None = None,
        model_slots: ModelSlots | None = None,
    ) -> Items:
        made.append(Items(limit, limits, tenants, model_slots))
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


async def test_a_later_call_of_an_item_that_was_answered_goes_before_first_calls_of_others(make_items):
    items = make_items(1)
    first = await items.start("a1")
    await items.start("b1")
    await items.start("c1", "c2")
    await items.provider.answer("a1")
    await items.start("a2", "a3", context=first)
    for prompt in ("b1", "a2", "c1", "c2"):
        await items.provider.answer(prompt)
    assert items.provider.started == ["a1", "b1", "a2", "c1", "c2", "a3"]


async def test_retry_after_of_a_few_rejected_calls_holds_up_only_their_items(make_items):
    items = make_items(8)
    await items.start_each(*"abcdefgh")
    await items.provider.answer("a", error=LIMITED)
    await items.provider.answer("b", error=LIMITED)
    with pytest.raises(RetryableError) as raised:
        await items.calls["a"]
    assert raised.value.retry_after == 9.0
    assert items.admission.cooldown_seconds("m") == 0.0
    await items.provider.answer("c")
    await items.start("i")
    assert items.provider.started[-1] == "i"


async def test_calls_that_wait_when_most_were_rejected_are_not_made_before_retry_after(make_items):
    items = make_items(4)
    await items.start_each(*"abcd")
    await items.end_all(*"abcd", seconds=0.001)
    await items.start_each(*"efghi")
    await items.provider.answer("e", error=LIMITED)
    assert items.admission.cooldown_seconds("m") == 0.0
    for prompt in "fgh":
        await items.provider.answer(prompt, error=LIMITED)
    assert items.admission.cooldown_seconds("m") == 9.0
    with pytest.raises(RetryableError) as raised:
        await items.calls["i"]  # it waited for a slot
    assert (raised.value.reason, raised.value.retry_after) == ("RATE_LIMITED", 9.0)
    assert "i" not in items.provider.started


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


async def test_a_model_that_rejects_calls_gets_fewer_at_once_and_others_do_not(make_items):
    items = make_items(20)
    await items.start_each(*"abcdefgh")
    await items.end_all(*"abcd", seconds=1.0, error=RetryableError("RATE_LIMITED", ""))
    await items.start("i")
    assert items.provider.started[-1] == "h"  # four are the limit now
    assert items.admission.wait_seconds("m") > 0.0
    assert items.admission.wait_seconds("other") == 0.0
    assert items.admission.limited_count == 1


async def test_failures_of_the_connection_change_nothing(make_items):
    items = make_items(20)
    await items.start_each(*"abcdefgh")
    await items.end_all(*"abcdefgh", seconds=1.0, error=RetryableError("PROVIDER_UNREACHABLE", ""))
    await items.start_each(*"ijklmnop")
    assert items.provider.started[-1] == "p"


async def test_calls_without_an_answer_in_time_count_as_slow_answers(make_items):
    items = make_items(20)
    await items.start_each(*"abcdefgh")
    await items.end_all(*"abcdefgh", seconds=1.0)
    for name in ("second", "third"):
        prompts = [f"{name} {number}" for number in range(20)]
        await items.start_each(*prompts)
        assert items.provider.started[-1] == prompts[-1]
        await items.end_all(*prompts, seconds=120.0, error=RetryableError("PROVIDER_TIMEOUT", ""))
    prompts = [f"fourth {number}" for number in range(12)]
    await items.start_each(*prompts)
    assert items.provider.started[-1] == prompts[9]


async def test_a_provider_with_few_calls_left_does_not_get_more_at_once(make_items):
    items = make_items(20)
    items.provider.remaining = 2
    await items.start_each(*"abcdefgh")
    await items.end_all(*"abcdefgh", seconds=1.0)
    items.provider.remaining = None
    await items.start_each(*"ijklmnopq")
    assert items.provider.started[-1] == "p"
    await items.end_all(*"ijklmnop", seconds=1.0)
    await items.start_each(*"rstuvwxyz")
    assert items.provider.started[-1] == "z"


async def test_items_behind_the_limit_of_their_model_hold_no_slot_of_the_worker(make_items):
    items = make_items(20)
    await items.start_each(*"abcdefgh")
    await items.start("i1", "i2", "i3")
    await items.start("j1")
    assert items.admission.limited_count == items.admission.limited_count_of("job") == 2
    await items.end_all(*"abcdefgh", seconds=1.0)
    assert items.admission.limited_count == 0


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


async def test_a_model_restarts_from_few_calls_after_an_outage(make_items):
    items = make_items(100)
    rounds = [
        [f"{name}{n}" for n in range(count)] for name, count in (("a", 8), ("b", 40), ("c", 5), ("d", 40))
    ]
    for prompts in rounds[:2]:
        await items.start_each(*prompts)
        await items.end_all(*prompts, seconds=0.2)
    assert len(items.provider.started) == 48  # more than 8 at once after the first round
    await items.start_each(*rounds[2])
    await items.end_all(*rounds[2], seconds=0.2, error=connection_fault(is_reachable=False))
    assert items.admission.wait_seconds("m") > 0
    items.outages.end("held/m")
    assert items.admission.wait_seconds("m") == 0
    await items.start_each(*rounds[3])
    assert items.provider.started[53:] == rounds[3][:8]


async def test_calls_over_the_ceiling_of_their_model_wait_and_hold_no_slot(make_items):
    limits = {"m": ModelLimit(concurrency=2)}
    items = make_items(10, model_slots=open_model_slots(limits, "memory://", SlotHolder("h", 10), "held"))
    await items.start_each(*"abc")
    async with asyncio.timeout(5):
        while len(items.provider.started) < 2:
            await asyncio.sleep(0.01)
    assert items.provider.started == ["a", "b"]
    assert items.admission.limited_count == items.admission.limited_count_of("job") == 1
    assert items.admission.wait_seconds("m") > 0.0  # nothing more of this model is worth starting
    assert items.admission.wait_seconds("other") == 0.0
    await items.provider.answer("a")
    assert items.provider.started == ["a", "b", "c"]


def numbered(name: str, count: int) -> list[str]:
    return [f"{name} {number}" for number in range(count)]


async def test_the_short_timeout_of_one_job_cuts_no_model(make_items):
    items = make_items(20)
    await items.start_each(*"abcdefgh")
    await items.end_all(*"abcdefgh", seconds=1.0)
    short = numbered("short", 20)
    await items.start_each(*short, job_id="short", call_timeout=0.001)
    await items.end_all(*short, seconds=0.001, error=RetryableError("PROVIDER_TIMEOUT", ""))
    assert items.admission.wait_seconds("m") == 0.0
    usual = numbered("usual", 20)
    await items.start_each(*usual)
    assert items.provider.started[-1] == usual[-1]
    await items.end_all(*usual, seconds=1.0)
    assert not items.outages.find("held/m")


@pytest.mark.parametrize("error", [LIMITED, RetryableError("PROVIDER_ERROR", "HTTP 500")])
async def test_rejections_of_one_job_hold_up_it_alone_while_others_are_answered(make_items, error):
    items = make_items(100)
    for _ in range(3):  # the limit grows to the ceiling
        await items.start_each(*numbered("well", 60), tenant="b", job_id="well")
        await items.end_all(*numbered("well", 60), seconds=1.0)
    bad = numbered("bad", 40)
    await items.start_each(*bad, tenant="a", job_id="bad")
    await items.end_all(*bad, seconds=0.1, error=error)
    assert items.admission.cooldown_seconds("m") == 0.0
    assert items.admission.cooldown_seconds("m", "bad") > 0.0
    assert items.admission.wait_seconds("m", "well") == 0.0
    assert items.admission.wait_seconds("m", "bad") == pytest.approx(error.retry_after or 1.0)
    more = numbered("more", 90)
    await items.start_each(*more, tenant="b", job_id="well")
    assert items.provider.started[-1] == more[-1]


async def test_rejections_of_all_jobs_cut_their_model(make_items):
    items = make_items(100)
    for _ in range(3):
        await items.start_each(*numbered("well", 60), tenant="b", job_id="well")
        await items.end_all(*numbered("well", 60), seconds=1.0)
    await items.start_each(*numbered("a", 30), tenant="a", job_id="a")
    await items.start_each(*numbered("b", 30), tenant="b", job_id="well")
    for number in range(30):
        await items.end_all(f"a {number}", f"b {number}", seconds=0.0, error=LIMITED)
    assert items.admission.cooldown_seconds("m") > 0.0


def tokens_limited_to(tokens_per_minute: int) -> RateLimits:
    buckets = SharedBuckets(None, lambda: 1, lambda: 0.0)
    return RateLimits({"m": ModelLimit(tokens_per_minute=tokens_per_minute)}, buckets)


async def test_a_prompt_above_the_tokens_of_a_minute_fails_at_once_and_costs_others_nothing(make_items):
    items = make_items(10, tokens_limited_to(10_000))
    huge = "x" * 40_100
    await items.start(huge)
    with pytest.raises(
        ItemFailedError, match="about 10029 tokens, and HEADRACE_LIMITS allows 10000"
    ) as raised:
        await items.calls[huge]
    assert raised.value.reason == "PROMPT_TOO_LARGE"
    await items.start("small")
    assert items.provider.started == ["small"]


async def test_a_prompt_above_the_tokens_of_a_minute_is_no_concern_without_such_a_limit(make_items):
    items = make_items(10)
    await items.start("x" * 1_000_000)
    assert len(items.provider.started) == 1


async def test_a_tenant_with_few_calls_goes_before_later_calls_of_a_tenant_that_fills_the_worker(make_items):
    items = make_items(2)
    first = await items.start("a 0", tenant="a")
    second = await items.start("a 1", tenant="a")
    await items.provider.answer("a 0")
    await items.start("a 2", tenant="a")
    await items.start("a 0 later", tenant="a", context=first)
    await items.start("b", tenant="b")
    await items.provider.answer("a 1")
    assert items.provider.started[-1] == "b"
    await items.start("a 1 later", tenant="a", context=second)
    await items.start("b 2", tenant="b")  # b has its part
    await items.provider.answer("a 2")
    assert items.provider.started[-1] == "a 0 later"


async def test_the_calls_of_a_tenant_alone_keep_their_order(make_items):
    items = make_items(2)
    first = await items.start("a 0", tenant="a")
    await items.start("a 1", tenant="a")
    await items.provider.answer("a 0")
    await items.start("a 2", tenant="a")
    await items.start("a 3", tenant="a")
    await items.start("a 0 later", tenant="a", context=first)
    await items.provider.answer("a 1")
    assert items.provider.started[-1] == "a 0 later"
