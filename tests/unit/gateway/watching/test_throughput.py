"""The pace of simulated jobs: what it foretells is right, or it foretells nothing."""

import pytest

from headrace.jobs.v1 import jobs_pb2
from services.gateway.watching.throughput import MIN_RESULTS, STALL_SECONDS, Throughput

RUNNING, PAUSED = jobs_pb2.JOB_STATE_RUNNING, jobs_pb2.JOB_STATE_PAUSED
UPLOADING, PENDING = jobs_pb2.JOB_STATE_UPLOADING, jobs_pb2.JOB_STATE_PENDING
WALL = 1_700_000_000.0


class WatchedJob:
    """A job whose snapshots go to a pace while a clock is moved."""

    def __init__(self, total, state=RUNNING, done=0, cost_each=100, started_before=0.0, cost_before=0):
        self.throughput = Throughput(lambda: WALL)
        self.now = 1000.0
        self.in_flight = 0
        self._cost_each = cost_each
        self._cost_before = cost_before
        self._job = jobs_pb2.Job(seq=0, state=state, progress=jobs_pb2.Progress(total_count=total))
        self._job.start_time.FromMicroseconds(int((WALL - started_before) * 1e6))
        self._exact_done = float(done)
        self._tell()

    def _tell(self):
        self._job.seq += 1
        done = int(self._exact_done + 1e-9)
        self._job.progress.succeeded_count = done
        self._job.usage.input_tokens, self._job.usage.output_tokens = 30 * done, 10 * done
        self._job.usage.cost_micros = self._cost_before + self._cost_each * done
        told = jobs_pb2.Job()
        told.CopyFrom(self._job)
        self.throughput.put(told, self.now)

    def run(self, seconds, per_second=0.0, step=0.1):
        """Lets time pass, with so many results a second and a snapshot a step."""
        for _ in range(round(seconds / step)):
            self.now += step
            before = int(self._exact_done + 1e-9)
            self._exact_done += per_second * step
            if int(self._exact_done + 1e-9) != before:
                self._tell()

    def wave(self, count):
        self._exact_done += count
        self._tell()

    def become(self, state, done=None, total=None):
        self._job.state = state
        self._exact_done = self._exact_done if done is None else done
        self._job.progress.total_count = total or self._job.progress.total_count
        self._tell()

    @property
    def left(self):
        return self.throughput.remaining_seconds(self.now, self.in_flight)

    @property
    def rates(self):
        return self.throughput.rates(self.now, self.in_flight)

    @property
    def final_cost(self):
        return self.throughput.final_cost_micros(self.in_flight)


def test_a_steady_job_has_its_rates_its_end_and_its_cost():
    job = WatchedJob(10_000)
    job.in_flight = 96
    job.run(15, per_second=200)
    assert job.rates == pytest.approx((200, 8000), rel=0.03)
    assert job.left == pytest.approx(35, rel=0.03)
    assert job.final_cost == 1_000_000


def test_the_time_left_falls_second_by_second_also_between_snapshots():
    job = WatchedJob(10_000)
    job.run(12, per_second=100)
    first = job.left
    job.run(3)
    assert first - job.left == pytest.approx(3.0)


def test_a_job_that_just_began_has_no_end_yet():
    job = WatchedJob(10_000)
    job.run(1.5, per_second=200)
    assert (job.left, job.rates[0] > 0) == (None, True)
    job.run(1, per_second=200)
    assert job.left is not None


def test_an_end_waits_until_every_place_in_flight_has_given_a_result():
    job = WatchedJob(1000)
    job.in_flight = 100
    job.run(4)
    job.run(4, per_second=20)  # the fast ones of the first hundred
    assert (job.left, job.final_cost) == (None, None)
    job.run(2, per_second=20)
    assert job.left is not None


def test_results_that_come_in_waves_have_the_pace_of_the_waves():
    job = WatchedJob(1000)
    job.in_flight = 100
    job.run(30)
    for wave in range(1, 6):
        job.run(30)
        job.wave(100)
        assert job.left == pytest.approx(60 * (10 - wave), rel=0.01)
        job.run(30)
        assert job.left == pytest.approx(60 * (10 - wave) - 30, rel=0.01)


def test_who_joins_between_two_waves_is_told_no_end_before_the_next_one():
    job = WatchedJob(1000, done=300, started_before=175)
    job.in_flight = 95
    job.run(5)
    job.run(6, per_second=100 / 6)  # a wave that takes a while
    assert job.left is None
    job.run(54)
    job.run(6, per_second=100 / 6)
    assert job.left == pytest.approx(5 * 60, rel=0.25)


