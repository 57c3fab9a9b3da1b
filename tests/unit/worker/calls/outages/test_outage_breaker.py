"""The breaker opens for an outage, lets one probe through at a time, and closes for an answer."""

import asyncio
import random

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from headrace.kinds import ItemFailedError, RetryableError
from services.worker.calls.answered_jobs import Caller
from services.worker.calls.outages import MemoryOutages, OutageBreaker, SparedError, spared
from services.worker.calls.outages.outage import MAX_WORDS_CHARACTERS, PROBE_SECONDS, probe_delay
from services.worker.calls.provider.faults import ProviderDownError, connection_fault, timeout_fault

KEY = "host:80/m"
DOWN = connection_fault()
REFUSED = connection_fault(is_reachable=False)
ANSWERS = [
    None,
    ItemFailedError("PROVIDER_REFUSED_INPUT", ""),
    RetryableError("RATE_LIMITED", ""),
    RetryableError("PROVIDER_ERROR", "HTTP 500"),
    RetryableError("BROKEN_ANSWER", ""),
]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Weather:
    """A breaker with a clock, and calls whose outcome the test chooses."""

    def __init__(self, outage_seconds: float = 60.0, rng=lambda: 1.0) -> None:
        self.clock = Clock()
        self.outages = MemoryOutages(self.clock, rng)
        self.breaker = OutageBreaker(self.outages, outage_seconds, self.clock)

    async def call(self, item: object, outcome: Exception | None = None) -> Exception | None:
        """Makes a call, and returns the error that leaves the breaker."""
        try:
            with await self.breaker.begin(KEY, item):
                if outcome is not None:
                    raise outcome
        except Exception as error:
            return error
        return None

    async def calls(self, outcome: Exception | None, *items: object) -> list[Exception | None]:
        return [await self.call(item, outcome) for item in items]

    async def open(self) -> None:
        await self.calls(DOWN, 1, 2, 3, 1, 2)
        assert self.is_open

    @property
    def is_open(self) -> bool:
        return self.outages.find(KEY) is not None


@pytest.fixture
def weather() -> Weather:
    return Weather()


def is_spared(error: Exception | None) -> bool:
    return isinstance(error, SparedError)


async def test_five_faults_in_a_row_of_three_items_open_the_breaker(weather):
    await weather.calls(DOWN, 1, 2, 3, 1)
    assert not weather.is_open
    await weather.call(2, DOWN)
    assert weather.is_open


@pytest.mark.parametrize("answer", ANSWERS)
async def test_an_answer_of_any_kind_between_faults_keeps_the_breaker_closed(weather, answer):
    await weather.calls(DOWN, 1, 2, 3, 1)
    await weather.call(4, answer)
    await weather.calls(DOWN, 2, 3, 1, 2)
    assert not weather.is_open


async def test_a_timeout_is_neither_a_fault_nor_an_answer(weather):
    await weather.calls(timeout_fault(), *range(20))
    assert not weather.is_open
    await weather.calls(DOWN, 1, 2, 3, 1)
    await weather.call(4, timeout_fault())
    await weather.call(2, DOWN)
    assert weather.is_open


async def test_two_items_are_enough_if_there_are_no_others(weather):
    await weather.calls(DOWN, 1, 2, 1, 2)
    assert not weather.is_open
    await weather.call(1, DOWN)
    assert weather.is_open


async def test_an_item_that_alone_fails_leaves_the_breaker_closed_even_once_the_others_have_ended(weather):
    await weather.calls(None, *range(10))
    weather.clock.now += 8.0
    errors = await weather.calls(DOWN, *["poison"] * 8)
    assert not weather.is_open
    assert not any(is_spared(error) for error in errors)


async def test_an_item_that_alone_fails_leaves_the_breaker_closed_while_others_are_in_flight(weather):
    with await weather.breaker.begin(KEY, "slow"):
        await weather.calls(DOWN, *["poison"] * 8)
        assert not weather.is_open


async def test_refused_connections_are_no_fault_of_an_item(weather):
    await weather.calls(None, *range(10))
    await weather.calls(REFUSED, *["last"] * 5)
    assert weather.is_open


async def test_an_item_keeps_its_attempts_while_over_a_tenth_of_the_other_items_calls_are_faults(weather):
    for item in range(45):
        await weather.call(item)
    await weather.calls(DOWN, 50, 51)
    assert not is_spared(await weather.call("a", DOWN))
    await weather.call(60)
    await weather.calls(DOWN, 52, 53)
    await weather.call(61)
    await weather.calls(DOWN, 54, 55)
    assert is_spared(await weather.call("a", DOWN))
    assert not weather.is_open


async def test_a_fault_opens_it_without_using_up_an_attempt_and_so_do_those_in_flight(weather):
    in_flight = await weather.breaker.begin(KEY, "in flight")
    in_flight.__enter__()
    await weather.calls(DOWN, 1, 2, 3, 1)
    assert is_spared(await weather.call(2, DOWN))
    with pytest.raises(SparedError) as caught:
        in_flight.__exit__(type(DOWN), DOWN, None)
    assert (caught.value.reason, caught.value.is_open) == (DOWN.reason, True)


