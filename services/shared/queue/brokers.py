"""The brokers a URL can name: RabbitMQ, and a bounded one in memory for a single process."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.stub import StubBroker

from services.shared.queue.contract import QUEUE_BY_CLASS

MEMORY_URL = "memory://"
_MEMORY_QUEUE_LENGTH = 10_000
_CONNECTION_OPTIONS = "heartbeat=60&blocked_connection_timeout=30&socket_timeout=5&connection_attempts=1"


class EmbeddedBroker(StubBroker):
    """A broker in memory. A message that does not fit is dropped: heartbeats find the work it named."""

    def enqueue(self, message: dramatiq.Message[Any], *, delay: int | None = None) -> dramatiq.Message[Any]:
        """Puts a message on its queue, unless the queue is full."""
        if self.queues[message.queue_name].qsize() >= _MEMORY_QUEUE_LENGTH:
            return message
        return super().enqueue(message, delay=delay)


def open_broker(url: str, middleware: Sequence[dramatiq.Middleware] = ()) -> dramatiq.Broker:
    """Returns a broker with the queues of all classes declared; it connects when first used.

    Args:
        url: ``amqp://user:password@host:port/vhost`` or ``memory://``.
        middleware: All of it; nothing is added.
    """
    broker: dramatiq.Broker
    if url == MEMORY_URL:
        broker = EmbeddedBroker(middleware=list(middleware))
    else:
        parts = urlsplit(url)
        query = f"{parts.query}&{_CONNECTION_OPTIONS}" if parts.query else _CONNECTION_OPTIONS
        broker = RabbitmqBroker(
            url=urlunsplit(parts._replace(query=query)), confirm_delivery=True, middleware=list(middleware)
        )
    for queue_name in QUEUE_BY_CLASS.values():
        broker.declare_queue(queue_name)
    return broker
