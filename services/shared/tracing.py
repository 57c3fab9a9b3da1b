"""Reads the trace of a call from its metadata, for its log lines and for calls to other services.

Source: W3C Trace Context, https://www.w3.org/TR/trace-context/. No spans are recorded, so a caller's
traceparent is passed on unchanged.
"""

import contextvars
import re
import secrets
from collections.abc import AsyncIterator
from typing import Any

import grpc
import structlog

from services.shared.serving.rpc_handlers import Context, Continuation, Stream, Unary, wrap_handler

TRACEPARENT = "traceparent"

_FORM = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_traceparent = contextvars.ContextVar("traceparent", default="")


def read_traceparent(value: object) -> str:
    """Returns a traceparent of version 00. Empty if the value is not a traceparent.

    Args:
        value: Value in the metadata. Later versions may have additional fields at the end, which are dropped.
    """
    found = _FORM.fullmatch(value) if isinstance(value, str) else None
    if found is None or (found[4] is not None and found[0].startswith("00")):
        return ""
    return f"00-{found[1]}-{found[2]}-{found[3]}"


def new_traceparent() -> str:
    """Returns a traceparent with a new trace id, marked as not sampled."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"


def current_traceparent() -> str:
    """Returns the traceparent of the call being served. Empty if it has no trace."""
    return _traceparent.get()


def current_trace_id() -> str:
    """Returns the trace id of the call being served, as 32 hexadecimal digits. Empty if it has no trace."""
    return _traceparent.get()[3:35]


def detached_context() -> contextvars.Context:
    """Returns a context for a task that is started during one call and also works for others."""
    return contextvars.Context()


class TraceInterceptor(grpc.aio.ServerInterceptor):
    """Adds the trace id of a call to every log line written while it is served.

    Args:
        begins_traces: Whether a call without a valid traceparent gets a new one.
    """

    def __init__(self, *, begins_traces: bool) -> None:
        self._begins_traces = begins_traces

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """Returns the handler, wrapped if the call has a trace."""
        handler = await continuation(handler_call_details)
        metadata = dict(handler_call_details.invocation_metadata or ())
        traceparent = read_traceparent(metadata.get(TRACEPARENT))
        if not traceparent and self._begins_traces:
            traceparent = new_traceparent()
        if not traceparent:
            return handler
        return wrap_handler(
            handler,
            lambda behaviour: _trace_unary(behaviour, traceparent),
            lambda behaviour: _trace_stream(behaviour, traceparent),
        )


def _trace_unary(behaviour: Unary, traceparent: str) -> Unary:
    async def traced(request: Any, context: Context) -> Any:
        _bind(traceparent)
        return await behaviour(request, context)

    return traced


def _trace_stream(behaviour: Stream, traceparent: str) -> Stream:
    async def traced(request: Any, context: Context) -> AsyncIterator[Any]:
        _bind(traceparent)
        async for response in behaviour(request, context):
            yield response

    return traced


def _bind(traceparent: str) -> None:
    # Each call is served by a task of its own, so there is nothing to undo afterwards.
    _traceparent.set(traceparent)
    structlog.contextvars.bind_contextvars(trace_id=current_trace_id())
