"""A network link between two parts, which can be cut in one direction or in both."""

import asyncio
import contextlib

from deploy.local.ports import spare_port

_PIECE_BYTES = 64 * 1024


class Link:
    """Forwards TCP connections to a port of this machine, and holds data back while it is cut.

    A cut is that of a network: connections are neither refused nor closed. Data sent during the cut arrives
    after it, as if TCP had sent it again. Connections opened during the cut are silent until its end.

    Args:
        upstream_port: Port that connections are forwarded to.

    Attributes:
        port: Port that it listens on, on 127.0.0.1.
    """

    def __init__(self, upstream_port: int) -> None:
        self._upstream_port = upstream_port
        self._there, self._back = asyncio.Event(), asyncio.Event()
        self._there.set()
        self._back.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = spare_port()  # no outgoing connection takes it while the link refuses

    async def open(self) -> None:
        """Starts listening. A second call does nothing."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, backlog=512)

    async def refuse(self) -> None:
        """Refuses new connections, as if nothing listened, until ``open`` is called."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def cut(self, *, there: bool = True, back: bool = True) -> None:
        """Holds data back in one direction or both. Data that is already forwarded still arrives.

        Args:
            there: Whether to cut the direction from client to server.
            back: Whether to cut the direction from server to client.
        """
        for event, wanted in ((self._there, there), (self._back, back)):
            if wanted:
                event.clear()

    def heal(self) -> None:
        """Forwards in both directions again."""
        self._there.set()
        self._back.set()

    def silence(self) -> None:
        """Cuts the connections that are open, for good. New ones work.

        That is what a firewall does that has forgotten its connections, or a machine that lost its power.
        """
        self.cut()
        self._there, self._back = asyncio.Event(), asyncio.Event()
        self.heal()

    async def close(self) -> None:
        """Aborts all connections and stops listening."""
        await self.refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_writer: asyncio.StreamWriter | None = None
        try:
            await self._there.wait()
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream_port)
            async with asyncio.TaskGroup() as group:
                group.create_task(_pipe(reader, up_writer, self._there))
                group.create_task(_pipe(up_reader, writer, self._back))
        except (OSError, ExceptionGroup):
            return  # one side has closed, so the other is closed too
        finally:
            for end in (writer, up_writer):
                if end is not None:
                    end.transport.abort()


class _EndOfConnectionError(Exception):
    """One side has closed the connection."""


async def _pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter, may_pass: asyncio.Event) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(_PIECE_BYTES):
            await may_pass.wait()
            sink.write(data)
            await sink.drain()
    await may_pass.wait()  # a cut also holds back the end of a connection
    raise _EndOfConnectionError
