"""Time that jumps: a loop whose clock moves on to the next timer as soon as nothing is left to do."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from services.results.database.clock import Clock

T = TypeVar("T")
BEGIN_SECONDS = 1_800_000_000
# What is not over by then never ends.
MOST_SECONDS = 7_200.0


class _Jumping(selectors.SelectSelector):
    """Waits for no time at all, and moves the loop's clock on by what it was asked to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everybody waits, and no timer is set")
        if timeout > 0:
            self.seconds += timeout
        if self.seconds > MOST_SECONDS:
            raise RuntimeError(f"not over after {MOST_SECONDS:.0f} simulated seconds")
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop for code that only computes and waits; no sockets, no threads.

    Attributes:
        thread_seconds: What work that is handed to a thread adds the time to that it would take there. It is
            run at once, and answered after that time.
    """

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)
        self.thread_seconds = 0.0

    def time(self) -> float:
        """Seconds since the simulation began."""
        return self._jumping.seconds

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Runs the function now; its result is there when its time is over."""
        self.thread_seconds = 0.0
        future: asyncio.Future[T] = self.create_future()
        result = func(*args)
        self.call_later(self.thread_seconds, lambda: future.done() or future.set_result(result))
        return future


class VirtualClock(Clock):
    """The database's clock, which is the loop's."""

    def local_now(self) -> int:
        """Returns microseconds since 1970."""
        return BEGIN_SECONDS * 1_000_000 + round(asyncio.get_running_loop().time() * 1_000_000) + self.offset


def run_virtually(work: Coroutine[Any, Any, T]) -> T:
    """Returns what the work returned; every wait in it took no time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
