"""A fake worker that tests control."""

import asyncio
from collections.abc import Callable

from headrace.errors import UnavailableError
from headrace.jobs.v1 import jobs_pb2
from services.stubs.worker.v1 import worker_pb2, worker_pb2_grpc


class FakeWorker(worker_pb2_grpc.WorkerServiceServicer):
    """A worker that streams the progress a test sends."""

    def __init__(self, incarnation: str) -> None:
        self.incarnation = incarnation
        self.streams: set[asyncio.Queue] = set()
        self.changed = asyncio.Condition()
        self.opened_count = 0
        self.cancelled: list[worker_pb2.CancelJobRequest] = []
        self.paused: list[worker_pb2.PauseJobRequest] = []
        self.cancel_gate = asyncio.Event()
        self.cancel_gate.set()

    async def _notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(condition)

    async def StreamProgress(self, request, context):
        queue: asyncio.Queue = asyncio.Queue()
        self.streams.add(queue)
        self.opened_count += 1
        try:
            yield worker_pb2.StreamProgressResponse(incarnation=self.incarnation)
            await self._notify()
            while True:
                progress = await queue.get()
                if progress is None:
                    raise UnavailableError("cut")
                yield progress
        finally:
            self.streams.discard(queue)
            await self._notify()

    async def CancelJob(self, request, context):
        self.cancelled.append(request)
        await self._notify()
        await self.cancel_gate.wait()
        return worker_pb2.CancelJobResponse()

    async def PauseJob(self, request, context):
        self.paused.append(request)
        await self._notify()
        return worker_pb2.PauseJobResponse()

    def send(self, *jobs: jobs_pb2.Job, live: tuple[str, jobs_pb2.LiveEvent] | None = None) -> None:
        progress = worker_pb2.StreamProgressResponse(incarnation=self.incarnation, jobs=jobs)
        if live is not None:
            progress.live_events.add(job_id=live[0], live_event=live[1])
        for queue in self.streams:
            queue.put_nowait(progress)

    def cut(self) -> None:
        for queue in self.streams:
            queue.put_nowait(None)
