"""A gateway with a real store; the tests play the worker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from types import SimpleNamespace

import grpc
import pytest

from headrace.errors import HeadraceError, from_rpc_error
from headrace.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from headrace.jobs.v1 import jobs_pb2
from services.gateway.app import GatewayApp
from services.gateway.settings import GatewaySettings
from services.results.app import ResultsApp
from services.results.database.migrations import migrate
from services.results.settings import ResultsSettings
from services.shared.queue.brokers import open_broker
from services.stubs.results.v1 import results_pb2, results_pb2_grpc

INCARNATION = "0190c4c3-0000-7000-8000-000000000001"


@pytest.fixture
async def store(tmp_path) -> AsyncIterator[SimpleNamespace]:
    """The results service on SQLite: ``target`` and ``stub``."""
    url = f"sqlite:///{tmp_path / 'headrace.db'}"
    await migrate(url)
    app = ResultsApp(ResultsSettings(listen="127.0.0.1:0", database_url=url, drain_seconds=1))
    await app.start()
    async with grpc.aio.insecure_channel(app.target) as channel:
        yield SimpleNamespace(target=app.target, stub=results_pb2_grpc.ResultsServiceStub(channel))
    await app.stop()


@pytest.fixture
async def start_gateway(store) -> AsyncIterator[Callable[..., Awaitable[SimpleNamespace]]]:
    """Starts gateways; returns ``app``, ``stub`` and ``broker`` of each."""
    async with AsyncExitStack() as stack:

        async def start(rabbitmq_url: str = "memory://", **settings) -> SimpleNamespace:
            broker = open_broker(rabbitmq_url)
            stack.push_async_callback(asyncio.to_thread, broker.close)
            app = GatewayApp(
                GatewaySettings(
                    listen="127.0.0.1:0",
                    rabbitmq_url=rabbitmq_url,
                    results_target=store.target,
                    drain_seconds=1,
                    **settings,
                ),
                broker,
            )
            await app.start()
            stack.push_async_callback(app.stop)
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(app.target))
            return SimpleNamespace(app=app, stub=gateway_pb2_grpc.GatewayServiceStub(channel), broker=broker)

        yield start


@pytest.fixture
async def gateway(start_gateway) -> SimpleNamespace:
    return await start_gateway()


@pytest.fixture
def submit() -> Callable[..., Awaitable[jobs_pb2.Job]]:
    async def submit_job(gateway, tenant: str = "default", **fields) -> jobs_pb2.Job:
        request = gateway_pb2.SubmitJobRequest(**{"kind": "noop", "items": ["1", "2", "3"], **fields})
        metadata = (("headrace-tenant", tenant),)
        return (await gateway.stub.SubmitJob(request, metadata=metadata, timeout=20)).job

    return submit_job


@pytest.fixture
def failure_of() -> Callable[[Awaitable], Awaitable[HeadraceError]]:
    async def failure(call: Awaitable) -> HeadraceError:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        return from_rpc_error(caught.value)

    return failure


@pytest.fixture
def lease(store) -> Callable[[], Awaitable[list[results_pb2.Lease]]]:
    """Leases every chunk to a worker whose port is closed."""

    async def lease_all() -> list[results_pb2.Lease]:
        await store.stub.Heartbeat(
            results_pb2.HeartbeatRequest(incarnation=INCARNATION, address="127.0.0.1:1", in_flight_limit=1000)
        )
        response = await store.stub.LeaseChunks(
            results_pb2.LeaseChunksRequest(
                job_class=jobs_pb2.JOB_CLASS_DEFAULT,
                capacity=1000,
                incarnation=INCARNATION,
                call_id="one",
            )
        )
        return list(response.leases)

    return lease_all


@pytest.fixture
def record(store) -> Callable[..., Awaitable[None]]:
    """Records a success for each item of a lease."""

    async def record_all(lease: results_pb2.Lease) -> None:
        ref = lease.ref
        items = [
            results_pb2.ItemRecord(
                item_index=item.item_index, chunk_index=ref.chunk_index, fence=ref.fence, round=lease.round,
                output=item.input, attempt_count=1,
            )
            for item in lease.items
        ]  # fmt: skip
        await store.stub.RecordResults(
            results_pb2.RecordResultsRequest(
                incarnation=INCARNATION, jobs=[results_pb2.JobRecord(job_id=ref.job_id, items=items)]
            )
        )

    return record_all
