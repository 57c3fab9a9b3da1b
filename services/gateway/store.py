"""Client of the results service, with deadlines and HeadraceErrors."""

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

import grpc

from headrace.errors import HeadraceError, UnavailableError, from_rpc_error
from headrace.jobs.v1 import jobs_pb2
from headrace.reasons import ErrorReason
from services.shared.job_errors import job_not_found
from services.stubs.results.v1 import results_pb2, results_pb2_grpc

if TYPE_CHECKING:
    from services.stubs.results.v1.results_pb2_grpc import ResultsServiceAsyncStub

CALL_SECONDS = 10.0
CREATE_SECONDS = 30.0
# For a call that reads or writes a row for each item of a job.
WHOLE_JOB_SECONDS = 60.0
JOBS_PER_READ = 10_000
# For the first attempt of a read. A replica that has silently died does not answer.
FIRST_READ_SECONDS = 4.0
# Waits before a read is repeated. gRPC soon no longer chooses a replica that is gone.
_REPEAT_WAITS = (0.01, 0.05, 0.2)

_NO_RESPONSE = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        # An overloaded server drops calls as CANCELLED. A cancel of our own raises CancelledError instead.
        grpc.StatusCode.CANCELLED,
    }
)

Request = TypeVar("Request")
Response = TypeVar("Response")


class StoreClient:
    """Calls the results service.

    Every method raises the HeadraceError that the store returned, or UnavailableError (STORE_UNAVAILABLE) if
    it did not respond. Reads are repeated at another replica of the results service if one is gone. The
    caller carries out the effects in a response.

    Args:
        channel: Channel to the results service; the caller closes it.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: ResultsServiceAsyncStub = results_pb2_grpc.ResultsServiceStub(channel)

    async def create_jobs(self, request: results_pb2.CreateJobsRequest) -> results_pb2.CreateJobsResponse:
        """Stores jobs; the outcomes are in the order of the request."""
        return await _call(self._stub.CreateJobs, request, CREATE_SECONDS)

    async def append_items(self, request: results_pb2.AppendItemsRequest) -> results_pb2.AppendItemsResponse:
        """Adds items to an upload.

        Raises:
            NotFoundError: The tenant has no such job.
            AbortedError: UPLOAD_OFFSET, with metadata stored_count.
            InvalidArgumentError: ITEM_KEY_TAKEN.
            FailedPreconditionError: UPLOAD_CLOSED, UPLOAD_TOTAL or JOB_ENDED.
        """
        return await _call(self._stub.AppendItems, request)

    async def get_job(self, job_id: str, tenant: str) -> jobs_pb2.Job:
        """Returns the present snapshot of a tenant's job.

        Raises:
            NotFoundError: The tenant has no such job.
        """
        request = results_pb2.GetJobsRequest(jobs=[results_pb2.KnownJob(job_id=job_id)], tenant=tenant)
        response = await _read(self._stub.GetJobs, request)
        if not response.jobs:
            raise job_not_found(job_id)
        return response.jobs[0]

    async def get_newer_jobs(self, known: list[results_pb2.KnownJob]) -> list[jobs_pb2.Job]:
        """Returns the snapshots, of any tenant, that are newer than the known ones, in any order."""
        jobs: list[jobs_pb2.Job] = []
        for start in range(0, len(known), JOBS_PER_READ):
            wanted = known[start : start + JOBS_PER_READ]
            while wanted:
                response = await _read(self._stub.GetJobs, results_pb2.GetJobsRequest(jobs=wanted))
                jobs.extend(response.jobs)
                left_out = set(response.left_out_job_ids)
                wanted = [job for job in wanted if job.job_id in left_out]
        return jobs

    async def list_jobs(self, request: results_pb2.ListJobsRequest) -> results_pb2.ListJobsResponse:
        """Returns a page of a tenant's jobs, newest first."""
        return await _read(self._stub.ListJobs, request)

    async def list_changes(self, request: results_pb2.ListChangesRequest) -> results_pb2.ListChangesResponse:
        """Returns a page of a tenant's changed jobs, in the order of their changes."""
        return await _read(self._stub.ListChanges, request)

    async def list_results(self, request: results_pb2.ListResultsRequest) -> results_pb2.ListResultsResponse:
        """Returns a page of a job's results by item_index."""
        return await _read(self._stub.ListResults, request)

    async def list_recorded_results(
        self, request: results_pb2.ListRecordedResultsRequest
    ) -> results_pb2.ListRecordedResultsResponse:
        """Returns a page of a job's results in the order of recording, with the job's snapshot.

        Raises:
            NotFoundError: The tenant has no such job.
        """
        return await _read(self._stub.ListRecordedResults, request)

    async def get_items(self, request: results_pb2.GetItemsRequest) -> results_pb2.GetItemsResponse:
        """Returns a page of a job's items by item_index.

        Raises:
            NotFoundError: The tenant has no such job.
        """
        return await _read(self._stub.GetItems, request)

    async def cancel_job(self, job_id: str, tenant: str, actor: str) -> results_pb2.CancelJobResponse:
        """Cancels a job for an actor, whom its history names."""
        return await _call(
            self._stub.CancelJob, results_pb2.CancelJobRequest(job_id=job_id, tenant=tenant, actor=actor)
        )

    async def pause_job(self, job_id: str, tenant: str, actor: str) -> results_pb2.PauseJobResponse:
        """Pauses a job for an actor, whom its history names."""
        return await _call(
            self._stub.PauseJob, results_pb2.PauseJobRequest(job_id=job_id, tenant=tenant, actor=actor)
        )

    async def resume_job(self, request: results_pb2.ResumeJobRequest) -> results_pb2.ResumeJobResponse:
        """Resumes a paused job.

        Raises:
            NotFoundError: The tenant has no such job.
            FailedPreconditionError: BUDGET_SPENT.
        """
        return await _call(self._stub.ResumeJob, request, WHOLE_JOB_SECONDS)

    async def retry_job(self, request: results_pb2.RetryJobRequest) -> results_pb2.RetryJobResponse:
        """Starts a new round of a job."""
        return await _call(self._stub.RetryJob, request, WHOLE_JOB_SECONDS)

    async def update_job(self, request: results_pb2.UpdateJobRequest) -> results_pb2.UpdateJobResponse:
        """Changes a job.

        Raises:
            NotFoundError: The tenant has no such job.
            AbortedError: JOB_CHANGED.
            FailedPreconditionError: JOB_ENDED or BUDGET_SPENT.
        """
        return await _call(self._stub.UpdateJob, request)

    async def delete_job(self, request: results_pb2.DeleteJobRequest) -> results_pb2.DeleteJobResponse:
        """Deletes a job, or begins to.

        Raises:
            NotFoundError: The tenant has no such job.
            FailedPreconditionError: JOB_NOT_ENDED.
        """
        return await _call(self._stub.DeleteJob, request, WHOLE_JOB_SECONDS)

    async def get_params(self, job_id: str, tenant: str) -> results_pb2.GetParamsResponse:
        """Returns the params of a job with its snapshot.

        Raises:
            NotFoundError: The tenant has no such job.
        """
        request = results_pb2.GetParamsRequest(job_id=job_id, tenant=tenant)
        return await _read(self._stub.GetParams, request)

    async def list_failure_reasons(self, job_id: str, tenant: str) -> Sequence[jobs_pb2.FailureGroup]:
        """Returns the failed items of a job by reason, largest group first.

        Raises:
            NotFoundError: The tenant has no such job.
        """
        request = results_pb2.ListFailureReasonsRequest(job_id=job_id, tenant=tenant)
        return (
            await _read(self._stub.ListFailureReasons, request, WHOLE_JOB_SECONDS, WHOLE_JOB_SECONDS)
        ).groups

    async def list_job_events(
        self, request: results_pb2.ListJobEventsRequest
    ) -> results_pb2.ListJobEventsResponse:
        """Returns a page of a job's history, oldest first.

        Raises:
            NotFoundError: The tenant has no such job.
        """
        return await _read(self._stub.ListJobEvents, request)

    async def get_usage(self, request: results_pb2.GetUsageRequest) -> results_pb2.GetUsageResponse:
        """Returns the usage of a tenant's jobs, by group."""
        return await _read(self._stub.GetUsage, request, WHOLE_JOB_SECONDS, WHOLE_JOB_SECONDS)

    async def list_workers(self) -> results_pb2.ListWorkersResponse:
        """Returns the recent workers, live ones first."""
        return await _read(self._stub.ListWorkers, results_pb2.ListWorkersRequest())

    async def sweep(self) -> results_pb2.SweepResponse:
        """Makes the store carry out the transitions that are due."""
        return await _call(self._stub.Sweep, results_pb2.SweepRequest())

    async def end_worker(
        self, incarnation: str, cause: results_pb2.EndWorkerRequest.Cause
    ) -> results_pb2.EndWorkerResponse:
        """Reports that a worker will not come back."""
        request = results_pb2.EndWorkerRequest(incarnation=incarnation, cause=cause)
        return await _call(self._stub.EndWorker, request)


