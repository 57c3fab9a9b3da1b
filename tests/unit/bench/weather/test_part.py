"""Shares of part G of the bench."""

import pytest

from tests.bench.weather.part import share_percent
from tests.bench.weather.scenarios import Scenario
from tests.bench.weather.slots import Weather
from tests.bench.weather.systems import DEFAULT_RETRIES, INSPECT, MORE_RETRIES, OURS
from tests.bench.weather.window import Schedule


def scenario(quiet_name: str = "", slot_count: int = 0) -> Scenario:
    return Scenario("noisy", Weather(500, slot_count=slot_count), 100, Schedule(1, 2), quiet_name=quiet_name)


def test_the_share_is_that_of_the_same_system_without_noise():
    found = {
        ("quiet", OURS): 200.0,
        ("quiet", INSPECT): 100.0,
        ("noisy", OURS): 150.0,
        ("noisy", INSPECT): 25.0,
    }
    noisy = scenario("quiet")
    assert [share_percent(found, noisy, system) for system in (OURS, INSPECT)] == [75.0, 25.0]


def test_more_retries_are_compared_with_the_quiet_run_of_the_default():
    found = {("quiet", DEFAULT_RETRIES): 200.0, ("noisy", MORE_RETRIES): 50.0}
    assert share_percent(found, scenario("quiet"), MORE_RETRIES) == 25.0


@pytest.mark.parametrize(("slot_count", "share"), [(0, 10.0), (20, 50.0)])
def test_without_a_quiet_run_the_share_is_that_of_the_possible_rate(slot_count, share):
    assert share_percent({("noisy", OURS): 20.0}, scenario(slot_count=slot_count), OURS) == share


def test_a_share_of_nothing_is_0():
    assert share_percent({("quiet", OURS): 0.0, ("noisy", OURS): 1.0}, scenario("quiet"), OURS) == 0.0
