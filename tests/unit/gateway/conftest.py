"""A real gateway on a real port, with a fake store and fake workers that tests control."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from types import SimpleNamespace

import dramatiq
import grpc
import pytest

from headrace.errors import HeadraceError, UnavailableError, from_rpc_error
from headrace.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from headrace.jobs.v1 import jobs_pb2
from services.gateway.app import GatewayApp
from services.gateway.settings import GatewaySettings
from services.shared.queue.brokers import open_broker
from services.shared.serving.rpc_server import INTERNAL_MESSAGE_BYTES, RpcServer
from services.stubs.results.v1 import results_pb2_grpc
from services.stubs.worker.v1 import worker_pb2_grpc
from tests.unit.gateway.fake_results import FakeResults
from tests.unit.gateway.fake_worker import FakeWorker


class BrokenBroker(dramatiq.brokers.stub.StubBroker):
    """An unreachable broker."""

    def __init__(self) -> None:
        super().__init__(middleware=[])
        self.refused_count = 0

    def enqueue(self, message, *, delay=None):
        self.refused_count += 1
        raise ConnectionError("amqp://user:secret@nowhere")


@pytest.fixture
async def results() -> FakeResults:
    return FakeResults()


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[RpcServer]]]:
    """Serves a fake on a free port until the end of the test."""
    servers: list[RpcServer] = []

    async def start(fake, listen: str = "127.0.0.1:0") -> RpcServer:
        server = RpcServer(listen, INTERNAL_MESSAGE_BYTES)
        if isinstance(fake, FakeResults):
            results_pb2_grpc.add_ResultsServiceServicer_to_server(fake, server.server)
        else:
            worker_pb2_grpc.add_WorkerServiceServicer_to_server(fake, server.server)
        await server.start([])
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.stop(0)


@pytest.fixture
async def start_gateway(results, serve) -> AsyncIterator[Callable[..., Awaitable[SimpleNamespace]]]:
    """Starts gateways on the fake store; returns ``app``, ``stub``, ``broker`` and ``channel`` of each."""
    async with AsyncExitStack() as stack:
        results_target = ""

        async def start(broker=None, **settings) -> SimpleNamespace:
            nonlocal results_target
            results_target = results_target or (await serve(results)).target
            broker = broker or open_broker("memory://")
            settings = {
                "listen": "127.0.0.1:0",
                "results_target": results_target,
                "gateway_resync_seconds": 0,
                **settings,
            }
            app = GatewayApp(
                GatewaySettings(rabbitmq_url="memory://", drain_seconds=1, **settings),
                broker,
            )
            await app.start()
            stack.push_async_callback(app.stop)
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(app.target))
            return SimpleNamespace(
                app=app,
                stub=gateway_pb2_grpc.GatewayServiceStub(channel),
                broker=broker,
                channel=channel,
            )

        yield start


@pytest.fixture
async def gateway(start_gateway) -> SimpleNamespace:
    return await start_gateway()


@pytest.fixture
def start_worker(results, serve) -> Callable[[], Awaitable[FakeWorker]]:
    """Starts fake workers; the store lists them as live from the next sweep."""
    numbers = itertools.count(1)

    async def start() -> FakeWorker:
        worker = FakeWorker(f"0190c4c3-0000-7000-8000-{next(numbers):012d}")
        worker.server = await serve(worker)
        worker.row = jobs_pb2.Worker(incarnation=worker.incarnation, address=worker.server.target, live=True)
        results.live_workers.append(worker.row)
        return worker

    return start


@pytest.fixture
def unavailable() -> Exception:
    return UnavailableError("the database is unavailable")


@pytest.fixture
def broken_broker() -> BrokenBroker:
    return BrokenBroker()


@pytest.fixture
def submit() -> Callable[..., Awaitable[jobs_pb2.Job]]:
    """Submits a job of kind noop with some items."""

    async def submit_job(gateway, item_count: int = 3, tenant: str = "default", **fields) -> jobs_pb2.Job:
        items = [] if fields.get("upload") else ["1"] * item_count
        request = gateway_pb2.SubmitJobRequest(**{"kind": "noop", "items": items, **fields})
        metadata = (("headrace-tenant", tenant),)
        return (await gateway.stub.SubmitJob(request, metadata=metadata, timeout=10)).job

    return submit_job


@pytest.fixture
def failure_of() -> Callable[[Awaitable], Awaitable[HeadraceError]]:
    """Returns the error of a call."""

    async def failure(call: Awaitable) -> HeadraceError:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        return from_rpc_error(caught.value)

    return failure


@pytest.fixture
def next_of() -> Callable[..., Awaitable]:
    """Returns the next message of a stream."""

    async def read(call):
        async with asyncio.timeout(10):
            response = await call.read()
        assert response is not grpc.aio.EOF
        return response

    return read


@pytest.fixture
def open_upload(submit, next_of) -> Callable[..., Awaitable[SimpleNamespace]]:
    """Submits an upload and opens its stream: ``job``, ``call``, its ``first`` response, and ``send``."""

    async def start(gateway, job: jobs_pb2.Job | None = None) -> SimpleNamespace:
        job = job or await submit(gateway, upload=True)
        call = gateway.stub.AppendItems(timeout=30)
        await call.write(gateway_pb2.AppendItemsRequest(job_id=job.job_id))
        first = await next_of(call)

        async def send(first_item_index: int = 0, *items: str, finish: int | None = None) -> None:
            end = None if finish is None else gateway_pb2.UploadFinish(total_count=finish)
            request = gateway_pb2.AppendItemsRequest(
                first_item_index=first_item_index, items=items, finish=end
            )
            await call.write(request)

        return SimpleNamespace(job=job, call=call, first=first, send=send)

    return start
