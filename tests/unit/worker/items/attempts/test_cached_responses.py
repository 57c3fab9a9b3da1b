"""Items of jobs with cache_responses reuse responses that other items have paid for."""

import asyncio
import json

import pytest
from pydantic import BaseModel

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import ItemFailedError, Kind, Message, RetryableError, builtin_kinds
from services.stand_in import Fault, StandIn
from services.stubs.results.v1 import results_pb2
from services.worker.calls.admission import CallAdmission
from services.worker.calls.cooldowns import MemoryCooldowns
from services.worker.calls.provider import OpenAiProvider
from services.worker.calls.response_cache import Exchange, MemoryResponseStore, ResponseCache, SingleFlight
from services.worker.calls.response_cache.response_store import Drop
from services.worker.calls.response_cache.single_flight import Outcome
from services.worker.items.attempts.item_runner import ItemRunner
from services.worker.metrics import CACHED_RESPONSES

HOUR = 3600.0
PROMPTS = {"summary": "Summarise: {text}", "mood": "Mood of: {text}"}


class NoParams(BaseModel):
    pass


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class CountingStore(MemoryResponseStore):
    run_count = 0

    async def run(self, commands):
        self.run_count += 1
        return await super().run(commands)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(clock):
    return CountingStore(clock)


@pytest.fixture
async def stand_in():
    server = StandIn()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def provider(stand_in):
    provider = OpenAiProvider(api_key="none", base_url=stand_in.base_url, timeout_seconds=5.0)
    yield provider
    await provider.close()


@pytest.fixture
async def exchanges(store):
    opened = [Exchange(store, timeout_seconds=5.0) for _ in range(2)]
    yield opened
    for exchange in opened:
        await exchange.close()


@pytest.fixture
def make_worker(provider, exchanges):
    """Returns one of two workers on the same store; accepts kinds in addition to the built-in ones."""
    free = enumerate(exchanges)

    def make(*kinds, call_limit=100):
        number, exchange = next(free)
        single_flight = SingleFlight(exchange, f"worker-{number}")
        cache = ResponseCache(exchange, single_flight, provider.name, 24 * HOUR, provider.form_of)
        by_name = builtin_kinds() | {kind.name: kind for kind in kinds}
        admission = CallAdmission(provider, MemoryCooldowns(lambda: 0.0), call_limit)
        return ItemRunner(by_name, admission, "m", lambda: 1.0, response_cache=cache)

    return make


@pytest.fixture
def pass_time(exchanges, clock):
    """Advances the store's clock once everything that the workers sent has arrived."""

    async def move(seconds):
        for exchange in exchanges:
            await exchange.ask(Drop("nothing", b""))
        clock.now += seconds

    return move


def job(kind="llm.complete", *, cache_responses=True, tenant="t", job_id="job-1", params=None):
    given = {"prompts": PROMPTS} if params is None else params
    options = jobs_pb2.JobOptions(cache_responses=cache_responses)
    return results_pb2.JobSpec(
        job_id=job_id, tenant=tenant, kind=kind, params=json.dumps(given), options=options
    )


def item(index=0, text="fine", **fields):
    return results_pb2.LeasedItem(item_index=index, input=json.dumps({"text": text}), **fields)


def kind_of(run):
    return Kind(name="theirs", description="", params_model=NoParams, run=run)


async def test_an_item_of_another_job_uses_the_responses_and_counts_nothing(make_worker, stand_in):
    first = await make_worker().run(job(), item())
    second = await make_worker().run(job(job_id="job-2"), item(5))
    assert second.output == first.output
    assert second.usage == jobs_pb2.Usage()
    assert stand_in.counts.prompts == {"Summarise: fine": 1, "Mood of: fine": 1}


