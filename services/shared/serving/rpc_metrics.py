"""Metrics of the calls that this process serves: count, status code, duration and open streams."""

from collections.abc import AsyncIterator
from time import perf_counter
from typing import Any

import grpc
from prometheus_client import Counter, Gauge, Histogram

from services.shared.metrics import CALL_BUCKETS
from services.shared.serving.rpc_handlers import Context, Continuation, Stream, Unary, wrap_handler

CALLS = Counter("headrace_rpc_calls_total", "Calls that have ended.", ["method", "code"])
CALL_SECONDS = Histogram(
    "headrace_rpc_call_seconds",
    "Duration of calls with one response.",
    ["method", "code"],
    buckets=CALL_BUCKETS,
)
OPEN_STREAMS = Gauge("headrace_open_streams", "Calls in flight with a stream of responses.", ["method"])


class MetricsInterceptor(grpc.aio.ServerInterceptor):
    """Counts calls. It goes before the interceptor that turns errors into statuses, to see their codes.

    The label ``method`` is ``Service/Method``. Calls of unknown methods are not counted.
    """

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """Returns the handler, wrapped."""
        method = handler_call_details.method.rpartition(".")[2].removeprefix("/")
        return wrap_handler(
            await continuation(handler_call_details),
            lambda behaviour: _count_unary(behaviour, method),
            lambda behaviour: _count_stream(behaviour, method),
        )


def _count_unary(behaviour: Unary, method: str) -> Unary:
    async def counted(request: Any, context: Context) -> Any:
        start = perf_counter()

        def ended(servicer_context: Context) -> None:
            code = _code(servicer_context)
            CALLS.labels(method, code).inc()
            CALL_SECONDS.labels(method, code).observe(perf_counter() - start)

        context.add_done_callback(ended)  # type: ignore[arg-type]  # the stub wants a class
        return await behaviour(request, context)

    return counted


def _count_stream(behaviour: Stream, method: str) -> Stream:
    open_streams = OPEN_STREAMS.labels(method)

    async def counted(request: Any, context: Context) -> AsyncIterator[Any]:
        def ended(servicer_context: Context) -> None:
            CALLS.labels(method, _code(servicer_context)).inc()
            open_streams.dec()

        # Not at the end of the generator: if the caller is gone, garbage collection closes it later.
        context.add_done_callback(ended)  # type: ignore[arg-type]  # the stub wants a class
        open_streams.inc()
        async for response in behaviour(request, context):
            yield response

    return counted


def _code(context: Context) -> str:
    """Returns the status code of a call, or the reason that it has none."""
    code = context.code()
    if isinstance(code, grpc.StatusCode):
        return code.name
    if context.done():
        return grpc.StatusCode.OK.name
    left = context.time_remaining()
    late = left is not None and left <= 0
    return (grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED).name
