"""The port of a server. If gRPC stops accepting calls, another gRPC server takes the port over."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter

import grpc
from prometheus_client import Counter

from services.shared.logging import get_logger
from services.shared.serving.port_probe import Greeting, greeting_of

log = get_logger(__name__)

PORT_LOSSES = Counter(
    "headrace_port_losses_total",
    "Times that gRPC stopped accepting calls, and the port was opened again.",
    ["cause"],
)

# Pause between two looks at the accept loop, in seconds.
CHECK_SECONDS = 0.1
# Pause between two connections that this process makes to its own port, in seconds.
PROBE_SECONDS = 1.0
# Silent connections in a row after which the port counts as lost.
MAX_SILENT_PROBES = 5
# Time for the calls on a server without a port to end, in seconds. Clients resume longer streams.
RETIRED_SECONDS = 3600.0
MAX_RETIRED = 8
_REBIND_SECONDS = 0.01
_MAX_REBIND_SECONDS = 0.5


class Port:
    """Listens on one address until it is closed.

    Args:
        listen: ``host:port``. Port 0 picks a free one.
        build: Returns a gRPC server with all handlers, not started.

    Attributes:
        number: Port that was bound. 0 before the first start.
    """

    def __init__(self, listen: str, build: Callable[[], grpc.aio.Server]) -> None:
        self._host, _, self._wanted = listen.rpartition(":")
        self._build = build
        self.number = 0
        self._server: grpc.aio.Server | None = None
        self._retired: dict[grpc.aio.Server, asyncio.Task[None]] = {}
        self._supervision: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Binds and listens.

        Raises:
            RuntimeError: The address cannot be bound.
        """
        self._server = await self._listen(int(self._wanted))
        self._supervision = asyncio.create_task(self._supervise(), name="port_supervision")

    async def close(self) -> None:
        """Closes all connections. Calls in flight end with CANCELLED."""
        if self._supervision is not None:
            self._supervision.cancel()
            await asyncio.gather(self._supervision, return_exceptions=True)
        for retired, stopping in list(self._retired.items()):
            await retired.stop(None)
            await stopping
        if self._server is not None:
            await self._server.stop(None)

    async def _listen(self, number: int) -> grpc.aio.Server:
        server = self._build()
        self.number = server.add_insecure_port(f"{self._host}:{number}")
        await server.start()
        return server

    async def _supervise(self) -> None:
        while self._server is not None:
            cause = await self._loss_of(self._server)
            start = perf_counter()
            PORT_LOSSES.labels(cause).inc()
            log.error("port_lost", listen=f"{self._host}:{self.number}", cause=cause)
            self._retire(self._server)
            self._server = await self._listen_again()
            seconds = round(perf_counter() - start, 3)
            log.warning("port_reopened", listen=f"{self._host}:{self.number}", seconds=seconds)

    async def _loss_of(self, server: grpc.aio.Server) -> str:
        """Waits until the server accepts no more calls. Returns the cause."""
        probing = asyncio.create_task(self._probe_until_lost(), name="port_probing")
        try:
            while not probing.done():
                try:
                    serves = await server.wait_for_termination(CHECK_SECONDS)
                except Exception as error:  # the one that ended the accept loop
                    return type(error).__name__
                if not serves:
                    return "stopped"
            return probing.result()
        finally:
            probing.cancel()

    async def _probe_until_lost(self) -> str:
        silent_count = 0
        while silent_count < MAX_SILENT_PROBES:
            await asyncio.sleep(PROBE_SECONDS)
            greeting = await greeting_of(self._host, self.number)
            if greeting is Greeting.REFUSED:
                return "refused"
            silent_count = silent_count + 1 if greeting is Greeting.SILENT else 0
        return "silent"

    def _retire(self, server: grpc.aio.Server) -> None:
        """Leaves the calls of a server without a port time to end. Keeps the last eight such servers."""
        while len(self._retired) >= MAX_RETIRED:
            oldest = next(iter(self._retired))
            self._end_now(oldest, self._retired.pop(oldest))
        stopping = asyncio.create_task(server.stop(RETIRED_SECONDS), name="retired_server")
        self._retired[server] = stopping
        stopping.add_done_callback(lambda _: self._retired.pop(server, None))

    @staticmethod
    def _end_now(server: grpc.aio.Server, stopping: asyncio.Task[None]) -> None:
        ending = asyncio.create_task(server.stop(None))
        stopping.add_done_callback(lambda _: ending)  # the loop holds tasks weakly

    async def _listen_again(self) -> grpc.aio.Server:
        """Returns a new server on the port, once the old one has closed it."""
        pause = _REBIND_SECONDS
        while True:
            with suppress(RuntimeError):
                if self._is_free():
                    return await self._listen(self.number)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _MAX_REBIND_SECONDS)

    def _is_free(self) -> bool:
        """Returns whether the port can be bound. A failed attempt of gRPC's own leaves parts of a server."""
        try:
            found = socket.getaddrinfo(
                self._host.strip("[]"), self.number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            for family, kind, _, _, address in found:
                with socket.socket(family, kind) as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    if family == socket.AF_INET6:
                        probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    probe.bind(address)
        except OSError:
            return False
        return True
