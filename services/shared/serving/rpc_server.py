"""Builds the gRPC servers of Headrace: options, interceptors, health and reflection."""

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health
from grpc_reflection.v1alpha import reflection

from headrace.errors import HeadraceError
from services.shared.serving.draining import DrainInterceptor, server_stopping
from services.shared.serving.errors import ErrorInterceptor
from services.shared.serving.guarded_server import GuardedServer
from services.shared.serving.handlers import ServiceHandlers
from services.shared.serving.limits import limits_of_clients
from services.shared.serving.port import Port
from services.shared.serving.receiving import Receiving
from services.shared.serving.rpc_metrics import MetricsInterceptor
from services.shared.tracing import TraceInterceptor

MB = 1024 * 1024
PUBLIC_MESSAGE_BYTES = 4 * MB
INTERNAL_MESSAGE_BYTES = 16 * MB

# Health service that is SERVING as long as the loop of the process runs, for liveness probes.
LIVENESS = "liveness"
# Age of a connection after which callers open a new one, and find new servers. Calls and streams on the old
# one run on without a limit, because no grace is set.
CONNECTION_AGE_SECONDS = 300.0

# A connection that has silently died is found after a ping and its timeout: 25 s. Both ends ping.
PING_SECONDS = 15.0
PING_TIMEOUT_SECONDS = 10.0
# A client that pings more often is disconnected with "too_many_pings".
MIN_PING_SECONDS = 10.0
KEEPALIVE_OPTIONS = (
    ("grpc.keepalive_time_ms", int(PING_SECONDS * 1000)),
    ("grpc.keepalive_timeout_ms", int(PING_TIMEOUT_SECONDS * 1000)),
    # Without it, gRPC waits 60 s for the answer to a ping, whatever the timeout of keepalive.
    ("grpc.http2.ping_timeout_ms", int(PING_TIMEOUT_SECONDS * 1000)),
    ("grpc.keepalive_permit_without_calls", 1),
    # By default, gRPC hardly pings a connection that carries no data: after two pings, once a minute.
    ("grpc.http2.max_pings_without_data", 0),
)


class RpcServer:
    """A gRPC server with health and reflection.

    Args:
        listen: ``host:port``. Port 0 picks a free one.
        max_message_bytes: Maximum size of a message received or sent.
        begins_traces: Whether a call without a trace starts one. Calls between services belong to no trace,
            or to that of their caller.
        stopping: Returns the error of calls that are refused or cancelled while the server stops.

    Attributes:
        server: Handlers of the services. Generated code adds them here.
    """

    def __init__(
        self,
        listen: str,
        max_message_bytes: int,
        *,
        begins_traces: bool = False,
        stopping: Callable[[], HeadraceError] = server_stopping,
    ) -> None:
        self._listen = listen
        self._calls = DrainInterceptor(stopping)
        self._receiving = Receiving()
        self._supervision: asyncio.Task[None] | None = None
        # In this order, metrics see the statuses of errors, and the log line of a failed call has its trace.
        self._interceptors = [
            MetricsInterceptor(),
            TraceInterceptor(begins_traces=begins_traces),
            ErrorInterceptor(self._receiving),
            self._calls,
        ]
        self._options = [
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.max_send_message_length", max_message_bytes),
            *limits_of_clients(),
            *KEEPALIVE_OPTIONS,
            ("grpc.http2.min_ping_interval_without_data_ms", int(MIN_PING_SECONDS * 1000)),
            ("grpc.so_reuseport", 0),
            ("grpc.max_connection_age_ms", int(CONNECTION_AGE_SECONDS * 1000)),
        ]
        self._handlers = ServiceHandlers()
        self.server = cast(grpc.aio.Server, self._handlers)  # generated code only adds handlers to it
        self._services: list[str] = []
        self._is_stopping = False
        self._health = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.server)
        self._port = Port(listen, self._build)

    async def start(self, services: Sequence[ServiceDescriptor], *, ready: bool = True) -> None:
        """Binds, starts, and reports the health of the services and of the whole server.

        Args:
            services: Descriptors of the services added to ``server``, for health and reflection.
            ready: Whether to report SERVING. Otherwise NOT_SERVING, until ``report_ready``.

        Raises:
            RuntimeError: The address cannot be bound.
        """
        self._services = [service.full_name for service in services]
        await self.report_ready(ready)
        await self._health.set(LIVENESS, health_pb2.HealthCheckResponse.SERVING)
        await self._port.open()
        self._supervision = asyncio.create_task(self._receiving.supervise(), name="receiving")

    def _build(self) -> grpc.aio.Server:
        server = cast(grpc.aio.Server, GuardedServer(self._interceptors, self._options))
        self._handlers.add_to(server)
        reflection.enable_server_reflection(
            [
                *self._services,
                health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
                reflection.SERVICE_NAME,
            ],
            server,
        )
        return server

    @property
    def port(self) -> int:
        """Port that was bound."""
        return self._port.number

    @property
    def target(self) -> str:
        """``host:port`` with the port that was bound."""
        return f"{self._listen.rsplit(':', 1)[0]}:{self.port}"

    async def report_ready(self, ready: bool) -> None:
        """Reports SERVING or NOT_SERVING, unless the server stops. Calls are accepted in any case."""
        if not self._is_stopping:
            await self._report(ready)

    async def report_not_serving(self) -> None:
        """Reports NOT_SERVING from now on. Calls are still accepted, and the process counts as live."""
        self._is_stopping = True
        await self._report(ready=False)

    async def _report(self, ready: bool) -> None:
        statuses = health_pb2.HealthCheckResponse
        status = statuses.SERVING if ready else statuses.NOT_SERVING
        for name in ("", *self._services):
            await self._health.set(name, status)

    def hold_calls(self, error: Callable[[], HeadraceError]) -> None:
        """Answers calls with an error until ``accept_calls``, except for those of health and reflection."""
        self._calls.hold(error)

    def accept_calls(self) -> None:
        """Accepts calls."""
        self._calls.hold(None)

    async def drain(self, grace_seconds: float) -> None:
        """Answers new calls with UNAVAILABLE, and returns once all others have ended.

        Health keeps reporting NOT_SERVING. If the process then exits with ``end_process``, no call ends with
        any other status. If the server is stopped instead, some may.

        Args:
            grace_seconds: Time for calls in flight to end. After it, they end with UNAVAILABLE as well.
        """
        await self.report_not_serving()
        await self._calls.drain(grace_seconds)

    async def stop(self, grace_seconds: float) -> None:
        """Drains and closes all connections. Calls that arrive at that very moment end with CANCELLED."""
        await self.drain(grace_seconds)
        await asyncio.shield(self.close())

    async def close(self) -> None:
        """Closes all connections at once. Calls in flight end with CANCELLED or UNAVAILABLE."""
        await self._port.close()
        if self._supervision is not None:
            self._supervision.cancel()
