"""A job is shown as a bar, as a rewritten line, or as lines; a lost connection is shown too."""

import asyncio
import fcntl
import io
import logging
import os
import pty
import struct
import sys
import termios
from datetime import timedelta

import grpc
import pytest

from headrace import DeadlineExceededError, Failure, JobEvent, JobForecast, JobState, NotFoundError
from headrace._messages.conversion import to_job
from headrace._progress.display import JobDisplay, PauseWarnings
from headrace.jobs.v1 import jobs_pb2


class Terminal(io.StringIO):
    """A terminal that can move its cursor."""

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def term(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def without_tqdm(monkeypatch):
    monkeypatch.setitem(sys.modules, "headrace._progress.bar", None)


@pytest.fixture
def make_event(make_job):
    def make(seq=1, state="RUNNING", forecast=None, **more):
        return JobEvent(to_job(make_job(seq, state, **more)), "token", (), forecast)

    return make


@pytest.fixture
def clock():
    class Clock:
        now = 0.0

        def __call__(self):
            return self.now

    return Clock()


FORECAST = JobForecast(45.25, 900.0, 20, 0, 0.0, timedelta(seconds=71), None)


def test_a_file_gets_a_line_for_each_state_and_one_each_five_seconds(make_event, clock):
    out = io.StringIO()
    with JobDisplay(out, clock) as display:
        display.show(make_event(1, "PENDING"))
        for second in range(7):
            clock.now = float(second)
            display.show(make_event(2 + second, total=1000, succeeded=100 * second, forecast=FORECAST))
        display.show(make_event(9, "SUCCEEDED", total=1000, succeeded=1000))
    assert out.getvalue().splitlines() == [
        "PENDING 0/3",
        "RUNNING 0/1,000  45.2 items/s  ETA 1:11",
        "RUNNING 500/1,000  45.2 items/s  ETA 1:11",
        "SUCCEEDED 1,000/1,000",
    ]


def test_failures_costs_and_the_reason_of_a_pause_are_in_the_line(make_event):
    out = io.StringIO()
    usage = jobs_pb2.Usage(cost_micros=12_300)
    error = jobs_pb2.Error(reason="PROVIDER_ERROR", message="it is\ndown\x1b[31m")
    job = to_job(
        jobs_pb2.Job(
            state="JOB_STATE_PAUSED", pause_reason="PAUSE_REASON_OUTAGE", error=error, usage=usage, seq=1,
            progress=jobs_pb2.Progress(total_count=5, succeeded_count=1, failed_count=2),
        )
    )  # fmt: skip
    with JobDisplay(out) as display:
        display.show(JobEvent(job, "t"))
    assert out.getvalue() == ("PAUSED (OUTAGE) 3/5  2 failed  $0.0123  PROVIDER_ERROR: it is down [31m\n")


def test_a_terminal_without_tqdm_gets_one_line_that_is_rewritten(make_event, without_tqdm):
    out = Terminal()
    with JobDisplay(out) as display:
        display.show(make_event(1, total=1000, forecast=FORECAST))
        display.show(make_event(2, "SUCCEEDED", total=1000, succeeded=1000))
    first, second = out.getvalue().split("\r")[1:]
    assert first == "RUNNING 0/1,000  45.2 items/s  ETA 1:11"
    assert second.rstrip() == "SUCCEEDED 1,000/1,000"
    assert len(second.rstrip("\n")) >= len(first)
    assert second.endswith("\n")


def test_a_rewritten_line_fits_a_narrow_terminal(make_event, without_tqdm, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    out = Terminal()
    with JobDisplay(out) as display:
        display.show(make_event(1, total=1000, forecast=FORECAST))
    assert out.getvalue() == "\rRUNNING 0/1,000  45\n"


def test_a_terminal_with_tqdm_gets_a_bar(make_event):
    out = Terminal()
    with JobDisplay(out) as display:
        display.show(make_event(1, total=1000, forecast=FORECAST))
        display.show(None)
        display.show(make_event(2, "SUCCEEDED", total=1000, succeeded=1000))
    drawn = [line.strip() for line in out.getvalue().split("\r") if line.strip()]
    assert any(line.startswith("RUNNING   0%|") and "45.2 items/s, ETA 1:11" in line for line in drawn)
    assert any(line.startswith("reconnecting") and "0/1000" in line for line in drawn)
    assert drawn[-1].startswith("SUCCEEDED 100%|")
    assert "1000/1000" in drawn[-1]


@pytest.mark.parametrize("has_tqdm", [True, False])
def test_a_terminal_that_does_not_know_its_width_is_drawn_on(make_event, monkeypatch, has_tqdm):
    if not has_tqdm:
        monkeypatch.setitem(sys.modules, "headrace._progress.bar", None)
    monkeypatch.delenv("COLUMNS")
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 0, 0, 0, 0))
    with open(slave, "w") as terminal, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", terminal)
        with JobDisplay() as display:
            display.show(make_event(1, total=1000, succeeded=100))
            display.show(make_event(2, "SUCCEEDED", total=1000, succeeded=1000))
        terminal.write("end")
        terminal.flush()
        drawn = ""
        while not drawn.endswith("end"):
            drawn += os.read(master, 10_000).decode(errors="replace")
    os.close(master)
    assert "SUCCEEDED" in drawn
    assert ("100%|" in drawn) == has_tqdm


