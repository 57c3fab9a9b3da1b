"""A steady load: jobs of all sizes and classes through every gateway, and an upload."""

import asyncio
import random
from collections.abc import Callable, Sequence

from headrace import Client, HeadraceError, JobClass
from headrace.errors import DeadlineExceededError, UnavailableError
from tests.chaos.jobs import StormJob
from tests.chaos.watchers import Watchers

_CLASSES = (JobClass.INTERACTIVE, JobClass.DEFAULT, JobClass.DEFAULT, JobClass.BULK)
_LOOK_SECONDS = 0.05


class Load:
    """Submits jobs to keep a backlog of unfinished items. Small jobs may exceed it up to three times.

    Args:
        name: Prefix of the marks of its jobs, unique within a system.
        targets: Addresses, one per gateway.
        watchers: Watchers of every job, from its submit.
        rng: Source of sizes and classes.
        max_items: Maximum items of a job. The first job has this number.
        backlog: Number of unfinished items to maintain.

    Attributes:
        jobs: Accepted jobs.
        troubles: Errors that clients must not get.
    """

    def __init__(
        self,
        name: str,
        targets: Sequence[str],
        watchers: Watchers,
        rng: random.Random,
        *,
        max_items: int = 5000,
        backlog: int = 3000,
    ) -> None:
        self._name = name
        self._clients = [Client(target) for target in targets]
        self._watchers = watchers
        self._rng = rng
        self._max_items = max_items
        self._backlog = backlog
        self._count = 0
        self._ending = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.jobs: list[StormJob] = []
        self.troubles: list[str] = []

    def start(self) -> None:
        """Starts submitting."""
        self._tasks = [
            asyncio.create_task(self._submit_all(self._large_size, 0.2, self._backlog)),
            asyncio.create_task(self._submit_all(self._small_size, 0.4, 3 * self._backlog)),
            asyncio.create_task(self._upload()),
        ]

    async def end(self) -> None:
        """Stops submitting, and returns once every submit in flight has ended."""
        self._ending.set()
        await asyncio.gather(*self._tasks)
        for client in self._clients:
            await client.close()

    def _large_size(self) -> int:
        if not self._count:
            return self._max_items
        # As many jobs of 20 to 200 items as of 200 to 2,000.
        return min(self._max_items, int(20 * 10 ** self._rng.uniform(0, 2.4)))

    def _small_size(self) -> int:
        return self._rng.randint(1, 20)

    async def _submit_all(self, size: Callable[[], int], every_seconds: float, backlog: int) -> None:
        while not self._ending.is_set():
            if self._watchers.unfinished_count < backlog:
                job = StormJob(self._next_mark(), size(), self._rng.choice(_CLASSES))
                await self._submit(job)
            await self._pause(every_seconds * self._rng.uniform(0.5, 1.5))

    async def _submit(self, job: StormJob) -> None:
        while not job.job_id:
            client = self._rng.choice(self._clients)
            try:
                accepted = await client.submit(
                    "llm.classify",
                    job.items(),
                    job.params,
                    request_id=job.mark,
                    job_class=job.job_class,
                    max_failed_ratio=1.0,
                )
            except (UnavailableError, DeadlineExceededError):
                await asyncio.sleep(_LOOK_SECONDS)  # as a caller retries, with the same request_id
            except HeadraceError as error:
                self.troubles.append(f"submit of {job.mark}: {error}")
                return
            else:
                self._accept(job, accepted.job_id)

    async def _upload(self) -> None:
        job = StormJob(self._next_mark(), 0, JobClass.DEFAULT, is_upload=True)
        try:
            await self._rng.choice(self._clients).submit(
                "llm.classify",
                job.trickle(self._ending.is_set, lambda: self._pause(0.02)),
                job.params,
                request_id=job.mark,
                max_failed_ratio=1.0,
                on_open=lambda opened: self._accept(job, opened.job_id),
            )
        except HeadraceError as error:
            self.troubles.append(f"upload of {job.mark}: {error}")

    def _accept(self, job: StormJob, job_id: str) -> None:
        job.job_id = job_id
        self.jobs.append(job)
        self._watchers.watch(job)

    def _next_mark(self) -> str:
        self._count += 1
        return f"{self._name}-{self._count}"

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._ending.wait()
        except TimeoutError:
            return
