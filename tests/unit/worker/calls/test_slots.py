"""Slots of calls in flight: one limit for all models, and one for each."""

import asyncio

import pytest

from services.worker.calls import slots
from services.worker.calls.slots import CallSlots


class Calls:
    """Calls that hold their slots until the test ends them."""

    def __init__(self, limit: int) -> None:
        self.slots = CallSlots(limit)
        self.order: list[str] = []
        self.tasks: dict[str, asyncio.Task] = {}
        self.ends: dict[str, asyncio.Event] = {}

    async def begin(self, *names: str, model: str = "m", rank: int = 0) -> None:
        async def hold(name):
            async with self.slots.take(model, rank):
                self.order.append(name)
                await self.ends[name].wait()

        for name in names:
            self.ends[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(hold(name))
        await settle()

    async def end(self, *names: str) -> None:
        for name in names:
            self.ends[name].set()
        await settle()

    async def cancel(self, *names: str) -> None:
        for name in names:
            self.tasks[name].cancel()
        await settle()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
async def make_calls():
    made: list[Calls] = []

    def make(limit: int) -> Calls:
        made.append(Calls(limit))
        return made[-1]

    yield make
    for calls in made:
        await calls.cancel(*calls.tasks)


async def test_a_free_slot_goes_to_the_earliest_call_of_the_lowest_rank_of_any_model(make_calls):
    calls = make_calls(1)
    await calls.begin("first")
    await calls.begin("late", model="m", rank=1)
    await calls.begin("a", model="n")
    await calls.begin("b", model="m")
    await calls.end("first", "a", "b")
    assert calls.order == ["first", "a", "b", "late"]


async def test_calls_of_a_model_at_its_own_limit_do_not_hold_up_those_of_another(make_calls):
    calls = make_calls(10)
    in_flight = [f"m{n}" for n in range(8)]
    await calls.begin(*in_flight)
    await calls.begin("m8", "m9", model="m")
    await calls.begin("n1", model="n")
    assert calls.slots.is_full("m")
    assert calls.slots.is_crowded("m")
    assert not calls.slots.is_crowded("n")
    assert calls.order == [*in_flight, "n1"]
    await calls.end("m0")
    assert calls.order[-1] == "m8"
    assert not calls.slots.is_crowded("m")  # one may wait, to take the next slot at once


async def test_a_slot_that_is_held_after_a_call_is_free_for_other_models_only(make_calls):
    calls = make_calls(8)
    in_flight = [f"m{n}" for n in range(8)]
    await calls.begin(*in_flight)
    calls.slots.hold("m", 0.02)
    await calls.end("m0")
    await calls.begin("m8", model="m")
    await calls.begin("n1", model="n")
    assert calls.order == [*in_flight, "n1"]
    await calls.end("n1")
    await asyncio.sleep(0.05)
    assert calls.order[-1] == "m8"


async def test_a_model_without_calls_is_forgotten_and_one_with_calls_remembered(make_calls):
    calls = make_calls(1)
    await calls.begin("a", model="m")
    calls.slots.of("m").begin()
    await calls.begin("gone", model="typo")
    await calls.cancel("gone")
    assert set(calls.slots._models) == set(calls.slots._queues) == {"m"}
    await calls.end("a")
    assert set(calls.slots._models) == set(calls.slots._queues) == {"m"}


async def test_of_many_models_the_one_that_has_been_idle_longest_is_forgotten(make_calls, monkeypatch):
    monkeypatch.setattr(slots, "_MAX_MODELS", 3)
    calls = make_calls(1)
    for number in range(4):
        calls.slots.of(f"m{number}").begin()
        await calls.begin(f"{number}", model=f"m{number}")
        await calls.end(f"{number}")
    assert len(calls.slots._models) == len(calls.slots._queues) == 3
    assert "m0" not in calls.slots._models


async def test_a_call_cancelled_just_as_it_gets_its_slot_hands_it_on(make_calls):
    calls = make_calls(1)
    await calls.begin("a", "b", "c")
    calls.ends["a"].set()
    while not calls.tasks["a"].done():
        await asyncio.sleep(0)
    await calls.cancel("b")
    assert calls.order == ["a", "c"]
    assert calls.slots.free_count("m") == 0
    await calls.end("c")
    assert calls.slots.free_count("m") == 1


async def test_names_of_models_that_do_not_exist_displace_no_model_that_does(make_calls, monkeypatch):
    monkeypatch.setattr(slots, "_MAX_MODELS", 3)
    calls = make_calls(1)
    real = calls.slots.of("real")
    real.note_answer(real.begin())
    await calls.begin("real", model="real")
    await calls.end("real")
    for number in range(10):
        calls.slots.of(f"typo{number}").begin()
        await calls.begin(f"{number}", model=f"typo{number}")
        await calls.end(f"{number}")
    assert calls.slots.of("real") is real
    assert len(calls.slots._models) == 3
