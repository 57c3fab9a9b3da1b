"""Calls wait for the rate limit of their model and give back what they do not use."""

import asyncio

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from headrace.kinds import Message
from services.shared.setting_types import ModelLimit, read_limits
from services.worker.calls.breaker import Breaker
from services.worker.calls.provider.provider import CompletionRequest
from services.worker.calls.rate_limits import ModelLimiter, RateLimits, open_rate_limits
from services.worker.calls.rate_limits.buckets import Returned, Taken
from services.worker.calls.rate_limits.shared_buckets import SharedBuckets
from services.worker.calls.token_estimates import TokenEstimates
from tests.simulation.virtual_time import run_virtually

LIMIT = ModelLimit(requests_per_minute=600, tokens_per_minute=100_000)


class GivenBuckets:
    """Grants as many requests as the test allows."""

    def __init__(self) -> None:
        self.allowed = 0
        self.error: Exception | None = None
        self.asked: list[list[int]] = []
        self.returned = Returned()

    async def take(self, key, rates, costs, returned):
        if self.error is not None:
            raise self.error
        self.asked.append(list(costs))
        self.returned = Returned(
            self.returned.request_count + returned.request_count,
            self.returned.token_count + returned.token_count,
        )
        count = min(self.allowed, len(costs))
        self.allowed -= count
        return Taken(count, 0.001 if count < len(costs) else 0.0)

    async def close(self):
        pass


class Bench:
    """One limiter, whose calls find a number of free slots."""

    def __init__(self) -> None:
        self.buckets = GivenBuckets()
        self.slot_count = 100
        shared = SharedBuckets(self.buckets, lambda: 1)
        self.limiter = ModelLimiter(shared, "k", "m", LIMIT, lambda: self.slot_count - len(self.order))
        self.order: list[str] = []
        self.calls: dict[str, asyncio.Task] = {}

    def call(self, name: str, tokens: int = 10, rank: int = 0) -> None:
        async def reserve():
            reservation = await self.limiter.reserve(tokens, rank)
            self.order.append(name)
            return reservation

        self.calls[name] = asyncio.create_task(reserve())

    async def until(self, condition) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.001)


@pytest.fixture
async def bench():
    made = Bench()
    yield made
    for call in made.calls.values():
        call.cancel()
    await asyncio.gather(*made.calls.values(), return_exceptions=True)
    await made.limiter.close()


async def test_calls_that_come_together_are_one_script_call(bench):
    bench.buckets.allowed = 5
    for name in "abcde":
        bench.call(name, tokens=7)
    await bench.until(lambda: len(bench.order) == 5)
    assert bench.buckets.asked == [[7] * 5]


async def test_the_lowest_rank_goes_first(bench):
    bench.call("a", rank=0)
    await bench.until(lambda: bench.buckets.asked)
    bench.call("late", rank=2)
    bench.call("early", rank=1)
    for name in ("a", "early", "late"):
        bench.buckets.allowed = 1
        await bench.until(lambda name=name: bench.order[-1:] == [name])


async def test_no_more_is_taken_than_finds_a_slot(bench):
    bench.buckets.allowed, bench.slot_count = 10, 2
    for name in "abc":
        bench.call(name)
    await bench.until(lambda: len(bench.order) == 2)
    assert bench.buckets.asked == [[10, 10]]
    bench.slot_count = 3
    bench.limiter.slots_changed()
    await bench.until(lambda: len(bench.order) == 3)


async def test_what_a_call_did_not_use_goes_back_and_what_it_used_beyond_is_taken(bench):
    bench.buckets.allowed = 2
    bench.call("a", tokens=100)
    bench.call("b", tokens=100)
    await bench.until(lambda: len(bench.order) == 2)
    bench.calls["a"].result().settle(30)
    bench.calls["b"].result().settle(190)
    await bench.until(lambda: bench.buckets.returned == Returned(0, -20))


async def test_a_call_that_is_not_made_gives_its_request_and_tokens_back(bench):
    bench.buckets.allowed = 1
    bench.call("a", tokens=100)
    await bench.until(lambda: bench.order)
    bench.calls["a"].result().give_back()
    await bench.until(lambda: bench.buckets.returned == Returned(1, 100))


async def test_a_cancelled_wait_takes_nothing(bench):
    bench.call("a", tokens=100)
    await bench.until(lambda: bench.buckets.asked)
    bench.calls["a"].cancel()
    bench.call("b", tokens=5)
    bench.buckets.allowed = 1
    await bench.until(lambda: bench.order == ["b"])
    assert bench.buckets.returned in (Returned(), Returned(1, 100))


async def test_further_items_wait_while_calls_wait(bench):
    assert bench.limiter.wait_seconds == 0.0
    for name in "abc":
        bench.call(name)
    await bench.until(lambda: bench.limiter.waiting_count == 3)
    assert bench.limiter.wait_seconds > 0.0
    bench.buckets.allowed = 3
    await bench.until(lambda: len(bench.order) == 3)
    assert bench.limiter.wait_seconds == 0.0


async def test_a_busy_worker_takes_ahead_and_gives_back_what_it_does_not_use(bench):
    bench.buckets.allowed = 1_000
    for n in range(40):
        bench.call(f"first {n}")
    await bench.until(lambda: len(bench.order) == 40)
    bench.call("next")
    await bench.until(lambda: len(bench.order) == 41)
    call_count = len(bench.buckets.asked)
    assert len(bench.buckets.asked[-1]) == 11  # a quarter of a second's use
    for n in range(5):
        bench.call(f"then {n}")
    await bench.until(lambda: len(bench.order) == 46)
    assert len(bench.buckets.asked) == call_count
    await bench.until(lambda: bench.buckets.returned.request_count == 5)


