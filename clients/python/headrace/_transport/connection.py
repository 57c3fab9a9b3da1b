"""The connection of a client to gateways: channel, tenant, and repeated calls."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import grpc

from headrace._transport.backoff import Backoff
from headrace.errors import (
    CancelledError,
    FieldViolation,
    HeadraceError,
    InvalidArgumentError,
    from_rpc_error,
)
from headrace.gateway.v1 import gateway_pb2_grpc
from headrace.reasons import ErrorReason

if TYPE_CHECKING:
    from headrace.gateway.v1.gateway_pb2_grpc import GatewayServiceAsyncStub

Request = TypeVar("Request")
Response = TypeVar("Response")

_TRANSIENT_CODES = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED})
_TRANSIENT_TRANSPORT_CODES = frozenset({grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN})

_CHANNEL_OPTIONS = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    # Time to establish a connection, not a pause: TLS to a distant host takes several round trips.
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.service_config", '{"loadBalancingConfig":[{"round_robin":{}}]}'),
)
# Somebody must mend the storage first, so the caller hears of it at once.
_LASTING_REASONS = frozenset({ErrorReason.CLIENT_CLOSED, ErrorReason.STORAGE_FAILED})


def is_passing(error: HeadraceError) -> bool:
    """Returns whether a failed call may succeed when it is repeated.

    That includes CANCELLED: a server that stops, or drops a burst of calls, answers with it. A cancellation
    by this client never gets here. INTERNAL and UNKNOWN that no server sent come from a broken transport.
    """
    if error.reason in _LASTING_REASONS:
        return False
    if error.code in _TRANSIENT_CODES:
        return True
    return error.code in _TRANSIENT_TRANSPORT_CODES and not error.answered


def _fits_in_metadata(tenant: object) -> bool:
    return isinstance(tenant, str) and tenant.isascii() and tenant.isprintable()


class GatewayConnection:
    """A channel to gateways, opened at the first call.

    Args:
        target: ``host:port`` or any gRPC name, such as ``dns:///gateway:50051``.
        tenant: Tenant to send with every call. None: not sent.
        timeout: Seconds for a call with all its repeats.
        connect_timeout: Seconds for a call with all its repeats before the first response of any gateway.
        resume_timeout: Seconds for the repeats of a stream, from the last message received.
    """

    def __init__(
        self,
        target: str,
        tenant: str | None,
        timeout: float,
        connect_timeout: float,
        resume_timeout: float,
    ) -> None:
        if tenant is not None and not _fits_in_metadata(tenant):
            violation = FieldViolation("tenant", "must consist of a-z, 0-9, '-', '_' and '.'")
            raise InvalidArgumentError("tenant: the name is not allowed", violations=[violation])
        self.target = target
        self.metadata = [("headrace-tenant", tenant)] if tenant else []
        self.timeout = timeout
        self.connect_timeout = min(connect_timeout, timeout)
        self.resume_timeout = resume_timeout
        self._was_reached = False
        self._is_closed = False
        self._channel: grpc.aio.Channel | None = None
        self._stub: GatewayServiceAsyncStub | None = None

    @property
    def stub(self) -> "GatewayServiceAsyncStub":
        """Stub of the API on this connection's channel.

        Raises:
            CancelledError: The connection was closed (CLIENT_CLOSED).
        """
        if self._is_closed:
            raise CancelledError("the client was closed", reason=ErrorReason.CLIENT_CLOSED)
        if self._stub is None:
            self._channel = grpc.aio.insecure_channel(self.target, options=_CHANNEL_OPTIONS)
            self._stub = gateway_pb2_grpc.GatewayServiceStub(self._channel)
        return self._stub

    async def close(self) -> None:
        """Cancels calls under way and closes the channel."""
        self._is_closed = True
        if self._channel is not None:
            await self._channel.close(None)

    def note_answer(self) -> None:
        """Remembers that a gateway answered, so that later calls wait for ``timeout``."""
        self._was_reached = True

    def patience(self, timeout: float) -> float:
        """Returns the seconds to repeat a call for: the timeout, or less before any gateway answered."""
        return timeout if self._was_reached else min(timeout, self.connect_timeout)

    @contextmanager
    def errors_of_calls(self) -> Iterator[None]:
        """Turns gRPC errors of a call in its body into HeadraceErrors."""
        try:
            yield
        except grpc.aio.AioRpcError as rpc_error:
            error = from_rpc_error(rpc_error)
            if error.answered:
                self.note_answer()
            raise error from rpc_error
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._is_closed and task is not None and not task.cancelling():
                raise CancelledError("the client was closed", reason=ErrorReason.CLIENT_CLOSED) from None
            raise

    async def call(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[Request, Response]",
        request: Request,
        timeout: float | None = None,
    ) -> Response:
        """Returns the response to a call, which is repeated while the gateway is unavailable.

        Args:
            method: Method of ``stub`` that is safe to repeat.
            request: Request to send.
            timeout: Seconds for all attempts together. Default: the timeout of the connection.

        Raises:
            HeadraceError: The gateway answered with an error, or none answered in time.
        """
        limit = self.timeout if timeout is None else timeout
        backoff = Backoff()
        while True:
            try:
                with self.errors_of_calls():
                    left = max(limit - backoff.elapsed, 0.001)
                    response = await method(request, timeout=left, metadata=self.metadata)
            except HeadraceError as error:
                if not is_passing(error) or not await backoff.wait(self.patience(limit)):
                    raise
            else:
                self.note_answer()
                return response
