"""The web application on a client without ``watch_jobs`` and labels: a watch of each job in their place.

Once the client has them, this file is removed and ``app:app`` is served instead.
"""

import asyncio
from dataclasses import dataclass

from headrace import Client, Job, JobOptions


@dataclass(frozen=True)
class Change:
    job: Job
    resume_token: str
    deleted: bool = False
    left: bool = False


_submit = Client.submit


async def submit(self, *args, labels=None, on_open=None, **keywords):
    job = await _submit(self, *args, **keywords)
    _news(self).put_nowait(job)
    return job


async def watch_jobs(self, labels=None, states=None, kind=None, resume_token=None):
    """Yields the ends of jobs: of all that exist, then of those that are submitted."""
    for job in [job async for job in self.list()]:
        _news(self).put_nowait(job)
    ends: asyncio.Queue[Job] = asyncio.Queue()

    async def follow(job_id):
        async for event in self.watch(job_id):
            if event.state.is_terminal:
                ends.put_nowait(event.job)

    async def follow_all():
        while True:
            tasks.append(asyncio.create_task(follow((await _news(self).get()).job_id)))

    tasks = [asyncio.create_task(follow_all())]
    try:
        while True:
            job = await ends.get()
            yield Change(job, f"after {job.job_id}")
    finally:
        for task in tasks:
            task.cancel()


def _news(client) -> asyncio.Queue[Job]:
    return client.__dict__.setdefault("_jobs_to_follow", asyncio.Queue())


if not hasattr(Client, "watch_jobs"):
    assert "labels" not in JobOptions.__annotations__
    Client.submit = submit  # type: ignore[method-assign]
    Client.watch_jobs = watch_jobs  # type: ignore[attr-defined]

from app import app  # noqa: E402  # of examples/fastapi

__all__ = ["app"]
