"""The bench's provider with weather, on loopback."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from deploy.local.ports import spare_port
from tests.bench.weather.provider import WeatherProvider
from tests.bench.weather.slots import Weather


class Caller:
    def __init__(self, session: aiohttp.ClientSession, provider: WeatherProvider, url: str) -> None:
        self.session, self.provider, self.url = session, provider, url

    async def call(self) -> tuple[int, str | None, str]:
        async with self.session.post(self.url, json={"messages": []}) as response:
            body = await response.json()
            text = (
                body["choices"][0]["message"]["content"] if response.status == 200 else body["error"]["code"]
            )
            return response.status, response.headers.get("retry-after"), text

    async def wait_for_calls(self, count: int) -> None:
        async with asyncio.timeout(5):
            while self.provider.slots.counts.call_count < count:
                await asyncio.sleep(0.001)


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    port = spare_port()
    provider = WeatherProvider(port)
    await provider.listen()
    async with aiohttp.ClientSession() as session:
        yield Caller(session, provider, f"http://127.0.0.1:{port}/v1/chat/completions")
    provider.begin_outage(3600)
    await asyncio.sleep(0)


async def test_a_call_gets_an_answer(caller):
    assert await caller.call() == (200, None, "alpha")


@pytest.mark.parametrize(("retry_after", "header"), [(None, None), (5, "5")])
async def test_a_rejected_call_gets_a_429(caller, retry_after, header):
    caller.provider.slots.change_weather(Weather(0, noise=1, retry_after=retry_after))
    assert await caller.call() == (429, header, "rate_limit_exceeded")


async def test_a_caller_that_times_out_is_counted_as_broken_off(caller):
    caller.provider.slots.change_weather(Weather(60_000))
    call = asyncio.create_task(caller.call())
    await caller.wait_for_calls(1)
    call.cancel()
    async with asyncio.timeout(5):
        while not caller.provider.slots.counts.broken_off_count:
            await asyncio.sleep(0.001)
    assert caller.provider.slots.counts.cut_off_count == 0


async def test_an_outage_cuts_calls_off_and_refuses_connections(caller):
    caller.provider.slots.change_weather(Weather(60_000))
    call = asyncio.create_task(caller.call())
    await caller.wait_for_calls(1)
    caller.provider.begin_outage(3600)
    with pytest.raises(aiohttp.ClientError):
        await call
    counts = caller.provider.slots.counts
    assert (counts.cut_off_count, counts.broken_off_count, counts.call_count) == (1, 0, 1)
    with pytest.raises(aiohttp.ClientConnectorError):
        await caller.call()


async def test_calls_are_answered_again_after_an_outage(caller):
    caller.provider.begin_outage(0.01)
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        while True:
            try:
                assert (await caller.call())[0] == 200
                break
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.01)