def test_a_spared_error_keeps_the_providers_words():
    error = spared(RetryableError("PROVIDER_ERROR", "m", 2.0, detail="their words"), is_open=True)
    assert (error.reason, error.message, error.retry_after) == ("PROVIDER_ERROR", "m", 2.0)
    assert (error.detail, error.is_open) == ("their words", True)


async def test_no_call_begins_before_a_probe_is_due(weather):
    await weather.open()
    assert weather.breaker.wait_seconds(KEY) == 1.0
    assert weather.breaker.wait_seconds("host:80/other") == 0.0
    with pytest.raises(SparedError):
        weather.breaker.check(KEY)
    assert is_spared(await weather.call(9))
    assert weather.is_open


async def test_probes_come_after_one_second_every_two_for_a_while_and_then_every_five(weather):
    await weather.open()
    waits = []
    for _ in range(12):
        waits.append(weather.breaker.wait_seconds(KEY))
        weather.clock.now += waits[-1]
        assert is_spared(await weather.call(1, DOWN))
    assert waits == [1.0, *[2.0] * 7, 4.0, 5.0, 5.0, 5.0]


def test_the_jitter_of_a_probe_is_between_a_half_and_one():
    rng = random.Random(1)
    delays = [probe_delay(9, rng.random) for _ in range(200)]
    assert 2.5 <= min(delays) < 2.7
    assert 4.8 < max(delays) <= 5.0


@pytest.mark.parametrize("answer", ANSWERS)
async def test_any_answer_to_a_probe_closes_the_breaker(weather, answer):
    await weather.open()
    weather.clock.now += 1.0
    assert await weather.call(1, answer) is answer
    assert not weather.is_open
    await weather.calls(DOWN, 1, 2, 3, 1)
    assert not weather.is_open, "faults from before the outage do not count"


async def test_a_probe_without_an_answer_keeps_the_breaker_open_and_costs_no_attempt(weather):
    await weather.open()
    weather.clock.now += 1.0
    error = await weather.call(1, timeout_fault())
    assert (is_spared(error), error.reason) == (True, "PROVIDER_TIMEOUT")
    assert weather.breaker.wait_seconds(KEY) == 2.0


async def test_a_hung_probe_keeps_others_from_probing_for_30_s_only(weather):
    await weather.open()
    weather.clock.now += 1.0
    await weather.breaker.begin(KEY, "hung")
    weather.clock.now += PROBE_SECONDS - 0.1
    assert is_spared(await weather.call(2))
    weather.clock.now += 0.1
    assert weather.breaker.wait_seconds(KEY) == 0.0
    assert await weather.call(2) is None
    assert not weather.is_open


async def test_a_cancelled_probe_makes_room_for_the_next_at_once(weather):
    await weather.open()
    weather.clock.now += 1.0
    with pytest.raises(asyncio.CancelledError), await weather.breaker.begin(KEY, 1):
        raise asyncio.CancelledError
    assert await weather.call(2) is None
    assert not weather.is_open


async def test_an_item_that_starts_to_probe_keeps_others_from_starting_for_a_second(weather):
    await weather.open()
    weather.clock.now += 1.0
    assert weather.breaker.wait_seconds(KEY) == 0.0
    weather.breaker.claim_probe(KEY)
    assert weather.breaker.wait_seconds(KEY) > 0.0
    weather.clock.now += 1.0
    assert weather.breaker.wait_seconds(KEY) == 0.0


async def test_a_call_from_before_the_outage_that_fails_after_it_costs_no_attempt_and_does_not_count(weather):
    old = [await weather.breaker.begin(KEY, f"old {n}") for n in range(9)]
    for call in old:
        call.__enter__()
    await weather.open()
    weather.clock.now += 1.0
    await weather.call(1)
    for call in old:
        with pytest.raises(SparedError):
            call.__exit__(type(DOWN), DOWN, None)
    assert not weather.is_open


async def test_an_outage_is_lasting_after_its_time(weather):
    await weather.open()
    weather.clock.now += 59.0
    assert weather.breaker.lasting_outage(KEY) is None
    weather.clock.now += 1.0
    assert weather.breaker.lasting_outage(KEY).reason == DOWN.reason


async def test_an_outage_has_the_last_words_of_the_provider_on_one_line_and_cut(weather):
    error = ProviderDownError("PROVIDER_ERROR", "the provider failed (HTTP 503)")
    error.detail = "type server_error: loading\nmodel"
    await weather.calls(error, 1, 2, 3, 1, 2)
    words = "the provider failed (HTTP 503): type server_error: loading model"
    assert weather.breaker.outage(KEY).message == words
    weather.clock.now += 1.0
    error.detail = "x" * 500
    await weather.call(1, error)
    assert len(weather.breaker.outage(KEY).message) == MAX_WORDS_CHARACTERS
    weather.clock.now += 2.0
    await weather.call(1)
    assert weather.breaker.outage(KEY) is None