@pytest.mark.parametrize(
    ("options", "call_count"),
    [
        ({"service_tier": "flex"}, 1),
        ({"seed": 7}, 2),
        ({"response_format": {"type": "json_object"}}, 2),
        ({"extra_body": {"top_k": 5}}, 2),
        ({"extra_headers": {"x-variant": "b"}}, 2),
        ({"system_role": "developer"}, 2),
    ],
)
async def test_a_response_is_used_for_the_same_options_whatever_the_tier(
    make_worker, stand_in, options, call_count
):
    params = {"prompt": "Mood of: {text}"}
    worker = make_worker()
    await worker.run(job(params=params), item())
    for index in range(2):
        await worker.run(job(params={**params, **options}, job_id="job-2"), item(index))
    assert stand_in.counts.prompts == {"Mood of: fine": call_count}


async def test_without_the_option_every_item_makes_its_calls_and_the_store_is_not_asked(
    make_worker, stand_in, store
):
    worker = make_worker()
    plain = job(cache_responses=False)
    for index in range(2):
        outcome = await worker.run(plain, item(index))
        assert outcome.usage.call_count == 2
    assert stand_in.counts.prompts == {"Summarise: fine": 2, "Mood of: fine": 2}
    assert store.run_count == 0


async def test_tenants_share_no_responses(make_worker, stand_in):
    worker = make_worker()
    await worker.run(job(), item())
    outcome = await worker.run(job(tenant="other"), item())
    assert outcome.usage.call_count == 2
    assert stand_in.counts.call_count == 4


async def test_responses_end_with_their_lifetime_however_often_they_are_used(
    make_worker, stand_in, pass_time
):
    worker = make_worker()
    await worker.run(job(), item())
    await pass_time(23 * HOUR)
    await worker.run(job(), item())
    assert stand_in.counts.call_count == 2
    await pass_time(2 * HOUR)
    await worker.run(job(), item())
    assert stand_in.counts.call_count == 4


async def test_many_equal_items_at_once_make_each_call_once(make_worker, stand_in):
    stand_in.behaviour.latency_ms = 50
    workers = [make_worker(), make_worker()]
    outcomes = await asyncio.gather(*(workers[n % 2].run(job(), item(n)) for n in range(50)))
    assert len({outcome.output for outcome in outcomes}) == 1
    assert sum(outcome.usage.call_count for outcome in outcomes) == 2
    assert stand_in.counts.prompts == {"Summarise: fine": 1, "Mood of: fine": 1}


async def test_items_that_wait_for_a_call_hold_no_slot(make_worker, stand_in):
    stand_in.behaviour.fail_when_contains = {"fine": Fault(hang=True)}
    worker = make_worker(call_limit=2)
    one = job(params={"prompt": "Mood of: {text}"})
    stuck = [asyncio.create_task(worker.run(one, item(n))) for n in range(5)]
    async with asyncio.timeout(5):
        while not stand_in.counts.call_count:
            await asyncio.sleep(0.005)
        assert (await worker.run(one, item(9, text="good"))).error is None
    for task in stuck:
        task.cancel()
    await asyncio.gather(*stuck, return_exceptions=True)


async def test_the_same_request_twice_in_an_item_has_two_responses_for_the_next_item_too(
    make_worker, stand_in
):
    async def run(params, value, context):
        return [(await context.complete([Message("user", "hello")])).text for _ in range(2)]

    worker = make_worker(kind_of(run))
    stand_in.behaviour.fail_next = [Fault(text="one"), Fault(text="two")]
    first = await worker.run(job("theirs", params={}), item())
    second = await worker.run(job("theirs", params={}), item(1))
    assert stand_in.counts.prompts == {"hello": 2}
    assert json.loads(first.output) == json.loads(second.output) == ["one", "two"]
    assert second.usage.call_count == 0


@pytest.mark.parametrize("fault", [RetryableError("ODD", "odd"), ItemFailedError("ODD", "odd"), ValueError()])
async def test_a_response_that_the_handler_rejects_is_not_used_again(make_worker, stand_in, fault):
    async def run(params, value, context):
        await context.complete([Message("user", "hello")])
        if value["text"] == "bad":
            raise fault
        return "good"

    worker = make_worker(kind_of(run))
    theirs = job("theirs", params={})
    assert (await worker.run(theirs, item())).usage.call_count == 1
    assert (await worker.run(theirs, item(1, "bad"))).usage.call_count == 0
    assert (await worker.run(theirs, item(1, "bad"))).usage.call_count == 1
    assert (await worker.run(theirs, item(1, "bad"))).usage.call_count == 1
    assert stand_in.counts.prompts == {"hello": 3}


