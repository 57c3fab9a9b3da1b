"""Tells which processes can use gRPC. Its threads and locks do not survive a fork."""

import asyncio
import os
import select
import weakref
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import grpc

from headrace.errors import FailedPreconditionError
from headrace.reasons import ErrorReason

# Time for gRPC to end its threads after the last channel was closed, in seconds. It takes about 0.1 s.
SETTLE_SECONDS = 1.0
_POLL_SECONDS = 0.005
_THREADS = Path("/proc/self/task")
_THREAD_NAMES = ("event_engine", "lifeguard", "grpc_", "timer_manager")


class _GrpcInProcess:
    """The use of gRPC in this process and in those that it was forked from.

    Attributes:
        is_broken: Whether the process was forked while gRPC was running.
        process_id: Process in which clients use gRPC. None before the first channel.
        channels: Channels that are open, as far as they were not freed.
        last_close: Time at which a channel was last closed.
    """

    def __init__(self) -> None:
        self.is_broken = False
        self.process_id: int | None = None
        self.channels: weakref.WeakSet[grpc.aio.Channel] = weakref.WeakSet()
        self.last_close = float("-inf")
        self._runs_at_fork = False
        self._loop_at_fork: asyncio.AbstractEventLoop | None = None

    def before_fork(self) -> None:
        """Notes whether gRPC is running, after it had time to end the threads of closed channels."""
        limit = self.last_close + SETTLE_SECONDS
        while not self.channels and self._has_threads() and monotonic() < limit:
            sleep(_POLL_SECONDS)
        self._runs_at_fork = bool(self.channels) or self._has_threads()
        self._loop_at_fork = asyncio._get_running_loop()

    def after_fork_in_child(self) -> None:
        """Marks the process as broken if gRPC was running.

        The channels of the parent are then kept for good: freeing one waits for threads that do not exist
        here, or crashes.
        """
        channels, self.channels = list(self.channels), weakref.WeakSet()
        self.process_id = None
        if self._runs_at_fork:
            self.is_broken = True
            calls = _keep_for_good(channels)
            if self._loop_at_fork is not None:
                _separate(self._loop_at_fork)
                for call in calls:
                    call.cancel()
        self._loop_at_fork = None

    def _has_threads(self) -> bool:
        try:
            threads = list(_THREADS.iterdir())
        except OSError:  # a system without /proc
            return self.process_id is not None
        return any(_name(thread).startswith(_THREAD_NAMES) for thread in threads)


def _name(thread: Path) -> str:
    try:
        return (thread / "comm").read_text()
    except OSError:  # it has just ended
        return ""


def _keep_for_good(channels: list[grpc.aio.Channel]) -> list[Any]:
    """Keeps channels and their calls for good. Returns the calls, whose cancellation stays in Python now."""
    calls = [call for channel in channels for call in getattr(channel, "_active_calls", ())]
    for call in calls:
        call._cancel = _cancel_in_python
    for thing in (*channels, *calls):
        _never_free(thing)
    return calls


def _cancel_in_python(_details: str) -> bool:
    return True


def _never_free(thing: object) -> None:
    with suppress(ImportError):
        import ctypes

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _separate(loop: asyncio.AbstractEventLoop) -> None:
    """Replaces the epoll instance of the loop that the child inherited in mid-run.

    Parent and child would otherwise share it, and the child would read what wakes the parent.
    """
    selector = getattr(loop, "_selector", None)
    if selector is not None and hasattr(select, "epoll"):
        with select.epoll() as empty:
            os.dup2(empty.fileno(), selector.fileno(), inheritable=False)


_grpc = _GrpcInProcess()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_grpc.before_fork, after_in_child=_grpc.after_fork_in_child)


def note_open_channel(channel: grpc.aio.Channel) -> None:
    """Notes that a client uses gRPC in this process."""
    _grpc.channels.add(channel)
    _grpc.process_id = os.getpid()


def note_closed_channel(channel: grpc.aio.Channel) -> None:
    """Forgets a channel. gRPC ends its threads soon after the last one is freed."""
    _grpc.channels.discard(channel)
    _grpc.last_close = monotonic()


def check_process() -> None:
    """Checks that gRPC can be used in this process.

    Raises:
        FailedPreconditionError: The process was forked while gRPC was running (CLIENT_FORKED).
    """
    # The second check finds a fork that bypassed Python.
    if _grpc.is_broken or _grpc.process_id not in (None, os.getpid()):
        raise forked("gRPC was running when this process was forked, and works in no such process")


def forked(cause: str) -> FailedPreconditionError:
    """Returns the error of a client that cannot be used because of a fork, with the remedies."""
    return FailedPreconditionError(
        f"{cause}: make clients after the fork (gunicorn: post_fork, Celery: worker_process_init), close all "
        "of them before it, or start processes with multiprocessing's 'spawn'",
        reason=ErrorReason.CLIENT_FORKED,
    )
