"""Watchers of all jobs, on the bare streams: what gateways send is judged, not what a client makes of it."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Sequence

import grpc

from headrace import Client, HeadraceError
from headrace._messages.conversion import to_job
from headrace._transport.connection import GatewayConnection
from headrace.gateway.v1 import gateway_pb2
from headrace.resources import Job
from tests.chaos.jobs import StormJob

_BREAK_SECONDS = 0.3
_FOLLOW_EVERY = 4


class Watch:
    """One job, watched from its submit to its end, over whichever gateway answers.

    Attributes:
        job: What is watched.
        newest: The newest snapshot.
        stream_count: Streams it took.
        faults: What the streams did that they must not do.
    """

    def __init__(self, job: StormJob) -> None:
        self.job = job
        self.newest: Job | None = None
        self.stream_count = 0
        self.faults: list[str] = []

    @property
    def is_over(self) -> bool:
        """Whether the terminal snapshot has come."""
        return self.newest is not None and self.newest.state.is_terminal

    @property
    def unfinished_count(self) -> int:
        """Items without a result, as far as is known."""
        if self.is_over:
            return 0
        return self.job.item_count - (self.newest.progress.done_count if self.newest else 0)

    async def run(self, gateways: Sequence[GatewayConnection], first: int) -> None:
        """Watches to the end; after a break at the next gateway."""
        token = ""
        for number in itertools.count(first):
            gateway = gateways[number % len(gateways)]
            try:
                async for response in self._stream(gateway, token):
                    token = response.resume_token or token
                if self.is_over:
                    return
                self.faults.append(f"{self.job.mark}: a watch ended before its job")
            except grpc.aio.AioRpcError as error:
                if error.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT):
                    self.faults.append(f"{self.job.mark}: {error.code().name} {error.details()}")
                    return
            await asyncio.sleep(_BREAK_SECONDS)

    async def _stream(
        self, gateway: GatewayConnection, token: str
    ) -> AsyncIterator[gateway_pb2.WatchJobResponse]:
        self.stream_count += 1
        request = gateway_pb2.WatchJobRequest(job_id=self.job.job_id, resume_token=token)
        call = gateway.stub.WatchJob(request)
        try:
            async for response in call:
                if response.HasField("job"):
                    self._take(to_job(response.job))
                yield response
        finally:
            call.cancel()

    def _take(self, job: Job) -> None:
        before, self.newest = self.newest, job
        if before is None:
            return
        if job.seq < before.seq or job.progress.done_count < before.progress.done_count:
            self.faults.append(f"{self.job.mark}: went back from seq {before.seq} to {job.seq}")
        if before.state.is_terminal and job != before:
            self.faults.append(f"{self.job.mark}: a snapshot came after the terminal one")


class Watchers:
    """A watch of every job, and a reader of the results of every fourth, each over the gateways in turn.

    Args:
        targets: One for each gateway.

    Attributes:
        watches: One for each job.
    """

    def __init__(self, targets: Sequence[str]) -> None:
        self._gateways = [GatewayConnection(target, None, 30.0, 30.0, 300.0) for target in targets]
        self._client = Client("ipv4:" + ",".join(targets))
        self._tasks: set[asyncio.Task[None]] = set()
        self.watches: list[Watch] = []
        self._faults: list[str] = []

    @property
    def unfinished_count(self) -> int:
        """Items of all jobs without a result."""
        return sum(watch.unfinished_count for watch in self.watches)

    @property
    def done_count(self) -> int:
        """Items of all jobs with a result, as far as was heard."""
        return sum(watch.newest.progress.done_count for watch in self.watches if watch.newest is not None)

    def watch(self, job: StormJob) -> None:
        """Begins to watch a job."""
        watch = Watch(job)
        self.watches.append(watch)
        number = len(self.watches)
        self._start(watch.run(self._gateways, number))
        if number % _FOLLOW_EVERY == 1 or job.is_upload:
            self._start(self._follow(job))

    async def wait(self, seconds: float) -> list[str]:
        """Waits until all is watched to its end; returns what was wrong with the streams, each in words."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        late = [watch.job.mark for watch in self.watches if not watch.is_over]
        wrong = [f"{mark}: no terminal snapshot within {seconds:.0f} s" for mark in late]
        if self._tasks and not late:
            wrong.append(f"{len(self._tasks)} readers of results have not come to an end")
        return wrong + self._faults + [fault for watch in self.watches for fault in watch.faults]

    async def close(self) -> None:
        """Ends all watches."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.close()
        for gateway in self._gateways:
            await gateway.close()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._faults.append(f"a watcher broke: {task.exception()!r}")

    async def _follow(self, job: StormJob) -> None:
        times: Counter[int] = Counter()
        try:
            async for result in self._client.results(job.job_id, follow=True):
                times[result.item_index] += 1
        except HeadraceError as error:
            self._faults.append(f"results of {job.mark}: {error}")
            return
        if times != Counter(range(job.item_count)):
            twice = sum(count > 1 for count in times.values())
            self._faults.append(f"results of {job.mark}: {len(times)} of {job.item_count}, {twice} twice")
