"""Connections that die without a word: pings find them, and calls continue on new ones."""

import asyncio

import grpc
import pytest

from headrace import Client, UnavailableError
from headrace._transport import channels
from headrace.gateway.v1 import gateway_pb2_grpc
from tests.chaos.proxy import Link


@pytest.fixture(autouse=True)
def short_pings(monkeypatch):
    """Pings once a second, the shortest interval that gRPC keeps."""
    monkeypatch.setattr(channels, "PING_SECONDS", 1.0)
    monkeypatch.setattr(channels, "PING_TIMEOUT_SECONDS", 0.5)


@pytest.fixture
async def serve_with_limit():
    """Serves a fake gateway that allows pings at the given interval. Returns its port."""
    servers = []

    async def serve(gateway, milliseconds: int) -> int:
        server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.http2.min_ping_interval_without_data_ms", milliseconds),
                ("grpc.keepalive_permit_without_calls", 1),
            ]
        )
        gateway_pb2_grpc.add_GatewayServiceServicer_to_server(gateway, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        servers.append(server)
        return port

    yield serve
    for server in servers:
        await server.stop(None)


@pytest.fixture
async def link(new_gateway, serve_with_limit):
    """A link to a fake gateway, which is its attribute ``gateway``."""
    gateway = new_gateway()
    link = Link(await serve_with_limit(gateway, 100))
    link.gateway = gateway
    await link.open()
    yield link
    await link.close()


async def test_a_call_on_a_silent_connection_is_repeated_within_its_deadline(link):
    async with Client(f"127.0.0.1:{link.port}", timeout=20) as client, asyncio.timeout(15):
        await client.kinds()
        link.silence()
        assert await client.kinds() == []


async def test_a_watch_on_a_silent_connection_continues_on_a_new_one(link, make_job, job_id):
    link.gateway.script(make_job(1), hold=True)
    link.gateway.script(make_job(2, "SUCCEEDED"))
    async with Client(f"127.0.0.1:{link.port}") as client, asyncio.timeout(15):
        events = client.watch(job_id)
        assert (await anext(events)).job.seq == 1
        link.silence()
        assert (await anext(events)).job.seq == 2


async def test_an_idle_connection_is_pinged_for_as_long_as_it_is_open(link, make_job, job_id):
    """By default, gRPC pings an idle connection twice, and later once a minute."""
    link.gateway.script(make_job(1), hold=True)
    link.gateway.script(make_job(2, "SUCCEEDED"))
    async with Client(f"127.0.0.1:{link.port}") as client, asyncio.timeout(20):
        events = client.watch(job_id)
        await anext(events)
        await asyncio.sleep(4)  # more than two pings; gRPC's clock cannot be moved
        link.silence()
        assert (await anext(events)).job.seq == 2


async def test_a_client_that_pings_too_often_is_told_so_by_name(
    new_gateway, serve_with_limit, make_job, job_id
):
    gateway = new_gateway()
    gateway.script(make_job(1), hold=True)
    port = await serve_with_limit(gateway, 60_000)
    async with Client(f"127.0.0.1:{port}", resume_timeout=0) as client, asyncio.timeout(20):
        events = client.watch(job_id)
        await anext(events)
        with pytest.raises(UnavailableError) as caught:
            await anext(events)
    assert caught.value.reason == "TOO_MANY_PINGS"
    assert not caught.value.answered


def test_a_silent_connection_is_found_within_45_seconds_and_within_the_default_timeout(monkeypatch):
    monkeypatch.undo()
    assert channels.PING_SECONDS + channels.PING_TIMEOUT_SECONDS < 30 < 45
