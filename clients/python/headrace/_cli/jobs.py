"""Commands on existing jobs."""

from collections.abc import Callable, Coroutine
from contextlib import aclosing
from itertools import count
from typing import Annotated

import typer

from headrace._cli.execution import DONE, execute
from headrace._cli.following import follow_job
from headrace._cli.job_flags import BudgetOption
from headrace._cli.json_lines import write_json
from headrace._cli.options import (
    CallOptions,
    JobIdArgument,
    JsonOption,
    TargetOption,
    TenantOption,
)
from headrace._cli.text import JOB_HEADER, echo, job_lines, job_row
from headrace.client import Client
from headrace.resources import Job


def get(
    context: typer.Context,
    *,
    job_id: JobIdArgument,
    target: TargetOption = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Print the current snapshot of a job."""
    options = CallOptions.of(context, target, tenant, json)
    _call_and_print(options, lambda client: client.get(job_id))


def list_jobs(
    context: typer.Context,
    *,
    state: Annotated[
        list[str] | None,
        typer.Option("--state", metavar="STATE", help="Only jobs in this state. Repeatable."),
    ] = None,
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help="Only jobs of this kind.")] = "",
    limit: Annotated[
        int, typer.Option("--limit", metavar="COUNT", min=0, help="Maximum number of jobs. 0: all.")
    ] = 0,
    target: TargetOption = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """List jobs, newest first."""
    options = CallOptions.of(context, target, tenant, json)

    async def work(client: Client) -> int:
        numbers = count(1)
        jobs = client.list(states=state or (), kind=kind, page_size=min(limit, 1000) or 1000)
        async with aclosing(jobs):
            async for job in jobs:
                number = next(numbers)
                if number == 1 and not options.json:
                    echo(JOB_HEADER)
                write_json(job) if options.json else echo(job_row(job))
                if number == limit:
                    break
        return DONE

    execute(options, work)


def watch(
    context: typer.Context,
    *,
    job_id: JobIdArgument,
    target: TargetOption = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Show a job's progress until it has ended. Exits 0 if it succeeded and 1 if not. Ctrl-C detaches."""
    options = CallOptions.of(context, target, tenant, json)
    execute(options, lambda client: follow_job(client, job_id, options.json))


def cancel(
    context: typer.Context,
    *,
    job_id: JobIdArgument,
    target: TargetOption = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Cancel a job. A finished job is unchanged, and recorded results stay."""
    options = CallOptions.of(context, target, tenant, json)
    _call_and_print(options, lambda client: client.cancel(job_id))


def pause(
    context: typer.Context,
    *,
    job_id: JobIdArgument,
    target: TargetOption = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Pause a job: no new calls start, and calls in flight finish."""
    options = CallOptions.of(context, target, tenant, json)
    _call_and_print(options, lambda client: client.pause(job_id))


def resume(
    context: typer.Context,
    *,
    job_id: JobIdArgument,
    budget: BudgetOption = None,
    target: TargetOption = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Resume a paused job, with a higher budget if the old one is spent."""
    options = CallOptions.of(context, target, tenant, json)
    _call_and_print(options, lambda client: client.resume(job_id, budget_micros=budget))


def retry(
    context: typer.Context,
    *,
    job_id: JobIdArgument,
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
    target: TargetOption = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Start a new round of a finished job, for every item without a success.

    With --reason or --item, only for these items. The others keep their failures.
    """
    options = CallOptions.of(context, target, tenant, json)
    _call_and_print(
        options,
        lambda client: client.retry(
            job_id, reasons=reason or (), item_indexes=item or (), request_id=request_id
        ),
    )


def _call_and_print(options: CallOptions, call: Callable[[Client], Coroutine[None, None, Job]]) -> None:
    async def work(client: Client) -> int:
        _print_job(await call(client), options.json)
        return DONE

    execute(options, work)


def _print_job(job: Job, json: bool) -> None:
    if json:
        write_json(job)
        return
    for line in job_lines(job):
        echo(line)
