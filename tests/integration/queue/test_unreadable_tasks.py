"""Unreadable tasks, put into the queue by hand: on RabbitMQ, and in the embedded system's memory."""

import asyncio
import json
from types import SimpleNamespace

import pika
import pytest
import structlog
import uuid_utils
from prometheus_client import REGISTRY

from headrace.jobs.v1 import jobs_pb2
from services.shared.queue.brokers import open_broker
from services.shared.queue.contract import advance_job_message
from services.worker.intake.consumer import QUEUE_PREFETCH, WORKER_THREADS, Consumer
from tests.waiting import until

CLASS = jobs_pb2.JOB_CLASS_DEFAULT
QUEUE = "headrace.default"
SECRET = "planted-content"
JOB_ID = str(uuid_utils.uuid7())


def body(**fields):
    """Returns a task's body with some fields changed."""
    task = json.loads(advance_job_message(JOB_ID, CLASS).encode())
    return json.dumps(task | fields).encode()


def without(name):
    task = json.loads(advance_job_message(JOB_ID, CLASS).encode())
    del task[name]
    return json.dumps(task).encode()


def arguments(**kwargs):
    return body(kwargs={"job_id": JOB_ID, "job_class": int(CLASS)} | kwargs)


UNREADABLE = {
    "bytes that are not text": ("body", b"\xff\xfe" + SECRET.encode()),
    "an empty body": ("body", b""),
    "text that is not JSON": ("body", SECRET.encode()),
    "JSON nested too deep": ("body", b"[" * 100_000),
    "a number with too many digits": ("body", b"9" * 10_000),
    "JSON that is not a message": ("body", json.dumps([SECRET]).encode()),
    "a message without arguments": ("body", without("kwargs")),
    "an unknown field": ("body", body(secret=SECRET)),
    "options that are null": ("body", body(options=None)),
    "a name that is a list": ("body", body(actor_name=[SECRET])),
    "a message of an unknown queue": ("queue", body(queue_name=SECRET)),
    "a message of another queue": ("queue", body(queue_name="headrace.bulk")),
    "a delay of years": ("queue", body(options={"eta": 2**62})),
    "an unknown actor": ("actor", body(actor_name=SECRET)),
    "positional arguments": ("arguments", body(args=[JOB_ID, int(CLASS)], kwargs={})),
    "a missing argument": ("arguments", body(kwargs={"job_id": JOB_ID})),
    "an unexpected argument": ("arguments", arguments(secret=SECRET)),
    "a class of the wrong type": ("arguments", arguments(job_class=True)),
    "an unknown class": ("arguments", arguments(job_class=99)),
    "a job id of the wrong type": ("arguments", arguments(job_id=[SECRET])),
    "a job id that is not a UUID": ("arguments", arguments(job_id=SECRET)),
}


class MemoryQueue:
    """The queue of the embedded system."""

    def __init__(self):
        self.broker = open_broker("memory://")

    def put(self, data):
        self.broker.queues[QUEUE].put(data)

    def dead_letter_count(self):
        return len(self.broker.dead_letters_by_queue[QUEUE])

    def waiting_count(self):
        return self.broker.queues[QUEUE].unfinished_tasks

    def close(self):
        self.broker.close()


class RabbitQueue:
    """A queue of RabbitMQ, read and filled without Dramatiq."""

    def __init__(self, url):
        self.broker = open_broker(url)
        self.broker.declare_queue(QUEUE, ensure=True)
        self._connection = pika.BlockingConnection(pika.URLParameters(url))
        self._channel = self._connection.channel()

    def put(self, data):
        self._channel.basic_publish("", QUEUE, data)

    def dead_letter_count(self):
        return self._channel.queue_declare(f"{QUEUE}.XQ", passive=True).method.message_count

    def dead_letters(self):
        return [self._channel.basic_get(f"{QUEUE}.XQ")[2] for _ in range(self.dead_letter_count())]

    def waiting_count(self):
        return self._channel.queue_declare(QUEUE, passive=True).method.message_count

    def close(self):
        self.broker.close()
        self._connection.close()


