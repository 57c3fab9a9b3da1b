import io

import pytest

from headrace.cli.progress import ProgressDisplay, done_of_all, duration, speed_and_costs
from headrace.cli.rate import RateMeter
from headrace.conversion import to_job


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_a_rate_is_taken_over_the_last_seconds_only():
    meter = RateMeter(window=10.0)
    assert meter.per_second(0.0) is None
    for second in range(11):
        meter.add(second, second * 5)
    assert meter.per_second(10.0) == 5.0
    for second in range(11, 31):
        meter.add(second, 50 + (second - 10) * 100)
    assert meter.per_second(30.0) == 100.0


def test_a_rate_falls_while_nothing_is_done():
    meter = RateMeter()
    meter.add(0.0, 0)
    meter.add(1.0, 10)
    assert meter.per_second(1.0) == 10.0
    assert meter.per_second(5.0) == 2.0


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.4, "0:00"), (61, "1:01"), (3599, "59:59"), (3661, "1:01:01")]
)
def test_durations_are_short(seconds, shown):
    assert duration(seconds) == shown


def test_numbers_tell_done_rate_time_left_failed_and_tokens(make_job):
    job = to_job(make_job(total=10_000, succeeded=1_200, failed=34))
    assert done_of_all(job) == "1,234/10,000"
    assert speed_and_costs(job, 100.0) == "100.0 items/s  ETA 1:28  failed 34  tokens 13,200"


@pytest.mark.parametrize("state", ["UPLOADING", "PAUSED", "SCHEDULED", "CANCELLING"])
def test_no_time_left_is_told_where_nobody_knows_it(make_job, state):
    job = to_job(make_job(2, state, total=10, succeeded=1))
    assert speed_and_costs(job, 100.0) == "100.0 items/s  failed 0  tokens 11"


def test_lines_come_at_each_change_of_state_and_once_a_second(make_job):
    clock, stream = Clock(), io.StringIO()
    with ProgressDisplay(stream, clock) as display:
        for tenth in range(25):
            clock.now = 100.0 + tenth / 10
            display.show(
                to_job(make_job(tenth, "PENDING" if tenth < 3 else "RUNNING", total=30, succeeded=tenth))
            )
        display.show(to_job(make_job(99, "SUCCEEDED", total=30, succeeded=30)))
    states = [line.split()[:2] for line in stream.getvalue().splitlines()]
    assert states == [["PENDING", "0/30"], ["RUNNING", "3/30"], ["RUNNING", "13/30"], ["RUNNING", "23/30"]]
