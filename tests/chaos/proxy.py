"""A stretch of network between two parts, which can be cut in one direction or in both."""

import asyncio
import contextlib

from deploy.local.ports import spare_port

_PIECE_BYTES = 64 * 1024


class Link:
    """Passes TCP connections on to a port of this machine, and holds back what is sent while it is cut.

    A cut is that of a network: nothing is refused and nothing ends. What was sent meanwhile arrives after the
    cut, as TCP would send it again; connections asked for meanwhile are open and silent until then.

    Args:
        upstream_port: Where connections lead.

    Attributes:
        port: Where it listens, on 127.0.0.1.
    """

    def __init__(self, upstream_port: int) -> None:
        self._upstream_port = upstream_port
        self._there, self._back = asyncio.Event(), asyncio.Event()
        self._there.set()
        self._back.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = spare_port()  # no outgoing connection takes it while this refuses

    async def open(self) -> None:
        """Listens; a second call does nothing."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, backlog=512)

    async def refuse(self) -> None:
        """Refuses new connections, as a machine does on which nobody listens, until it is opened again."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def cut(self, *, there: bool = True, back: bool = True) -> None:
        """Holds back what is sent in one direction or both; what was on its way already arrives.

        Args:
            there: From who connects to who was called.
            back: The other way.
        """
        for event, wanted in ((self._there, there), (self._back, back)):
            if wanted:
                event.clear()

    def heal(self) -> None:
        """Lets everything through again."""
        self._there.set()
        self._back.set()

    async def close(self) -> None:
        """Breaks all connections."""
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
            return  # one side has ended; so does the other
        finally:
            for end in (writer, up_writer):
                if end is not None:
                    end.transport.abort()


class _EndOfConnectionError(Exception):
    """One side has closed."""


async def _pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter, may_pass: asyncio.Event) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(_PIECE_BYTES):
            await may_pass.wait()
            sink.write(data)
            await sink.drain()
    await may_pass.wait()  # the end of a connection is news too
    raise _EndOfConnectionError
