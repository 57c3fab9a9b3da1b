"""A real server with a service that does what a request says, and the metrics of this process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
import pytest
from prometheus_client import REGISTRY

from headrace.errors import NotFoundError
from services.shared.serving.rpc_client import open_channel
from services.shared.serving.rpc_server import INTERNAL_MESSAGE_BYTES, RpcServer
from services.shared.tracing import current_trace_id
from services.stubs.worker.v1 import worker_pb2, worker_pb2_grpc
from tests.waiting import until


class Obedient(worker_pb2_grpc.WorkerServiceServicer):
    """Does what the first field of a request says, and keeps the trace it was called in."""

    def __init__(self) -> None:
        self.trace_ids: list[str] = []
        self.entered = asyncio.Event()
        self.release = asyncio.Event()

    async def _obey(self, order: str) -> None:
        self.trace_ids.append(current_trace_id())
        self.entered.set()
        if order == "miss":
            raise NotFoundError("there is none")
        if order == "break":
            raise RuntimeError("a bug")
        if order == "wait":
            await self.release.wait()
        if order == "stay":
            await asyncio.Event().wait()

    async def CancelJob(self, request, context):
        await self._obey(request.job_id)
        return worker_pb2.CancelJobResponse()

    async def StreamProgress(self, request, context):
        while request.gateway == "flood":
            yield worker_pb2.StreamProgressResponse(incarnation="x" * 1_000_000)
            self.entered.set()
        yield worker_pb2.StreamProgressResponse()
        await self._obey(request.gateway)


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[tuple]]]:
    """Starts a server of an obedient service. Returns the service and a stub."""
    servers: list[RpcServer] = []
    channels: list[grpc.aio.Channel] = []

    async def start(**options):
        server, service = RpcServer("127.0.0.1:0", INTERNAL_MESSAGE_BYTES, **options), Obedient()
        worker_pb2_grpc.add_WorkerServiceServicer_to_server(service, server.server)
        await server.start([])
        servers.append(server)
        service.server = server
        service.channel = open_channel(server.target)
        channels.append(service.channel)
        return service, worker_pb2_grpc.WorkerServiceStub(service.channel)

    yield start
    for channel in channels:
        await channel.close(None)
    for server in servers:
        await server.stop(0)


@pytest.fixture
def sample() -> Callable[..., float]:
    """Returns the present value of a metric; 0 where nothing was counted yet."""
    return lambda name, **labels: REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.fixture(name="until")
def until_fixture() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Waits until a condition holds; fails when it does not in time."""
    return until
