"""The measures of a run in bad weather."""

from tests.bench.weather.window import Ended, Reading, rates


def reading(time: float, finished: int, failed: int, calls: int, rejected: int, broken_off: int) -> Reading:
    counts = {"call_count": calls, "rejected_count": rejected, "broken_off_count": broken_off}
    return Reading(time, Ended(finished, failed), counts)


def test_measures_are_those_of_the_span_and_not_of_the_warm_up():
    first, last = reading(12.0, 200, 3, 250, 40, 5), reading(22.0, 700, 13, 1000, 140, 7)
    assert rates(10.0, first, last) == {
        "items_per_s": 50.0,
        "failed_items": 10,
        "calls_per_item": 1.5,
        "rejected_calls": 100,
        "timed_out_calls": 2,
        "cold_items_per_s": 100.0,
    }


def test_a_span_in_which_nothing_finished_has_measures():
    first, last = reading(12.0, 0, 0, 10, 0, 0), reading(22.0, 0, 0, 40, 30, 0)
    assert rates(10.0, first, last)["calls_per_item"] == 30
