"""A gateway of its own for each test, scripted by the test: answers, errors, breaks."""

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

from headrace import Client
from headrace.errors import HeadraceError, NotFoundError, to_status
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


def result_message(index: int, output: str = '{"label":"a"}', error: str = "") -> jobs_pb2.Result:
    result = jobs_pb2.Result(item_index=index, try_count=1, finish_time=Timestamp(seconds=1_800_000_000))
    if error:
        result.state = jobs_pb2.ITEM_STATE_FAILED
        result.error.CopyFrom(jobs_pb2.Error(reason=error, message="it went wrong"))
    else:
        result.state = jobs_pb2.ITEM_STATE_SUCCEEDED
        result.output = output
    return result


@dataclass
class StreamScript:
    """One WatchJob call: what is sent, and how it ends."""

    messages: list[gateway_pb2.WatchJobResponse]
    end: HeadraceError | grpc.StatusCode | None = None
    hold: bool = False  # never ends by itself
    gate: asyncio.Event | None = None  # to wait for before the end


@dataclass
class FakeGateway(gateway_pb2_grpc.GatewayServiceServicer):
    """Does what the test wrote into its fields, and remembers what it was asked."""

    requests: list = field(default_factory=list)
    metadata: list = field(default_factory=list)
    failures: list[HeadraceError | grpc.StatusCode] = field(default_factory=list)  # of the next unary calls
    jobs: list[jobs_pb2.Job] = field(default_factory=list)
    recorded: list[tuple[int, jobs_pb2.Result]] = field(default_factory=list)  # (seq, result)
    kinds: list[jobs_pb2.Kind] = field(default_factory=list)
    workers: list[jobs_pb2.Worker] = field(default_factory=list)
    streams: list[StreamScript] = field(default_factory=list)
    page_size: int = 2
    watch_cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    target: str = ""

    def script(self, *messages, end=None, hold=False, gate=None) -> None:
        """The next WatchJob call sends these jobs (or responses) and then ends so."""
        responses = [
            m
            if isinstance(m, gateway_pb2.WatchJobResponse)
            else gateway_pb2.WatchJobResponse(job=m, resume_token=f"token-{m.seq}")
            for m in messages
        ]
        self.streams.append(StreamScript(responses, end, hold, gate))

    def requests_of(self, kind: type) -> list:
        return [request for request in self.requests if isinstance(request, kind)]

    async def _begin(self, request, context) -> None:
        copy = type(request)()
        copy.CopyFrom(request)
        self.requests.append(copy)
        self.metadata.append(dict(context.invocation_metadata()))
        if self.failures and not isinstance(request, gateway_pb2.WatchJobRequest):
            await fail(context, self.failures.pop(0))

    async def SubmitJob(self, request, context):
        await self._begin(request, context)
        for old in self.requests_of(gateway_pb2.SubmitJobRequest)[:-1]:
            if old.request_id == request.request_id and self.jobs:
                return gateway_pb2.SubmitJobResponse(job=self.jobs[0])
        job = job_message(state="PENDING", total=len(request.items), kind=request.kind, job_id=JOB_ID)
        self.jobs.insert(0, job)
        return gateway_pb2.SubmitJobResponse(job=job)

    async def GetJob(self, request, context):
        await self._begin(request, context)
        return gateway_pb2.GetJobResponse(job=await self._find(request.job_id, context))

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
        except (asyncio.CancelledError, GeneratorExit):  # the latter where it was cancelled while sending
            self.watch_cancelled.set()
            raise
        if script.end is not None:
            await fail(context, script.end)

    async def GetResults(self, request, context):
        await self._begin(request, context)
        results = [
            result
            for seq, result in self.recorded
            if seq > request.after_seq
            and (not request.up_to_seq or seq <= request.up_to_seq)
            and (not request.item_state or result.state == request.item_state)
        ]
        page, token = self._page(sorted(results, key=lambda r: r.item_index), request.page_token)
        return gateway_pb2.GetResultsResponse(results=page, next_page_token=token)

    def _page(self, rows, token: str):
        start = int(token or 0)
        end = start + self.page_size
        return rows[start:end], str(end) if end < len(rows) else ""

    async def CancelJob(self, request, context):
        await self._begin(request, context)
        job = await self._find(request.job_id, context)
        job.state = jobs_pb2.JOB_STATE_CANCELLING
        return gateway_pb2.CancelJobResponse(job=job)

    async def ListKinds(self, request, context):
        await self._begin(request, context)
        return gateway_pb2.ListKindsResponse(kinds=self.kinds)

    async def ListWorkers(self, request, context):
        await self._begin(request, context)
        return gateway_pb2.ListWorkersResponse(workers=self.workers)


async def fail(context, how: HeadraceError | grpc.StatusCode):
    """Ends a call with an error of Headrace, or with a bare code as a broken transport does."""
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
async def client(gateway: FakeGateway) -> AsyncIterator[Client]:
    async with Client(gateway.target) as client:
        yield client


@pytest.fixture
def new_gateway() -> Callable[[], FakeGateway]:
    return FakeGateway


@pytest.fixture
def serve():
    """Serves a fake gateway, as an async context manager; at a given address where a test needs it."""
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
    """The real console script, started as a process of its own against the test's gateway."""

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
