"""One loop exchanges keys with Redis while they are used."""

import asyncio

import pytest
import structlog
from structlog.testing import capture_logs

from services.shared.degradation import Degradation
from services.worker.calls import exchange_loop
from services.worker.calls.exchange_loop import ExchangeLoop


class Exchanges:
    """Counts exchanges, which fail if the test says so."""

    def __init__(self) -> None:
        self.keys: list[list[str]] = []
        self.fails = False
        self.kept: set[str] = set()
        log = structlog.stdlib.get_logger()
        self.loop = ExchangeLoop(
            self.exchange, Degradation(log, "keys"), 0.05, is_kept=lambda key: key in self.kept
        )

    async def exchange(self) -> None:
        self.keys.append(sorted(self.loop.keys))
        if self.fails:
            raise OSError

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.keys) < count:
                await asyncio.sleep(0.005)


@pytest.fixture
async def exchanges(monkeypatch):
    monkeypatch.setattr(exchange_loop, "PERIOD_SECONDS", 0.02)
    made = Exchanges()
    yield made
    await made.loop.close()


async def test_a_new_key_is_exchanged_at_once_and_forgotten_once_unused(exchanges):
    exchanges.loop.use("a")
    await exchanges.until(1)
    exchanges.loop.use("b")
    await exchanges.until(2)
    assert exchanges.keys[1] == ["a", "b"]
    await asyncio.sleep(0.3)
    count = len(exchanges.keys)
    await asyncio.sleep(0.1)
    assert len(exchanges.keys) == count
    assert not exchanges.loop.keys
    exchanges.loop.use("a")
    await exchanges.until(count + 1)


async def test_a_key_that_is_kept_stays_in_use(exchanges):
    exchanges.kept.add("a")
    exchanges.loop.use("a")
    await asyncio.sleep(0.3)
    assert exchanges.loop.keys == ["a"]


async def test_failures_are_logged_once_and_exchanges_continue(exchanges):
    exchanges.fails = True
    exchanges.kept.add("a")
    with capture_logs() as logs:
        exchanges.loop.use("a")
        await exchanges.until(3)
        exchanges.fails = False
        await exchanges.until(5)
    assert [entry["event"] for entry in logs] == ["keys_degraded", "keys_restored"]


async def test_nothing_is_exchanged_after_the_end(exchanges):
    await exchanges.loop.close()
    exchanges.loop.use("a")
    exchanges.loop.wake()
    await asyncio.sleep(0.05)
    assert exchanges.keys == []