@pytest.fixture(params=["memory", "rabbitmq"])
def queue(request):
    url = request.getfixturevalue("make_vhost")() if request.param == "rabbitmq" else ""
    made = RabbitQueue(url) if url else MemoryQueue()
    yield made
    made.close()


class LeaseLoop:
    """Records which tasks ran."""

    def __init__(self):
        self.job_ids = []
        self.ran = asyncio.Condition()

    async def run_task(self, job_id, job_class):
        async with self.ran:
            self.job_ids.append(job_id)
            self.ran.notify_all()

    async def until_ran(self, job_ids):
        async with asyncio.timeout(30), self.ran:
            await self.ran.wait_for(lambda: set(job_ids) <= set(self.job_ids))


@pytest.fixture
async def consuming(queue):
    """A consumer with a fake lease loop, to be started by the test; stopped afterwards."""
    lease_loop = LeaseLoop()
    consumer = Consumer(queue.broker, lease_loop)
    yield SimpleNamespace(lease_loop=lease_loop, start=consumer.start)
    await consumer.stop()


def counted():
    """Returns the unreadable tasks of the queue, by cause."""
    samples = {}
    for cause in ("body", "queue", "actor", "arguments"):
        labels = {"queue": QUEUE, "cause": cause}
        samples[cause] = REGISTRY.get_sample_value("headrace_tasks_unreadable_total", labels) or 0
    return samples


async def test_unreadable_tasks_are_kept_and_counted_and_delay_no_other(queue, consuming, caplog):
    before = counted()
    good = [str(uuid_utils.uuid7()) for _ in range(WORKER_THREADS + QUEUE_PREFETCH)]
    for _, data in UNREADABLE.values():
        queue.put(data)
    for job_id in good:
        queue.put(bytes(advance_job_message(job_id, CLASS).encode()))
    with structlog.testing.capture_logs() as lines:
        await consuming.start()
        await consuming.lease_loop.until_ran(good)
        await until(lambda: queue.dead_letter_count() == len(UNREADABLE))
        await until(lambda: queue.waiting_count() == 0)
    assert sorted(consuming.lease_loop.job_ids) == sorted(good), "each ran once"
    causes = [cause for cause, _ in UNREADABLE.values()]
    after = counted()
    assert {cause: after[cause] - before[cause] for cause in after} == {c: causes.count(c) for c in after}
    logged = [line for line in lines if line["event"] == "task_unreadable"]
    assert [line["cause"] for line in logged] == causes
    assert {line["queue"] for line in logged} == {QUEUE}
    assert SECRET not in repr(lines) + caplog.text


async def test_a_worker_reports_zero_unreadable_tasks_before_the_first():
    consumer = Consumer(open_broker("memory://"), LeaseLoop())
    await consumer.start()
    labels = {"queue": "headrace.interactive", "cause": "actor"}
    await until(lambda: REGISTRY.get_sample_value("headrace_tasks_unreadable_total", labels) == 0)
    await consumer.stop()


async def test_rabbitmq_keeps_unreadable_tasks_byte_for_byte(make_vhost):
    queue = RabbitQueue(make_vhost())
    consumer = Consumer(queue.broker, LeaseLoop())
    for _, data in UNREADABLE.values():
        queue.put(data)
    await consumer.start()
    await until(lambda: queue.dead_letter_count() == len(UNREADABLE))
    await consumer.stop()
    assert queue.dead_letters() == [data for _, data in UNREADABLE.values()]
    queue.close()


async def test_the_broker_in_memory_keeps_the_last_of_many_dead_letters():
    queue = MemoryQueue()
    consumer = Consumer(queue.broker, LeaseLoop())
    for _ in range(500):
        queue.put(b"")
    await consumer.start()
    await until(lambda: queue.waiting_count() == 0)
    await consumer.stop()
    assert queue.dead_letter_count() == 100
