"""ResultsService: each call runs the function of its name."""

from typing import Any

import grpc

from services.results.database.database import Database
from services.results.pages.changes import list_changes
from services.results.pages.failure_reasons import list_failure_reasons
from services.results.pages.horizon_check import HorizonCheck
from services.results.pages.items import get_items
from services.results.pages.job_events import list_job_events
from services.results.pages.jobs import get_jobs, get_params, list_jobs
from services.results.pages.recorded_results import list_recorded_results
from services.results.pages.results import list_results
from services.results.pages.usage import get_usage
from services.results.pages.workers import list_workers
from services.results.purging.purge_deleted_job import purge_deleted_job
from services.results.transitions.append_items import append_items
from services.results.transitions.cancel_job import cancel_job
from services.results.transitions.create_jobs import JobCreator
from services.results.transitions.delete_job import delete_job
from services.results.transitions.end_worker import end_worker
from services.results.transitions.heartbeat import heartbeat
from services.results.transitions.lease_chunks import lease_chunks
from services.results.transitions.pause_job import pause_job, resume_job
from services.results.transitions.record_results import record_results
from services.results.transitions.retry_job import retry_job
from services.results.transitions.sweep import sweep
from services.results.transitions.update_job import update_job
from services.stubs.results.v1 import results_pb2 as pb
from services.stubs.results.v1 import results_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]


class ResultsServicer(results_pb2_grpc.ResultsServiceServicer):
    """Serves calls from a database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._creator = JobCreator(database)
        self._horizon_check = HorizonCheck()

    async def CreateJobs(self, request: pb.CreateJobsRequest, context: Context) -> pb.CreateJobsResponse:
        """Stores jobs."""
        return await self._creator.create_jobs(request)

    async def AppendItems(self, request: pb.AppendItemsRequest, context: Context) -> pb.AppendItemsResponse:
        """Adds items to an upload, or closes it."""
        return await append_items(self._database, request)

    async def GetJobs(self, request: pb.GetJobsRequest, context: Context) -> pb.GetJobsResponse:
        """Returns the snapshots that are newer than the caller knows."""
        return await get_jobs(self._database, request)

    async def ListJobs(self, request: pb.ListJobsRequest, context: Context) -> pb.ListJobsResponse:
        """Returns a page of jobs."""
        return await list_jobs(self._database, request)

    async def ListChanges(self, request: pb.ListChangesRequest, context: Context) -> pb.ListChangesResponse:
        """Returns a page of changed jobs."""
        return await list_changes(self._database, self._horizon_check, request)

    async def ListResults(self, request: pb.ListResultsRequest, context: Context) -> pb.ListResultsResponse:
        """Returns a page of results."""
        return await list_results(self._database, request)

    async def ListRecordedResults(
        self, request: pb.ListRecordedResultsRequest, context: Context
    ) -> pb.ListRecordedResultsResponse:
        """Returns a page of results, in the order of their recording."""
        return await list_recorded_results(self._database, request)

    async def GetItems(self, request: pb.GetItemsRequest, context: Context) -> pb.GetItemsResponse:
        """Returns a page of items with their results."""
        return await get_items(self._database, request)

    async def LeaseChunks(self, request: pb.LeaseChunksRequest, context: Context) -> pb.LeaseChunksResponse:
        """Leases chunks to a worker."""
        return await lease_chunks(self._database, request)

    async def RecordResults(
        self, request: pb.RecordResultsRequest, context: Context
    ) -> pb.RecordResultsResponse:
        """Records results, failed attempts, deaths and releases."""
        return await record_results(self._database, request)

    async def Heartbeat(self, request: pb.HeartbeatRequest, context: Context) -> pb.HeartbeatResponse:
        """Keeps a worker and its leases alive."""
        return await heartbeat(self._database, request)

    async def EndWorker(self, request: pb.EndWorkerRequest, context: Context) -> pb.EndWorkerResponse:
        """Ends a worker that will not come back."""
        return await end_worker(self._database, request)

    async def Sweep(self, request: pb.SweepRequest, context: Context) -> pb.SweepResponse:
        """Ends dead workers' leases and wakes or ends jobs that are due."""
        return await sweep(self._database)

    async def CancelJob(self, request: pb.CancelJobRequest, context: Context) -> pb.CancelJobResponse:
        """Cancels a job."""
        return await cancel_job(self._database, request)

    async def PauseJob(self, request: pb.PauseJobRequest, context: Context) -> pb.PauseJobResponse:
        """Pauses a job."""
        return await pause_job(self._database, request)

    async def ResumeJob(self, request: pb.ResumeJobRequest, context: Context) -> pb.ResumeJobResponse:
        """Resumes a paused job."""
        return await resume_job(self._database, request)

    async def RetryJob(self, request: pb.RetryJobRequest, context: Context) -> pb.RetryJobResponse:
        """Starts a new round of a job."""
        return await retry_job(self._database, request)

    async def UpdateJob(self, request: pb.UpdateJobRequest, context: Context) -> pb.UpdateJobResponse:
        """Changes a job."""
        return await update_job(self._database, request)

    async def DeleteJob(self, request: pb.DeleteJobRequest, context: Context) -> pb.DeleteJobResponse:
        """Deletes a job."""
        response = await delete_job(self._database, request)
        if response.gone:
            await purge_deleted_job(self._database, request.job_id)
        return response

    async def GetParams(self, request: pb.GetParamsRequest, context: Context) -> pb.GetParamsResponse:
        """Returns the params of a job."""
        return await get_params(self._database, request)

    async def ListFailureReasons(
        self, request: pb.ListFailureReasonsRequest, context: Context
    ) -> pb.ListFailureReasonsResponse:
        """Groups the failed items of a job by reason."""
        return await list_failure_reasons(self._database, request)

    async def ListJobEvents(
        self, request: pb.ListJobEventsRequest, context: Context
    ) -> pb.ListJobEventsResponse:
        """Returns a page of a job's history."""
        return await list_job_events(self._database, request)

    async def GetUsage(self, request: pb.GetUsageRequest, context: Context) -> pb.GetUsageResponse:
        """Sums the usage of a tenant's jobs."""
        return await get_usage(self._database, request)

    async def ListWorkers(self, request: pb.ListWorkersRequest, context: Context) -> pb.ListWorkersResponse:
        """Returns the workers seen in the last hour."""
        return await list_workers(self._database)
