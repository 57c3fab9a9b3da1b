"""The limit on calls in flight against models of providers: the worst of 8 seeds counts, or of 60 from cold.

Time is virtual. All of it takes about 50 s of one core. Only the cap that changes does so in a shorter span
than when the rule was found: 170 s instead of 300 s.
"""

import pytest

from services.worker.calls.concurrency.rule import LimitState
from tests.simulation.concurrency import scenarios
from tests.simulation.concurrency.client import Client
from tests.simulation.concurrency.events import Events
from tests.simulation.concurrency.providers import CappedProvider, OpenProvider, Outcome, always, varied
from tests.simulation.concurrency.scenarios import SEEDS, TWO_SECONDS, Found, Scenario


def run_all(scenario: Scenario) -> list[Found]:
    return [scenario.run(seed) for seed in SEEDS]


def worst_share(scenario: Scenario) -> float:
    return min(found.share for found in run_all(scenario))


def test_without_noise_all_slots_are_used():
    assert worst_share(scenarios.with_noise(0.0)) >= 0.99


@pytest.mark.parametrize("retry_after", [None, 0.2, 1.0, 20.0])
@pytest.mark.parametrize(("noise", "share"), [(0.01, 0.95), (0.05, 0.85)])
def test_random_rejections_cost_little_more_than_themselves_and_cool_nothing(noise, share, retry_after):
    found = run_all(scenarios.with_noise(noise, retry_after))
    assert min(each.share for each in found) >= share
    assert max(each.cooldown.end for each in found) == 0.0


@pytest.mark.parametrize(("noise", "share"), [(0.01, 0.9), (0.05, 0.75)])
def test_nor_do_they_with_short_calls(noise, share):
    assert worst_share(scenarios.with_fast_noise(noise)) >= share


@pytest.mark.parametrize("service", [always(2.0), TWO_SECONDS])
def test_random_rejections_do_not_cut_the_first_rounds_of_a_cold_start(service):
    scenario = scenarios.from_cold(lambda events: OpenProvider(events, service, 0.05), 300)
    assert min(scenario.run(seed).share for seed in range(1, 61)) >= 0.85


def test_a_cap_that_the_first_rounds_exceed_by_far_is_used_at_once():
    scenario = scenarios.from_cold(lambda events: CappedProvider(events, TWO_SECONDS, 100, noise=0.01), 100)
    assert min(scenario.run(seed).share for seed in range(1, 61)) >= 0.75


def test_a_hard_cap_is_used_and_rarely_exceeded():
    found = run_all(scenarios.with_cap(20, always(2.0)))
    assert min(each.share for each in found) >= 0.88
    assert max(each.rejected for each in found) <= 0.06


@pytest.mark.parametrize("begin_limit", [8, 128])
@pytest.mark.parametrize("seed", SEEDS)
def test_one_cut_lands_at_a_hard_cap(seed, begin_limit):
    events = Events(seed)
    client = Client(events, CappedProvider(events, always(2.0), 20), 300)
    client.limit.adopt(LimitState(limit=begin_limit, latency=2.0, usual_latency=2.0), "")
    before = after = client.limit.limit
    while after >= before and events.now < 30:
        events.run(events.now + 0.01)
        before, after = after, client.limit.limit
    events.run(events.now + 0.1)  # rejections of calls that began together arrive one after the other
    assert before > 50
    assert 18 <= client.limit.limit <= 22


def test_a_tenth_of_random_rejections_leaves_half_of_the_throughput():
    """And 20 % leaves 10 to 75 %, by seed."""
    assert worst_share(scenarios.with_noise(0.1)) >= 0.4
    assert worst_share(scenarios.with_noise(0.2)) >= 0.05


@pytest.mark.parametrize(("seconds", "span"), [(5.0, 800.0), (55.0, 2000.0)])
def test_no_call_times_out_in_the_queue_of_a_slow_server_with_four_slots(seconds, span):
    found = run_all(scenarios.with_queue(always(seconds), seconds, span))
    assert max(each.timeout_count for each in found) == 0
    assert min(each.share for each in found) >= 0.9


@pytest.mark.xfail(
    strict=False, reason="0 to 23 calls of 640 time out: set a limit by hand for such a server"
)
def test_no_call_times_out_in_such_a_queue_if_few_answers_are_very_long():
    found = run_all(scenarios.with_queue(varied(5.0, 1.0), 5.0, 800.0))
    assert max(each.timeout_count for each in found) == 0


def test_a_cap_that_rises_again_is_full_within_35_s():
    for found in run_all(scenarios.with_changing_cap()):
        assert found.clients[0].time_at(0.9 * 100, after=120.0) <= 120.0 + 35.0


@pytest.mark.parametrize("seed", SEEDS)
def test_300_slots_are_full_within_3_s_from_cold_and_at_once_when_known(seed):
    events = Events(seed)
    client = Client(events, OpenProvider(events, TWO_SECONDS), 300, item_count=1000)
    events.run(60.0)
    assert client.time_at(0.9 * 300) <= 3.05  # looked at every 0.1 s
    assert client.count(Outcome.ANSWERED, 0, 60) == 1000
    client.item_count = 1000
    events.run(61.0)
    assert client.time_at(300, after=60.0) <= 60.2


def test_a_rate_of_calls_is_used():
    assert worst_share(scenarios.with_rate()) >= 0.7
