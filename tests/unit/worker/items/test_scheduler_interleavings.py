"""Whatever happens to leased chunks, in any order: each lease ends, and no item is forgotten."""

import asyncio
import random

import pytest

from headrace.jobs.v1 import jobs_pb2
from services.worker.items.attempts.item_outcome import ItemOutcome
from services.worker.items.quarantine import ChildDiedError

ERROR = jobs_pb2.Error(reason="PROVIDER_ERROR")


class Runner:
    """Keeps every attempt running until it is ended; an item may run twice at once, under two leases."""

    def __init__(self):
        self.attempts = []
        self.cooldown = 0.0

    async def run(self, spec, item, allowance=None):
        outcome = asyncio.get_running_loop().create_future()
        self.attempts.append(outcome)
        try:
            return await outcome
        finally:
            self.attempts.remove(outcome)

    limited_count = 0
    longest_cooldown_seconds = 0.0

    def wait_seconds(self, spec):
        return self.cooldown

    def claim_probe(self, spec):
        pass

    def outage(self, spec):
        return None

    lasting_outage = outage

    def makes_calls(self, spec):
        return True

    def forget(self, job_id):
        pass

    def end(self, outcome, **fields):
        values = {"attempt_count": 1, "usage": jobs_pb2.Usage(call_count=1)} | fields
        outcome.set_result(ItemOutcome(**values))

    def running(self):
        return [outcome for outcome in self.attempts if not outcome.done()]


class Chaos:
    """Acts on a bench at random, and checks that the reports add up."""

    def __init__(self, make_bench, seed):
        self.runner = Runner()
        self.bench = make_bench(limit=3, runner=self.runner, quarantine=self.runner)
        self.random = random.Random(seed)
        self.leased = {}  # by job, chunk and fence: the items
        self.lost = set()
        self.count = 0

    def lease(self):
        self.count += 1
        job_id, chunk = f"j{self.random.randrange(4)}", self.random.randrange(6)
        fence = 1 + max((f for j, c, f in self.leased if (j, c) == (job_id, chunk)), default=0)
        leased = {(r.job_id, r.chunk_index): r.fence for r in self.bench.leased.leases()}
        if (job_id, chunk) in leased:
            self.lost.add(
                (job_id, chunk, leased[job_id, chunk])
            )  # the store took it back, and gives it again
        size = self.random.randrange(0, 5)
        self.leased[job_id, chunk, fence] = range(chunk * 10, chunk * 10 + size)
        self.bench.lease(
            job_id, chunk * 10, size, chunk=chunk, fence=fence, quarantined=self.random.random() < 0.2
        )

    def end_attempt(self):
        running = self.runner.running()
        if not running:
            return
        outcome, how = self.random.choice(running), self.random.randrange(13)
        if how == 0:
            self.runner.end(outcome, error=ERROR, job_failed=True)
        elif how == 1:
            outcome.set_exception(RuntimeError("a bug"))
        elif how == 2:
            outcome.set_exception(ChildDiedError())
        elif how < 6:
            self.runner.end(outcome, error=ERROR, retry_delay=self.random.choice([0.0, 0.001, 60.0]))
        else:
            self.runner.end(outcome, output="1")

    def stop_job(self):
        self.bench.scheduler.stop_job(f"j{self.random.randrange(4)}")

    def lose(self):
        refs = [r for r in self.bench.leased.leases() if self.random.random() < 0.2]
        self.lost |= {(r.job_id, r.chunk_index, r.fence) for r in refs}
        self.bench.scheduler.lose(refs)

    def cool_down(self):
        self.runner.cooldown = self.random.choice([0.0, 0.0, 0.01, 60.0])

    def break_connection(self):
        self.bench.results.failures = 1

    async def step(self):
        act = self.random.choice(
            [self.lease] * 4
            + [self.end_attempt] * 8
            + [self.stop_job, self.lose, self.cool_down, self.break_connection]
        )
        act()
        if self.random.random() < 0.5:
            await asyncio.sleep(0)

    async def end(self):
        self.runner.cooldown = 0.0
        self.bench.results.failures = 0
        self.bench.scheduler.start_items()
        async with asyncio.timeout(10):
            while self.bench.leased.jobs or self.bench.in_flight.count:
                for outcome in self.runner.running():
                    self.runner.end(outcome, output="1")
                await asyncio.sleep(0.001)
        assert await self.bench.recorder.flush(5)

    def check(self):
        records = [job for request in self.bench.results.records for job in request.jobs]
        released = [(j.job_id, r.chunk_index, r.fence) for j in records for r in (*j.releases, *j.deaths)]
        assert len(released) == len(set(released))
        for (job_id, chunk, fence), indexes in self.leased.items():
            recorded = [
                entry.item_index
                for job in records
                for entry in job.items
                if (job.job_id, entry.chunk_index, entry.fence) == (job_id, chunk, fence)
            ]
            assert len(recorded) == len(set(recorded))
            over = (job_id, chunk, fence) in released or (job_id, chunk, fence) in self.lost
            assert over or sorted(recorded) == list(indexes)
        assert self.bench.capacity.of(jobs_pb2.JOB_CLASS_DEFAULT) == 3 + 100
        assert self.bench.recorder.unacknowledged_count == 0


@pytest.mark.parametrize("seed", range(40))
async def test_every_lease_ends_and_every_item_is_recorded_once(make_bench, seed, monkeypatch):
    monkeypatch.setattr("services.worker.items.recorder.RETRY_SECONDS", (0.001,))
    monkeypatch.setattr("services.worker.items.recorder.BATCH_WAIT_SECONDS", 0.002)
    chaos = Chaos(make_bench, seed)
    for _ in range(150):
        await chaos.step()
    await chaos.end()
    chaos.check()


@pytest.mark.parametrize("seed", range(40))
async def test_a_drain_in_the_middle_of_everything_releases_everything(make_bench, seed, monkeypatch):
    monkeypatch.setattr("services.worker.items.recorder.RETRY_SECONDS", (0.001,))
    chaos = Chaos(make_bench, seed)
    for _ in range(100):
        await chaos.step()
    drain = asyncio.create_task(chaos.bench.scheduler.drain(0.01))
    for _ in range(20):
        await chaos.step()
    await drain
    chaos.bench.results.failures = 0
    assert await chaos.bench.recorder.flush(5)
    assert chaos.bench.in_flight.count == 0
    assert not chaos.bench.leased.jobs
    chaos.check()
