"""The command that waits for the ends of jobs."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

from headrace._cli.execution import DONE, JOB_DID_NOT_SUCCEED, execute
from headrace._cli.json_lines import write_json_now
from headrace._cli.many.failed_calls import note_failed_call
from headrace._cli.many.wait_progress import WaitProgress
from headrace._cli.options import CallOptions, JobIdsArgument, QuietOption, takes_call_options
from headrace._cli.process.streams import say
from headrace._cli.text import echo, summary
from headrace.client import Client
from headrace.errors import HeadraceError
from headrace.resources import Job, JobState

# A connection carries a bounded number of streams.
_WATCHES_AT_ONCE = 100


@takes_call_options
def wait(options: CallOptions, *, job_ids: JobIdsArgument, quiet: QuietOption = False) -> None:
    """Wait until jobs have ended, and print each one as it ends.

    Exits 0 if all of them succeeded and 1 if not. Ctrl-C ends the wait, not the jobs.
    """
    wanted = list(dict.fromkeys(job_ids))

    async def work(client: Client) -> int:
        try:
            with WaitProgress(len(wanted), quiet=quiet or options.json) as progress:
                return await _wait(client, wanted, progress, options)
        except asyncio.CancelledError:
            say(f"detached; the jobs continue. To wait again: headrace wait {' '.join(wanted)}")
            raise

    execute(options, work)


async def _wait(client: Client, job_ids: Sequence[str], progress: WaitProgress, options: CallOptions) -> int:
    turns = asyncio.Semaphore(_WATCHES_AT_ONCE)
    watches = {asyncio.create_task(_follow(client, each, progress, turns)): each for each in job_ids}
    failed_code, code = DONE, DONE
    waiting = set(watches)
    try:
        while waiting:
            ended, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for watch in ended:
                with progress.hidden():
                    try:
                        code = max(code, _print_end(watch.result(), options.json))
                    except HeadraceError as error:
                        failed_code = note_failed_call(watches[watch], error, options)
    finally:
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)
    return failed_code or code


async def _follow(client: Client, job_id: str, progress: WaitProgress, turns: asyncio.Semaphore) -> Job:
    """Returns the last snapshot of a job."""
    async with turns, aclosing(client.watch(job_id)) as events:
        async for event in events:
            progress.show(event.job)
    return event.job


def _print_end(job: Job, json: bool) -> int:
    write_json_now(job) if json else echo(f"{job.job_id}  {summary(job)}")
    return DONE if job.state is JobState.SUCCEEDED else JOB_DID_NOT_SUCCEED
