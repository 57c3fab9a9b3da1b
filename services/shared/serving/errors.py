"""Turns exceptions of handlers, and requests that cannot be read, into rich statuses."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine
from typing import Any

import grpc
from grpc_status import rpc_status

from headrace.errors import HeadraceError, InternalError, InvalidArgumentError, to_status
from services.shared.logging import fault_fields, get_logger
from services.shared.rpc_handlers import Context, Continuation, Stream, Unary, wrap_handler

log = get_logger(__name__)

Deserializer = Callable[[bytes], Any]

# Stands for a request that is not a message of its type.
_UNREADABLE = object()


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Turns exceptions of handlers into rich statuses.

    A HeadraceError keeps its code, reason and field violations. A request that is not a message of its type
    is answered INVALID_ARGUMENT. Any other exception is logged with its traceback and answered INTERNAL. Its
    text is left out of both, because it may repeat the content of an item.
    """

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """Returns the handler, wrapped."""
        method = handler_call_details.method
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        streams_requests = handler.request_streaming
        return wrap_handler(
            handler._replace(request_deserializer=_mark_unreadable(handler.request_deserializer)),
            lambda behaviour: _guard_unary(behaviour, method, streams_requests),
            lambda behaviour: _guard_stream(behaviour, method, streams_requests),
        )


def _mark_unreadable(deserialize: Deserializer | None) -> Deserializer | None:
    """Wraps a deserializer. grpc.aio answers its exceptions UNKNOWN, with Python's words."""
    if deserialize is None:
        return None

    def read(data: bytes) -> Any:
        try:
            return deserialize(data)
        except Exception:  # whatever the parser raises, the request is at fault
            return _UNREADABLE

    return read


def _readable(request: Any, method: str, streams_requests: bool) -> Any:
    """Returns a request, or a stream that raises at the first request that cannot be read."""
    if streams_requests:
        return _ReadableRequests(request, method)
    if request is _UNREADABLE:
        raise _unreadable_error(method)
    return request


class _ReadableRequests:
    def __init__(self, requests: AsyncIterable[Any], method: str) -> None:
        self._requests = requests
        self._method = method

    def __aiter__(self) -> "_ReadableRequests":
        return self

    async def __anext__(self) -> Any:
        request = await anext(aiter(self._requests))  # grpc.aio returns the same iterator each time
        if request is _UNREADABLE:
            raise _unreadable_error(self._method)
        return request


def _unreadable_error(method: str) -> HeadraceError:
    name = method.rpartition("/")[2]
    return InvalidArgumentError(
        f"the request is not a valid {name}Request: it is not protobuf, or a string in it is not UTF-8"
    )


def _guard_unary(behaviour: Unary, method: str, streams_requests: bool) -> Unary:
    async def guarded(request: Any, context: Context) -> Any:
        try:
            return await behaviour(_readable(request, method, streams_requests), context)
        except Exception as error:
            await _end_with_status(error, context, method)

    return guarded


def _guard_stream(behaviour: Stream, method: str, streams_requests: bool) -> Stream:
    async def guarded(request: Any, context: Context) -> AsyncIterator[Any]:
        try:
            responses = behaviour(_readable(request, method, streams_requests), context)
            if isinstance(responses, Coroutine):  # it writes to the context directly, as Health.Watch does
                await responses
                return
            async for response in responses:
                yield response
        except Exception as error:
            await _end_with_status(error, context, method)

    return guarded


async def _end_with_status(error: Exception, context: Context, method: str) -> None:
    if isinstance(error, (grpc.aio.AbortError, grpc.aio.UsageError)):
        raise error
    if not isinstance(error, HeadraceError):
        log.error("call_failed", method=method, **fault_fields(error))
        error = InternalError("internal error; the server's log has the details")
    status = rpc_status.to_status(to_status(error))
    await context.abort_with_status(status)