@pytest.mark.parametrize("kind", ["", "dumb", "unknown"])
def test_a_terminal_that_cannot_move_its_cursor_gets_lines(make_event, monkeypatch, kind):
    monkeypatch.setenv("TERM", kind)
    out = Terminal()
    with JobDisplay(out) as display:
        display.show(make_event(1))
    assert out.getvalue() == "RUNNING 0/3\n"


@pytest.mark.parametrize("broken", [OSError("disk full"), ValueError("I/O operation on closed file")])
def test_a_stream_that_cannot_be_written_ends_nothing(make_event, broken):
    class Broken(io.StringIO):
        def write(self, _):
            raise broken

    with JobDisplay(Broken()) as display:
        display.show(make_event(1))
        display.show(make_event(2, "SUCCEEDED"))


async def test_progress_shows_a_job_to_its_end_and_returns_it(client, gateway, make_job, job_id):
    gateway.script(make_job(1), make_job(2, succeeded=3), make_job(3, "SUCCEEDED", succeeded=3))
    out = io.StringIO()
    job = await client.progress(job_id, file=out)
    assert (job.state, job.seq) == (JobState.SUCCEEDED, 3)
    assert out.getvalue().endswith("SUCCEEDED 3/3\n")


async def test_progress_takes_a_snapshot_too(client, gateway, make_job):
    gateway.jobs = [make_job(1)]
    gateway.script(make_job(3, "SUCCEEDED", succeeded=3))
    job = await client.progress(await client.get(gateway.jobs[0].job_id), file=io.StringIO())
    assert job.state is JobState.SUCCEEDED


async def test_progress_says_reconnecting_while_the_connection_is_lost(client, gateway, make_job, job_id):
    gateway.script(make_job(1, succeeded=1), end=grpc.StatusCode.UNAVAILABLE)
    gateway.script(make_job(3, "SUCCEEDED", succeeded=3))
    out = io.StringIO()
    await client.progress(job_id, file=out)
    assert out.getvalue().splitlines() == ["RUNNING 1/3", "reconnecting 1/3", "SUCCEEDED 3/3"]


async def test_progress_of_an_unknown_job_raises_and_draws_nothing(client, gateway, job_id):
    out = io.StringIO()
    with pytest.raises(NotFoundError):
        await client.progress(job_id, file=out)
    assert out.getvalue() == ""


async def test_leaving_progress_says_that_the_job_continues(client, gateway, make_job, job_id):
    gateway.script(make_job(1), hold=True)
    out = io.StringIO()
    with pytest.raises(DeadlineExceededError):
        await client.progress(job_id, file=out, timeout=0.5)
    assert out.getvalue().splitlines()[-1] == (
        f"job {job_id} continues; to show it again: progress('{job_id}')"
    )
    await asyncio.wait_for(gateway.watch_cancelled.wait(), 10)


async def test_the_waiting_client_draws_in_the_calling_thread(sync_client, gateway, make_job, job_id):
    gateway.script(make_job(1), make_job(3, "SUCCEEDED", succeeded=3))
    threads = []

    class Noting(io.StringIO):
        def write(self, text):
            threads.append(asyncio.current_task() if _has_loop() else None)
            return super().write(text)

    out = Noting()
    job = await asyncio.to_thread(sync_client.progress, job_id, file=out)
    assert job.state is JobState.SUCCEEDED
    assert out.getvalue().endswith("SUCCEEDED 3/3\n")
    assert set(threads) == {None}  # the client's own loop has tasks


def _has_loop():
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def test_a_pause_that_nothing_shows_is_logged_once(make_event, caplog):
    paused = JobEvent(
        to_job(jobs_pb2.Job(job_id="j", state="JOB_STATE_PAUSED", pause_reason="PAUSE_REASON_BUDGET", seq=1)),
        "t",
    )
    with caplog.at_level(logging.WARNING, logger="headrace"), PauseWarnings() as display:
        for step in (make_event(1), paused, None, paused, make_event(3), paused):
            display.show(step)
    assert [record.getMessage() for record in caplog.records] == [
        "job j is PAUSED (BUDGET) and waits to be resumed: 0/0"
    ] * 2


def test_an_error_of_a_job_is_in_its_last_line(make_event):
    out = io.StringIO()
    failed = make_event(2, "FAILED", error={"reason": "TOO_MANY_FAILED_ITEMS", "message": "3 of 3 failed"})
    assert failed.job.error == Failure("TOO_MANY_FAILED_ITEMS", "3 of 3 failed")
    with JobDisplay(out) as display:
        display.show(failed)
    assert out.getvalue() == "FAILED 0/3  TOO_MANY_FAILED_ITEMS: 3 of 3 failed\n"
