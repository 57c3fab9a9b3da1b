"""A Redis that replies too late gives no caller the reply to another."""

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from services.worker.calls.response_cache import Exchange, RedisResponseStore
from services.worker.calls.response_cache.exchange import AWAY, REST_SECONDS
from services.worker.calls.response_cache.response_store import Claim, Put


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


class LateProxy:
    """Passes requests on at once, and replies only while its way back is open."""

    def __init__(self, port):
        self._port = port
        self._tasks = set()
        self.way_back = asyncio.Event()
        self.way_back.set()

    async def start(self):
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    async def stop(self):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader, writer):
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._port)
        for source, sink, is_open in ((reader, up_writer, None), (up_reader, writer, self.way_back)):
            self._tasks.add(asyncio.create_task(self._pipe(source, sink, is_open)))

    async def _pipe(self, source, sink, is_open):
        with suppress(ConnectionError):
            while data := await source.read(65536):
                if is_open is not None:
                    await is_open.wait()
                sink.write(data)
                await sink.drain()
        sink.transport.abort()


@pytest.fixture
async def proxy(redis_url):
    proxy = LateProxy(urlsplit(redis_url).port)
    yield proxy
    await proxy.stop()


async def test_late_replies_are_never_taken_for_those_to_later_commands(redis_url, proxy):
    direct, clock = RedisResponseStore(redis_url), Clock()
    keys = [f"k{number}" for number in range(20)]
    await direct.run([Put(key, key.encode(), 60.0) for key in keys])
    url = f"redis://127.0.0.1:{await proxy.start()}{urlsplit(redis_url).path}"
    exchange = Exchange(RedisResponseStore(url), clock)

    async def ask(asked):
        return await asyncio.gather(*(exchange.ask(Claim(key, b"@me", 10.0)) for key in asked))

    async with asyncio.timeout(20):
        while AWAY in await ask(keys[:1]):  # a busy machine
            clock.now += REST_SECONDS + 1
        for _ in range(3):
            proxy.way_back.clear()
            assert await ask(keys[:10]) == [AWAY] * 10
            proxy.way_back.set()
            clock.now += REST_SECONDS + 1
            late = await ask(keys[10:])
            assert late in ([key.encode() for key in keys[10:]], [AWAY] * 10)
            clock.now += REST_SECONDS + 1
    await exchange.close()
    await direct.close()
