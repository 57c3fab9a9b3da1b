"""A fake store that tests control."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable

from headrace.errors import AbortedError, FailedPreconditionError, NotFoundError
from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2, results_pb2_grpc

TERMINAL = (jobs_pb2.JOB_STATE_SUCCEEDED, jobs_pb2.JOB_STATE_CANCELLED)


class FakeResults(results_pb2_grpc.ResultsServiceServicer):
    """A store in a dictionary. Tests change its jobs, block its calls, or make them fail."""

    def __init__(self) -> None:
        self.jobs: dict[str, jobs_pb2.Job] = {}
        self.hashes: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.requests: defaultdict[str, list] = defaultdict(list)
        self.calls: Counter[str] = Counter()
        self.changed = asyncio.Condition()
        self.failures: dict[str, Exception] = {}
        self.gates: dict[str, asyncio.Event] = {}
        self.refused_kinds: set[str] = set()
        self.items: defaultdict[str, list[str]] = defaultdict(list)
        self.open_uploads: set[str] = set()
        self.params: dict[str, str] = {}
        self.recorded: defaultdict[str, list[tuple[results_pb2.RecordPosition, jobs_pb2.Result]]] = (
            defaultdict(list)
        )
        self.events: defaultdict[str, list[jobs_pb2.JobHistoryEvent]] = defaultdict(list)
        self.usage: list[jobs_pb2.UsageGroup] = []
        self.live_workers: list[jobs_pb2.Worker] = []
        self.silent_workers: list[jobs_pb2.Worker] = []
        self.workers_to_notify: list[results_pb2.WorkerToNotify] = []
        self.sweep_effects = results_pb2.Effects()
        self.changes: list[results_pb2.ChangedJob] = []
        self.recorded_page_size = 0  # the real store ends a page early by its bytes

    async def _enter(self, name: str, request) -> None:
        self.requests[name].append(request)
        self.calls[name] += 1
        async with self.changed:
            self.changed.notify_all()
        if name in self.gates:
            await self.gates[name].wait()
        if name in self.failures:
            raise self.failures[name]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(condition)

    def advance(self, job_id: str, state=jobs_pb2.JOB_STATE_RUNNING, succeeded: int = 0) -> jobs_pb2.Job:
        job = self.jobs[job_id]
        job.seq += 1
        job.state = state
        job.progress.succeeded_count = succeeded
        return jobs_pb2.Job.FromString(job.SerializeToString())

    async def CreateJobs(self, request, context):
        await self._enter("CreateJobs", request)
        response = results_pb2.CreateJobsResponse()
        for new in request.jobs:
            self._create(new, response)
        return response

    def _create(self, new: results_pb2.NewJob, response: results_pb2.CreateJobsResponse) -> None:
        outcome = response.outcomes.add()
        first = self.hashes.setdefault((new.tenant, new.request_id), (new.job_id, new.content_hash))
        if first[1] != new.content_hash:
            outcome.error.reason = "REQUEST_ID_REUSED"
            return
        if new.kind in self.refused_kinds:
            outcome.error.reason, outcome.error.message = "STORE_REFUSED", "secret of the database"
            return
        if new.job_id == first[0]:
            state = jobs_pb2.JOB_STATE_UPLOADING if new.upload_open else jobs_pb2.JOB_STATE_PENDING
            self.jobs[new.job_id] = jobs_pb2.Job(
                job_id=new.job_id, kind=new.kind, tenant=new.tenant, state=state, seq=1,
                job_class=new.options.job_class, progress=jobs_pb2.Progress(total_count=len(new.items)),
            )  # fmt: skip
            self.items[new.job_id].extend(new.items)
            self.params[new.job_id] = new.params
            if new.upload_open:
                self.open_uploads.add(new.job_id)
            response.effects.tasks_to_publish.add(job_id=new.job_id, job_class=new.options.job_class, count=1)
        outcome.job.CopyFrom(self.jobs[first[0]])

    def _job_of(self, request) -> jobs_pb2.Job:
        job = self.jobs.get(request.job_id)
        if job is None or job.tenant != request.tenant:
            raise NotFoundError(f"there is no job {request.job_id}")
        return job

    async def AppendItems(self, request, context):
        await self._enter("AppendItems", request)
        job, stored = self._job_of(request), self.items[request.job_id]
        finish = request.finish_total_count if request.HasField("finish_total_count") else None
        response = results_pb2.AppendItemsResponse()
        if request.items or finish is not None:
            new = self._judge(job, request, finish)
            stored.extend(new)
            if finish is not None:
                self.open_uploads.discard(job.job_id)
            if new or finish is not None:
                job.seq += 1
                job.progress.total_count = len(stored)
                response.effects.changed_jobs.append(job)
                response.effects.tasks_to_publish.add(job_id=job.job_id, job_class=job.job_class, count=1)
        response.stored_count = len(stored)
        response.job.CopyFrom(job)
        return response

    def _judge(self, job: jobs_pb2.Job, request, finish: int | None) -> list[str]:
        """Returns the new items of a batch, by the rules of the real store; raises its errors."""
        is_open, stored_count = job.job_id in self.open_uploads, len(self.items[job.job_id])
        if is_open and job.state in TERMINAL:
            raise FailedPreconditionError("it ended", reason="JOB_ENDED")
        new = list(request.items[max(0, stored_count - request.first_item_index) :])
        if new and not is_open:
            raise FailedPreconditionError("it is closed", reason="UPLOAD_CLOSED")
        total_count = stored_count + len(new)
        beyond = new and request.first_item_index > stored_count
        if beyond or (is_open and finish is not None and finish > total_count):
            metadata = {"stored_count": str(stored_count)}
            raise AbortedError("beyond the stored items", reason="UPLOAD_OFFSET", metadata=metadata)
        if finish is not None and finish != total_count:
            raise FailedPreconditionError("another total", reason="UPLOAD_TOTAL")
        return new

    def record(self, job_id: str, *indices: int, failed: bool = False, size: int = 1) -> jobs_pb2.Job:
        """Records results of items and returns the snapshot that counts them."""
        job = self.advance(job_id, succeeded=len(self.recorded[job_id]) + len(indices))
        state = jobs_pb2.ITEM_STATE_FAILED if failed else jobs_pb2.ITEM_STATE_SUCCEEDED
        for index in sorted(indices):
            position = results_pb2.RecordPosition(seq=job.seq, item_index=index)
            result = jobs_pb2.Result(item_index=index, state=state, output="1" * size)
            self.recorded[job_id].append((position, result))
        return job

    async def ListRecordedResults(self, request, context):
        await self._enter("ListRecordedResults", request)
        job = self._job_of(request)
        after = (request.after.seq, request.after.item_index) if request.HasField("after") else (0, -1)
        found = [
            (position, result)
            for position, result in self.recorded[job.job_id]
            if (position.seq, position.item_index) > after and request.item_state in (0, result.state)
        ]
        page = found[: self.recorded_page_size or request.page_size]
        more = len(found) > len(page)
        end = results_pb2.RecordPosition(seq=max(after[0], job.seq), item_index=2**63 - 1)
        return results_pb2.ListRecordedResultsResponse(
            results=[result for _, result in page],
            next=page[-1][0] if more else end,
            has_more=more,
            job=job,
        )

    async def GetJobs(self, request, context):
        await self._enter("GetJobs", request)
        found = ((self.jobs.get(known.job_id), known.known_seq) for known in request.jobs)
        return results_pb2.GetJobsResponse(
            jobs=[
                job
                for job, known_seq in found
                if job and job.seq > known_seq and request.tenant in ("", job.tenant)
            ]
        )

    async def ListJobs(self, request, context):
        await self._enter("ListJobs", request)
        jobs = [job for job in self.jobs.values() if job.tenant == request.tenant]
        jobs.sort(key=lambda job: job.job_id, reverse=True)
        jobs = [job for job in jobs if not request.before_job_id or job.job_id < request.before_job_id]
        size = request.page_size
        return results_pb2.ListJobsResponse(jobs=jobs[:size], has_more=len(jobs) > size)

    async def ListChanges(self, request, context):
        await self._enter("ListChanges", request)
        end = results_pb2.ChangePosition(store_id="fake", change_xid=len(self.changes))
        if not request.HasField("after"):
            return results_pb2.ListChangesResponse(next=end)
        if request.after.store_id != "fake":
            return results_pb2.ListChangesResponse(next=end, reset=True)
        changed = self.changes[request.after.change_xid :]
        return results_pb2.ListChangesResponse(jobs=changed, next=end)

    async def ListResults(self, request, context):
        await self._enter("ListResults", request)
        job = self._job_of(request)
        indices = range(request.after_item_index + 1, job.progress.total_count)
        page = [jobs_pb2.Result(item_index=index) for index in indices[: request.page_size]]
        return results_pb2.ListResultsResponse(results=page, has_more=len(indices) > request.page_size)

    async def GetItems(self, request, context):
        await self._enter("GetItems", request)
        stored = self.items[self._job_of(request).job_id]
        wanted = sorted(request.item_indexes) or range(len(stored))
        found = [index for index in wanted if request.after_item_index < index < len(stored)]
        page = [jobs_pb2.Item(item_index=i, input=stored[i]) for i in found[: request.page_size]]
        return results_pb2.GetItemsResponse(items=page, has_more=len(found) > len(page))

    async def CancelJob(self, request, context):
        await self._enter("CancelJob", request)
        job = self._job_of(request)
        response = results_pb2.CancelJobResponse()
        if job.state not in TERMINAL:
            self.advance(job.job_id, jobs_pb2.JOB_STATE_CANCELLED)
            response.effects.changed_jobs.append(job)
            response.effects.workers_to_notify.extend(self.workers_to_notify)
        response.job.CopyFrom(job)
        return response

    def _move(self, request, response, state, allowed) -> None:
        """Moves a job to a state if its present one allows it, and fills the response."""
        job = self._job_of(request)
        if job.state in allowed:
            self.advance(job.job_id, state)
            response.effects.changed_jobs.append(job)
            response.effects.workers_to_notify.extend(self.workers_to_notify)
            response.effects.tasks_to_publish.add(job_id=job.job_id, job_class=job.job_class, count=1)
        response.job.CopyFrom(job)

    async def PauseJob(self, request, context):
        await self._enter("PauseJob", request)
        response = results_pb2.PauseJobResponse()
        live = (jobs_pb2.JOB_STATE_PENDING, jobs_pb2.JOB_STATE_RUNNING)
        self._move(request, response, jobs_pb2.JOB_STATE_PAUSED, live)
        return response

    async def ResumeJob(self, request, context):
        await self._enter("ResumeJob", request)
        response = results_pb2.ResumeJobResponse()
        self._move(request, response, jobs_pb2.JOB_STATE_PENDING, (jobs_pb2.JOB_STATE_PAUSED,))
        return response

    async def RetryJob(self, request, context):
        await self._enter("RetryJob", request)
        response = results_pb2.RetryJobResponse()
        self._move(request, response, jobs_pb2.JOB_STATE_PENDING, TERMINAL)
        return response

    async def UpdateJob(self, request, context):
        await self._enter("UpdateJob", request)
        job = self._job_of(request)
        response = results_pb2.UpdateJobResponse()
        if "name" in request.fields:
            self.advance(job.job_id, job.state)
            job.name = request.name
            response.effects.changed_jobs.append(job)
        response.job.CopyFrom(job)
        return response

    async def DeleteJob(self, request, context):
        await self._enter("DeleteJob", request)
        job = self._job_of(request)
        if job.state not in TERMINAL and not request.force:
            raise FailedPreconditionError("it has not ended", reason="JOB_NOT_ENDED")
        response = results_pb2.DeleteJobResponse(gone=not self.workers_to_notify)
        response.effects.workers_to_notify.extend(self.workers_to_notify)
        if response.gone:
            del self.jobs[job.job_id]
        return response

    async def GetParams(self, request, context):
        await self._enter("GetParams", request)
        return results_pb2.GetParamsResponse(job=self._job_of(request), params=self.params[request.job_id])

    async def ListFailureReasons(self, request, context):
        await self._enter("ListFailureReasons", request)
        job = self._job_of(request)
        count = job.progress.failed_count
        groups = [jobs_pb2.FailureGroup(reason="BAD", item_count=count)] if count else []
        return results_pb2.ListFailureReasonsResponse(groups=groups)

    async def ListJobEvents(self, request, context):
        await self._enter("ListJobEvents", request)
        events = [e for e in self.events[self._job_of(request).job_id] if e.number > request.after_number]
        size = request.page_size
        return results_pb2.ListJobEventsResponse(events=events[:size], has_more=len(events) > size)

    async def GetUsage(self, request, context):
        await self._enter("GetUsage", request)
        return results_pb2.GetUsageResponse(groups=self.usage, total=jobs_pb2.UsageGroup(job_count=7))

    async def ListWorkers(self, request, context):
        await self._enter("ListWorkers", request)
        return results_pb2.ListWorkersResponse(workers=self.live_workers)

    async def Sweep(self, request, context):
        await self._enter("Sweep", request)
        effects, self.sweep_effects = self.sweep_effects, results_pb2.Effects()
        return results_pb2.SweepResponse(
            effects=effects, live_workers=self.live_workers, silent_workers=self.silent_workers
        )

    async def EndWorker(self, request, context):
        await self._enter("EndWorker", request)
        return results_pb2.EndWorkerResponse()

    async def LeaseChunks(self, request, context):
        raise NotImplementedError

    async def RecordResults(self, request, context):
        raise NotImplementedError

    async def Heartbeat(self, request, context):
        raise NotImplementedError
