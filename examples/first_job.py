"""A first job: classify a few job titles, watch it, print the results.

Needs a running gateway: ``make up``, or ``.venv/bin/python -m services.embedded``. Then:
``.venv/bin/python examples/first_job.py``
"""

import asyncio

from headrace import Client

TITLES = [
    "Line cook",
    "Staff nurse, night shift",
    "Backend engineer",
    "Head chef",
    "Site reliability engineer",
]
LABELS = ["kitchen", "health care", "software"]


async def main() -> None:
    async with Client() as hr:  # HEADRACE_TARGET, or localhost:50051
        job = await hr.submit(
            "llm.classify",
            items=[{"title": title} for title in TITLES],
            params={"labels": LABELS, "template": "What field of work is this job in? {title}"},
        )
        print(f"submitted {job.job_id}")
        async for event in hr.watch(job.job_id):
            print(f"{event.state}: {event.progress.done_count} of {event.progress.total_count} done")
        async for result in hr.results(job.job_id):
            print(f"{TITLES[result.item_index]}: {result.output or result.error}")


if __name__ == "__main__":
    asyncio.run(main())
