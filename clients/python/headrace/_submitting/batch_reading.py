"""Reads an async generator in batches, so that values cross between threads many at a time."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Generic, TypeVar

T = TypeVar("T")


class BatchReader(Generic[T]):
    """Reads an async generator in batches, on one event loop.

    Args:
        source: Generator to read.
        batch_size: Maximum values in a batch. Above 1, the next value is requested ahead.
    """

    def __init__(self, source: AsyncGenerator[T, None], batch_size: int) -> None:
        self._source = source
        self._batch_size = batch_size
        self._step: asyncio.Task[T] | None = None

    async def read(self) -> list[T]:
        """Waits for the next value and returns it with those after it that are ready.

        An empty list is the end. An error of the generator is raised after all values before it.
        """
        batch: list[T] = []
        while len(batch) < self._batch_size:
            if self._step is None:
                self._step = asyncio.create_task(self._advance())
            if batch:
                await asyncio.sleep(0)  # the step runs as far as it can without waiting
                if not self._step.done() or self._step.cancelled() or self._step.exception():
                    break
            try:
                batch.append(await self._step)
            except StopAsyncIteration:
                break
            self._step = None
        return batch

    async def close(self) -> None:
        """Closes the generator, also in the middle of a step."""
        if self._step is not None:
            self._step.cancel()
            await asyncio.wait([self._step])
        await self._source.aclose()

    async def _advance(self) -> T:
        return await anext(self._source)
