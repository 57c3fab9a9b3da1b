"""Commands on existing jobs."""

from collections.abc import Callable, Coroutine
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
from headrace._cli.options import CallOptions, JobIdArgument, takes_call_options
from headrace._cli.process.streams import interruption_explained
from headrace._cli.text import JOB_HEADER, echo, job_lines, job_row
from headrace.client import Client
from headrace.resources import Job


@takes_call_options
def get(
    options: CallOptions,
    *,
    job_id: JobIdArgument,
    params: Annotated[bool, typer.Option("--params", help="Print the params instead, as JSON.")] = False,
) -> None:
    """Print the current snapshot of a job."""
    if params:
        execute(options, lambda client: _print_params(client, job_id))
    _call_and_print(options, lambda client: client.get(job_id))


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
) -> None:
    """List jobs, newest first."""
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
            async for job in jobs:
                number = next(numbers)
                if number == 1 and not options.json:
                    echo(JOB_HEADER)
                write_json(job) if options.json else echo(job_row(job))
                if number == limit:
                    break
        return DONE

    execute(options, work)


@takes_call_options
def watch(options: CallOptions, *, job_id: JobIdArgument) -> None:
    """Show a job's progress until it has ended. Exits 0 if it succeeded and 1 if not. Ctrl-C detaches."""
    execute(options, lambda client: follow_job(client, job_id, options.json))


@takes_call_options
def cancel(options: CallOptions, *, job_id: JobIdArgument) -> None:
    """Cancel a job. A finished job is unchanged, and recorded results stay."""
    change_and_print(options, job_id, lambda client: client.cancel(job_id))


@takes_call_options
def pause(options: CallOptions, *, job_id: JobIdArgument) -> None:
    """Pause a job: no new calls start, and calls in flight finish."""
    change_and_print(options, job_id, lambda client: client.pause(job_id))


@takes_call_options
def resume(
    options: CallOptions,
    *,
    job_id: JobIdArgument,
    budget: BudgetOption = None,
) -> None:
    """Resume a paused job, with a higher budget if the old one is spent."""
    change_and_print(options, job_id, lambda client: client.resume(job_id, budget_micros=budget))


@takes_call_options
def retry(
    options: CallOptions,
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
) -> None:
    """Start a new round of a finished job, for every item without a success.

    With --reason, --item or --key, only for these items. The others keep their failures.
    """
    change_and_print(
        options,
        job_id,
        lambda client: client.retry(
            job_id, reasons=reason or (), item_indexes=item or (), keys=key or (), request_id=request_id
        ),
    )


async def _print_params(client: Client, job_id: str) -> int:
    text: str = await client.params(job_id, as_text=True)
    write_json(orjson.Fragment(text.replace("\n", " ").replace("\r", " ")))
    return DONE


def _call_and_print(options: CallOptions, call: Callable[[Client], Coroutine[None, None, Job]]) -> None:
    async def work(client: Client) -> int:
        _print_job(await call(client), options.json)
        return DONE

    execute(options, work)


def change_and_print(
    options: CallOptions, job_id: str, call: Callable[[Client], Coroutine[None, None, Job]]
) -> None:
    """Makes a call that changes a job, and prints the job."""

    async def explained(client: Client) -> Job:
        with interruption_explained(f"interrupted; to see whether it took effect: headrace get {job_id}"):
            return await call(client)

    _call_and_print(options, explained)


def _print_job(job: Job, json: bool) -> None:
    if json:
        write_json(job)
        return
    for line in job_lines(job):
        echo(line)
