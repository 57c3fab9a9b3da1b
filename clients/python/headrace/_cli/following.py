"""Shows a job until it has ended."""

import asyncio
from contextlib import aclosing, suppress

from headrace._cli.execution import DONE, JOB_DID_NOT_SUCCEED
from headrace._cli.json_lines import write_json_now
from headrace._cli.process.streams import say
from headrace._cli.progress import ProgressDisplay
from headrace._cli.text import echo, printable, summary
from headrace.client import Client
from headrace.resources import Job, JobState


async def follow_job(client: Client, job_id: str, json: bool, *, quiet: bool = False) -> int:
    """Shows a job until it has ended, and returns the exit code. Ctrl-C leaves the job running."""
    try:
        return await show_job(client, job_id, json, quiet=quiet)
    except asyncio.CancelledError:
        print_detached(job_id, json)
        raise


async def show_job(client: Client, job_id: str, json: bool, *, quiet: bool = False) -> int:
    """Shows a job until it has ended, and returns the exit code. If quiet, only its end."""
    job = await (_print_events(client, job_id) if json else _show_progress(client, job_id, quiet))
    return DONE if job is not None and job.state is JobState.SUCCEEDED else JOB_DID_NOT_SUCCEED


def print_detached(job_id: str, json: bool) -> None:
    """Prints that the watched job continues, and the command that watches it again."""
    if not json:
        with suppress(OSError):
            echo(job_id)
    say(f"detached; the job continues. To watch it again: headrace watch {job_id}")


async def _print_events(client: Client, job_id: str) -> Job | None:
    job = None
    async with aclosing(client.watch(job_id)) as events:
        async for event in events:
            write_json_now(event)
            job = event.job
    return job


async def _show_progress(client: Client, job_id: str, quiet: bool) -> Job | None:
    job = None
    with ProgressDisplay(quiet=quiet) as display:
        async with aclosing(client.watch(job_id)) as events:
            async for event in events:
                display.show(event.job, event.forecast)
                job = event.job
    if job is not None:
        echo(summary(job))
        if job.error and job.error.detail:
            echo(f"detail: {printable(job.error.detail)}")
    return job
