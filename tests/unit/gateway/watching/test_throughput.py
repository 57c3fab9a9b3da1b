"""The throughput of simulated jobs: every estimate is right, or there is none."""

import pytest

from headrace.jobs.v1 import jobs_pb2
from services.gateway.watching.throughput import MIN_RESULTS, STALL_SECONDS, Throughput

RUNNING, PAUSED = jobs_pb2.JOB_STATE_RUNNING, jobs_pb2.JOB_STATE_PAUSED
UPLOADING, PENDING = jobs_pb2.JOB_STATE_UPLOADING, jobs_pb2.JOB_STATE_PENDING
WALL = 1_700_000_000.0


class WatchedJob:
    """A job whose snapshots are measured while a clock is moved."""

    def __init__(self, total, state=RUNNING, done=0, cost_each=100, started_before=0.0, cost_before=0):
        self.throughput = Throughput(lambda: WALL)
        self.now = 1000.0
        self.in_flight = 0
        self._cost_each = cost_each
        self._cost_before = cost_before
        self._job = jobs_pb2.Job(seq=0, state=state, progress=jobs_pb2.Progress(total_count=total))
        self._job.start_time.FromMicroseconds(int((WALL - started_before) * 1e6))
        self._exact_done = float(done)
        self._put_snapshot()

    def _put_snapshot(self):
        self._job.seq += 1
        done = int(self._exact_done + 1e-9)
        self._job.progress.succeeded_count = done
        self._job.usage.input_tokens, self._job.usage.output_tokens = 30 * done, 10 * done
        self._job.usage.cost_micros = self._cost_before + self._cost_each * done
        snapshot = jobs_pb2.Job()
        snapshot.CopyFrom(self._job)
        self.throughput.put(snapshot, self.now)

    def run(self, seconds, per_second=0.0, step=0.1):
        """Moves the clock, with results per second and a snapshot per step."""
        for _ in range(round(seconds / step)):
            self.now += step
            before = int(self._exact_done + 1e-9)
            self._exact_done += per_second * step
            if int(self._exact_done + 1e-9) != before:
                self._put_snapshot()

    def wave(self, count):
        self._exact_done += count
        self._put_snapshot()

    def become(self, state, done=None, total=None):
        self._job.state = state
        self._exact_done = self._exact_done if done is None else done
        self._job.progress.total_count = total or self._job.progress.total_count
        self._put_snapshot()

    @property
    def remaining(self):
        return self.throughput.remaining_seconds(self.now, self.in_flight)

    @property
    def rates(self):
        return self.throughput.rates(self.now, self.in_flight)

    @property
    def final_cost(self):
        return self.throughput.final_cost_micros(self.in_flight)


def test_a_steady_job_has_rates_a_remaining_time_and_a_cost():
    job = WatchedJob(10_000)
    job.in_flight = 96
    job.run(15, per_second=200)
    assert job.rates == pytest.approx((200, 8000), rel=0.03)
    assert job.remaining == pytest.approx(35, rel=0.03)
    assert job.final_cost == 1_000_000


def test_the_remaining_time_falls_second_by_second_between_snapshots_too():
    job = WatchedJob(10_000)
    job.run(12, per_second=100)
    first = job.remaining
    job.run(3)
    assert first - job.remaining == pytest.approx(3.0)


def test_a_job_that_just_began_has_no_remaining_time_yet():
    job = WatchedJob(10_000)
    job.run(1.5, per_second=200)
    assert (job.remaining, job.rates[0] > 0) == (None, True)
    job.run(1, per_second=200)
    assert job.remaining is not None


def test_a_remaining_time_needs_a_result_from_every_slot():
    job = WatchedJob(1000)
    job.in_flight = 100
    job.run(4)
    job.run(4, per_second=20)  # the fast items of the first hundred
    assert (job.remaining, job.final_cost) == (None, None)
    job.run(2, per_second=20)
    assert job.remaining is not None


def test_results_in_waves_have_the_throughput_of_the_waves():
    job = WatchedJob(1000)
    job.in_flight = 100
    job.run(30)
    for wave in range(1, 6):
        job.run(30)
        job.wave(100)
        assert job.remaining == pytest.approx(60 * (10 - wave), rel=0.01)
        job.run(30)
        assert job.remaining == pytest.approx(60 * (10 - wave) - 30, rel=0.01)


def test_a_watch_that_begins_between_two_waves_has_no_remaining_time_before_the_next():
    job = WatchedJob(1000, done=300, started_before=175)
    job.in_flight = 95
    job.run(5)
    job.run(6, per_second=100 / 6)  # a wave that takes 6 s
    assert job.remaining is None
    job.run(54)
    job.run(6, per_second=100 / 6)
    assert job.remaining == pytest.approx(5 * 60, rel=0.25)


