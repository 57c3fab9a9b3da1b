"""The brokers: RabbitMQ, and a bounded one in memory for a single process."""

from collections import defaultdict, deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import dramatiq
from dramatiq.broker import Consumer
from dramatiq.brokers.rabbitmq import RabbitmqBroker, _RabbitmqConsumer
from dramatiq.brokers.stub import StubBroker
from pika.exceptions import AMQPError  # type: ignore[import-untyped]

from services.shared.queue.contract import QUEUE_BY_CLASS
from services.shared.queue.encoding import TaskEncoder
from services.shared.queue.unreadable import ReadableTasks

MEMORY_URL = "memory://"
_MAX_QUEUE_LENGTH = 10_000
_MAX_DEAD_LETTERS = 100
_CONNECTION_OPTIONS = "heartbeat=60&blocked_connection_timeout=30&socket_timeout=5&connection_attempts=1"


class EmbeddedBroker(StubBroker):
    """A broker in memory. A message for a full queue is dropped, because heartbeats find the work it names.

    It keeps the last 100 rejected messages of each queue.
    """

    def __init__(self, middleware: list[dramatiq.Middleware]) -> None:
        super().__init__(middleware)
        # Annotated as lists, which would grow forever.
        self.dead_letters_by_queue = defaultdict(partial(deque, maxlen=_MAX_DEAD_LETTERS))  # type: ignore[arg-type]

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 100) -> Consumer:
        """Returns a consumer of the queue's readable tasks."""
        return ReadableTasks(super().consume(queue_name, prefetch, timeout), queue_name)

    def enqueue(self, message: dramatiq.Message[Any], *, delay: int | None = None) -> dramatiq.Message[Any]:
        """Puts a message on its queue. Drops it if the queue is full."""
        if self.queues[message.queue_name].qsize() >= _MAX_QUEUE_LENGTH:
            return message
        return super().enqueue(message, delay=delay)


class _TaskConsumer(_RabbitmqConsumer):
    """A consumer that closes its connection, even if its channel is closed already.

    Dramatiq's own consumer leaves the connection of a deleted queue to the garbage collector.
    """

    def close(self) -> None:
        """Ends consuming."""
        try:
            super().close()  # type: ignore[no-untyped-call]
        finally:
            if self.connection.is_open:
                with suppress(AMQPError):
                    self.connection.close()


class TaskBroker(RabbitmqBroker):
    """RabbitMQ. Unreadable tasks go to ``QUEUE.XQ``, which keeps them for seven days."""

    @property
    def consumer_class(self) -> type[_TaskConsumer]:
        """Class of the consumers."""
        return _TaskConsumer

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        """Returns a consumer of the queue's readable tasks."""
        return ReadableTasks(super().consume(queue_name, prefetch, timeout), queue_name)


def open_broker(url: str, middleware: Sequence[dramatiq.Middleware] = ()) -> dramatiq.Broker:
    """Returns a broker with the queues of all classes declared. It connects when first used.

    Args:
        url: ``amqp://user:password@host:port/vhost`` or ``memory://``.
        middleware: The complete middleware. No defaults are added.
    """
    dramatiq.set_encoder(TaskEncoder())  # Dramatiq has one encoder per process
    broker: dramatiq.Broker
    if url == MEMORY_URL:
        broker = EmbeddedBroker(middleware=list(middleware))
    else:
        parts = urlsplit(url)
        query = f"{parts.query}&{_CONNECTION_OPTIONS}" if parts.query else _CONNECTION_OPTIONS
        broker = TaskBroker(
            url=urlunsplit(parts._replace(query=query)), confirm_delivery=True, middleware=list(middleware)
        )
    for queue_name in QUEUE_BY_CLASS.values():
        broker.declare_queue(queue_name)
    return broker
