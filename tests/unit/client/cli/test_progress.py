import io
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from headrace._cli.durations import duration
from headrace._cli.progress import ProgressDisplay, time_left
from headrace._cli.progress_text import counts_part, done_of_all, fitting_text, live_parts, speed_and_costs
from headrace._cli.rate import RateMeter
from headrace._messages.conversion import to_job
from headrace.resources import JobForecast, JobOutage, Usage


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


def test_numbers_show_done_rate_remaining_time_failed_and_tokens(make_job):
    job = to_job(make_job(total=10_000, succeeded=1_200, failed=34))
    assert done_of_all(job) == "1,234/10,000"
    assert time_left(job, 100.0) == pytest.approx(87.66)
    assert speed_and_costs(job, 100.0, 87.66) == "100.0 items/s  ETA 1:28  failed 34  tokens 13,200"


@pytest.mark.parametrize("state", ["UPLOADING", "PAUSED", "SCHEDULED", "CANCELLING"])
def test_an_unknown_remaining_time_is_not_shown(make_job, state):
    job = to_job(make_job(2, state, total=10, succeeded=1))
    assert time_left(job, 100.0) is None
    assert speed_and_costs(job, 100.0, None) == "100.0 items/s  failed 0  tokens 11"


def make_forecast(**fields):
    usual = {
        "items_per_second": 210.4,
        "tokens_per_second": 41_000.4,
        "in_flight_count": 96,
        "limited_count": 0,
        "cooldown_seconds": 0.0,
        "estimated_remaining": timedelta(seconds=31.4),
        "estimated_cost_micros": 1_230_000,
    }
    return JobForecast(**{**usual, **fields})


def live_line(job, forecast, width=10_000):
    return fitting_text([counts_part(job), *live_parts(job, forecast)], width)


def test_live_numbers_tell_speed_what_waits_the_end_and_the_costs(make_job):
    job = to_job(make_job(total=10_000, succeeded=3_412))
    job = replace(job, usage=Usage(input_tokens=600_000, output_tokens=40_000, cost_micros=421_300))
    assert live_line(job, make_forecast(limited_count=12, cooldown_seconds=3.2)) == (
        "3,412/10,000  210.4 items/s  41,000 tokens/s  96 in flight  12 limited  cooling 0:03  "
        "ETA 0:31  failed 0  tokens 640,000  cost $0.4213 of about $1.2300"
    )


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (5, "3,412/10,000  210.4 items/s"),
        (40, "3,412/10,000  210.4 items/s  ETA 0:31"),
        (50, "3,412/10,000  210.4 items/s  ETA 0:31  failed 0"),
        (
            100,
            "3,412/10,000  210.4 items/s  12 limited  ETA 0:31  failed 0  cost $0.4213 of about $1.2300",
        ),
    ],
)
def test_on_a_narrow_terminal_the_more_important_numbers_stay(make_job, width, shown):
    job = to_job(make_job(total=10_000, succeeded=3_412))
    job = replace(job, usage=Usage(input_tokens=600_000, output_tokens=40_000, cost_micros=421_300))
    assert live_line(job, make_forecast(limited_count=12), width) == shown


def test_live_numbers_leave_out_what_nobody_knows(make_job):
    job = to_job(make_job(total=10, succeeded=1))
    forecast = make_forecast(estimated_remaining=None, estimated_cost_micros=None)
    assert live_line(job, forecast) == (
        "1/10  210.4 items/s  41,000 tokens/s  96 in flight  failed 0  tokens 11"
    )


DOWN = JobOutage(
    datetime(2026, 11, 30, 12, 31, 5, tzinfo=UTC), "PROVIDER_ERROR", "HTTP 503: loading \x1b[2Jmodel"
)
DOWN_LINE = "provider down since 2026-11-30T12:31:05Z (PROVIDER_ERROR: HTTP 503: loading \ufffd[2Jmodel)"


def test_an_outage_stands_in_place_of_the_speed(make_job):
    job = to_job(make_job(total=10, succeeded=1))
    forecast = make_forecast(estimated_remaining=None, estimated_cost_micros=None, outage=DOWN)
    assert live_line(job, forecast) == f"1/10  {DOWN_LINE}  failed 0  tokens 11"


def test_an_outage_is_on_the_line_of_a_file(make_job):
    output = io.StringIO()
    clock = Clock()
    with ProgressDisplay(output, clock) as display:
        for outage in (DOWN, None):
            forecast = make_forecast(items_per_second=0.0, estimated_remaining=None, outage=outage)
            display.show(to_job(make_job(total=10, succeeded=1)), forecast)
            clock.now += 2.0
    assert output.getvalue().splitlines() == [
        f"RUNNING    1/10  failed 0  tokens 11  {DOWN_LINE}",
        "RUNNING    1/10  failed 0  tokens 11",
    ]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_80_columns_the_largest_numbers_keep_to_one_line(make_job, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    stream, clock = Terminal(), Clock()
    job = to_job(make_job(5, "UPLOADING", total=10_000_000, succeeded=1_234_567))
    job = replace(job, usage=Usage(input_tokens=9_876_543_210, cost_micros=12_345_678_900))
    forecast = make_forecast(
        items_per_second=1234.5,
        tokens_per_second=987_654.3,
        in_flight_count=10_000,
        limited_count=1_234,
        cooldown_seconds=61,
        estimated_remaining=timedelta(hours=99, minutes=59),
        estimated_cost_micros=98_765_432_100,
    )
    with ProgressDisplay(stream, clock) as display:
        display.show(job, forecast)
    shown = [line for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue()).splitlines() if line]
    assert max(len(line.strip("\r").rstrip()) for line in shown) <= 80
    assert any("1,234,567/10,000,000" in line for line in shown)
    assert any("1,234.5 items/s" in line for line in shown)
    assert any("ETA 99:59:00" in line for line in shown)
    assert any("failed 0" in line for line in shown)
    assert len({line.strip() for line in shown}) == 1


def test_quiet_progress_shows_nothing(make_job):
    for stream in (io.StringIO(), Terminal()):
        with ProgressDisplay(stream, Clock(), quiet=True) as display:
            display.show(to_job(make_job(1)), make_forecast())
            display.show(to_job(make_job(2, "SUCCEEDED")))
        assert stream.getvalue() == ""


def test_a_pipe_shows_rate_and_end_from_the_gateway(make_job):
    stream = io.StringIO()
    with ProgressDisplay(stream, Clock()) as display:
        display.show(to_job(make_job(2, "RUNNING", total=30, succeeded=3)), make_forecast())
    assert stream.getvalue() == "RUNNING    3/30  210.4 items/s  ETA 0:31  failed 0  tokens 33\n"


def test_an_older_gateway_has_its_end_guessed_after_a_while(make_job):
    clock, stream = Clock(), io.StringIO()
    with ProgressDisplay(stream, clock) as display:
        for second in range(5):
            clock.now = 100.0 + second
            display.show(to_job(make_job(second + 1, "RUNNING", total=30, succeeded=3 * second)))
    assert ["ETA" in line for line in stream.getvalue().splitlines()] == [False] * 3 + [True] * 2


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


def test_equal_lines_are_shown_once(make_job):
    clock, stream = Clock(), io.StringIO()
    with ProgressDisplay(stream, clock) as display:
        for second in range(10):
            clock.now = 100.0 + 2 * second
            display.show(to_job(make_job(second, "PAUSED" if second < 5 else "PENDING", total=30)))
    assert [line.split()[0] for line in stream.getvalue().splitlines()] == ["PAUSED", "PENDING"]
