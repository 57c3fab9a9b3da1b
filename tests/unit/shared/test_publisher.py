import asyncio
import threading

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker
from structlog.testing import capture_logs

from headrace.jobs.v1 import jobs_pb2
from services.shared.queue.contract import QUEUE_BY_CLASS
from services.shared.queue.publisher import BATCH_COUNT, TASKS_NOT_PUBLISHED, QueuePublisher
from services.stubs.results.v1 import results_pb2
from tests.waiting import until

DEFAULT = jobs_pb2.JOB_CLASS_DEFAULT


class SlowBroker(StubBroker):
    """A broker that takes a message when a test lets it."""

    def __init__(self):
        super().__init__(middleware=[])
        self.lets = threading.Semaphore(0)
        self.begun = threading.Event()
        self.taken = []
        self.fails = False

    def enqueue(self, message: dramatiq.Message, *, delay=None):
        self.begun.set()
        assert self.lets.acquire(timeout=10)
        if self.fails:
            raise ConnectionError
        self.taken.append(message.kwargs["job_id"])
        return message


@pytest.fixture
def broker():
    broker = SlowBroker()
    for queue in QUEUE_BY_CLASS.values():
        broker.declare_queue(queue)
    yield broker
    broker.lets.release(100)


@pytest.fixture
async def publisher(broker):
    publisher = QueuePublisher(broker)
    yield publisher
    broker.lets.release(100)
    await publisher.close()


def task(job_id, count=1, job_class=DEFAULT):
    return results_pb2.TaskToPublish(job_id=job_id, job_class=job_class, count=count)


async def test_wake_ups_are_published_in_order_and_equal_ones_that_wait_are_merged(publisher, broker):
    publisher.publish([task("a")])
    await asyncio.to_thread(broker.begun.wait, 10)
    publisher.publish([task("b"), task("c", 2)])
    publisher.publish([task("c", 3), task("b")])
    broker.lets.release(100)
    await until(lambda: len(broker.taken) == 5)
    await publisher.close()
    assert broker.taken == ["a", "b", "c", "c", "c"]


async def test_the_wake_up_of_a_small_job_does_not_wait_for_all_those_of_a_large_one(publisher, broker):
    publisher.publish([task("large", 200)])
    await asyncio.to_thread(broker.begun.wait, 10)
    publisher.publish([task("small")])
    broker.lets.release(300)
    await until(lambda: len(broker.taken) == 201)
    assert broker.taken.index("small") <= 2 * BATCH_COUNT


async def test_jobs_that_come_while_others_wait_share_their_wake_ups_two_for_each_worker(publisher, broker):
    publisher.set_worker_count(3)
    publisher.publish([task("first")])
    await asyncio.to_thread(broker.begun.wait, 10)
    for number in range(100):
        publisher.publish([task(f"job-{number}")])
    publisher.publish([task("large", 6)])
    broker.lets.release(200)
    await until(lambda: publisher._in_flight is None)
    assert broker.taken == ["first", *(f"job-{number}" for number in range(6))]


async def test_wake_ups_of_one_class_are_none_of_another(publisher, broker):
    publisher.set_worker_count(0)  # as if there were one: it may be about to come
    publisher.publish([task("first")])
    await asyncio.to_thread(broker.begun.wait, 10)
    publisher.publish([task("bulk", 8, jobs_pb2.JOB_CLASS_BULK), task("default", 8)])
    broker.lets.release(200)
    await until(lambda: publisher._in_flight is None)
    assert sorted(broker.taken) == ["bulk", "bulk", "default", "default", "first"]


async def test_a_job_that_comes_when_nothing_waits_has_wake_ups_of_its_own(publisher, broker):
    publisher.set_worker_count(1)
    broker.lets.release(200)
    for name in ("a", "b", "c"):
        publisher.publish([task(name, 2)])
        await until(lambda: publisher._in_flight is None)
    assert broker.taken == ["a", "a", "b", "b", "c", "c"]


async def test_what_is_left_of_a_job_is_dropped_with_a_fault_of_the_broker(publisher, broker):
    before = TASKS_NOT_PUBLISHED._value.get()
    broker.fails = True
    publisher.publish([task("a", 200)])
    broker.lets.release()
    await until(lambda: TASKS_NOT_PUBLISHED._value.get() == before + 200)


async def test_wake_ups_after_a_fault_of_the_broker_are_published(publisher, broker):
    broker.fails = True
    broker.lets.release()
    publisher.publish([task("a", 2)])
    await until(lambda: publisher._degradation.is_degraded)
    broker.fails = False
    broker.lets.release()
    publisher.publish([task("b")])
    await until(lambda: broker.taken)
    assert broker.taken == ["b"]


async def test_a_broker_that_fails_and_one_that_is_back_are_logged_once(publisher, broker):
    broker.fails = True
    broker.lets.release(100)
    with capture_logs() as logs:
        for name in ("a", "b"):
            publisher.publish([task(name)])
            await until(lambda: publisher._in_flight is None)
        broker.fails = False
        publisher.publish([task("c")])
        await until(lambda: publisher._in_flight is None)
    assert [line["event"] for line in logs] == ["publishing_degraded", "publishing_restored"]
    assert (logs[0]["job_count"], logs[0]["error"]) == (1, "ConnectionError")


async def test_closing_publishes_what_waits_and_later_ones_are_dropped(publisher, broker):
    publisher.publish([task("a")])
    await asyncio.to_thread(broker.begun.wait, 10)
    publisher.publish([task("b")])
    broker.lets.release(100)
    await publisher.close()
    publisher.publish([task("c")])
    assert broker.taken == ["a", "b"]
