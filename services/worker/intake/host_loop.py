"""Runs Dramatiq's async actors on the process's own asyncio loop.

Everything a worker uses (gRPC, HTTP, Redis) is bound to one loop; a second loop for actors would cut them
off from it. Source: ``dramatiq.asyncio``, whose event-loop thread this stands in for.
"""

import asyncio
import logging

import dramatiq
from dramatiq.asyncio import EventLoopThread, set_event_loop_thread

# How often a worker thread that waits for an actor looks for interrupts, in seconds. None are ever sent.
_INTERRUPT_CHECK_SECONDS = 0.5


class _HostLoopThread(EventLoopThread):
    """An event-loop "thread" that is no thread: it hands coroutines to a loop that runs elsewhere."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:  # never super(): it would make a loop
        self.loop = loop
        self.interrupt_check_ival = _INTERRUPT_CHECK_SECONDS
        self.logger = logging.getLogger(__name__)

    def start(self, *, timeout: float | None = None) -> None:
        """Does nothing: the loop runs already."""

    def stop(self) -> None:
        """Does nothing: the loop belongs to the process."""

    def join(self, timeout: float | None = None) -> None:
        """Does nothing: there is no thread."""


class HostLoop(dramatiq.Middleware):
    """Makes the actors of a broker run on the given loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def before_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Puts the loop where Dramatiq looks for it."""
        set_event_loop_thread(_HostLoopThread(self._loop))

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Takes it away again."""
        set_event_loop_thread(None)
