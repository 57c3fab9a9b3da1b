"""Turns exceptions of handlers, and requests that cannot be read, into rich statuses."""

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import grpc
from grpc_status import rpc_status

from headrace.errors import HeadraceError, InternalError, InvalidArgumentError, to_status
from services.shared.logging import fault_fields, get_logger
from services.shared.serving.receiving import Receiving
from services.shared.serving.rpc_handlers import Context, Continuation, Stream, Unary

log = get_logger(__name__)

Deserializer = Callable[[bytes], Any]

# Stands for a request that is not a message of its type.
_UNREADABLE = object()


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Turns exceptions of handlers into rich statuses.

    A HeadraceError keeps its code, reason and field violations. A request that is not a message of its type
    is answered INVALID_ARGUMENT. Any other exception is logged with its traceback and answered INTERNAL. Its
    text is left out of both, because it may repeat the content of an item.

    Args:
        receiving: Receives the requests.
    """

    def __init__(self, receiving: Receiving) -> None:
        self._receiving = receiving
        self._requests: dict[str, _Requests] = {}  # by path of a method that the server has

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """Returns the handler, wrapped."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        method = handler_call_details.method
        requests = self._requests.get(method)
        if requests is None:
            requests = self._requests[method] = _Requests(self._receiving, method, handler)
        return _guard_handler(handler, requests)


def _guard_handler(handler: Any, requests: "_Requests") -> Any:
    """Returns a handler that reads all its requests from the context, whatever its kind.

    grpc.aio waits forever for the request of a unary call, and never answers a call that ended without one.
    """
    if handler.response_streaming:
        stream = _guard_stream(handler.unary_stream or handler.stream_stream, requests)
        return grpc.stream_stream_rpc_method_handler(
            stream, requests.deserialize, handler.response_serializer
        )
    unary = _guard_unary(handler.unary_unary or handler.stream_unary, requests)
    return grpc.stream_unary_rpc_method_handler(unary, requests.deserialize, handler.response_serializer)


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


class _Requests:
    """The requests of one method.

    Args:
        receiving: Receives the requests.
        method: Path of the method.
        handler: Its handler.
    """

    def __init__(self, receiving: Receiving, method: str, handler: Any) -> None:
        self._receiving = receiving
        self._name = method.rpartition("/")[2] + "Request"
        self._streamed = bool(handler.request_streaming)
        self.method = method
        self.deserialize = _mark_unreadable(handler.request_deserializer)

    async def of(self, call: Any, context: Context) -> Any:
        """Returns what the behaviour of the method receives: a request, or a stream of requests."""
        if self._streamed:
            return _RequestStream(call, self)
        request = await self._receiving.read(context)
        if request is grpc.aio.EOF:
            raise InvalidArgumentError(f"the call has no request; send a {self._name}")
        return self._check(request)

    async def next(self, call: Any) -> Any:
        """Returns the next request of a stream."""
        return self._check(await self._receiving.next(aiter(call)))  # the same iterator each time

    def _check(self, request: Any) -> Any:
        if request is _UNREADABLE:
            raise InvalidArgumentError(
                f"the request is not a valid {self._name}: it is not protobuf, or a string in it is not UTF-8"
            )
        return request


class _RequestStream:
    def __init__(self, call: Any, requests: _Requests) -> None:
        self._call = call
        self._requests = requests

    def __aiter__(self) -> "_RequestStream":
        return self

    async def __anext__(self) -> Any:
        return await self._requests.next(self._call)


def _guard_unary(behaviour: Unary, requests: _Requests) -> Unary:
    async def guarded(call: Any, context: Context) -> Any:
        try:
            return await behaviour(await requests.of(call, context), context)
        except Exception as error:
            await _end_with_status(error, context, requests.method)

    return guarded


def _guard_stream(behaviour: Stream, requests: _Requests) -> Stream:
    async def guarded(call: Any, context: Context) -> AsyncIterator[Any]:
        try:
            responses = behaviour(await requests.of(call, context), context)
            if isinstance(responses, Coroutine):  # it writes to the context directly, as Health.Watch does
                await responses
                return
            async for response in responses:
                yield response
        except Exception as error:
            await _end_with_status(error, context, requests.method)

    return guarded


async def _end_with_status(error: Exception, context: Context, method: str) -> None:
    if isinstance(error, (grpc.aio.AbortError, grpc.aio.UsageError)):
        raise error
    if not isinstance(error, HeadraceError):
        log.error("call_failed", method=method, **fault_fields(error))
        error = InternalError("internal error; the server's log has the details")
    status = rpc_status.to_status(to_status(error))
    await context.abort_with_status(status)