async def test_beginning_and_end_are_logged_once_and_shown_as_a_metric(weather):
    def shown() -> float | None:
        return REGISTRY.get_sample_value("headrace_provider_outages", {"model": "m"})

    with capture_logs() as logs:
        await weather.open()
        assert shown() == 1.0
        weather.clock.now += 1.0
        await weather.call(1, DOWN)
        weather.clock.now += 2.0
        await weather.call(2)
    assert shown() == 0.0
    began, ended = logs
    named = {"provider": "host:80", "model": "m", "reason": "PROVIDER_UNREACHABLE"}
    assert began.items() >= ({"event": "provider_outage_began", "message": DOWN.message} | named).items()
    assert (
        ended.items()
        >= ({"event": "provider_outage_ended", "seconds": 3.0, "probe_count": 1} | named).items()
    )


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_happens_at_most_one_probe_is_in_flight_and_an_answer_closes_the_breaker(seed):
    rng = random.Random(seed)
    weather = Weather(rng=rng.random)
    probes: dict[object, float] = {}  # calls that began in an outage, and when
    calls: dict[object, object] = {}
    for item in range(3_000):
        weather.clock.now += rng.random() * 0.5
        was_open = weather.is_open
        try:
            call = await weather.breaker.begin(KEY, item % 40)
        except SparedError:
            assert was_open
        else:
            call.__enter__()
            calls[item] = call
            if was_open:
                held = [begin for begin in probes.values() if begin > weather.clock.now - PROBE_SECONDS]
                assert not held
                probes[item] = weather.clock.now
        for ended in [item for item in calls if rng.random() < 0.2]:
            outcome = rng.choice([DOWN, DOWN, DOWN, REFUSED, timeout_fault(), asyncio.CancelledError(), None])
            call = calls.pop(ended)
            try:
                call.__exit__(type(outcome) if outcome else None, outcome, None)
            except SparedError:
                assert outcome is not None
            if probes.pop(ended, None) is not None and outcome is None:
                assert not weather.is_open


async def test_the_end_of_an_outage_is_notified_once_though_another_worker_saw_it(weather):
    ended = []
    weather.breaker.serve(ended.append)
    await weather.open()
    assert weather.breaker.wait_seconds(KEY) > 0
    weather.outages.end(KEY)
    for _ in range(2):
        assert weather.breaker.wait_seconds(KEY) == 0
    assert ended == [KEY]


class TwoJobs:
    """Calls of a job whose own fields make the provider fail, next to calls of others."""

    def __init__(self, weather: Weather) -> None:
        self._weather = weather

    async def call(self, caller: Caller, item: object, outcome: Exception | None = None) -> Exception | None:
        try:
            with await self._weather.breaker.begin(KEY, item, caller):
                if outcome is not None:
                    raise outcome
        except Exception as error:
            return error
        return None


POISON, WELL, SAME_TENANT = Caller("a", "poison"), Caller("b", "well"), Caller("a", "well")
FAILING = ProviderDownError("PROVIDER_ERROR", "the provider failed (HTTP 503)")


@pytest.mark.parametrize("other", [WELL, SAME_TENANT])
async def test_faults_of_one_job_are_no_outage_while_another_is_answered(weather, other):
    jobs = TwoJobs(weather)
    await jobs.call(other, "w")
    for item in range(50):
        await jobs.call(POISON, item, FAILING)
    assert not weather.is_open
    assert await jobs.call(other, "w") is None


async def test_faults_of_two_jobs_of_a_tenant_are_no_outage_while_another_tenant_is_answered(weather):
    jobs = TwoJobs(weather)
    await jobs.call(WELL, "w")
    for item in range(50):
        await jobs.call(Caller("a", f"poison {item % 2}"), item, FAILING)
    assert not weather.is_open


async def test_faults_of_one_job_are_an_outage_once_the_others_fail_too(weather):
    jobs = TwoJobs(weather)
    await jobs.call(WELL, "w")
    for item in range(10):
        await jobs.call(POISON, item, FAILING)
    await jobs.call(WELL, "w", FAILING)
    assert weather.is_open


async def test_faults_of_one_job_are_an_outage_if_no_other_was_answered_for_ten_seconds(weather):
    jobs = TwoJobs(weather)
    await jobs.call(WELL, "w")
    weather.clock.now += 10.1
    for item in range(5):
        await jobs.call(POISON, item, FAILING)
    assert weather.is_open


async def test_a_job_that_reaches_no_server_shows_an_outage_whoever_was_answered(weather):
    jobs = TwoJobs(weather)
    await jobs.call(WELL, "w")
    for item in range(5):
        await jobs.call(POISON, item, REFUSED)
    assert weather.is_open


async def test_faults_of_many_small_jobs_are_an_outage_at_once(weather):
    jobs = TwoJobs(weather)
    for number in range(20):
        await jobs.call(Caller("a", f"answered {number}"), number)
    for number in range(5):
        await jobs.call(Caller("a", f"failing {number}"), number, FAILING)
    assert weather.is_open
