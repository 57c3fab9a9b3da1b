"""The status with which a server ended a call, also after a failed write."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import grpc

T = TypeVar("T")

_FAILED_WRITE = "Internal error from Core"
_SECONDS_BETWEEN_LOOKS = 0.01
_MAX_LOOKS = 50


class ServerStatus:
    """The status of a call that is written to while it is read.

    If a write fails because the server has ended the call, grpc.aio reports its own INTERNAL instead of the
    server's status until that arrives: before the failed write or some milliseconds after it.

    Args:
        call: Call that was just started.
    """

    def __init__(self, call: "grpc.aio.StreamStreamCall[Any, Any]") -> None:
        self._call = call
        self._error: grpc.aio.AioRpcError | None = None
        call.add_done_callback(lambda _: self._look())  # runs before a failed write can change the status

    async def error_behind(self, error: grpc.aio.AioRpcError) -> grpc.aio.AioRpcError:
        """Returns the error with which the server ended the call, or the given error if it sent none."""
        if error.details() != _FAILED_WRITE:
            return error
        for _ in range(_MAX_LOOKS):
            if self._error is not None:
                return self._error
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
            self._look()
        return error

    def _look(self) -> None:
        code, details = _value_of(self._call.code()), _value_of(self._call.details())
        if code is not grpc.StatusCode.OK and details != _FAILED_WRITE:
            trailing = _value_of(self._call.trailing_metadata())
            self._error = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, details)


def _value_of(coroutine: Coroutine[Any, Any, T]) -> T:
    """Returns the value of a coroutine that never waits: a finished call knows its status."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    coroutine.close()
    raise RuntimeError("a finished call has no status")
