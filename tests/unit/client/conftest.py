"""A fake gateway for each test, scripted by the test with responses, errors and breaks."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_status import rpc_status

from headrace import Client, SyncClient
from headrace.errors import (
    AbortedError,
    AlreadyExistsError,
    FailedPreconditionError,
    HeadraceError,
    InvalidArgumentError,
    NotFoundError,
    to_status,
)
from headrace.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from headrace.jobs.v1 import jobs_pb2

JOB_ID = "0190b0f0-0000-7000-8000-000000000001"


def job_message(
    seq: int = 1, state: str = "RUNNING", total: int = 3, succeeded: int = 0, **more
) -> jobs_pb2.Job:
    failed = more.pop("failed", 0)
    return jobs_pb2.Job(
        job_id=more.pop("job_id", JOB_ID),
        kind=more.pop("kind", "noop"),
        state=f"JOB_STATE_{state}",
        job_class="JOB_CLASS_DEFAULT",
        create_time=Timestamp(seconds=1_800_000_000),
        progress=jobs_pb2.Progress(total_count=total, succeeded_count=succeeded, failed_count=failed),
        usage=jobs_pb2.Usage(call_count=succeeded, input_tokens=10 * succeeded, output_tokens=succeeded),
        seq=seq,
        tenant="default",
        **more,
    )


def result_message(
    index: int, output: str = '{"label":"a"}', error: str = "", detail: str = ""
) -> jobs_pb2.Result:
    result = jobs_pb2.Result(item_index=index, attempt_count=1, finish_time=Timestamp(seconds=1_800_000_000))
    if error:
        result.state = jobs_pb2.ITEM_STATE_FAILED
        result.error.CopyFrom(jobs_pb2.Error(reason=error, message="it went wrong", detail=detail))
    else:
        result.state = jobs_pb2.ITEM_STATE_SUCCEEDED
        result.output = output
    return result


@dataclass
class StreamScript:
    """One WatchJob call: its messages and its end."""

    messages: list[gateway_pb2.WatchJobResponse]
    end: HeadraceError | grpc.StatusCode | None = None
    hold: bool = False  # does not end on its own
    gate: asyncio.Event | None = None  # awaited before the end


@dataclass
class ResultScript:
    """One StreamResults call: the number of recorded results it sends, and its end."""

    until: int
    job: jobs_pb2.Job | None = None  # the terminal one, sent in the last response
    end: HeadraceError | grpc.StatusCode | None = None
    hold: bool = False


@dataclass
class AppendScript:
    """One AppendItems call: the number of messages before its end. Default: like the real one."""

    end: HeadraceError | grpc.StatusCode | None = None
    after: int = 0
    lose_answers: bool = False  # stores without responses
    gate: asyncio.Event | None = None  # awaited before a message is read
    stored_count: int | None = None  # in the first response, if it should be wrong


@dataclass
class FakeUpload:
    job: jobs_pb2.Job
    items: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    closed: bool = False

    def append(self, request: gateway_pb2.AppendItemsRequest) -> None:
        """Stores a message, or raises, like the real store."""
        first, last = request.first_item_index, request.first_item_index + len(request.items)
        stored = {"stored_count": str(len(self.items))}
        if (
            self.job.state not in (jobs_pb2.JOB_STATE_UPLOADING, jobs_pb2.JOB_STATE_RUNNING)
            and not self.closed
        ):
            raise FailedPreconditionError("the job has ended", reason="JOB_ENDED")
        if request.items and first > len(self.items):
            raise AbortedError("beyond the stored items", reason="UPLOAD_OFFSET", metadata=stored)
        if self.closed and last > len(self.items):
            raise FailedPreconditionError("it was finished before", reason="UPLOAD_CLOSED")
        if request.items:
            skipped = len(self.items) - first
            keys = request.item_keys[skipped:]
            if taken := set(keys) & set(self.keys):
                message = f"item_keys: {taken} are taken"
                raise InvalidArgumentError(message, reason="ITEM_KEY_TAKEN")
            self.items.extend(request.items[skipped:])
            self.keys.extend(keys)
        if request.HasField("finish"):
            total = request.finish.total_count
            if total > len(self.items) and not self.closed:
                raise AbortedError("beyond the stored items", reason="UPLOAD_OFFSET", metadata=stored)
            if total != len(self.items):
                raise FailedPreconditionError("another total", reason="UPLOAD_TOTAL")
            if not self.closed:
                self.closed, self.job.state = True, jobs_pb2.JOB_STATE_RUNNING
        self.job.progress.total_count = len(self.items)


@dataclass
class FakeGateway(gateway_pb2_grpc.GatewayServiceServicer):
    """Follows the scripts in its fields, and records its requests."""

    requests: list = field(default_factory=list)
    metadata: list = field(default_factory=list)
    failures: list[HeadraceError | grpc.StatusCode] = field(default_factory=list)  # of the next unary calls
    jobs: list[jobs_pb2.Job] = field(default_factory=list)
    recorded: list[tuple[int, jobs_pb2.Result]] = field(default_factory=list)  # (seq, result)
    items: list[jobs_pb2.Item] = field(default_factory=list)
    kinds: list[jobs_pb2.Kind] = field(default_factory=list)
    workers: list[jobs_pb2.Worker] = field(default_factory=list)
    events: list[jobs_pb2.JobHistoryEvent] = field(default_factory=list)
    usage: gateway_pb2.GetUsageResponse = field(default_factory=gateway_pb2.GetUsageResponse)
    version: str = ""
    streams: list[StreamScript] = field(default_factory=list)
    job_streams: list[StreamScript] = field(default_factory=list)  # of WatchJobs
    submitted: dict[str, tuple] = field(default_factory=dict)  # request and job, by request_id
    uploads: dict[str, FakeUpload] = field(default_factory=dict)  # by job_id
    append_streams: list[AppendScript] = field(default_factory=list)
    result_streams: list[ResultScript] = field(default_factory=list)
    page_size: int = 2
    item_micros: int | None = 7  # estimated cost of an item
    warnings: list[str] = field(default_factory=list)  # of each submitted job
    params: str = "{}"  # of each job
    failing: list[jobs_pb2.FailureGroup] = field(default_factory=list)  # of each estimate
    watch_cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    append_ended: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)  # set by a message with items
    sent_count: int = 0  # results handed to a stream
    target: str = ""

    def script(self, *messages, end=None, hold=False, gate=None) -> None:
        """Scripts the next WatchJob call: these jobs (or responses), and its end."""
        responses = [
            m
            if isinstance(m, gateway_pb2.WatchJobResponse)
            else gateway_pb2.WatchJobResponse(job=m, resume_token=f"token-{m.seq}")
            for m in messages
        ]
        self.streams.append(StreamScript(responses, end, hold, gate))

    def script_jobs(self, *messages, token="t", reset=False, end=None, hold=False) -> None:
        """Scripts the next WatchJobs call: messages, each a list of jobs or watched jobs, and its end."""
        responses = [
            gateway_pb2.WatchJobsResponse(
                jobs=[
                    each if isinstance(each, gateway_pb2.WatchedJob) else gateway_pb2.WatchedJob(job=each)
                    for each in jobs
                ],
                resume_token=f"{token}{number}",
                reset=reset and number == 1,
            )
            for number, jobs in enumerate(messages, start=1)
        ]
        self.job_streams.append(StreamScript(responses, end, hold))

    def script_results(self, until: int, job=None, end=None, hold=False) -> None:
        """Scripts the next StreamResults call: the recorded results up to ``until``, and its end."""
        self.result_streams.append(ResultScript(until, job, end, hold))

    def break_upload(self, end=grpc.StatusCode.UNAVAILABLE, **more) -> None:
        """Scripts the next AppendItems call: its end after some messages."""
        self.append_streams.append(AppendScript(end, **more))

    def requests_of(self, kind: type) -> list:
        return [request for request in self.requests if isinstance(request, kind)]

    async def _begin(self, request, context) -> None:
        copy = type(request)()
        copy.CopyFrom(request)
        self.requests.append(copy)
        self.metadata.append(dict(context.invocation_metadata()))
        if self.failures and not isinstance(request, _STREAM_REQUESTS):
            await fail(context, self.failures.pop(0))

    async def SubmitJob(self, request, context):
        await self._begin(request, context)
        if request.validate_only:
            count = len(request.items)
            estimate = gateway_pb2.JobEstimate(call_count=count, input_tokens=10 * count, output_tokens=count)
            if self.item_micros is not None:
                estimate.cost_micros = self.item_micros * count
            estimate.failing_groups.extend(self.failing)
            estimate.failing_item_count = sum(group.item_count for group in self.failing)
            return gateway_pb2.SubmitJobResponse(estimate=estimate, warnings=self.warnings)
        if (first := self.submitted.get(request.request_id)) is not None:
            if first[0] != request:
                await fail(context, AlreadyExistsError("the request_id was used with other content"))
            return gateway_pb2.SubmitJobResponse(job=first[1])
        state = "UPLOADING" if request.upload else "PENDING"
        job = job_message(state=state, total=len(request.items), kind=request.kind, job_id=JOB_ID)
        self.jobs.insert(0, job)
        self.submitted[request.request_id] = (request, job)
        if request.upload:
            self.uploads[JOB_ID] = FakeUpload(job)
        return gateway_pb2.SubmitJobResponse(job=job, warnings=self.warnings)

    async def GetJob(self, request, context):
        await self._begin(request, context)
        job = await self._find(request.job_id, context)
        return gateway_pb2.GetJobResponse(job=job, params=self.params if request.include_params else "")

    async def UpdateJob(self, request, context):
        await self._begin(request, context)
        job = await self._find(request.job_id, context)
        for name in request.update_mask.paths:
            if name == "name":
                job.name = request.name
        return gateway_pb2.UpdateJobResponse(job=job)

    async def DeleteJob(self, request, context):
        await self._begin(request, context)
        job = await self._find(request.job_id, context)
        if job.state == jobs_pb2.JOB_STATE_RUNNING and not request.force:
            await fail(context, FailedPreconditionError("it has not ended", reason="JOB_NOT_ENDED"))
        self.jobs.remove(job)
        return gateway_pb2.DeleteJobResponse()

    async def _find(self, job_id, context):
        for job in self.jobs:
            if job.job_id == job_id:
                return job
        return await fail(context, NotFoundError("there is no job with this id"))

    async def ListJobs(self, request, context):
        await self._begin(request, context)
        jobs = [
            job
            for job in self.jobs
            if (not request.states or job.state in request.states)
            and (not request.kind or job.kind == request.kind)
        ]
        page, token = self._page(jobs, request.page_token)
        return gateway_pb2.ListJobsResponse(jobs=page, next_page_token=token)

    async def WatchJob(self, request, context):
        await self._begin(request, context)
        script = (
            self.streams.pop(0)
            if self.streams
            else StreamScript([], NotFoundError("there is no job with this id"))
        )
        try:
            for message in script.messages:
                yield message
            if script.gate is not None:
                await context.send_initial_metadata(())
                self.held.set()
                await script.gate.wait()
            if script.hold:
                self.held.set()
                await asyncio.Event().wait()
        except (asyncio.CancelledError, GeneratorExit):  # the latter if it was cancelled while sending
            self.watch_cancelled.set()
            raise
        if script.end is not None:
            await fail(context, script.end)

    async def WatchJobs(self, request, context):
        await self._begin(request, context)
        script = self.job_streams.pop(0) if self.job_streams else StreamScript([], hold=True)
        try:
            for message in script.messages:
                yield message
            if script.hold:
                self.held.set()
                await asyncio.Event().wait()
        except (asyncio.CancelledError, GeneratorExit):
            self.watch_cancelled.set()
            raise
        if script.end is not None:
            await fail(context, script.end)

    async def AppendItems(self, requests, context):
        script = self.append_streams.pop(0) if self.append_streams else AppendScript()
        try:
            upload = await self._open_upload(requests, context)
            count = len(upload.items) if script.stored_count is None else script.stored_count
            yield gateway_pb2.AppendItemsResponse(stored_count=count, job=upload.job)
            message_count = 0
            while True:
                if message_count == script.after and script.end is not None:
                    await fail(context, script.end)
                if script.gate is not None:
                    await script.gate.wait()
                request = await anext(requests, None)
                if request is None:
                    return
                answer = await self._append(upload, request, context)
                message_count += 1
                if not script.lose_answers:
                    yield answer
                if answer.HasField("job") and not script.lose_answers:
                    return
        finally:
            self.append_ended.set()

    async def _open_upload(self, requests, context):
        first = await anext(requests, None)
        if first is None or not first.job_id or first.items or first.HasField("finish"):
            await fail(context, InvalidArgumentError("the first request names the job and nothing else"))
        await self._begin(first, context)
        if first.job_id not in self.uploads:
            await fail(context, NotFoundError("there is no job with this id"))
        return self.uploads[first.job_id]

    async def _append(self, upload, request, context):
        self.requests.append(request)
        if request.job_id:
            await fail(context, InvalidArgumentError("only the first request names the job"))
        try:
            upload.append(request)
        except HeadraceError as error:
            await fail(context, error)
        if request.items:
            self.arrived.set()
        job = upload.job if request.HasField("finish") else None
        return gateway_pb2.AppendItemsResponse(stored_count=len(upload.items), job=job)

    async def StreamResults(self, request, context):
        await self._begin(request, context)
        if not self.result_streams:
            await fail(context, NotFoundError("there is no job with this id"))
        script = self.result_streams.pop(0)
        place = int(request.cursor.removeprefix("cursor-") or 0)
        try:
            while place < script.until:
                end = min(place + self.page_size, script.until)
                page = [result for _seq, result in self.recorded[place:end]]
                wanted = [r for r in page if not request.item_state or r.state == request.item_state]
                yield gateway_pb2.StreamResultsResponse(results=wanted, cursor=f"cursor-{end}")
                self.sent_count += len(wanted)
                place = end
            if script.hold:
                self.held.set()
                await asyncio.Event().wait()
        except (asyncio.CancelledError, GeneratorExit):
            self.watch_cancelled.set()
            raise
        if script.end is not None:
            await fail(context, script.end)
        if script.job is not None:
            yield gateway_pb2.StreamResultsResponse(cursor=f"cursor-{place}", job=script.job)

    async def GetResults(self, request, context):
        await self._begin(request, context)
        results = [
            result
            for _seq, result in self.recorded
            if not request.item_state or result.state == request.item_state
        ]
        page, token = self._page(sorted(results, key=lambda r: r.item_index), request.page_token)
        return gateway_pb2.GetResultsResponse(results=page, next_page_token=token)

    async def GetItems(self, request, context):
        await self._begin(request, context)
        wanted = [
            item
            for item in self.items
            if not (request.item_indexes or request.item_keys)
            or item.item_index in request.item_indexes
            or item.item_key in request.item_keys
        ]
        page, token = self._page(wanted, request.page_token)
        return gateway_pb2.GetItemsResponse(items=page, next_page_token=token)

    async def GetFailures(self, request, context):
        await self._begin(request, context)
        groups: dict[str, jobs_pb2.FailureGroup] = {}
        for _seq, result in self.recorded:
            if result.HasField("error"):
                group = groups.setdefault(
                    result.error.reason,
                    jobs_pb2.FailureGroup(
                        reason=result.error.reason,
                        first_item_index=result.item_index,
                        first_message=result.error.message,
                        first_detail=result.error.detail,
                    ),
                )
                group.item_count += 1
        ordered = sorted(groups.values(), key=lambda group: -group.item_count)
        return gateway_pb2.GetFailuresResponse(groups=ordered)

    def _page(self, rows, token: str):
        start = int(token or 0)
        end = start + self.page_size
        return rows[start:end], str(end) if end < len(rows) else ""

    async def CancelJob(self, request, context):
        await self._begin(request, context)
        job = await self._find(request.job_id, context)
        job.state = jobs_pb2.JOB_STATE_CANCELLING
        return gateway_pb2.CancelJobResponse(job=job)

    async def PauseJob(self, request, context):
        await self._begin(request, context)
        job = await self._find(request.job_id, context)
        job.state, job.pause_reason = jobs_pb2.JOB_STATE_PAUSED, jobs_pb2.PAUSE_REASON_USER
        return gateway_pb2.PauseJobResponse(job=job)

    async def ResumeJob(self, request, context):
        await self._begin(request, context)
        job = await self._find(request.job_id, context)
        job.state, job.pause_reason = jobs_pb2.JOB_STATE_RUNNING, 0
        return gateway_pb2.ResumeJobResponse(job=job)

    async def RetryJob(self, request, context):
        await self._begin(request, context)
        job = await self._find(request.job_id, context)
        job.state = jobs_pb2.JOB_STATE_PENDING
        return gateway_pb2.RetryJobResponse(job=job)

    async def ListJobEvents(self, request, context):
        await self._begin(request, context)
        await self._find(request.job_id, context)
        page, token = self._page(self.events, request.page_token)
        return gateway_pb2.ListJobEventsResponse(events=page, next_page_token=token)

    async def GetUsage(self, request, context):
        await self._begin(request, context)
        return self.usage

    async def ListKinds(self, request, context):
        await self._begin(request, context)
        if self.version:
            context.set_trailing_metadata((("headrace-version", self.version),))
        return gateway_pb2.ListKindsResponse(kinds=self.kinds)

    async def ListWorkers(self, request, context):
        await self._begin(request, context)
        return gateway_pb2.ListWorkersResponse(workers=self.workers)


_STREAM_REQUESTS = (
    gateway_pb2.WatchJobRequest,
    gateway_pb2.WatchJobsRequest,
    gateway_pb2.AppendItemsRequest,
    gateway_pb2.StreamResultsRequest,
)


async def fail(context, how: HeadraceError | grpc.StatusCode):
    """Ends a call with a Headrace error, or with a bare code like a broken transport."""
    if isinstance(how, HeadraceError):
        await context.abort_with_status(rpc_status.to_status(to_status(how)))
    await context.abort(how, "the transport broke")


@asynccontextmanager
async def serving(gateway: FakeGateway, address: str = "127.0.0.1:0") -> AsyncIterator[grpc.aio.Server]:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    gateway_pb2_grpc.add_GatewayServiceServicer_to_server(gateway, server)
    port = server.add_insecure_port(address)
    gateway.target = f"127.0.0.1:{port}"
    await server.start()
    try:
        yield server
    finally:
        await server.stop(None)


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    fake = FakeGateway()
    async with serving(fake):
        yield fake


@pytest.fixture
async def sync_client(gateway):
    client = SyncClient(gateway.target)
    yield client
    await asyncio.to_thread(client.close)


@pytest.fixture
async def client(gateway: FakeGateway) -> AsyncIterator[Client]:
    async with Client(gateway.target) as client:
        yield client


@pytest.fixture
def new_gateway() -> Callable[[], FakeGateway]:
    return FakeGateway


@pytest.fixture
def serve():
    """Serves a fake gateway as an async context manager, at a given address if a test needs it."""
    return serving


@pytest.fixture
def make_job():
    return job_message


@pytest.fixture
def make_result():
    return result_message


@pytest.fixture
def job_id() -> str:
    return JOB_ID


class CommandLine:
    """The real console script, in its own process, calling the gateway of the test."""

    def __init__(self, target: str) -> None:
        self.env = {**os.environ, "HEADRACE_TARGET": target}

    async def start(self, *args: str, **options) -> asyncio.subprocess.Process:
        script = Path(sys.executable).with_name("headrace")
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), asyncio.subprocess.PIPE)
        return await asyncio.create_subprocess_exec(str(script), *args, env=self.env, **{**pipes, **options})

    async def run(self, *args: str, stdin: str | bytes = b"") -> "Finished":
        process = await self.start(*args)
        data = stdin if isinstance(stdin, bytes) else stdin.encode()
        out, err = await asyncio.wait_for(process.communicate(data), 60)
        return Finished(process.returncode, out.decode(), err.decode())


@dataclass
class Finished:
    code: int
    out: str
    err: str

    @property
    def objects(self) -> list:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def cli(gateway: FakeGateway) -> CommandLine:
    return CommandLine(gateway.target)
