import asyncio

import pytest

from headrace.errors import UnavailableError
from services.gateway.uploads.byte_budget import ByteBudget


@pytest.fixture
def budget() -> ByteBudget:
    return ByteBudget(100)


async def turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_what_is_free_is_taken_at_once(budget):
    await budget.take(60)
    await budget.take(40)
    assert budget.held == 100


async def test_who_finds_too_little_waits_until_it_is_given_back(budget):
    await budget.take(60)
    waiting = asyncio.create_task(budget.take(50))
    await turn()
    assert not waiting.done()
    budget.give_back(60)
    await waiting
    assert budget.held == 50


async def test_a_large_wish_is_not_overtaken_by_small_ones(budget):
    await budget.take(60)
    large = asyncio.create_task(budget.take(90))
    await turn()
    small = asyncio.create_task(budget.take(10))
    await turn()
    assert not small.done()
    budget.give_back(60)
    await asyncio.gather(large, small)
    assert budget.held == 100


async def test_a_wish_larger_than_the_whole_is_granted_alone(budget):
    await budget.take(1)
    giant = asyncio.create_task(budget.take(1000))
    await turn()
    assert not giant.done()
    budget.give_back(1)
    await giant
    assert not budget.try_take(1)


async def test_who_is_cancelled_while_waiting_holds_nothing_and_lets_the_next_pass(budget):
    await budget.take(60)
    gone = asyncio.create_task(budget.take(90))
    await turn()
    after = asyncio.create_task(budget.take(40))
    await turn()
    gone.cancel()
    await after
    assert (budget.held, budget.waiting_count) == (100, 0)


async def test_who_is_granted_and_cancelled_in_the_same_turn_holds_nothing(budget):
    await budget.take(60)
    waiting = asyncio.create_task(budget.take(90))
    await turn()
    budget.give_back(60)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert budget.held == 0


async def test_free_bytes_go_to_the_tenant_that_holds_the_fewest(budget):
    await budget.take(100, "large")
    waiting = [asyncio.create_task(budget.take(40, tenant)) for tenant in ("large", "large", "small")]
    await turn()
    budget.give_back(40, "large")
    await waiting[2]
    assert not any(task.done() for task in waiting[:2])
    budget.give_back(60, "large")
    await waiting[0]
    budget.give_back(40, "small")
    await waiting[1]
    assert (budget.held, budget.waiting_count) == (80, 0)


async def test_requests_beyond_the_limit_of_waiting_bytes_are_refused():
    budget = ByteBudget(100, waiting_limit=50)
    await budget.take(100)
    waiting = asyncio.create_task(budget.take(50))
    await turn()
    with pytest.raises(UnavailableError):
        await budget.take(1)
    budget.give_back(100)
    await waiting
    await budget.take(50)
    assert budget.held == 100
