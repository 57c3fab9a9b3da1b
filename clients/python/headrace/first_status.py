"""The status that a server ended a call with, however the call looks afterwards."""

from collections.abc import Coroutine
from typing import Any, TypeVar

import grpc

T = TypeVar("T")


class FirstStatus:
    """Remembers the first status of a call that is written to while it is read.

    A write that fails because the server has ended the call makes grpc.aio replace the server's status by an
    INTERNAL of its own. Only the callback that tells of the end comes before that.

    Args:
        call: Just started.

    Attributes:
        error: What the server ended the call with; None while it goes on, and where it ended well.
    """

    def __init__(self, call: "grpc.aio.StreamStreamCall[Any, Any]") -> None:
        self.error: grpc.aio.AioRpcError | None = None
        call.add_done_callback(self._remember)

    def _remember(self, call: "grpc.aio.StreamStreamCall[Any, Any]") -> None:
        code = _value_of(call.code())
        if code is not grpc.StatusCode.OK:
            self.error = grpc.aio.AioRpcError(
                code,
                initial_metadata=grpc.aio.Metadata(),
                trailing_metadata=_value_of(call.trailing_metadata()),
                details=_value_of(call.details()),
            )


def _value_of(coroutine: Coroutine[Any, Any, T]) -> T:
    """Returns what a coroutine returns that has nothing to wait for: a call that is done knows its status."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    coroutine.close()
    raise RuntimeError("a call that is done has no status")
