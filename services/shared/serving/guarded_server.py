"""A grpc.aio server whose accept loop survives any path of a request.

The accept loop of grpc.aio decodes the path of a call of an unknown method as UTF-8. A path that is not UTF-8
ends the loop and closes the port for good; see docs/upstream/grpc-aio-path.md.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, NoReturn

import grpc
from grpc._cython import cygrpc
from grpc.aio._server import Server

from headrace.errors import UnimplementedError
from services.shared.serving.rpc_handlers import Context

_SERVICE, _METHOD = "headrace.Unknown", "Unknown"
# Path under which interceptors and metrics see each call of a method that the server does not have.
UNKNOWN_METHOD = f"/{_SERVICE}/{_METHOD}"

Options = Sequence[tuple[str, int | str]]


class GuardedServer(Server):
    """A server that answers calls of unknown methods without decoding their path.

    Args:
        interceptors: Interceptors, the outermost first.
        options: Options of the gRPC server.
    """

    def __init__(self, interceptors: Sequence[grpc.aio.ServerInterceptor], options: Options) -> None:
        self._loop = cygrpc.get_working_loop()
        self._server = _AioServer(self._loop, None, (), tuple(interceptors), tuple(options), None)
        unknown: Any = grpc.stream_stream_rpc_method_handler(_refuse)
        self.add_registered_method_handlers(_SERVICE, {_METHOD: unknown})


class _AioServer(cygrpc.AioServer):  # type: ignore[misc]  # Cython has no types
    """Receives calls of unknown methods as calls of one registered method.

    The accept loop decodes a path only for calls that it requested without a method. It knows the name of a
    registered method. Hence the request for a call of the registered unknown method is in truth a request for
    a call of any method that is not registered, and no other such request is made.
    """

    def _make_request_call_future(self, method: bytes | None) -> "asyncio.Future[Any]":
        if method is None:
            return asyncio.get_running_loop().create_future()  # never done
        if method == UNKNOWN_METHOD.encode():
            return asyncio.get_running_loop().create_task(self._request_call())
        future: asyncio.Future[Any] = super()._make_request_call_future(method)
        return future


async def _refuse(_requests: Any, _context: Context) -> AsyncIterator[NoReturn]:
    raise UnimplementedError(
        "this server does not have the method; check the target, and that the server is as new as the client"
    )
    yield  # makes it an async generator
