"""WorkerService: streams progress, and accepts cancels and pauses."""

from collections.abc import AsyncIterator
from typing import Any

import grpc

from services.stubs.worker.v1 import worker_pb2, worker_pb2_grpc
from services.worker.intake.progress_hub import ProgressHub
from services.worker.items.scheduler import ItemScheduler


class WorkerServicer(worker_pb2_grpc.WorkerServiceServicer):
    """Translates calls of gateways.

    Args:
        incarnation: Incarnation of this worker.
        hub: Source of progress.
        scheduler: Cancels and pauses jobs.
    """

    def __init__(self, incarnation: str, hub: ProgressHub, scheduler: ItemScheduler) -> None:
        self._incarnation = incarnation
        self._hub = hub
        self._scheduler = scheduler

    async def StreamProgress(
        self,
        request: worker_pb2.StreamProgressRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[worker_pb2.StreamProgressResponse]:
        """Streams snapshots and live events of jobs."""
        async for response in self._hub.subscribe():
            yield response

    async def CancelJob(
        self, request: worker_pb2.CancelJobRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> worker_pb2.CancelJobResponse:
        """Cancels a job's work here if the request names this incarnation."""
        if request.incarnation == self._incarnation:
            self._scheduler.stop_job(request.job_id)
        return worker_pb2.CancelJobResponse()

    async def PauseJob(
        self, request: worker_pb2.PauseJobRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> worker_pb2.PauseJobResponse:
        """Pauses a job's work here if the request names this incarnation."""
        if request.incarnation == self._incarnation:
            self._scheduler.pause_job(request.job_id)
        return worker_pb2.PauseJobResponse()
