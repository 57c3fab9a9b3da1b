"""The forecast hides a remaining time that a cool-down or the budget would prolong."""

import pytest

from headrace.jobs.v1 import jobs_pb2
from services.gateway.watching.forecast import LIVE_EVENT_SECONDS, Forecast

RUNNING = jobs_pb2.JOB_STATE_RUNNING


class FixedThroughput:
    """Throughput with fixed numbers."""

    def __init__(self) -> None:
        self.in_flight_count = None

    def put(self, job, now):
        pass

    def rates(self, now, in_flight_count):
        self.in_flight_count = in_flight_count
        return 10.0, 400.0

    def remaining_seconds(self, now, in_flight_count):
        return 31.5

    def final_cost_micros(self, in_flight_count):
        return 1_230_000


@pytest.fixture
def forecast():
    forecast = Forecast(FixedThroughput())
    forecast.put_job(make_job(), 0.0)
    return forecast


def make_job(**fields):
    progress = jobs_pb2.Progress(total_count=1000, succeeded_count=500)
    return jobs_pb2.Job(state=RUNNING, progress=progress, **fields)


def live(incarnation, **numbers):
    return jobs_pb2.LiveEvent(incarnation=incarnation, **numbers)


def test_the_forecast_has_rates_a_remaining_time_and_a_cost(forecast):
    numbers = forecast.read(1.0)
    assert (numbers.items_per_second, numbers.tokens_per_second) == (10.0, 400.0)
    assert numbers.estimated_remaining.ToMilliseconds() == 31_500
    assert numbers.estimated_cost_micros == 1_230_000


def test_there_is_no_remaining_time_if_the_budget_ends_first(forecast):
    forecast.put_job(make_job(budget_micros=1_229_999), 0.0)
    assert not forecast.read(1.0).HasField("estimated_remaining")
    forecast.put_job(make_job(budget_micros=1_230_000), 0.0)
    assert forecast.read(1.0).HasField("estimated_remaining")


def test_a_long_cool_down_hides_the_remaining_time_and_a_short_one_does_not(forecast):
    forecast.put_live_event(live("w1", cooldown_seconds=8.0), 0.0)
    assert not forecast.read(1.0).HasField("estimated_remaining")
    forecast.put_live_event(live("w1", cooldown_seconds=2.0), 0.0)
    assert forecast.read(1.0).HasField("estimated_remaining")


def test_a_job_whose_items_all_have_a_result_has_no_estimated_cost(forecast):
    done = jobs_pb2.Progress(total_count=1000, succeeded_count=999, failed_count=1)
    forecast.put_job(jobs_pb2.Job(state=RUNNING, progress=done), 0.0)
    assert not forecast.read(1.0).HasField("estimated_cost_micros")


def test_a_worker_that_sends_no_more_live_events_does_not_count(forecast):
    forecast.put_live_event(live("gone", in_flight_count=50), 0.0)
    forecast.put_live_event(live("there", in_flight_count=7), LIVE_EVENT_SECONDS - 0.5)
    assert forecast.read(LIVE_EVENT_SECONDS - 0.1).in_flight_count == 57
    assert forecast.read(LIVE_EVENT_SECONDS).in_flight_count == 7
    assert forecast._throughput.in_flight_count == 7


def outage(begin, message="gone"):
    found = jobs_pb2.JobOutage(reason="PROVIDER_UNREACHABLE", message=message)
    found.begin_time.FromSeconds(begin)
    return found


def live_at(second, incarnation, **numbers):
    event = live(incarnation, **numbers)
    event.event_time.FromSeconds(second)
    return event


def test_an_outage_has_the_earliest_beginning_and_the_latest_words_of_the_workers_that_report_one(forecast):
    forecast.put_live_event(live_at(100, "a", outage=outage(70, "early words")), 1.0)
    forecast.put_live_event(live_at(101, "b", outage=outage(71, "late words")), 1.0)
    forecast.put_live_event(live_at(102, "of the former version", limited_count=3), 1.0)
    numbers = forecast.read(1.0)
    assert numbers.outage == outage(70, "late words")
    assert not numbers.HasField("estimated_remaining")


def test_the_end_of_an_outage_clears_it(forecast):
    forecast.put_live_event(live_at(100, "a", outage=outage(70)), 1.0)
    forecast.put_live_event(live_at(101, "a"), 2.0)
    assert not forecast.read(2.0).HasField("outage")
    assert forecast.read(2.0).HasField("estimated_remaining")


def test_an_outage_is_cleared_once_no_worker_has_items_of_the_job(forecast):
    forecast.put_live_event(live_at(100, "a", outage=outage(70)), 1.0)
    assert forecast.read(1.0 + LIVE_EVENT_SECONDS - 0.1).HasField("outage")
    assert not forecast.read(1.0 + LIVE_EVENT_SECONDS).HasField("outage")
