"""The two jobs of a run: real postings, classified and completed at the same time."""

import asyncio
from dataclasses import dataclass, field

from examples.demo.postings import Posting, read_postings
from headrace import Client, Job, Result

MODEL = "smollm2"
POSTING_COUNT = 50
_POSTING = "Title: {title}\nCompany: {company}\nDepartment: {department}\nLocation: {location}"
_QUESTION = f"Describe this job in one sentence.\n{_POSTING}"
_LIMIT_SECONDS = 300.0
_POLL_SECONDS = 0.1


@dataclass
class Run:
    """One run of both jobs.

    Attributes:
        jobs: Snapshots by kind.
        posting_count: Items of each job.
        results: Results by kind, once the jobs have ended.
    """

    jobs: dict[str, Job]
    posting_count: int
    results: dict[str, list[Result]] = field(default_factory=dict)

    @property
    def done_count(self) -> int:
        """Items that are finished."""
        return sum(job.progress.done_count for job in self.jobs.values())

    async def refresh(self, client: Client) -> None:
        """Reads both snapshots."""
        for kind, job in self.jobs.items():
            self.jobs[kind] = await client.get(job.job_id)

    async def until(self, client: Client, count: int) -> None:
        """Waits until that number of items is finished.

        Raises:
            TimeoutError: It took over five minutes.
        """
        async with asyncio.timeout(_LIMIT_SECONDS):
            while self.done_count < count:
                await asyncio.sleep(_POLL_SECONDS)
                await self.refresh(client)

    async def finish(self, client: Client) -> None:
        """Waits for the end of both jobs and reads their results.

        Raises:
            TimeoutError: It took over five minutes.
        """
        async with asyncio.timeout(_LIMIT_SECONDS):
            while not all(job.state.is_terminal for job in self.jobs.values()):
                await asyncio.sleep(_POLL_SECONDS)
                await self.refresh(client)
        for kind, job in self.jobs.items():
            self.results[kind] = [result async for result in client.results(job.job_id)]


def chosen_postings() -> list[Posting]:
    """Returns the first 50 postings of the demonstration that differ from each other."""
    by_text: dict[str, Posting] = {}
    for posting in read_postings():
        by_text.setdefault(_POSTING.format(**posting.item), posting)
        if len(by_text) == POSTING_COUNT:
            break
    return list(by_text.values())


def item_texts(postings: list[Posting]) -> dict[str, tuple[str, int]]:
    """Returns kind and item_index of each item, by the text of its first call."""
    templates = {"llm.classify": _POSTING, "llm.complete": _QUESTION}
    return {
        template.format(**posting.item): (kind, index)
        for kind, template in templates.items()
        for index, posting in enumerate(postings)
    }


async def submit(client: Client, postings: list[Posting]) -> Run:
    """Submits both jobs."""
    items = [posting.item for posting in postings]
    labels = sorted({posting.category for posting in read_postings()})
    classify = {"labels": labels, "template": _POSTING, "max_output_tokens": 8}
    complete = {"prompt": _QUESTION, "max_output_tokens": 16}
    # A model of this size misses many labels. That must not end the job.
    jobs = {
        "llm.classify": await client.submit("llm.classify", items, classify, max_failed_ratio=1.0),
        "llm.complete": await client.submit("llm.complete", items, complete),
    }
    return Run(jobs, len(postings))
