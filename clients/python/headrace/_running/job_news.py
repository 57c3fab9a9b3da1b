"""The newest snapshot of a job whose items are still being submitted, and the failures of both."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import suppress
from typing import Any

from headrace._progress.display import PauseWarnings
from headrace._progress.following import follow_job
from headrace.resources import Job, JobEvent


class JobNews:
    """Submits and follows a job in the background, for one reader that waits for its news.

    Attributes:
        job: Newest snapshot. None before the job is stored.
    """

    def __init__(self) -> None:
        self.job: Job | None = None
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[Job]] = []
        self._warnings = PauseWarnings()

    @property
    def is_ended(self) -> bool:
        """Whether the job has ended."""
        return self.job is not None and self.job.state.is_terminal

    @property
    def done_count(self) -> int:
        """Number of items with a result."""
        return 0 if self.job is None else self.job.progress.done_count

    def open(self, job: Job) -> None:
        """Notes the job once it is stored."""
        self.job = job
        self._changed.set()

    def submit(self, submission: Coroutine[Any, Any, Job]) -> None:
        """Submits the job."""
        self._begin(submission)

    def follow(self, steps: AsyncGenerator[JobEvent | None, None]) -> None:
        """Follows the job to its end."""
        self._begin(follow_job(steps, self._note))

    async def wait(self, patience: float | None = None) -> None:
        """Waits for news, or for some seconds.

        Raises:
            HeadraceError: The submission or the watch failed.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._changed.wait()
        self._changed.clear()
        for task in self._tasks:
            if task.done():
                task.result()

    async def close(self) -> None:
        """Ends the submission and the watch."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for task in self._tasks:
            if not task.cancelled():
                task.exception()  # it was raised to the reader, or the reader has left

    def _begin(self, work: Coroutine[Any, Any, Job]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(lambda _: self._changed.set())
        self._tasks.append(task)

    def _note(self, step: JobEvent | None) -> None:
        self._warnings.show(step)
        if step is not None:
            self.open(step.job)
