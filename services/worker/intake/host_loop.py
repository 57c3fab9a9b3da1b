"""Runs Dramatiq's async actors on the process's own asyncio loop.

All connections of a worker (gRPC, HTTP, Redis) are bound to one loop, and actors on a second loop could not
use them. Source: ``dramatiq.asyncio``, whose event-loop thread this replaces.
"""

import asyncio
import logging

import dramatiq
from dramatiq.asyncio import EventLoopThread, set_event_loop_thread

# Interval at which a thread that waits for an actor checks for interrupts, in seconds. None are ever sent.
_INTERRUPT_CHECK_SECONDS = 0.5


class _HostLoopThread(EventLoopThread):
    """Stands in for an event-loop thread, and passes coroutines to a loop that runs elsewhere."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # Without super(): that would create a loop.
        self.loop = loop
        self.interrupt_check_ival = _INTERRUPT_CHECK_SECONDS
        self.logger = logging.getLogger(__name__)

    def start(self, *, timeout: float | None = None) -> None:
        """Does nothing: the loop is already running."""

    def stop(self) -> None:
        """Does nothing: the loop belongs to the process."""

    def join(self, timeout: float | None = None) -> None:
        """Does nothing: there is no thread."""


class HostLoop(dramatiq.Middleware):
    """Runs the actors of a broker on the given loop.

    Args:
        loop: Loop of this process.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def before_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Sets the loop as Dramatiq's event-loop thread."""
        set_event_loop_thread(_HostLoopThread(self._loop))

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Removes it again."""
        set_event_loop_thread(None)
