"""Of equal calls in flight on any worker, one is made."""

import asyncio

import pytest

from headrace.kinds import Completion, RetryableError
from services.worker.calls.response_cache.encoding import MAX_RESPONSE_BYTES, encode_response, mark_of
from services.worker.calls.response_cache.response_store import Drop, Put
from services.worker.calls.response_cache.single_flight import Outcome

YES = Completion("yes", "stop", 7, 2, 1)
NO = Completion("no")
FAULT = "PROVIDER_ERROR"


async def all_of(tasks):
    async with asyncio.timeout(20):
        return await asyncio.gather(*tasks)


async def test_many_equal_calls_of_two_workers_are_made_once(make_worker, ask, call):
    workers = [make_worker(), make_worker()]
    asked = [ask(workers[number % 2]) for number in range(50)]
    await call.begun()
    call.end(YES)
    responses = await all_of(asked)
    assert {response for response, _ in responses} == {YES}
    assert sorted(outcome for _, outcome in responses) == [Outcome.CALLED] + [Outcome.SHARED] * 49
    assert call.begun_count == 1


async def test_a_response_is_there_afterwards_for_who_comes_a_little_later(make_worker, ask, call):
    first, second = make_worker(), make_worker()
    asked = ask(first)
    call.end(YES)
    await all_of([asked])
    assert await all_of([ask(second), ask(first)]) == [(YES, Outcome.FOUND)] * 2
    assert call.begun_count == 1


async def test_other_calls_are_made_beside_it(make_worker, ask, call):
    worker = make_worker()
    asked = [ask(worker, "a"), ask(worker, "b")]
    await call.begun(2)
    for response in (YES, NO):
        call.end(response)
    assert {response for response, _ in await all_of(asked)} == {YES, NO}


async def test_a_call_that_fails_is_handed_over_to_another_worker_at_once(make_worker, ask, call):
    first, second = make_worker(), make_worker()
    failing = ask(first)
    await call.begun()
    waiting = ask(second)
    call.end(FAULT)
    with pytest.raises(RetryableError):
        await failing
    await call.begun(2)  # long before the mark would be gone, after 10 s
    call.end(YES)
    assert await all_of([waiting]) == [(YES, Outcome.CALLED)]


@pytest.mark.parametrize("same_worker", [True, False])
async def test_a_cancelled_call_is_handed_over_to_one_that_waits(make_worker, ask, call, same_worker):
    first = make_worker()
    second = first if same_worker else make_worker()
    cancelled = ask(first)
    await call.begun()
    waiting = [ask(second) for _ in range(3)]
    await asyncio.sleep(0)
    cancelled.cancel()
    await call.begun(2)
    call.end(YES)
    assert {response for response, _ in await all_of(waiting)} == {YES}
    assert call.begun_count == 2


async def test_one_that_is_cancelled_while_it_waits_holds_up_nobody(make_worker, ask, call):
    first, second = make_worker(), make_worker()
    making = ask(first)
    await call.begun()
    gives_up, waiting = ask(second), ask(second)
    for _ in range(20):
        await asyncio.sleep(0)
    gives_up.cancel()
    call.end(YES)
    assert {response for response, _ in await all_of([making, waiting])} == {YES}
    assert call.begun_count == 1


async def test_the_mark_of_a_dead_worker_ends_and_one_that_waits_makes_the_call(
    make_store, make_worker, ask, call
):
    dead = make_store()
    await dead.run([Put("k", mark_of("dead"), 0.3)])
    waiting = [ask(make_worker()), ask(make_worker())]
    await call.begun()
    call.end(YES)
    assert {response for response, _ in await all_of(waiting)} == {YES}
    assert call.begun_count == 1


async def test_a_call_that_takes_long_keeps_its_mark(make_worker, ask, call, make_store, until_gone):
    first, second, store = make_worker(mark_lifetime=0.4, renewal_period=0.05), make_worker(), make_store()
    making = ask(first)
    await call.begun()
    waiting = ask(second)
    await store.run([Put("sign", b"=", 0.6)])
    await until_gone(store, "sign")  # after the mark would have expired
    assert call.begun_count == 1
    call.end(YES)
    assert await all_of([making, waiting]) == [(YES, Outcome.CALLED), (YES, Outcome.SHARED)]


async def test_a_store_that_forgets_costs_a_second_call_at_most(make_worker, ask, call, make_store):
    first, second = make_worker(), make_worker()
    making = ask(first)
    await call.begun()
    await make_store().run([Drop("k", mark_of("worker-1"))])
    again = ask(second)
    await call.begun(2)
    call.end(YES)
    call.end(YES)
    assert {response for response, _ in await all_of([making, again])} == {YES}
    assert call.begun_count == 2


async def test_nobody_waits_longer_than_its_own_call_may_take(make_worker, ask, call):
    first, second = make_worker(), make_worker()
    making = ask(first)
    await call.begun()
    impatient = [ask(first, patience=0.1), ask(second, patience=0.1)]
    await call.begun(3)
    for _ in range(3):
        call.end(YES)
    assert [outcome for _, outcome in await all_of([making, *impatient])] == [Outcome.CALLED] * 3


async def test_equal_calls_to_a_provider_that_fails_do_not_wait_for_each_other_for_ever(
    make_worker, ask, call
):
    worker = make_worker()
    asked = [ask(worker) for _ in range(10)]
    for begun_count in (1, 2):
        await call.begun(begun_count)
        call.end(FAULT)
    await call.begun(10)
    for _ in range(8):
        call.end(FAULT)
    ends = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(end) for end in ends] == [RetryableError] * 10


async def test_a_response_too_large_to_cache_is_shared_on_its_worker_alone(make_worker, ask, call):
    large = Completion("x" * MAX_RESPONSE_BYTES)
    first, second = make_worker(), make_worker()
    here = [ask(first), ask(first)]
    await call.begun()
    there = ask(second)
    call.end(large)
    assert {response for response, _ in await all_of(here)} == {large}
    await call.begun(2)
    call.end(large)
    assert (await all_of([there]))[0] == (large, Outcome.CALLED)


@pytest.mark.parametrize("value", [b'=["half', encode_response("other", NO)])
async def test_a_value_that_cannot_be_read_or_is_another_keys_is_replaced(
    make_store, make_worker, ask, call, value
):
    await make_store().run([Put("k", value, 60.0)])
    asked = ask(make_worker())
    call.end(YES)
    assert await all_of([asked]) == [(YES, Outcome.CALLED)]
    assert await all_of([ask(make_worker())]) == [(YES, Outcome.FOUND)]
