"""The scenarios of part G of the bench."""

from tests.bench.weather.part import systems_of
from tests.bench.weather.scenarios import scenarios


def test_each_scenario_has_its_own_name_and_comes_after_the_one_it_is_compared_with():
    names = [each.name for each in scenarios()]
    assert len(set(names)) == len(names)
    for number, each in enumerate(scenarios()):
        assert not each.quiet_name or each.quiet_name in names[:number]


def test_a_round_takes_about_twelve_minutes():
    seconds = 0.0
    for each in scenarios():
        run = each.schedule.warm_up_seconds + each.schedule.seconds + 2  # a process starts
        seconds += run if each.is_light else run * len(systems_of(each))
    assert 600 <= seconds <= 780


def test_an_outage_ends_well_before_the_measured_span():
    for scale in (1.0, 0.1):
        for schedule in (each.schedule for each in scenarios(scale)):
            assert schedule.outage_begin_seconds + schedule.outage_seconds <= schedule.seconds * 0.6
