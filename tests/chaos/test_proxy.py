"""A link that is cut holds data back in the cut direction, and loses nothing."""

import asyncio

import pytest

from tests.chaos.proxy import Link


@pytest.fixture
async def link():
    async def echo(reader, writer):
        while data := await reader.read(100):
            writer.write(data.upper())
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    link = Link(server.sockets[0].getsockname()[1])
    await link.open()
    async with asyncio.timeout(10):
        yield link
    await link.close()
    server.close()


@pytest.fixture
async def connect(link):
    writers = []

    async def open_one():
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        writers.append(writer)
        return reader, writer

    yield open_one
    for writer in writers:
        writer.close()


async def is_silent(reader):
    try:
        async with asyncio.timeout(0.1):
            await reader.read(1)
    except TimeoutError:
        return True
    return False


@pytest.mark.parametrize("ways", [{"there": False}, {"back": False}, {}])
async def test_data_sent_during_a_cut_arrives_when_it_is_healed(link, connect, ways):
    reader, writer = await connect()
    writer.write(b"a")
    assert await reader.readexactly(1) == b"A"
    link.cut(**ways)
    writer.write(b"b")
    assert await is_silent(reader)
    link.heal()
    assert await reader.readexactly(1) == b"B"


async def test_a_connection_opened_during_a_cut_is_silent_and_then_works(link, connect):
    link.cut()
    reader, writer = await connect()
    writer.write(b"a")
    assert await is_silent(reader)
    link.heal()
    assert await reader.readexactly(1) == b"A"


async def test_the_end_of_a_connection_is_passed_on(connect):
    reader, writer = await connect()
    writer.write(b"a")
    assert await reader.readexactly(1) == b"A"
    writer.write_eof()
    assert await reader.read() == b""


async def test_a_link_that_refuses_can_be_opened_again_at_the_same_port(link, connect):
    await link.refuse()
    with pytest.raises(ConnectionRefusedError):
        await connect()
    await link.open()
    reader, writer = await connect()
    writer.write(b"a")
    assert await reader.readexactly(1) == b"A"
