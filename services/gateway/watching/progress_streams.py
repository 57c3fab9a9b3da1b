"""Streams progress from every live worker, and notifies workers of cancels and pauses."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING

import grpc

from headrace.jobs.v1 import jobs_pb2
from services.gateway.watching.hub import Hub
from services.shared.logging import get_logger
from services.shared.serving.rpc_client import open_channel
from services.stubs.results.v1 import results_pb2
from services.stubs.worker.v1 import worker_pb2, worker_pb2_grpc

if TYPE_CHECKING:
    from services.stubs.worker.v1.worker_pb2_grpc import WorkerServiceAsyncStub

log = get_logger(__name__)

_FIRST_BACKOFF_SECONDS = 0.1
_MAX_BACKOFF_SECONDS = 2.0
_NOTIFY_SECONDS = 2.0


class _WorkerStream:
    """The stream from one incarnation of a worker, reopened after every break until it is closed."""

    def __init__(self, worker: jobs_pb2.Worker, gateway: str, hub: Hub, on_gap: Callable[[], None]) -> None:
        self._incarnation = worker.incarnation
        self._hub = hub
        self._on_gap = on_gap
        self._channel = open_channel(worker.address)
        self._stub: WorkerServiceAsyncStub = worker_pb2_grpc.WorkerServiceStub(self._channel)
        self._request = worker_pb2.StreamProgressRequest(gateway=gateway)
        self._backoff_seconds = _FIRST_BACKOFF_SECONDS
        self._follower = asyncio.create_task(self._follow())

    async def close(self) -> None:
        self._follower.cancel()
        await asyncio.wait([self._follower])
        await self._channel.close(None)

    async def _follow(self) -> None:
        while True:
            await self._read_stream()
            self._on_gap()
            await asyncio.sleep(self._backoff_seconds * random.uniform(0.5, 1.0))
            self._backoff_seconds = min(2 * self._backoff_seconds, _MAX_BACKOFF_SECONDS)

    async def _read_stream(self) -> None:
        call = self._stub.StreamProgress(self._request)
        first = True
        try:
            async for response in call:
                if response.incarnation != self._incarnation:
                    return  # another process has the address now; a sweep will name it
                if first:
                    self._backoff_seconds = _FIRST_BACKOFF_SECONDS
                    self._on_gap()
                    first = False
                self._put(response)
        except grpc.aio.AioRpcError as error:
            log.debug("progress_stream_broken", incarnation=self._incarnation, code=error.code().name)
        finally:
            call.cancel()

    def _put(self, response: worker_pb2.StreamProgressResponse) -> None:
        self._hub.put_jobs(response.jobs)
        for event in response.live_events:
            self._hub.put_live_event(event.job_id, event.live_event)


class ProgressStreams:
    """Streams from all live workers to the hub.

    Args:
        gateway: Name of this gateway in the workers' logs.
        hub: Receives snapshots and live events.
        on_gap: Called when a stream begins or breaks, because snapshots may have been missed before that.
    """

    def __init__(self, gateway: str, hub: Hub, on_gap: Callable[[], None]) -> None:
        self._gateway = gateway
        self._hub = hub
        self._on_gap = on_gap
        self._streams: dict[tuple[str, str], _WorkerStream] = {}
        self._running: set[asyncio.Task[None]] = set()

    def follow(self, live_workers: Iterable[jobs_pb2.Worker]) -> None:
        """Opens streams to new workers and closes the streams to workers that are gone."""
        live = {(worker.incarnation, worker.address): worker for worker in live_workers}
        for key in self._streams.keys() - live.keys():
            log.info("worker_left", incarnation=key[0])
            self._start(self._streams.pop(key).close())
        for key in live.keys() - self._streams.keys():
            log.info("worker_joined", incarnation=key[0])
            self._streams[key] = _WorkerStream(live[key], self._gateway, self._hub, self._on_gap)

    def reconnect(self, worker: jobs_pb2.Worker) -> None:
        """Closes the stream of a worker with its connection. The next ``follow`` opens both anew."""
        stream = self._streams.pop((worker.incarnation, worker.address), None)
        if stream is not None:
            self._start(stream.close())
            self._on_gap()

    def notify(self, workers: Iterable[results_pb2.WorkerToNotify]) -> None:
        """Makes workers cancel or pause jobs, and returns at once.

        A worker that cannot be reached learns it from its next heartbeat.
        """
        for worker in workers:
            self._start(self._notify(worker))

    async def close(self) -> None:
        """Closes all streams."""
        self.follow(())
        while self._running:
            await asyncio.wait(self._running)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _notify(self, worker: results_pb2.WorkerToNotify) -> None:
        try:
            async with open_channel(worker.address) as channel:  # shares the connection of the stream
                stub: WorkerServiceAsyncStub = worker_pb2_grpc.WorkerServiceStub(channel)
                names = {"job_id": worker.job_id, "incarnation": worker.incarnation}
                if worker.pause:
                    await stub.PauseJob(worker_pb2.PauseJobRequest(**names), timeout=_NOTIFY_SECONDS)
                else:
                    await stub.CancelJob(worker_pb2.CancelJobRequest(**names), timeout=_NOTIFY_SECONDS)
        except grpc.aio.AioRpcError as error:
            log.debug("worker_not_notified", incarnation=worker.incarnation, code=error.code().name)
