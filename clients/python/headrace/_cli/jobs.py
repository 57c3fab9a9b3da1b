"""Commands on existing jobs."""

from collections.abc import Sequence
from contextlib import aclosing
from itertools import count
from typing import Annotated

import orjson
import typer

from headrace._cli.execution import DONE, execute
from headrace._cli.following import follow_job
from headrace._cli.job_filters import (
    FinishedSinceFilter,
    KindFilter,
    LabelFilter,
    NameFilter,
    SinceFilter,
    StateFilter,
    read_labels,
)
from headrace._cli.job_flags import BudgetOption
from headrace._cli.json_lines import write_json
from headrace._cli.many.several_jobs import print_jobs
from headrace._cli.options import CallOptions, JobIdArgument, JobIdsArgument, QuietOption, takes_call_options
from headrace._cli.output.formats import Format, FormatOption, asked_format, chosen_format
from headrace._cli.output.printing import Printer
from headrace._cli.output.views import JOBS
from headrace.client import Client


@takes_call_options
def get(
    options: CallOptions,
    *,
    job_ids: JobIdsArgument,
    params: Annotated[
        bool, typer.Option("--params", help="Print the params instead: JSON, one line for each job.")
    ] = False,
    format: FormatOption = None,
) -> None:
    """Print the current snapshot of jobs: all fields of one, or a table of several."""
    if params:
        if asked_format(format, options.json) not in (None, Format.JSON, Format.JSONL):
            raise typer.BadParameter("--params prints JSON: leave out --format", param_hint="'--params'")
        execute(options, lambda client: _print_params(client, job_ids))
    print_jobs(options, format, job_ids, lambda client, job_id: client.get(job_id))


@takes_call_options
def list_jobs(
    options: CallOptions,
    *,
    state: StateFilter = None,
    kind: KindFilter = "",
    label: LabelFilter = None,
    name: NameFilter = "",
    since: SinceFilter = None,
    finished_since: FinishedSinceFilter = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="COUNT", min=0, help="Maximum number of jobs. 0: all.")
    ] = 0,
    format: FormatOption = None,
) -> None:
    """List jobs, newest first."""
    chosen = chosen_format(format, options.json)
    labels = read_labels(label)

    async def work(client: Client) -> int:
        numbers = count(1)
        jobs = client.list(
            states=state or (),
            kind=kind,
            labels=labels,
            name=name,
            created_after=since,
            finished_after=finished_since,
            page_size=min(limit, 1000) or 1000,
        )
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
    key: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="KEY", help="Also the item with this key. Repeatable."),
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

    With --reason, --item or --key, only for these items. The others keep their failures.
    """
    print_jobs(
        options,
        format,
        job_ids,
        lambda client, job_id: client.retry(
            job_id, reasons=reason or (), item_indexes=item or (), keys=key or (), request_id=request_id
        ),
        changes=True,
    )


async def _print_params(client: Client, job_ids: Sequence[str]) -> int:
    for job_id in job_ids:
        text: str = await client.params(job_id, as_text=True)
        write_json(orjson.Fragment(text.replace("\n", " ").replace("\r", " ")))
    return DONE
