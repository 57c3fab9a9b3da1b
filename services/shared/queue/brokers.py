"""The brokers: RabbitMQ, and a bounded one in memory for a single process."""

import time
from collections import defaultdict, deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import dramatiq
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.brokers.rabbitmq import RabbitmqBroker, _RabbitmqConsumer
from dramatiq.brokers.stub import StubBroker
from dramatiq.errors import ConnectionClosed
from pika.exceptions import AMQPError  # type: ignore[import-untyped]

from services.shared.queue.contract import QUEUE_BY_CLASS
from services.shared.queue.encoding import TaskEncoder
from services.shared.queue.unreadable import ReadableTasks
from services.shared.serving.readiness import Need, address_of

MEMORY_URL = "memory://"
_QUEUES = tuple(QUEUE_BY_CLASS.values())
_MAX_QUEUE_LENGTH = 10_000
_MAX_DEAD_LETTERS = 100
# Interval at which the consumer of an idle queue asks RabbitMQ for an answer, in seconds.
_ASK_SECONDS = 2.0
_CONNECTION_OPTIONS = "heartbeat=60&blocked_connection_timeout=30&socket_timeout=5&connection_attempts=1"


class EmbeddedBroker(StubBroker):
    """A broker in memory. A message for a full queue is dropped, because heartbeats find the work it names.

    It keeps the last 100 rejected messages of each queue.

    Attributes:
        consumers_need: Met once all queues are consumed.
    """

    def __init__(self, middleware: list[dramatiq.Middleware]) -> None:
        super().__init__(middleware)
        # Annotated as lists, which would grow forever.
        self.dead_letters_by_queue = defaultdict(partial(deque, maxlen=_MAX_DEAD_LETTERS))  # type: ignore[arg-type]
        self.consumers_need = Need("queue", MEMORY_URL, parts=_QUEUES, lasting=True)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 100) -> Consumer:
        """Returns a consumer of the queue's readable tasks."""
        consumer = super().consume(queue_name, prefetch, timeout)
        if queue_name in _QUEUES:
            self.consumers_need.note_answer(queue_name)
        return ReadableTasks(consumer, queue_name)

    def enqueue(self, message: dramatiq.Message[Any], *, delay: int | None = None) -> dramatiq.Message[Any]:
        """Puts a message on its queue. Drops it if the queue is full."""
        if self.queues[message.queue_name].qsize() >= _MAX_QUEUE_LENGTH:
            return message
        return super().enqueue(message, delay=delay)


class _TaskConsumer(_RabbitmqConsumer):
    """A consumer that notes whether RabbitMQ answers, and that always closes its connection.

    Dramatiq's own consumer leaves the connection of a deleted queue to the garbage collector.
    """

    def __init__(self, broker: "TaskBroker", queue_name: str, prefetch: int, timeout: int) -> None:
        super().__init__(broker, queue_name, prefetch, timeout)  # type: ignore[no-untyped-call]
        self._prefetch = prefetch
        self._note_answer()

    def __next__(self) -> MessageProxy | None:
        """Returns the next message. None if none arrived in time."""
        message: MessageProxy | None = super().__next__()  # type: ignore[no-untyped-call]
        if message is not None:
            self._note_answer()
        elif time.monotonic() - self._answer_time > _ASK_SECONDS:
            self._ask()
        return message

    def _ask(self) -> None:
        """Makes a round trip that changes nothing. A RabbitMQ that hangs keeps the connection open."""
        try:
            self.channel.basic_qos(prefetch_count=self._prefetch)
        except AMQPError as error:
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]
        self._note_answer()

    def _note_answer(self) -> None:
        self._answer_time = time.monotonic()
        if self.queue_name in _QUEUES:
            self.broker.consumers_need.note_answer(self.queue_name)

    def close(self) -> None:
        """Ends consuming."""
        try:
            super().close()  # type: ignore[no-untyped-call]
        finally:
            if self.connection.is_open:
                with suppress(AMQPError):
                    self.connection.close()


class TaskBroker(RabbitmqBroker):
    """RabbitMQ. Unreadable tasks go to ``QUEUE.XQ``, which keeps them for seven days.

    Attributes:
        consumers_need: Met while all queues are consumed.
    """

    def __init__(self, url: str, middleware: list[dramatiq.Middleware]) -> None:
        self.consumers_need = Need("rabbitmq", address_of(url), parts=_QUEUES)
        parts = urlsplit(url)
        query = f"{parts.query}&{_CONNECTION_OPTIONS}" if parts.query else _CONNECTION_OPTIONS
        super().__init__(
            url=urlunsplit(parts._replace(query=query)), confirm_delivery=True, middleware=middleware
        )

    @property
    def consumer_class(self) -> type[_TaskConsumer]:
        """Class of the consumers."""
        return _TaskConsumer

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        """Returns a consumer of the queue's readable tasks."""
        try:
            return ReadableTasks(super().consume(queue_name, prefetch, timeout), queue_name)
        except Exception as error:
            if queue_name in _QUEUES:
                self.consumers_need.note_failure(cause_name(error), queue_name)
            raise


def cause_name(error: BaseException) -> str:
    """Returns the names of an error's type and of its causes. Their texts may hold addresses and secrets."""
    names: list[str] = []
    found: list[object] = [error]
    while found:
        cause = found.pop(0)
        if isinstance(cause, BaseException):
            names.append(type(cause).__name__)
            found += [*cause.args, cause.__cause__, *getattr(cause, "exceptions", ())]
    return ", ".join(dict.fromkeys(names))


def open_broker(url: str, middleware: Sequence[dramatiq.Middleware] = ()) -> EmbeddedBroker | TaskBroker:
    """Returns a broker with the queues of all classes declared. It connects when first used.

    Args:
        url: ``amqp://user:password@host:port/vhost`` or ``memory://``.
        middleware: The complete middleware. No defaults are added.
    """
    dramatiq.set_encoder(TaskEncoder())  # Dramatiq has one encoder per process
    broker: EmbeddedBroker | TaskBroker
    if url == MEMORY_URL:
        broker = EmbeddedBroker(middleware=list(middleware))
    else:
        broker = TaskBroker(url, list(middleware))
    for queue_name in QUEUE_BY_CLASS.values():
        broker.declare_queue(queue_name)
    return broker
