"""Connections that are renewed at their age, between callers and several servers behind one name."""

import asyncio
import socket
import struct
from collections import Counter
from functools import partial

import grpc
import pytest

from services.shared.serving import rpc_client, rpc_server
from services.shared.serving.rpc_client import open_channel
from services.shared.serving.rpc_server import INTERNAL_MESSAGE_BYTES, RpcServer
from services.stubs.worker.v1 import worker_pb2, worker_pb2_grpc

AGE_SECONDS = 0.4


class NameServer(asyncio.DatagramProtocol):
    """A DNS server with one name. It answers every question for an IPv4 address with all of them."""

    def __init__(self):
        self.addresses = []

    def connection_made(self, transport):
        self._transport = transport

    def datagram_received(self, data, address):
        end = data.index(b"\0", 12) + 5
        is_ipv4 = data[end - 4 : end - 2] == b"\0\1"
        addresses = self.addresses if is_ipv4 else []
        header = data[:2] + struct.pack(">HHHHH", 0x8180, 1, len(addresses), 0, 0)
        records = [b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton(a) for a in addresses]
        self._transport.sendto(header + data[12:end] + b"".join(records), address)


class Counting(worker_pb2_grpc.WorkerServiceServicer):
    """Counts calls by server. A stream sends a message every 50 ms."""

    def __init__(self, name, counts):
        self._name, self._counts = name, counts

    async def CancelJob(self, request, context):
        self._counts[self._name] += 1
        await asyncio.sleep(0.001)
        return worker_pb2.CancelJobResponse()

    async def StreamProgress(self, request, context):
        while True:
            yield worker_pb2.StreamProgressResponse(incarnation=self._name)
            await asyncio.sleep(0.05)


class Fleet:
    """Servers at one port of several loopback addresses, behind one name."""

    def __init__(self, names, target):
        self.counts = Counter()
        self._names, self._target, self._servers, self._port = names, target, [], 0

    async def add(self):
        """Starts a server and adds its address to the name."""
        host = f"127.0.0.{len(self._servers) + 2}"
        server = RpcServer(f"{host}:{self._port}", INTERNAL_MESSAGE_BYTES)
        servicer = Counting(host, self.counts)
        worker_pb2_grpc.add_WorkerServiceServicer_to_server(servicer, server.server)
        await server.start([])
        self._port = server.port
        self._servers.append(server)
        self._names.addresses.append(host)
        return host

    @property
    def target(self):
        return f"{self._target}:{self._port}"

    async def stop(self):
        for server in self._servers:
            await server.stop(0)


@pytest.fixture
async def fleet(monkeypatch):
    monkeypatch.setattr(rpc_server, "CONNECTION_AGE_SECONDS", AGE_SECONDS)
    open_any = grpc.aio.insecure_channel

    def open_quickly(target, *, options, **others):  # gRPC asks a name server at most every 30 s
        return open_any(
            target, options=[*options, ("grpc.dns_min_time_between_resolutions_ms", 50)], **others
        )

    monkeypatch.setattr(rpc_client.grpc.aio, "insecure_channel", open_quickly)
    loop = asyncio.get_running_loop()
    transport, names = await loop.create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))
    running = Fleet(names, f"dns://127.0.0.1:{transport.get_extra_info('sockname')[1]}/results.test")
    yield running
    await running.stop()
    transport.close()


async def call_until(stub, condition):
    """Makes calls, 20 at once, until the condition holds. Returns their number. A failed call raises."""
    request, count = worker_pb2.CancelJobRequest(), 0
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.gather(*(stub.CancelJob(request, timeout=10) for _ in range(20)))
            count += 20
    return count


async def test_a_new_server_gets_calls_within_the_age_of_a_connection_and_no_call_fails(fleet):
    await fleet.add()
    await fleet.add()
    async with open_channel(fleet.target) as channel:
        stub = worker_pb2_grpc.WorkerServiceStub(channel)
        await call_until(stub, lambda: len(fleet.counts) == 2)
        loop = asyncio.get_running_loop()
        third, added = await fleet.add(), loop.time()
        await call_until(stub, lambda: fleet.counts[third])
        assert loop.time() - added < 10 * AGE_SECONDS  # once per connection, on a busy machine
        end = loop.time() + 5 * AGE_SECONDS
        made = await call_until(stub, partial(_is_over, loop, end))
        assert made > 100
        assert min(fleet.counts.values()) > 0


def _is_over(loop, end):
    return loop.time() > end


async def test_a_stream_outlives_its_connections_age_next_to_calls_on_new_connections(fleet):
    await fleet.add()
    async with open_channel(fleet.target) as channel:
        stub = worker_pb2_grpc.WorkerServiceStub(channel)
        stream = stub.StreamProgress(worker_pb2.StreamProgressRequest())
        loop = asyncio.get_running_loop()
        end, messages = loop.time() + 5 * AGE_SECONDS, 0
        async with asyncio.timeout(30):
            while loop.time() < end:
                assert await stream.read()
                messages += 1
                await stub.CancelJob(worker_pb2.CancelJobRequest(), timeout=10)
        assert messages > 5
        stream.cancel()
