"""Commands on existing jobs."""

from contextlib import aclosing
from itertools import count
from typing import Annotated

import typer

from headrace._cli.completing.values import complete_kinds, complete_states
from headrace._cli.execution import DONE, execute
from headrace._cli.following import follow_job
from headrace._cli.job_flags import BudgetOption
from headrace._cli.many.several_jobs import print_jobs
from headrace._cli.options import CallOptions, JobIdArgument, JobIdsArgument, QuietOption, takes_call_options
from headrace._cli.output.formats import FormatOption, chosen_format
from headrace._cli.output.printing import Printer
from headrace._cli.output.views import JOBS
from headrace.client import Client


@takes_call_options
def get(options: CallOptions, *, job_ids: JobIdsArgument, format: FormatOption = None) -> None:
    """Print the current snapshot of jobs: all fields of one, or a table of several."""
    print_jobs(options, format, job_ids, lambda client, job_id: client.get(job_id))


@takes_call_options
def list_jobs(
    options: CallOptions,
    *,
    state: Annotated[
        list[str] | None,
        typer.Option(
            "--state",
            metavar="STATE",
            help="Only jobs in this state. Repeatable.",
            autocompletion=complete_states,
        ),
    ] = None,
    kind: Annotated[
        str,
        typer.Option("--kind", metavar="KIND", help="Only jobs of this kind.", autocompletion=complete_kinds),
    ] = "",
    limit: Annotated[
        int, typer.Option("--limit", metavar="COUNT", min=0, help="Maximum number of jobs. 0: all.")
    ] = 0,
    format: FormatOption = None,
) -> None:
    """List jobs, newest first."""
    chosen = chosen_format(format, options.json)

    async def work(client: Client) -> int:
        numbers = count(1)
        jobs = client.list(states=state or (), kind=kind, page_size=min(limit, 1000) or 1000)
        async with aclosing(jobs):
            with Printer(JOBS, chosen) as printer:
                async for job in jobs:
                    printer.add(job)
                    if next(numbers) == limit:
                        break
        return DONE

    execute(options, work)


@takes_call_options
def watch(options: CallOptions, *, job_id: JobIdArgument, quiet: QuietOption = False) -> None:
    """Show a job's progress until it has ended. Exits 0 if it succeeded and 1 if not. Ctrl-C detaches."""
    execute(options, lambda client: follow_job(client, job_id, options.json, quiet=quiet))


@takes_call_options
def cancel(options: CallOptions, *, job_ids: JobIdsArgument, format: FormatOption = None) -> None:
    """Cancel jobs. A finished job is unchanged, and recorded results stay."""
    print_jobs(options, format, job_ids, lambda client, job_id: client.cancel(job_id), changes=True)


@takes_call_options
def pause(options: CallOptions, *, job_ids: JobIdsArgument, format: FormatOption = None) -> None:
    """Pause jobs: no new calls start, and calls in flight finish."""
    print_jobs(options, format, job_ids, lambda client, job_id: client.pause(job_id), changes=True)


@takes_call_options
def resume(
    options: CallOptions,
    *,
    job_ids: JobIdsArgument,
    budget: BudgetOption = None,
    format: FormatOption = None,
) -> None:
    """Resume paused jobs, with a higher budget if the old one is spent."""
    print_jobs(
        options,
        format,
        job_ids,
        lambda client, job_id: client.resume(job_id, budget_micros=budget),
        changes=True,
    )


@takes_call_options
def retry(
    options: CallOptions,
    *,
    job_ids: JobIdsArgument,
    reason: Annotated[
        list[str] | None,
        typer.Option(
            "--reason", metavar="REASON", help="Only items that failed for this reason. Repeatable."
        ),
    ] = None,
    item: Annotated[
        list[int] | None,
        typer.Option("--item", metavar="INDEX", min=0, help="Also this item, by its index. Repeatable."),
    ] = None,
    request_id: Annotated[
        str | None,
        typer.Option(
            "--request-id", metavar="ID", help="Name of the wanted round. Repeating it starts no second one."
        ),
    ] = None,
    format: FormatOption = None,
) -> None:
    """Start a new round of finished jobs, for every item without a success.

    With --reason or --item, only for these items. The others keep their failures.
    """
    print_jobs(
        options,
        format,
        job_ids,
        lambda client, job_id: client.retry(
            job_id, reasons=reason or (), item_indexes=item or (), request_id=request_id
        ),
        changes=True,
    )
