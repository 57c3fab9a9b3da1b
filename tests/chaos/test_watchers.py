"""A watch detects snapshots that go back, that follow the terminal one, and streams that end too early."""

import asyncio
from types import SimpleNamespace

from headrace import JobClass
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2
from tests.chaos.jobs import StormJob
from tests.chaos.watchers import Watch

RUNNING, SUCCEEDED = jobs_pb2.JOB_STATE_RUNNING, jobs_pb2.JOB_STATE_SUCCEEDED


class Stream:
    """A WatchJob call with these snapshots."""

    def __init__(self, snapshots):
        self._snapshots = snapshots

    async def __aiter__(self):
        for seq, state, count in self._snapshots:
            progress = jobs_pb2.Progress(total_count=9, succeeded_count=count)
            job = jobs_pb2.Job(job_id="j", seq=seq, state=state, progress=progress)
            yield gateway_pb2.WatchJobResponse(job=job, resume_token=str(seq))

    def cancel(self):
        pass


async def faults_of(*streams):
    """Returns the faults and resume tokens of a watch whose streams bring these snapshots in turn."""
    waiting, tokens = list(streams), []

    def watch_job(request):
        tokens.append(request.resume_token)
        return Stream(waiting.pop(0))

    watch = Watch(StormJob("m", 9, JobClass.DEFAULT, job_id="j"))
    async with asyncio.timeout(10):
        await watch.run([SimpleNamespace(stub=SimpleNamespace(WatchJob=watch_job))], 0)
    assert watch.is_over
    return watch.faults, tokens


async def test_a_watch_to_the_end_has_no_faults():
    assert await faults_of([(1, RUNNING, 0), (3, RUNNING, 5), (4, SUCCEEDED, 9)]) == ([], [""])


async def test_a_snapshot_that_goes_back_is_detected():
    [fault], _ = await faults_of([(3, RUNNING, 5), (2, RUNNING, 4), (4, SUCCEEDED, 9)])
    assert "from seq 3 to 2" in fault


async def test_counts_that_fall_are_detected():
    [fault], _ = await faults_of([(3, RUNNING, 5), (4, RUNNING, 4), (5, SUCCEEDED, 9)])
    assert "went back" in fault


async def test_a_stream_that_ends_before_its_job_is_detected_and_resumed_with_its_token():
    [fault], tokens = await faults_of([(1, RUNNING, 0), (3, RUNNING, 5)], [(4, SUCCEEDED, 9)])
    assert "ended before its job" in fault
    assert tokens == ["", "3"]


async def test_a_snapshot_after_the_terminal_one_is_detected():
    [fault], _ = await faults_of([(4, SUCCEEDED, 9), (5, SUCCEEDED, 9)])
    assert "after the terminal one" in fault
