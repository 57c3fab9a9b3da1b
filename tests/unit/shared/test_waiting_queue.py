import asyncio
import random
from itertools import count

import pytest

from services.shared.waiting_queue import WaitingQueue


class Waiting:
    """Tasks in one queue. They note when they are served and what they give back."""

    def __init__(self) -> None:
        self.queue: WaitingQueue[str] = WaitingQueue()
        self.order: list[str] = []
        self.given_back: list[str] = []
        self.tasks: dict[str, asyncio.Task[str]] = {}

    async def join(self, *names: str, rank: int = 0, cost: int = 0) -> None:
        async def wait(name):
            value = await self.queue.wait(rank, cost, give_back=lambda: self.given_back.append(name))
            self.order.append(name)
            return value

        for name in names:
            self.tasks[name] = asyncio.create_task(wait(name))
        await settle()

    async def serve(self, times: int = 1) -> None:
        for _ in range(times):
            waiter = self.queue.first
            assert waiter is not None
            assert self.queue.grant(waiter, "granted")
        await settle()

    async def cancel(self, name: str) -> None:
        self.tasks[name].cancel()
        await settle()


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


@pytest.fixture
async def waiting():
    made = Waiting()
    yield made
    for task in made.tasks.values():
        task.cancel()
    await asyncio.gather(*made.tasks.values(), return_exceptions=True)


async def test_a_waiter_gets_the_value_of_its_grant(waiting):
    await waiting.join("a")
    await waiting.serve()
    assert await waiting.tasks["a"] == "granted"
    assert (len(waiting.queue), waiting.queue.first) == (0, None)


async def test_the_lowest_rank_is_served_first_and_then_the_earliest(waiting):
    await waiting.join("a", "b", rank=1)
    await waiting.join("c", rank=0)
    await waiting.join("d", rank=2)
    await waiting.join("e", rank=1)
    await waiting.serve(5)
    assert waiting.order == ["c", "a", "b", "e", "d"]


async def test_the_first_waiter_shows_its_rank_and_cost_and_stays_until_it_is_granted(waiting):
    await waiting.join("a", rank=3, cost=40)
    assert (waiting.queue.first.rank, waiting.queue.first.cost) == (3, 40)
    assert waiting.queue.first is waiting.queue.first
    assert len(waiting.queue) == 1


async def test_a_cancelled_waiter_leaves_and_gives_nothing_back(waiting):
    await waiting.join("a", "b")
    await waiting.cancel("a")
    assert len(waiting.queue) == 1
    await waiting.serve()
    assert (waiting.order, waiting.given_back) == (["b"], [])


async def test_a_waiter_that_is_granted_and_cancelled_in_one_turn_gives_its_grant_back_once(waiting):
    await waiting.join("a", "b")
    assert waiting.queue.grant(waiting.queue.first, "granted")
    await waiting.cancel("a")
    assert waiting.given_back == ["a"]
    assert waiting.tasks["a"].cancelled()
    await waiting.serve()
    assert waiting.order == ["b"]


async def test_a_waiter_that_is_cancelled_and_has_not_run_yet_takes_no_grant(waiting):
    await waiting.join("a")
    first = waiting.queue.first
    waiting.tasks["a"].cancel()
    assert not waiting.queue.grant(first, "granted")
    assert waiting.queue.first is None
    await settle()
    assert (len(waiting.queue), waiting.given_back) == (0, [])


async def test_a_waiter_is_granted_once(waiting):
    await waiting.join("a")
    first = waiting.queue.first
    assert waiting.queue.grant(first, "granted")
    assert not waiting.queue.grant(first, "again")
    assert len(waiting.queue) == 0
    assert await waiting.tasks["a"] == "granted"


async def test_waiters_taken_out_and_not_granted_return_to_their_place(waiting):
    await waiting.join("a", "b", "c")
    with waiting.queue.take_first(2) as taken:
        assert [waiter.arrival for waiter in taken] == [0, 1]
        assert len(waiting.queue) == 3  # they still wait
        assert waiting.queue.first.arrival == 2
        waiting.queue.grant(taken[0], "granted")
    assert waiting.queue.first.arrival == 1
    await waiting.serve(2)
    assert waiting.order == ["a", "b", "c"]


async def test_waiters_cancelled_while_they_are_taken_out_do_not_return(waiting):
    await waiting.join("a", "b")
    with waiting.queue.take_first(5) as taken:
        await waiting.cancel("a")
        assert not waiting.queue.grant(taken[0], "granted")
    assert len(waiting.queue) == 1
    await waiting.serve()
    assert waiting.order == ["b"]


async def test_waiters_return_also_when_the_block_fails(waiting):
    await waiting.join("a")
    with pytest.raises(RuntimeError), waiting.queue.take_first(1):
        raise RuntimeError
    assert waiting.queue.first is not None


async def test_queues_that_share_arrivals_can_be_compared(waiting):
    arrivals = count()
    queues = [WaitingQueue[None](arrivals) for _ in range(2)]
    tasks = [asyncio.create_task(queue.wait(give_back=lambda: None)) for queue in reversed(queues)]
    await settle()
    assert queues[1].first.arrival < queues[0].first.arrival
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_cancelled_waiters_do_not_pile_up_behind_one_that_stays(waiting):
    await waiting.join("stays")
    for number in range(500):
        await waiting.join(str(number), rank=1)
        await waiting.cancel(str(number))
    assert len(waiting.queue._heap) < 100
    await waiting.serve()
    assert waiting.order == ["stays"]


@pytest.mark.parametrize("seed", range(5))
async def test_any_history_serves_the_lowest_rank_first_and_loses_no_grant(waiting, seed):
    rng = random.Random(seed)
    ranks: dict[str, int] = {}
    granted = 0
    for step in range(300):
        what = rng.choice(["join", "join", "serve", "cancel"])
        if what == "join":
            ranks[str(step)] = rng.randrange(3)
            await waiting.join(str(step), rank=ranks[str(step)])
        elif what == "cancel" and ranks:
            name = rng.choice(sorted(ranks))
            if rng.random() < 0.3 and waiting.queue.first is not None:
                granted += waiting.queue.grant(waiting.queue.first, "granted")
            await waiting.cancel(name)
        elif waiting.queue.first is not None:
            await waiting.serve()
            granted += 1
        ranks = {name: rank for name, rank in ranks.items() if not waiting.tasks[name].done()}
        assert len(waiting.queue) == len(ranks)
        first = waiting.queue.first
        expected = min(((rank, int(name)) for name, rank in ranks.items()), default=None)
        assert (None if first is None else first.rank) == (None if expected is None else expected[0])
    assert len(waiting.order) + len(waiting.given_back) == granted