async def test_without_redis_a_worker_takes_its_part_says_so_once_and_comes_back():
    now = [100.0]
    shared = GivenBuckets()
    breaker = Breaker(lambda: 10, lambda: now[0])
    buckets = SharedBuckets(shared, lambda: 10, lambda: now[0], breaker)
    shared.error = RedisConnectionError()
    with capture_logs() as logs:
        taken = await buckets.take("k", ModelLimit(requests_per_minute=600), [0] * 2, Returned())
        assert taken.count == 1
        assert taken.wait_seconds == pytest.approx(62.3 / 60, rel=0.01)  # 60 a minute are its part
        assert breaker.is_open
        shared.error, shared.allowed = None, 9
        await buckets.take("k", LIMIT, [0], Returned())
        assert not shared.asked  # it is not asked for 2 s
        now[0] += 2.0
        assert (await buckets.take("k", LIMIT, [0] * 9, Returned())).count == 9
    assert not breaker.is_open
    assert [entry["event"] for entry in logs] == ["limits_degraded", "limits_restored"]


def test_a_redis_that_does_not_answer_is_waited_for_250_ms_and_then_not_asked():
    class Silent(GivenBuckets):
        async def take(self, key, rates, costs, returned):
            await asyncio.Event().wait()

    async def take_twice():
        loop = asyncio.get_running_loop()
        breaker = Breaker(lambda: 10, loop.time)
        buckets = SharedBuckets(Silent(), lambda: 10, loop.time, breaker)
        waits = []
        for _ in range(2):
            begin = loop.time()
            await buckets.take("k", ModelLimit(requests_per_minute=600), [0], Returned())
            waits.append(loop.time() - begin)
        return waits, breaker.is_open

    assert run_virtually(take_twice()) == ([0.25, 0.0], True)


async def test_a_model_without_an_entry_has_the_limit_of_all_or_none():
    buckets = SharedBuckets(None, lambda: 1)
    some = RateLimits({"m": LIMIT}, buckets)
    assert some.of("p", "m", lambda: 1) is not None
    assert some.of("p", "other", lambda: 1) is None
    assert RateLimits({"*": LIMIT}, buckets).of("p", "other", lambda: 1) is not None


async def test_without_limits_nobody_is_asked():
    limits = open_rate_limits({}, "redis://127.0.0.1:1/0")
    assert limits.of("p", "m", lambda: 1) is None
    await limits.close()


def test_limits_are_read_from_text_or_from_a_file(tmp_path):
    text = '{"m": {"requests_per_minute": 600}, "*": {"tokens_per_minute": 5}}'
    (tmp_path / "limits.json").write_text(text)
    read = read_limits(text)
    assert read == read_limits(str(tmp_path / "limits.json"))
    assert read["m"] == ModelLimit(requests_per_minute=600)
    assert read_limits("") == {}


@pytest.mark.parametrize("value", ["{", '{"m": {"rpm": 1}}', '{"m": {"requests_per_minute": 0}}', "/no/file"])
def test_limits_that_are_none_are_refused(value):
    with pytest.raises(ValueError, match="requests_per_minute"):
        read_limits(value)


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ('{"m": {"concurrency": 0}}', r"m\.concurrency: .* greater than or equal to 1"),
        ('{"m": {"concurrency": "many"}}', r"m\.concurrency: .* valid integer"),
        ('{"m": {"concurency": 4}}', r"m\.concurency: Extra inputs"),
    ],
)
def test_a_limit_that_is_refused_is_named(value, place):
    with pytest.raises(ValueError, match=f"{place}.*must be JSON such as .*concurrency") as raised:
        read_limits(value)
    assert "many" not in str(raised.value)


def test_a_model_whose_calls_in_flight_alone_are_limited_has_no_limiter():
    limits = RateLimits(read_limits('{"m": {"concurrency": 4}}'), SharedBuckets(None, lambda: 1))
    assert limits.of("p", "m", lambda: 1) is None


def test_tokens_are_estimated_by_length_and_by_earlier_answers():
    estimates = TokenEstimates()
    request = CompletionRequest("m", [Message("user", "x" * 400)])
    short = CompletionRequest("m", [Message("user", "x" * 400)], max_output_tokens=10)
    assert estimates.of(short) == 114
    assert estimates.of(request) == 360
    estimates.learn(request, 20)
    assert estimates.of(request) == 124
    assert estimates.of(short) == 114


def test_a_huge_limit_of_the_output_reserves_no_huge_number_of_tokens():
    estimates = TokenEstimates()
    huge = CompletionRequest("m", [Message("user", "x" * 400)], max_output_tokens=1_000_000)
    assert estimates.of(huge) == 104 + 1024
    estimates.learn(huge, 20)
    assert estimates.of(huge) == 124


async def test_a_call_never_reserves_more_tokens_than_a_minute_has():
    buckets = SharedBuckets(None, lambda: 1, lambda: 0.0)
    limiter = ModelLimiter(buckets, "k", "m", ModelLimit(tokens_per_minute=1_000), lambda: 10)
    reservation = await limiter.reserve(5_000, 0)
    reservation.settle(0)
    await limiter.close()
    due = await buckets.take("k", ModelLimit(tokens_per_minute=1_000), [1], Returned())
    assert due.count == 1  # all that was reserved is back
