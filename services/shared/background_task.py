"""A coroutine that runs in the background until it is stopped."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context
from typing import Any


class BackgroundTask:
    """Runs a coroutine from ``start`` to ``stop``.

    Args:
        run: Returns the coroutine, which does not end on its own.
        name: Name of the task.
    """

    def __init__(self, run: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        self._run = run
        self._name = name
        self._task: asyncio.Task[None] | None = None

    def start(self, context: Context | None = None) -> None:
        """Starts it.

        Args:
            context: Context to run in. None for a copy of the caller's.
        """
        self._task = asyncio.get_running_loop().create_task(self._run(), name=self._name, context=context)

    async def stop(self) -> None:
        """Cancels it and waits for its end. Does nothing if it was not started.

        Raises:
            Exception: The one that had ended it.
        """
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
