"""Pools in Redis keep their promises, and so does their model in memory. The times are the test's own."""

import random
from itertools import count

import pytest

from services.worker.calls.shared_slots.pools import (
    CAREFUL_SECONDS,
    EXPIRY_SECONDS,
    TURN_SECONDS,
    Granted,
    SlotRequest,
)
from services.worker.calls.shared_slots.redis_pools import RedisPools
from tests.integration.worker.calls.shared_slots.memory_pools import MemoryPools


@pytest.fixture
async def ask(pools, clock):
    """Asks a pool of 10 slots that has been known for long."""

    numbers = count(1)

    async def ask(holder, used, wanted, *, limit=10, part=10, key="k", number=None):
        return await pools.ask(
            SlotRequest(
                key=key,
                holder=holder,
                limit=limit,
                part=part,
                used=used,
                wanted=wanted,
                number=number or next(numbers),
            )
        )

    await ask("first", 0, 0)
    clock.now += CAREFUL_SECONDS
    return ask


async def test_a_holder_alone_gets_what_it_wants_up_to_the_limit(ask):
    assert await ask("a", 0, 4) == Granted(4, 4)
    assert await ask("a", 4, 30) == Granted(10, 10)


async def test_holders_together_never_get_more_than_the_limit(ask):
    assert (await ask("a", 0, 10)).count == 10
    assert await ask("b", 0, 10) == Granted(0, 5)


async def test_who_has_more_than_its_share_learns_it_and_what_it_releases_is_for_the_others(ask):
    await ask("a", 0, 10)
    await ask("b", 0, 10)
    assert await ask("a", 10, 10) == Granted(10, 5)
    assert await ask("a", 7, 10) == Granted(7, 5)
    assert await ask("b", 0, 10) == Granted(3, 5)
    assert await ask("a", 5, 10) == Granted(5, 5)
    assert await ask("b", 3, 10) == Granted(5, 5)


async def test_who_wants_little_gets_all_of_it_and_the_rest_is_shared_equally(ask):
    assert (await ask("small", 0, 2)).target == 2
    await ask("a", 0, 100)
    await ask("b", 0, 100)
    assert [(await ask(name, 0, 100)).target for name in ("a", "b")] == [4, 4]
    assert (await ask("small", 2, 2)).target == 2


async def test_who_leaves_or_says_nothing_for_long_has_no_slots(ask, clock):
    await ask("a", 0, 6)
    await ask("b", 0, 6)
    assert await ask("b", 0, 0) == Granted(0, 0)
    assert (await ask("c", 0, 4)).count == 4
    clock.now += EXPIRY_SECONDS - 0.01
    assert (await ask("d", 0, 10)).count == 0
    clock.now += 0.02
    assert (await ask("d", 0, 10)).count == 10


async def test_what_a_holder_has_is_taken_as_said_also_when_its_grant_was_forgotten(ask):
    await ask("a", 0, 10)
    assert await ask("late", 3, 3) == Granted(3, 3)
    assert (await ask("a", 10, 10)).target == 7


async def test_an_ask_that_arrives_after_a_later_one_of_its_holder_changes_nothing(ask):
    assert (await ask("a", 0, 8, number=102)).count == 8
    await ask("a", 1, 1, number=101)
    assert (await ask("b", 0, 10)).count == 2


async def test_fewer_slots_than_holders_go_round(ask, clock):
    holders = ["a", "b", "c"]
    got = set()
    for _ in range(3):
        targets = [(await ask(name, 0, 5, limit=2)).target for name in holders]
        targets = [(await ask(name, 0, 5, limit=2)).target for name in holders]
        assert sum(targets) == 2
        got |= {name for name, target in zip(holders, targets, strict=True) if target}
        clock.now += TURN_SECONDS
    assert got == set(holders)


async def test_in_a_pool_that_is_new_nobody_gets_more_than_its_part_or_what_it_has(ask, clock):
    assert (await ask("a", 6, 10, part=5, key="new")).count == 6
    assert (await ask("b", 0, 10, part=5, key="new")).count == 4
    assert (await ask("c", 0, 10, part=3, key="newer")).count == 3
    clock.now += CAREFUL_SECONDS
    assert (await ask("c", 3, 10, part=3, key="newer")).count == 10


async def test_another_tenant_has_slots_of_its_own(ask):
    await ask("a", 0, 10)
    await ask("a", 0, 0, key="other")
    assert (await ask("b", 0, 10, key="other", part=10)).count == 10


async def test_the_pools_in_redis_answer_any_history_as_their_model_does(redis_url, clock):
    memory, shared = MemoryPools(clock), RedisPools(redis_url, clock, timeout_seconds=30.0)
    rng, held = random.Random(11), dict.fromkeys("abcdefg", 0)
    try:
        for number in range(1_500):
            clock.now += rng.choice([0.001, 0.1, 0.25, 1.5]) * (1 if rng.random() < 0.99 else 10)
            name = rng.choice(sorted(held))
            keeps = rng.randint(0, held[name])
            wanted = max(keeps, rng.choice([0, 1, 3, 40]))
            request = SlotRequest(
                key="same", holder=name, limit=10, part=3, used=keeps, wanted=wanted, number=number
            )
            granted = await memory.ask(request)
            assert await shared.ask(request) == granted
            held[name] = granted.count
    finally:
        await shared.close()
