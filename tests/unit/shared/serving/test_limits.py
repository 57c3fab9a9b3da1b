"""Limits on what clients make a server hold."""

import asyncio
import resource

import pytest

from services.shared.serving import limits
from services.stubs.worker.v1 import worker_pb2
from tests.unit.shared.serving.http2 import (
    END_HEADERS,
    HEADERS,
    RST_STREAM,
    RawConnection,
    frame,
    header_block,
)

CANCEL = b"/headrace_internal.worker.v1.WorkerService/CancelJob"


@pytest.mark.parametrize(
    ("files", "connections"), [(1024, 768), (resource.RLIM_INFINITY, 20_000), (1_000_000, 20_000)]
)
def test_connections_leave_files_for_the_database_and_the_queue(monkeypatch, files, connections):
    monkeypatch.setattr(resource, "getrlimit", lambda which: (files, files))
    assert limits.max_connections() == connections


async def test_connections_beyond_the_limit_are_closed_and_those_within_it_are_served(serve, monkeypatch):
    monkeypatch.setattr(limits, "max_connections", lambda: 3)
    service, stub = await serve()
    await stub.CancelJob(worker_pb2.CancelJobRequest(), timeout=10)
    host, _, port = service.server.target.rpartition(":")
    opened = [await asyncio.open_connection(host, int(port)) for _ in range(8)]
    reads = [asyncio.create_task(reader.read(1)) for reader, _ in opened]
    async with asyncio.timeout(10):
        while sum(read.done() for read in reads) < 5:
            await asyncio.sleep(0.01)
    await stub.CancelJob(worker_pb2.CancelJobRequest(), timeout=10)
    for read in reads:
        read.cancel()
    await asyncio.gather(*reads, return_exceptions=True)
    for _, writer in opened:
        writer.transport.abort()


async def test_a_connection_that_never_speaks_is_closed(serve, monkeypatch):
    monkeypatch.setattr(limits, "_GREETING_MS", 50)
    service, _ = await serve()
    host, _, port = service.server.target.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    async with asyncio.timeout(10):
        while await reader.read(65_536):
            pass
    writer.transport.abort()


async def test_calls_that_are_reset_at_once_delay_no_other_client(serve):
    service, stub = await serve()
    block = header_block(CANCEL)
    async with RawConnection(service.server.target) as raw:
        for number in range(10_000):
            stream = 2 * number + 1
            raw.send(frame(HEADERS, END_HEADERS, stream, block) + frame(RST_STREAM, 0, stream, b"\0\0\0\x08"))
            if number % 500 == 0:
                await raw.flush()
        await stub.CancelJob(worker_pb2.CancelJobRequest(), timeout=10)
