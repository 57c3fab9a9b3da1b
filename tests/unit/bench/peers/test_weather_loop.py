"""The handwritten loop of part G of the bench."""

import asyncio
from types import SimpleNamespace

import pytest

from deploy.local.ports import spare_port
from tests.bench.peers import weather_loop
from tests.bench.peers.weather_loop import Loop, LoopOptions
from tests.bench.weather.window import Ended


def make_loop(**options) -> Loop:
    url = f"http://127.0.0.1:{spare_port()}/v1"
    return Loop(LoopOptions(**{"url": url, "concurrency": 2, "item_count": 4, "max_retries": 0, **options}))


async def test_items_fail_once_their_retries_are_used_up():
    async with make_loop() as loop, asyncio.timeout(20):
        await loop.run()
        assert await loop.read() == Ended(0, 4)


async def test_with_the_rule_an_item_is_tried_until_it_succeeds(monkeypatch):
    faults = [ConnectionError(), ConnectionError()]
    waits: list[float] = []

    async def complete(number: int) -> None:
        await loop._count_request(None)
        if faults:
            raise faults.pop()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    loop = make_loop(with_rule=True, concurrency=20, item_count=1)
    async with loop:
        loop._retried = ConnectionError
        loop._complete = complete
        # Of its module alone: tasks of other tests sleep in the same loop.
        monkeypatch.setattr(weather_loop, "asyncio", SimpleNamespace(**vars(asyncio) | {"sleep": sleep}))
        await loop.run()
    assert await loop.read() == Ended(1, 0)
    assert waits == [pytest.approx(3.5, abs=0.5), pytest.approx(6.5, abs=0.5)]


async def test_only_items_that_were_answered_at_once_raise_the_limit():
    async def complete(number: int) -> None:
        for _ in range(1 if number < 20 else 2):
            await loop._count_request(None)

    loop = make_loop(with_rule=True, concurrency=100, item_count=60)
    async with loop:
        loop._complete = complete
        await loop.run()
    assert loop._rule.limit == 40