def test_a_watch_that_began_after_the_first_item_did_counts_from_the_jobs_start():
    job = WatchedJob(1000, started_before=8)
    job.run(2)
    job.wave(100)
    assert job.left == pytest.approx(90, rel=0.01)


@pytest.mark.parametrize("started_before", [-3600, 3600])
def test_a_start_by_another_clock_or_of_an_earlier_round_is_not_counted_from(started_before):
    job = WatchedJob(1000, started_before=started_before)
    job.run(10)
    job.wave(100)
    assert job.left == pytest.approx(90, rel=0.01)


def test_a_new_pace_replaces_the_old_one_within_seconds():
    job = WatchedJob(100_000)
    job.run(60, per_second=20)
    job.run(11, per_second=400)
    assert job.rates[0] == pytest.approx(400, rel=0.05)


def test_results_that_stay_away_take_rates_and_end_away():
    job = WatchedJob(10_000)
    job.run(20, per_second=50)
    assert job.left is not None
    job.run(STALL_SECONDS + 1)
    assert (job.left, job.rates) == (None, (0.0, 0.0))
    job.run(15, per_second=50)
    assert job.rates[0] == pytest.approx(50, rel=0.1)


def test_rare_results_have_a_pace_too():
    job = WatchedJob(50)
    job.in_flight = 2
    job.run(200, per_second=0.1)
    assert job.rates[0] == pytest.approx(0.1, rel=0.1)
    assert job.left == pytest.approx(300, rel=0.1)


def test_an_end_that_is_years_away_is_not_told():
    job = WatchedJob(10_000_000)
    job.run(100, per_second=0.3)
    assert job.left is None
    assert job.rates[0] == pytest.approx(0.3, rel=0.1)


def test_a_pause_is_no_part_of_the_pace_and_has_no_end():
    job = WatchedJob(10_000)
    job.run(10, per_second=100)
    job.become(PAUSED)
    assert job.left is None
    job.run(600)
    assert job.rates == (0.0, 0.0)
    job.become(RUNNING)
    assert job.left is None
    job.run(5, per_second=100)
    assert job.left == pytest.approx(85, rel=0.05)


def test_while_items_are_uploaded_there_are_rates_but_no_end_and_no_final_cost():
    job = WatchedJob(500, state=UPLOADING)
    job.run(4, per_second=100)
    assert job.rates[0] == pytest.approx(100, rel=0.05)
    assert (job.left, job.final_cost) == (None, None)
    job.become(RUNNING, total=1000)
    assert job.left == pytest.approx(6, rel=0.05)
    assert job.final_cost == 100_000


def test_the_wait_before_the_first_lease_is_no_part_of_the_pace():
    job = WatchedJob(1000, state=PENDING)
    job.run(300)
    job.become(RUNNING)
    job.run(3, per_second=50)
    assert job.left == pytest.approx(17, rel=0.05)


def test_a_retried_round_is_measured_anew():
    job = WatchedJob(1000)
    job.run(9, per_second=100)
    job.become(RUNNING, done=400)  # 500 of them had failed
    assert job.left is None
    job.run(4, per_second=10)
    assert job.left == pytest.approx(56, rel=0.1)


def test_the_final_cost_goes_by_the_items_that_were_seen():
    job = WatchedJob(1000, done=500, cost_each=100, cost_before=700_000)  # of a round in which many failed
    job.run(3, per_second=20)
    assert job.final_cost == 700_000 + 1000 * 100


def test_a_job_that_costs_nothing_has_no_final_cost():
    job = WatchedJob(1000, cost_each=0)
    job.run(5, per_second=100)
    assert job.final_cost is None


def test_fewer_results_than_a_handful_foretell_nothing():
    job = WatchedJob(100)
    job.run(MIN_RESULTS - 1, per_second=1)
    assert (job.left, job.final_cost) == (None, None)
    job.run(1, per_second=1)
    assert (job.left, job.final_cost) == (pytest.approx(95), 10_000)


def test_what_is_kept_of_a_long_job_is_bounded_and_its_pace_still_right():
    job = WatchedJob(1_000_000)
    job.in_flight = 100_000  # the window never fills
    job.run(3600, per_second=10, step=1.0)
    assert len(job.throughput._samples) <= 120
    assert job.rates[0] == pytest.approx(10, rel=0.02)
