"""Calls that report on a job's past, on usage, and on the system."""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from datetime import date

from headrace._client.base import ClientBase
from headrace._messages.conversion import to_kind_info, to_worker_info
from headrace._messages.history import to_usage_report, usage_request
from headrace._messages.request_building import build_request
from headrace._reading.history_reading import read_history
from headrace.gateway.v1 import gateway_pb2
from headrace.resources import JobHistoryEvent, KindInfo, UsageReport, WorkerInfo


class ReportingCalls(ClientBase):
    """Reads histories, usage, kinds and workers."""

    def history(self, job_id: str, *, timeout: float | None = None) -> AsyncGenerator[JobHistoryEvent, None]:
        """Yields what happened to a job, oldest first: states, pauses, lost workers, retries, and who did it.

        Args:
            job_id: UUID of the job.
            timeout: Seconds for each call of a page. Default: that of the client.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
            UnavailableError: No gateway answered for ``timeout``.
        """
        request = build_request(gateway_pb2.ListJobEventsRequest, job_id=job_id)
        return read_history(self._connection.limited_to(timeout), request)

    async def usage(
        self,
        *,
        by: str | Iterable[str] = (),
        first_day: date | str | None = None,
        last_day: date | str | None = None,
        kind: str = "",
        model: str = "",
        labels: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> UsageReport:
        """Returns tokens and cost of the tenant's jobs. Deleted jobs count too.

        Args:
            by: Properties to group by: ``"day"``, ``"model"``, ``"kind"``, ``"label:KEY"``. Default: none.
            first_day: First day (UTC) on which the jobs were created. Default: 30 days before ``last_day``.
            last_day: Last day, inclusive, up to 366 days later. Default: today.
            kind: Kind of the jobs to include. Default: all.
            model: Model of the jobs to include, as the jobs name it. Default: all.
            labels: Labels that the jobs must have. Default: any.
            timeout: Seconds for this call with all its repeats. Default: that of the client.

        Raises:
            InvalidArgumentError: An argument is wrong; ``violations`` names it.
        """
        request = usage_request(by, first_day, last_day, kind=kind, model=model, labels=labels)
        response = await self._connection.call(self._connection.stub.GetUsage, request, timeout)
        return to_usage_report(response)

    async def kinds(self, *, timeout: float | None = None) -> Sequence[KindInfo]:
        """Returns the kinds of work that jobs can name, ordered by name."""
        request = gateway_pb2.ListKindsRequest()
        response = await self._connection.call(self._connection.stub.ListKinds, request, timeout)
        return [to_kind_info(kind) for kind in response.kinds]

    async def workers(self, *, timeout: float | None = None) -> Sequence[WorkerInfo]:
        """Returns the workers seen lately, live ones first."""
        request = gateway_pb2.ListWorkersRequest()
        response = await self._connection.call(self._connection.stub.ListWorkers, request, timeout)
        return [to_worker_info(worker) for worker in response.workers]
