"""Wrapping the handlers of calls: the four kinds that gRPC has are two, by how they answer."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

Context = grpc.aio.ServicerContext[Any, Any]
Unary = Callable[[Any, Context], Awaitable[Any]]
Stream = Callable[[Any, Context], AsyncIterator[Any]]
Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Any]]


def wrap_handler(handler: Any, unary: Callable[[Unary], Unary], stream: Callable[[Stream], Stream]) -> Any:
    """Returns a handler whose behaviour is wrapped; None, for a method that is not there, stays None.

    Args:
        handler: What an interceptor's continuation gave.
        unary: Wraps the behaviour of one that answers once; it has to be ``async def``.
        stream: Wraps the behaviour of one that answers with a stream; it has to be an async generator.
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
