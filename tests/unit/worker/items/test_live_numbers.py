"""Live numbers of jobs, each second and with heartbeats."""

import pytest

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2
from services.worker.calls.outages import Outage
from services.worker.items.attempts.item_outcome import ItemOutcome
from services.worker.items.leased_work import LeasedWork
from services.worker.items.live_numbers import RATE_SECONDS, LiveNumbers

NOTHING = jobs_pb2.Usage()


class Waits:
    """Rate limits and cool-downs set by the test."""

    longest_cooldown_seconds = 0.0

    def __init__(self) -> None:
        self.limited: dict[str, int] = {}
        self.wait = 0.0
        self.outages: dict[str, Outage] = {}

    def limited_count_of(self, job_id):
        return self.limited.get(job_id, 0)

    def cooldown_seconds(self, spec):
        return self.longest_cooldown_seconds

    def wait_seconds(self, spec):
        return self.wait

    def outage(self, spec):
        return self.outages.get(spec.job_id)


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def waits():
    return Waits()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def leased():
    return LeasedWork()


@pytest.fixture
def live(leased, waits, clock):
    return LiveNumbers(leased, waits, lambda spec: False, clock)


def lease(leased, job_id, count):
    items = [results_pb2.LeasedItem(item_index=index, input="1") for index in range(count)]
    ref = results_pb2.LeaseRef(job_id=job_id, chunk_index=0, fence=1)
    leased.add(results_pb2.JobSpec(job_id=job_id), results_pb2.Lease(ref=ref, round=1, items=items))


def outcome(retry_delay=None, tokens=40):
    usage = jobs_pb2.Usage(call_count=1, input_tokens=tokens - 10, output_tokens=10)
    return ItemOutcome(output="1", retry_delay=retry_delay, attempt_count=1, usage=usage)


def beat(live):
    request = results_pb2.HeartbeatRequest()
    live.fill(request)
    return request


def test_items_that_wait_for_a_rate_limit_are_not_in_flight(live, waits):
    for _ in range(10):
        live.started("j")
    waits.limited = {"j": 4}
    (event,) = live.read("w", 1.0)
    assert (event.live_event.in_flight_count, event.live_event.limited_count) == (6, 4)
    assert (beat(live).in_flight_count, beat(live).limited_count) == (6, 4)


def test_an_item_with_many_waiting_calls_counts_once(live, waits):
    live.started("j")
    waits.limited = {"j": 20}
    (event,) = live.read("w", 1.0)
    assert (event.live_event.in_flight_count, event.live_event.limited_count) == (0, 1)


def test_leased_items_that_may_not_start_wait_too(live, waits, leased):
    lease(leased, "j", 7)
    live.started("j")
    assert (live.read("w", 1.0)[0].live_event.limited_count, beat(live).limited_count) == (0, 0)
    waits.wait = 0.5
    (event,) = live.read("w", 1.0)
    assert (event.live_event.in_flight_count, event.live_event.limited_count) == (1, 6)
    assert (beat(live).in_flight_count, beat(live).limited_count) == (1, 6)


def test_a_job_in_an_outage_reports_since_when_and_the_last_words_until_it_ends(live, waits, leased, clock):
    for job_id in ("down", "up"):
        lease(leased, job_id, 7)
        live.started(job_id)
    waits.outages = {"down": make_outage(begin=clock.now - 30.0)}
    events = {event.job_id: event.live_event for event in live.read("w", 1.0)}
    outage = events["down"].outage
    age = events["down"].event_time.ToMilliseconds() / 1000 - outage.begin_time.ToMilliseconds() / 1000
    assert 29.4 < age < 30.6
    assert (outage.reason, outage.message) == ("PROVIDER_ERROR", "the provider failed (HTTP 503)")
    assert events["down"].limited_count == 6
    assert not events["up"].HasField("outage")
    waits.outages = {}
    assert not any(event.live_event.HasField("outage") for event in live.read("w", 1.0))


def make_outage(begin):
    return Outage(
        outage_id="1",
        begin=begin,
        next_probe=begin + 60.0,
        reason="PROVIDER_ERROR",
        message="the provider failed (HTTP 503)",
    )


def test_a_heartbeat_reports_rates_of_the_last_seconds_over_all_jobs(live, clock):
    assert (beat(live).items_per_second, beat(live).tokens_per_second) == (0.0, 0.0)
    for second in range(20):
        for job_id in ("j", "k"):
            for _ in range(5 if second < 10 else 15):
                live.started(job_id)
                live.ended(job_id, outcome(), NOTHING)
        clock.now += 1.0
        if second % 2:
            request = beat(live)
    assert (request.items_per_second, request.tokens_per_second) == (30.0, 1200.0)


def test_the_rates_of_a_worker_without_work_fall_to_zero(live, clock):
    beat(live)
    live.started("j")
    live.ended("j", outcome(), NOTHING)
    clock.now += 2.0
    assert beat(live).items_per_second == 0.5
    clock.now += RATE_SECONDS + 1
    assert beat(live).items_per_second == 0.0


def test_an_attempt_that_will_be_repeated_counts_its_tokens_and_no_item(live, clock):
    beat(live)
    live.started("j")
    live.ended("j", outcome(retry_delay=1.0, tokens=30), jobs_pb2.Usage(input_tokens=10))
    live.started("j")
    live.ended("j", None, NOTHING)  # cancelled
    clock.now += 2.0
    request = beat(live)
    assert (request.items_per_second, request.tokens_per_second) == (0.0, 10.0)


def test_a_heartbeat_reports_the_longest_cool_down(live, waits):
    waits.longest_cooldown_seconds = 12.5
    assert beat(live).cooldown_seconds == 12.5
