"""Virtual time: a loop whose clock jumps to the next timer as soon as nothing else is ready."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from services.results.database.clock import Clock

T = TypeVar("T")
BEGIN_SECONDS = 1_800_000_000
# Work that is not over after this simulated time never ends.
LIMIT_SECONDS = 7_200.0


class _Jumping(selectors.SelectSelector):
    """Never waits, and advances the loop's clock by the requested time instead."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("every task waits, and no timer is set")
        if timeout > 0:
            self.seconds += timeout
        if self.seconds > LIMIT_SECONDS:
            raise RuntimeError(f"not over after {LIMIT_SECONDS:.0f} simulated seconds")
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop for code that only computes and waits, without sockets and threads.

    Attributes:
        thread_seconds: Simulated duration of the work that a thread runs, added to by that work. It runs at
            once, and its result is available after that time.
    """

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)
        self.thread_seconds = 0.0

    def time(self) -> float:
        """Seconds since the simulation began."""
        return self._jumping.seconds

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Runs the function now; its result is available after its simulated duration."""
        self.thread_seconds = 0.0
        future: asyncio.Future[T] = self.create_future()
        result = func(*args)
        self.call_later(self.thread_seconds, lambda: future.done() or future.set_result(result))
        return future


class VirtualClock(Clock):
    """The database's clock, driven by the loop's."""

    def local_now(self) -> int:
        """Returns microseconds since 1970."""
        return BEGIN_SECONDS * 1_000_000 + round(asyncio.get_running_loop().time() * 1_000_000) + self.offset


def run_virtually(work: Coroutine[Any, Any, T]) -> T:
    """Returns the result of the work; its waits take no real time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
