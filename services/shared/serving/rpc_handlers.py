"""Wraps the handlers of calls. gRPC's four kinds become two: unary and streaming responses."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

Context = grpc.aio.ServicerContext[Any, Any]
Unary = Callable[[Any, Context], Awaitable[Any]]
Stream = Callable[[Any, Context], AsyncIterator[Any]]
Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Any]]


def wrap_handler(handler: Any, unary: Callable[[Unary], Unary], stream: Callable[[Stream], Stream]) -> Any:
    """Returns a handler with its behaviour wrapped. None, which stands for an unknown method, stays None.

    Args:
        handler: Result of an interceptor's continuation.
        unary: Wraps a behaviour with one response, which must be ``async def``.
        stream: Wraps a behaviour with a stream of responses, which must be an async generator.
    """
    if handler is None:
        return None
    if handler.unary_unary:
        return handler._replace(unary_unary=unary(handler.unary_unary))
    if handler.unary_stream:
        return handler._replace(unary_stream=stream(handler.unary_stream))
    if handler.stream_unary:
        return handler._replace(stream_unary=unary(handler.stream_unary))
    return handler._replace(stream_stream=stream(handler.stream_stream))
