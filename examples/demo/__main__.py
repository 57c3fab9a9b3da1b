"""Classifies real job postings with the embedded system: ``make demo``.

Starts the embedded system and, unless the environment names a provider, a local stand-in for one. Classifies
10,000 real job postings in one job, shows its progress and a summary, and stops everything it started.
"""

import asyncio
import os
import signal
import sys
import time
from contextlib import aclosing

from rich.console import Console

from examples.demo.children import ChildFailedError, Children
from examples.demo.postings import Posting, read_postings
from examples.demo.provider import (
    STAND_IN_LATENCY_MS,
    BadSettingError,
    Plan,
    child_environment,
    read_plan,
    system_environment,
)
from examples.demo.summary import print_summary
from headrace import Client, Job, JobState
from headrace._cli.progress import ProgressDisplay
from headrace.errors import HeadraceError

TEMPLATE = "Title: {title}\nCompany: {company}\nDepartment: {department}\nLocation: {location}"


async def run(console: Console) -> int:
    """Runs the demonstration and returns the exit code: 0 if the job succeeded."""
    main_task = asyncio.current_task()
    assert main_task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, main_task.cancel)
    postings = read_postings()
    plan = read_plan(os.environ, len(postings))
    labels = sorted({posting.category for posting in postings})
    chosen = postings[: plan.item_count]
    console.print(
        f"Classifying {len(chosen):,} of {len(postings):,} real job postings into {len(labels)} categories."
    )
    async with Children() as children:
        target = await start_system(console, children, plan)
        async with Client(target) as client:
            job = await classify(console, client, plan, labels, chosen)
    return 0 if job.state is JobState.SUCCEEDED else 1


async def start_system(console: Console, children: Children, plan: Plan) -> str:
    """Starts the system, prints which provider gets how many calls, and returns the gateway's target."""
    env = system_environment(os.environ, plan, f"sqlite:///{children.folder / 'headrace.db'}")
    if plan.provider is None:
        base_url = await children.start(
            *("services.stand_in", "--port", "0", "--latency-ms", str(STAND_IN_LATENCY_MS)),
            env=child_environment(os.environ, ("HEADRACE_",)),
            ready=r" at (http://\S+)",
        )
        stand_in = {"OPENAI_BASE_URL": base_url, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        env = child_environment(env, ("OPENAI_",), **stand_in)
        console.print(
            "Neither OPENAI_API_KEY nor OPENAI_BASE_URL is set: calls go to a local stand-in at "
            f"{base_url}. It is no language model: it chooses by keywords and answers after "
            f"{STAND_IN_LATENCY_MS} ms."
        )
    else:
        console.print(
            f"This will make {plan.item_count:,} calls to {plan.provider} with the model {plan.model}: one "
            "for each posting, and another one if the answer is not a category or the call fails."
        )
    return await children.start("services.embedded", env=env, ready=r"gateway at (\S+)")


async def classify(
    console: Console, client: Client, plan: Plan, labels: list[str], postings: list[Posting]
) -> Job:
    """Runs the job, shows its progress, and returns its terminal snapshot."""
    start = time.monotonic()
    job = await client.submit(
        "llm.classify",
        [posting.item for posting in postings],
        {"labels": labels, "template": TEMPLATE, "model": plan.model},
    )
    console.print(f"Job {job.job_id} is stored. The gateway listens at {client.target}.")
    with ProgressDisplay() as display:
        async with aclosing(client.watch(job.job_id)) as events:
            async for event in events:
                job = event.job
                display.show(job, event.forecast)
    seconds = time.monotonic() - start
    results = [result async for result in client.results(job.job_id)]
    print_summary(console, job, results, [posting.category for posting in postings], seconds)
    if job.error:
        console.print(f"The job failed: {job.error.reason}: {job.error.message}", style="red", markup=False)
    return job


def main() -> int:
    """Runs the demonstration. Ctrl-C stops it and everything it started, with exit code 130."""
    console = Console(highlight=False, soft_wrap=True)
    try:
        return asyncio.run(run(console))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("Stopped.")
        return 130
    except BadSettingError as error:
        print(error, file=sys.stderr)
        return 2
    except (ChildFailedError, HeadraceError) as error:
        print(f"The demonstration failed: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
