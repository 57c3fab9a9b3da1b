"""Makes a call for each of several jobs, and prints the jobs that it returns."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import nullcontext

from headrace._cli.execution import DONE, execute
from headrace._cli.many.failed_calls import note_failed_call
from headrace._cli.options import CallOptions
from headrace._cli.output.formats import Format, asked_format
from headrace._cli.output.printing import Printer
from headrace._cli.output.views import JOBS
from headrace._cli.process.streams import interruption_explained
from headrace._cli.text import echo, job_lines
from headrace.client import Client
from headrace.errors import HeadraceError
from headrace.resources import Job

CallOfJob = Callable[[Client, str], Coroutine[None, None, Job]]

_CALLS_AT_ONCE = 16


def print_jobs(
    options: CallOptions,
    format: Format | None,
    job_ids: Sequence[str],
    call: CallOfJob,
    *,
    changes: bool = False,
) -> None:
    """Makes a call for each job, and prints the jobs in the order of their ids.

    A job whose call fails is named on stderr, and the others are still printed. The exit code is that of the
    first failure. Without a gateway, the first failure ends the command.

    Args:
        options: Options of the call.
        format: Format of ``--format``. Default: all fields of one job, or a table of several.
        job_ids: UUIDs of the jobs.
        call: Makes the call for one job.
        changes: Whether the call changes the job, so that an interruption leaves its effect open.
    """
    asked = asked_format(format, options.json)
    see = f"interrupted; to see whether it took effect: headrace get {' '.join(job_ids)}"

    async def work(client: Client) -> int:
        with interruption_explained(see) if changes else nullcontext():
            if len(job_ids) == 1:
                _print_one(await call(client, job_ids[0]), asked)
                return DONE
            with Printer(JOBS, asked or Format.TABLE) as printer:
                return await _print_each(client, printer, options, job_ids, call)

    execute(options, work)


async def _print_each(
    client: Client, printer: Printer[Job], options: CallOptions, job_ids: Sequence[str], call: CallOfJob
) -> int:
    first_code = DONE
    async for job_id, outcome in _outcomes(client, job_ids, call):
        if isinstance(outcome, Job):
            printer.add(outcome)
        else:
            code = note_failed_call(job_id, outcome, options)
            first_code = first_code or code
    return first_code


async def _outcomes(
    client: Client, job_ids: Sequence[str], call: CallOfJob
) -> AsyncIterator[tuple[str, Job | HeadraceError]]:
    """Yields each job or its error, in order."""

    async def outcome(job_id: str) -> Job | HeadraceError:
        try:
            return await call(client, job_id)
        except HeadraceError as error:
            return error

    for start in range(0, len(job_ids), _CALLS_AT_ONCE):
        block = job_ids[start : start + _CALLS_AT_ONCE]
        for job_id, found in zip(block, await asyncio.gather(*map(outcome, block)), strict=True):
            yield job_id, found


def _print_one(job: Job, format: Format | None) -> None:
    if format is not None:
        with Printer(JOBS, format, single=True) as printer:
            printer.add(job)
        return
    for line in job_lines(job):
        echo(line)
