"""The consumer: tasks from the broker to runs of the lease loop."""

import asyncio
import threading

import uuid_utils

from headrace.jobs.v1 import jobs_pb2
from services.shared.queue.brokers import open_broker
from services.shared.queue.contract import QUEUE_BY_CLASS, advance_job_message
from services.worker.intake.consumer import Consumer

BAD, GOOD = str(uuid_utils.uuid7()), str(uuid_utils.uuid7())
JOB_IDS = {job_class: str(uuid_utils.uuid7()) for job_class in QUEUE_BY_CLASS}


class FakeLeaseLoop:
    """Records the arguments, thread and loop of each run."""

    def __init__(self, expected_count):
        self.calls = []
        self.done = asyncio.Event()
        self._expected_count = expected_count

    async def run_task(self, job_id, job_class):
        self.calls.append((job_id, job_class, threading.current_thread(), asyncio.get_running_loop()))
        if len(self.calls) == self._expected_count:
            self.done.set()
        if job_id == BAD:
            raise RuntimeError("a bug")


async def test_wake_ups_of_every_class_run_on_the_loop_of_the_process():
    lease_loop = FakeLeaseLoop(len(QUEUE_BY_CLASS))
    broker = open_broker("memory://")
    consumer = Consumer(broker, lease_loop)
    await consumer.start()
    for job_class in QUEUE_BY_CLASS:
        broker.enqueue(advance_job_message(JOB_IDS[job_class], job_class))
    async with asyncio.timeout(10):
        await lease_loop.done.wait()
    await consumer.stop()
    assert {call[:2] for call in lease_loop.calls} == {(JOB_IDS[c], c) for c in QUEUE_BY_CLASS}
    assert {call[2:] for call in lease_loop.calls} == {(threading.main_thread(), asyncio.get_running_loop())}


async def test_a_task_that_fails_is_neither_kept_nor_retried():
    lease_loop = FakeLeaseLoop(2)
    broker = open_broker("memory://")
    consumer = Consumer(broker, lease_loop)
    await consumer.start()
    broker.enqueue(advance_job_message(BAD, jobs_pb2.JOB_CLASS_DEFAULT))
    broker.enqueue(advance_job_message(GOOD, jobs_pb2.JOB_CLASS_DEFAULT))
    async with asyncio.timeout(10):
        await lease_loop.done.wait()
    await consumer.stop()
    assert sorted(call[0] for call in lease_loop.calls) == sorted([BAD, GOOD])
    assert broker.dead_letters == []


async def test_the_broker_stays_open_for_publishing_after_consuming_has_ended(monkeypatch):
    broker = open_broker("memory://")
    closed = []
    monkeypatch.setattr(broker, "close", lambda: closed.append(True))
    consumer = Consumer(broker, FakeLeaseLoop(1))
    await consumer.start()
    await consumer.stop()
    assert not closed
