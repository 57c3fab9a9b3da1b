"""Tasks that cannot be read: they are put aside, counted, and hold nothing up."""

import uuid
from collections.abc import Iterable
from typing import Any, Literal, get_args

from dramatiq.broker import Consumer, MessageProxy
from dramatiq.common import q_name
from prometheus_client import Counter

from services.shared.logging import get_logger
from services.shared.queue.contract import ADVANCE_JOB, QUEUE_BY_CLASS
from services.shared.queue.encoding import NO_MESSAGE

log = get_logger(__name__)

Cause = Literal["body", "queue", "actor", "arguments"]

TASKS_UNREADABLE = Counter(
    "headrace_tasks_unreadable_total",
    "Tasks put aside: no message, of another queue or with a delay, an unknown actor, wrong arguments.",
    ["queue", "cause"],
)
_ARGUMENTS = {"job_id": str, "job_class": int}


class ReadableTasks(Consumer):
    """The tasks of a queue that can be read; the others are rejected, into its dead-letter queue.

    Dramatiq itself acknowledges some of them, which loses them; others end the thread that they come to, over
    and over.

    Args:
        consumer: Of a broker.
        queue_name: Its queue.
    """

    def __init__(self, consumer: Consumer, queue_name: str) -> None:
        self._consumer = consumer
        self._queue_name = queue_name
        # From 0 on, so that a rate sees the first one too.
        self._counts = {
            cause: TASKS_UNREADABLE.labels(q_name(queue_name), cause) for cause in get_args(Cause)
        }

    def __next__(self) -> MessageProxy | None:
        """Returns the next task, or None where none came in time or one was rejected."""
        message = next(self._consumer)
        cause = None if message is None else cause_of(message, self._queue_name)
        if message is None or cause is None:
            return message
        self._consumer.nack(message)
        self._counts[cause].inc()
        log.warning("task_unreadable", queue=self._queue_name, cause=cause)
        return None

    def ack(self, message: MessageProxy) -> None:
        """Tells that a task is done."""
        self._consumer.ack(message)

    def nack(self, message: MessageProxy) -> None:
        """Rejects a task."""
        self._consumer.nack(message)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Gives tasks back."""
        self._consumer.requeue(messages)

    def close(self) -> None:
        """Ends consuming."""
        self._consumer.close()


def cause_of(message: Any, queue_name: str) -> Cause | None:
    """Returns why a task cannot be read; None where it can.

    Args:
        message: It has the form of a message.
        queue_name: The queue that it came from.
    """
    if message.actor_name == NO_MESSAGE:
        return "body"
    # A message is acknowledged to the queue that it names; one with a delay keeps a place until it is due.
    if message.queue_name != queue_name or "eta" in message.options:
        return "queue"
    if message.actor_name != ADVANCE_JOB:
        return "actor"
    given = message.kwargs
    are_right = not message.args and {name: type(value) for name, value in given.items()} == _ARGUMENTS
    if not are_right or given["job_class"] not in QUEUE_BY_CLASS or not _is_id(given["job_id"]):
        return "arguments"
    return None


def _is_id(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
