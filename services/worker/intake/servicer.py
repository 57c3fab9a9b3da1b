"""WorkerService: progress out, cancels and pauses in."""

from collections.abc import AsyncIterator
from typing import Any

import grpc

from services.stubs.worker.v1 import worker_pb2, worker_pb2_grpc
from services.worker.intake.progress_hub import ProgressHub
from services.worker.items.scheduler import ItemScheduler


class WorkerServicer(worker_pb2_grpc.WorkerServiceServicer):
    """Translates calls of gateways.

    Args:
        incarnation: Of this worker.
        hub: Where progress comes from.
        scheduler: What cancels and pauses go to.
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
        """Streams what this worker learns of jobs."""
        async for response in self._hub.subscribe():
            yield response

    async def CancelJob(
        self, request: worker_pb2.CancelJobRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> worker_pb2.CancelJobResponse:
        """Breaks off a job, where this incarnation is meant."""
        if request.incarnation == self._incarnation:
            self._scheduler.stop_job(request.job_id)
        return worker_pb2.CancelJobResponse()

    async def PauseJob(
        self, request: worker_pb2.PauseJobRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> worker_pb2.PauseJobResponse:
        """Starts nothing more of a job, where this incarnation is meant."""
        if request.incarnation == self._incarnation:
            self._scheduler.pause_job(request.job_id)
        return worker_pb2.PauseJobResponse()
