"""Rejects and counts unreadable tasks, so that they block nothing."""

import uuid
from collections.abc import Iterable
from typing import Any, Literal, get_args

from dramatiq.broker import Consumer, MessageProxy
from dramatiq.common import q_name
from prometheus_client import Counter

from services.shared.logging import get_logger
from services.shared.queue.contract import ADVANCE_JOB, QUEUE_BY_CLASS
from services.shared.queue.encoding import NOT_A_MESSAGE

log = get_logger(__name__)

Cause = Literal["body", "queue", "actor", "arguments"]

TASKS_UNREADABLE = Counter(
    "headrace_tasks_unreadable_total",
    "Tasks rejected: not a message, of another queue or with a delay, an unknown actor, wrong arguments.",
    ["queue", "cause"],
)
_ARGUMENTS = {"job_id": str, "job_class": int}


class ReadableTasks(Consumer):
    """The readable tasks of a queue. Unreadable ones are rejected into its dead-letter queue.

    Dramatiq itself acknowledges some unreadable tasks, which loses them. Others end the thread that receives
    them, again and again.

    Args:
        consumer: Consumer of a broker.
        queue_name: Queue of the consumer.
    """

    def __init__(self, consumer: Consumer, queue_name: str) -> None:
        self._consumer = consumer
        self._queue_name = queue_name
        # Each series starts at 0, so that a rate includes its first task.
        self._counts = {
            cause: TASKS_UNREADABLE.labels(q_name(queue_name), cause) for cause in get_args(Cause)
        }

    def __next__(self) -> MessageProxy | None:
        """Returns the next task. None if none arrived in time, or if one was rejected."""
        message = next(self._consumer)
        cause = None if message is None else cause_of(message, self._queue_name)
        if message is None or cause is None:
            return message
        self._consumer.nack(message)
        self._counts[cause].inc()
        log.warning("task_unreadable", queue=self._queue_name, cause=cause)
        return None

    def ack(self, message: MessageProxy) -> None:
        """Acknowledges a task."""
        self._consumer.ack(message)

    def nack(self, message: MessageProxy) -> None:
        """Rejects a task."""
        self._consumer.nack(message)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Returns tasks to the queue."""
        self._consumer.requeue(messages)

    def close(self) -> None:
        """Ends consuming."""
        self._consumer.close()


def cause_of(message: Any, queue_name: str) -> Cause | None:
    """Returns why a task is unreadable. None if it is readable.

    Args:
        message: The task, in the form of a message.
        queue_name: Queue that it came from.
    """
    if message.actor_name == NOT_A_MESSAGE:
        return "body"
    # A message is acknowledged to the queue that it names. One with a delay would occupy the prefetch until
    # it is due.
    if message.queue_name != queue_name or "eta" in message.options:
        return "queue"
    if message.actor_name != ADVANCE_JOB:
        return "actor"
    given = message.kwargs
    are_valid = not message.args and {name: type(value) for name, value in given.items()} == _ARGUMENTS
    if not are_valid or given["job_class"] not in QUEUE_BY_CLASS or not _is_id(given["job_id"]):
        return "arguments"
    return None


def _is_id(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