def test_a_watch_that_began_after_the_job_counts_from_the_start_of_the_job():
    job = WatchedJob(1000, started_before=8)
    job.run(2)
    job.wave(100)
    assert job.remaining == pytest.approx(90, rel=0.01)


@pytest.mark.parametrize("started_before", [-3600, 3600])
def test_a_start_time_of_another_clock_or_an_earlier_round_is_ignored(started_before):
    job = WatchedJob(1000, started_before=started_before)
    job.run(10)
    job.wave(100)
    assert job.remaining == pytest.approx(90, rel=0.01)


def test_a_new_throughput_replaces_the_old_one_within_seconds():
    job = WatchedJob(100_000)
    job.run(60, per_second=20)
    job.run(11, per_second=400)
    assert job.rates[0] == pytest.approx(400, rel=0.05)


def test_a_stalled_job_has_no_rates_and_no_remaining_time():
    job = WatchedJob(10_000)
    job.run(20, per_second=50)
    assert job.remaining is not None
    job.run(STALL_SECONDS + 1)
    assert (job.remaining, job.rates) == (None, (0.0, 0.0))
    job.run(15, per_second=50)
    assert job.rates[0] == pytest.approx(50, rel=0.1)


def test_rare_results_have_a_throughput_too():
    job = WatchedJob(50)
    job.in_flight = 2
    job.run(200, per_second=0.1)
    assert job.rates[0] == pytest.approx(0.1, rel=0.1)
    assert job.remaining == pytest.approx(300, rel=0.1)


def test_a_remaining_time_of_years_is_not_reported():
    job = WatchedJob(10_000_000)
    job.run(100, per_second=0.3)
    assert job.remaining is None
    assert job.rates[0] == pytest.approx(0.3, rel=0.1)


def test_a_pause_is_left_out_of_the_throughput_and_has_no_remaining_time():
    job = WatchedJob(10_000)
    job.run(10, per_second=100)
    job.become(PAUSED)
    assert job.remaining is None
    job.run(600)
    assert job.rates == (0.0, 0.0)
    job.become(RUNNING)
    assert job.remaining is None
    job.run(5, per_second=100)
    assert job.remaining == pytest.approx(85, rel=0.05)


def test_an_upload_has_rates_but_no_remaining_time_and_no_final_cost():
    job = WatchedJob(500, state=UPLOADING)
    job.run(4, per_second=100)
    assert job.rates[0] == pytest.approx(100, rel=0.05)
    assert (job.remaining, job.final_cost) == (None, None)
    job.become(RUNNING, total=1000)
    assert job.remaining == pytest.approx(6, rel=0.05)
    assert job.final_cost == 100_000


def test_the_wait_before_the_first_lease_is_left_out_of_the_throughput():
    job = WatchedJob(1000, state=PENDING)
    job.run(300)
    job.become(RUNNING)
    job.run(3, per_second=50)
    assert job.remaining == pytest.approx(17, rel=0.05)


def test_a_retried_round_is_measured_anew():
    job = WatchedJob(1000)
    job.run(9, per_second=100)
    job.become(RUNNING, done=400)  # 500 items had failed
    assert job.remaining is None
    job.run(4, per_second=10)
    assert job.remaining == pytest.approx(56, rel=0.1)


def test_the_final_cost_is_estimated_from_the_items_seen():
    job = WatchedJob(
        1000, done=500, cost_each=100, cost_before=700_000
    )  # an earlier round in which many failed
    job.run(3, per_second=20)
    assert job.final_cost == 700_000 + 1000 * 100


def test_a_job_that_costs_nothing_has_no_final_cost():
    job = WatchedJob(1000, cost_each=0)
    job.run(5, per_second=100)
    assert job.final_cost is None


def test_fewer_results_than_the_minimum_allow_no_estimate():
    job = WatchedJob(100)
    job.run(MIN_RESULTS - 1, per_second=1)
    assert (job.remaining, job.final_cost) == (None, None)
    job.run(1, per_second=1)
    assert (job.remaining, job.final_cost) == (pytest.approx(95), 10_000)


def test_the_samples_of_a_long_job_are_limited_and_its_throughput_still_right():
    job = WatchedJob(1_000_000)
    job.in_flight = 100_000  # the window never fills
    job.run(3600, per_second=10, step=1.0)
    assert len(job.throughput._samples) <= 120
    assert job.rates[0] == pytest.approx(10, rel=0.02)
