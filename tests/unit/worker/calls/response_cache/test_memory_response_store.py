"""The response store of a single process: no tenant displaces the responses of another that has less."""

from services.worker.calls.response_cache.memory_response_store import MemoryResponseStore
from services.worker.calls.response_cache.response_store import Claim, Drop, Put

LONG = 60.0
VALUE = b"=" + b"x" * 1_000


async def found(store, *keys):
    return await store.run([Claim(key, b"@mark", 0.0) for key in keys])


async def test_a_flood_of_one_tenant_displaces_only_its_own_responses():
    store = MemoryResponseStore(max_bytes=10 * 1_301)
    await store.run([Put(f"small {n}", VALUE, LONG, "b") for n in range(3)])
    await store.run([Put(f"flood {n}", VALUE, LONG, "a") for n in range(1_000)])
    assert await found(store, "small 0", "small 1", "small 2") == [VALUE] * 3
    assert await found(store, "flood 999", "flood 0") == [VALUE, None]


async def test_a_value_that_is_dropped_or_replaced_makes_room():
    store = MemoryResponseStore(max_bytes=3 * 1_301)
    await store.run([Put("a", VALUE, LONG, "a"), Put("a", VALUE, LONG, "b"), Drop("a", VALUE)])
    await store.run([Put(name, VALUE, LONG, "b") for name in "bcd"])
    assert await found(store, *"bcda") == [VALUE, VALUE, VALUE, None]
