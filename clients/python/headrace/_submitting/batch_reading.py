"""Reading an async generator in batches: one way across the threads for many values."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Generic, TypeVar

T = TypeVar("T")


class BatchReader(Generic[T]):
    """Reads an async generator. All on one event loop.

    Args:
        source: What to read.
        batch_size: Values at once, at most. Above 1 the next value is asked for ahead.
    """

    def __init__(self, source: AsyncGenerator[T, None], batch_size: int) -> None:
        self._source = source
        self._batch_size = batch_size
        self._step: asyncio.Task[T] | None = None

    async def read(self) -> list[T]:
        """Returns the next value, waiting for it, with those behind it that are there already.

        Empty: there is nothing more. What the generator raises comes after all values before it.
        """
        batch: list[T] = []
        while len(batch) < self._batch_size:
            if self._step is None:
                self._step = asyncio.create_task(self._advance())
            if batch:
                await asyncio.sleep(0)  # lets the step run as far as it can without waiting
                if not self._step.done() or self._step.cancelled() or self._step.exception():
                    break
            try:
                batch.append(await self._step)
            except StopAsyncIteration:
                break
            self._step = None
        return batch

    async def close(self) -> None:
        """Ends the generator, wherever it is."""
        if self._step is not None:
            self._step.cancel()
            await asyncio.wait([self._step])
        await self._source.aclose()

    async def _advance(self) -> T:
        return await anext(self._source)