async def test_a_retry_requested_by_the_handler_gets_fresh_responses_and_one_after_a_failed_call_does_not(
    make_worker, stand_in
):
    worker = make_worker()
    await worker.run(job(), item())
    by_handler, by_call = (
        item(
            attempt_count=1,
            failed_attempts=[jobs_pb2.FailedAttempt(attempt_number=1, error={"reason": reason})],
        )
        for reason in ("ODD", "PROVIDER_TIMEOUT")
    )
    assert (await worker.run(job(), by_handler)).usage.call_count == 2
    assert (await worker.run(job(), by_call)).usage.call_count == 0


async def test_responses_of_an_item_that_failed_with_a_call_are_neither_kept_nor_forgotten(
    make_worker, stand_in, pass_time
):
    worker = make_worker()
    await worker.run(job(job_id="job-0", params={"prompt": "Summarise: {text}"}), item())
    await pass_time(HOUR)  # longer than responses are kept for waiting calls
    stand_in.behaviour.fail_when_contains = {"Mood": Fault(400)}
    outcome = await worker.run(job(), item())
    assert outcome.error.reason == "PROVIDER_REFUSED_INPUT"
    stand_in.behaviour.fail_when_contains = {}
    assert (await worker.run(job(), item(1))).usage.call_count == 1
    assert stand_in.counts.prompts == {"Summarise: fine": 1, "Mood of: fine": 2}


async def test_responses_of_earlier_attempts_of_an_item_are_kept_once_it_has_succeeded(
    make_worker, stand_in, pass_time
):
    worker = make_worker()
    stand_in.behaviour.fail_when_contains = {"Mood": Fault(503)}
    failed = await worker.run(job(), item())
    await pass_time(HOUR)
    stand_in.behaviour.fail_when_contains = {}
    retried = item(attempt_count=1, failed_attempts=failed.failed_attempts, usage=failed.usage)
    assert (await worker.run(job(), retried)).error is None
    await pass_time(HOUR)
    assert (await worker.run(job(), item(1))).usage.call_count == 0
    assert stand_in.counts.prompts == {"Summarise: fine": 1, "Mood of: fine": 2}


async def test_a_cancelled_item_passes_its_call_on_to_another_job(make_worker, stand_in):
    stand_in.behaviour.latency_ms = 300
    first, second = make_worker(), make_worker()
    one = job(params={"prompt": "Mood of: {text}"})
    cancelled = asyncio.create_task(first.run(one, item()))
    async with asyncio.timeout(5):
        while not stand_in.counts.call_count:
            await asyncio.sleep(0.005)
        other = job(job_id="job-2", params={"prompt": "Mood of: {text}"})
        waiting = asyncio.create_task(second.run(other, item()))
        for _ in range(20):
            await asyncio.sleep(0)
        cancelled.cancel()
        outcome = await waiting
    assert outcome.error is None
    assert outcome.usage.call_count == 1
    assert stand_in.counts.call_count == 2


async def test_the_outcome_of_each_call_is_counted(make_worker, stand_in):
    def counted():
        return {outcome: CACHED_RESPONSES.labels(outcome)._value.get() for outcome in Outcome}

    before = counted()
    stand_in.behaviour.latency_ms = 50
    worker = make_worker()
    await asyncio.gather(*(worker.run(job(), item(n)) for n in range(3)))
    await worker.run(job(), item(3))
    more = {outcome: count - before[outcome] for outcome, count in counted().items()}
    assert more == {Outcome.CALLED: 2, Outcome.SHARED: 4, Outcome.FOUND: 2, Outcome.UNREACHABLE: 0}
