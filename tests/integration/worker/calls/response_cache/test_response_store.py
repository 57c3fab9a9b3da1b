"""The response store keeps the same promises in memory and on Redis."""

import pytest

from services.worker.calls.response_cache import MemoryResponseStore, RedisResponseStore, open_response_store
from services.worker.calls.response_cache.response_store import Claim, Drop, Put, Renew, StoreAwayError

MARK, OTHER = b"@me", b"@you"
LONG = 60.0
SHORT = 0.05


@pytest.fixture
def store(make_store):
    return make_store()


async def what_is_at(store, key):
    """Claims the key for so short that it does not matter."""
    (found,) = await store.run([Claim(key, b"@probe", 0.001)])
    return found


async def test_the_first_to_claim_a_key_gets_it_and_the_next_sees_whose_it_is(store):
    assert await store.run([Claim("a", MARK, LONG), Claim("a", OTHER, LONG)]) == [None, MARK]
    assert await store.run([Claim("a", MARK, LONG), Claim("b", OTHER, LONG)]) == [MARK, None]


async def test_a_mark_that_is_not_renewed_is_gone_after_its_time(store, until_gone):
    await store.run([Claim("a", MARK, SHORT)])
    await until_gone(store, "a")


async def test_a_renewed_mark_lasts_on(store, until_gone):
    await store.run([Claim("a", MARK, 0.3), Claim("sign", MARK, 0.3), Renew("a", MARK, LONG)])
    await until_gone(store, "sign")
    assert await what_is_at(store, "a") == MARK


async def test_renewing_brings_a_lost_mark_back_and_never_replaces_anothers(store):
    await store.run([Renew("lost", MARK, LONG), Claim("taken", OTHER, LONG), Renew("taken", MARK, LONG)])
    assert await what_is_at(store, "lost") == MARK
    assert await what_is_at(store, "taken") == OTHER


async def test_a_response_replaces_any_mark_and_ends_after_its_time(store, until_gone):
    await store.run([Claim("a", OTHER, LONG), Put("a", b"=yes", LONG), Put("b", b"=no", SHORT)])
    assert await what_is_at(store, "a") == b"=yes"
    await until_gone(store, "b")


async def test_a_value_is_dropped_where_it_is_still_there_and_no_other(store):
    await store.run([Put("a", b"=new", LONG), Drop("a", b"=old"), Put("b", b"=old", LONG)])
    assert await store.run([Drop("b", b"=old"), Drop("missing", b"=old"), Claim("b", MARK, LONG)]) == [
        None,
        None,
        None,
    ]
    assert await what_is_at(store, "a") == b"=new"


async def test_any_bytes_come_back_as_they_were(store):
    value = bytes(range(256)) * 1024
    await store.run([Put("a", value, LONG)])
    assert await what_is_at(store, "a") == value


async def test_closing_twice_is_fine(store):
    await store.run([Claim("a", MARK, LONG)])
    await store.close()
    await store.close()


async def test_a_redis_that_cannot_be_reached_is_away():
    store = RedisResponseStore("redis://127.0.0.1:1/0")
    with pytest.raises(StoreAwayError):
        await store.run([Claim("a", MARK, LONG)])
    await store.close()


async def test_in_memory_those_not_used_for_longest_go_when_there_is_too_much():
    store = MemoryResponseStore(max_bytes=25_000)
    value = b"=" + b"x" * 10_000
    await store.run([Put("a", value, LONG), Put("b", value, LONG), Claim("a", MARK, LONG)])
    await store.run([Put("c", value, LONG)])
    assert await what_is_at(store, "b") is None
    assert await what_is_at(store, "a") == await what_is_at(store, "c") == value


async def test_a_url_names_which_store(redis_url):
    memory, shared = open_response_store("memory://"), open_response_store(redis_url)
    assert isinstance(memory, MemoryResponseStore)
    assert isinstance(shared, RedisResponseStore)
    await shared.close()
