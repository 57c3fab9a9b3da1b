"""The connection of a client to gateways: channel, tenant, and repeated calls."""

import asyncio
import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import grpc

from headrace._transport import forks
from headrace._transport.backoff import Backoff
from headrace._transport.channels import GatewayChannel, open_channel
from headrace._transport.proxies import find_proxy
from headrace._transport.timeouts import checked_timeout
from headrace.errors import (
    CancelledError,
    FieldViolation,
    HeadraceError,
    InvalidArgumentError,
    from_rpc_error,
)
from headrace.reasons import ErrorReason

if TYPE_CHECKING:
    from headrace.gateway.v1.gateway_pb2_grpc import GatewayServiceAsyncStub

Request = TypeVar("Request")
Response = TypeVar("Response")

_TRANSIENT_CODES = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED})
_TRANSIENT_TRANSPORT_CODES = frozenset({grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN})

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


@dataclass
class _Channels:
    """The open channels of a connection, shared by all its limits."""

    was_reached: bool = False
    was_used: bool = False
    is_closed: bool = False
    process_id: int = field(default_factory=os.getpid)
    by_loop: dict[asyncio.AbstractEventLoop, GatewayChannel] = field(default_factory=dict)


class GatewayConnection:
    """Channels to gateways, one for each event loop that makes calls, opened at its first call.

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
        self._longest_connect = connect_timeout
        self._proxy = find_proxy(target)
        self._channels = _Channels()

    def limited_to(self, timeout: float | None) -> "GatewayConnection":
        """Returns this connection with another timeout for its calls. None: the same connection.

        Raises:
            InvalidArgumentError: The timeout is not a positive number of seconds.
        """
        if timeout is None:
            return self
        limited = copy.copy(self)
        limited.timeout = checked_timeout(timeout)
        limited.connect_timeout = min(self._longest_connect, timeout)
        return limited

    @property
    def stub(self) -> "GatewayServiceAsyncStub":
        """Stub of the API on the channel of the running event loop.

        Raises:
            CancelledError: The connection was closed (CLIENT_CLOSED).
            FailedPreconditionError: The process is a fork of one that used the connection, or was forked
                while gRPC was running (CLIENT_FORKED).
        """
        return self.open().stub

    def open(self) -> GatewayChannel:
        """Returns the channel of the running event loop, with the errors of ``stub``."""
        if self._is_forked:
            raise forks.forked("the client was used before this process was forked")
        if self._channels.is_closed:
            raise CancelledError("the client was closed", reason=ErrorReason.CLIENT_CLOSED)
        return self._channels.by_loop.get(asyncio.get_running_loop()) or self._open()

    @property
    def _is_forked(self) -> bool:
        return self._channels.was_used and self._channels.process_id != os.getpid()

    def _open(self) -> GatewayChannel:
        for loop in [loop for loop in self._channels.by_loop if loop.is_closed()]:
            forks.note_closed_channel(self._channels.by_loop.pop(loop).channel)
        opened = open_channel(self.target, self._proxy)
        self._channels.process_id, self._channels.was_used = os.getpid(), True
        self._channels.by_loop[asyncio.get_running_loop()] = opened
        return opened

    async def close(self) -> None:
        """Cancels calls under way and closes the channels."""
        self._channels.is_closed = True
        if self._is_forked:
            return
        while self._channels.by_loop:
            loop, opened = self._channels.by_loop.popitem()
            if loop is asyncio.get_running_loop():
                await opened.close()
            else:
                _close_elsewhere(loop, opened)

    def note_answer(self) -> None:
        """Remembers that a gateway answered, so that later calls wait for ``timeout``."""
        self._channels.was_reached = True

    def patience(self, timeout: float) -> float:
        """Returns the seconds to repeat a call for: the timeout, or less before any gateway answered."""
        return timeout if self._channels.was_reached else min(timeout, self.connect_timeout)

    @contextmanager
    def errors_of_calls(self) -> Iterator[None]:
        """Turns gRPC errors of a call in its body into HeadraceErrors."""
        try:
            yield
        except grpc.aio.AioRpcError as rpc_error:
            error = from_rpc_error(rpc_error)
            if error.answered:
                self.note_answer()
            elif self._proxy is not None:
                error.name_cause(f"through the proxy {self._proxy.address} of {self._proxy.variable}")
            raise error from rpc_error
        except asyncio.CancelledError:
            if self._is_forked:  # asyncio finds no current task in a child
                raise forks.forked("this process was forked during the call") from None
            task = asyncio.current_task()
            if self._channels.is_closed and task is not None and not task.cancelling():
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
            InvalidArgumentError: The timeout is not a positive number of seconds.
        """
        limit = self.timeout if timeout is None else checked_timeout(timeout)
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


def _close_elsewhere(loop: asyncio.AbstractEventLoop, opened: GatewayChannel) -> None:
    """Closes the channel of another event loop, without waiting for it."""
    forks.note_closed_channel(opened.channel)
    if loop.is_running():
        with suppress(RuntimeError):  # it has just been closed
            loop.call_soon_threadsafe(lambda: loop.create_task(opened.close()))