async def _call(
    method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
    request: Request,
    timeout_seconds: float = CALL_SECONDS,
) -> Response:
    try:
        return await method(request, timeout=timeout_seconds)
    except grpc.aio.AioRpcError as error:
        raise _to_headrace_error(error) from error


async def _read(
    method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
    request: Request,
    timeout_seconds: float = CALL_SECONDS,
    first_seconds: float | None = None,
) -> Response:
    """Makes a call that changes nothing, and repeats it if a replica did not answer.

    Args:
        method: Method of the results service.
        request: Request to send.
        timeout_seconds: Time limit of all attempts after the first.
        first_seconds: Time limit of the first attempt. Default: FIRST_READ_SECONDS.
    """
    seconds = FIRST_READ_SECONDS if first_seconds is None else first_seconds
    deadline = monotonic() + seconds + timeout_seconds
    for wait in _REPEAT_WAITS:
        try:
            return await method(request, timeout=seconds)
        except grpc.aio.AioRpcError as error:
            if not _is_unanswered(error):
                raise _to_headrace_error(error) from error
        await asyncio.sleep(wait)
        seconds = min(timeout_seconds, deadline - monotonic())
    return await _call(method, request, max(seconds, 0.001))


def _is_unanswered(error: grpc.aio.AioRpcError) -> bool:
    """Returns whether another replica may answer: this one is gone, is stopping or stays silent."""
    if error.code() not in _NO_RESPONSE:
        return False
    answer = from_rpc_error(error)
    return not answer.answered or answer.reason == ErrorReason.SERVER_STOPPING


def cause_of(error: HeadraceError) -> str:
    """Returns the text of gRPC behind a StoreClient's error, for logs. Callers must not see its addresses."""
    cause = error.__cause__
    return f"{cause.code().name}: {cause.details()}" if isinstance(cause, grpc.aio.AioRpcError) else ""


def _to_headrace_error(error: grpc.aio.AioRpcError) -> HeadraceError:
    answer = from_rpc_error(error)
    if error.code() in _NO_RESPONSE and answer.reason != ErrorReason.STORAGE_FAILED:
        return UnavailableError(
            "the store is not responding; repeat the call", reason=ErrorReason.STORE_UNAVAILABLE
        )
    return answer
