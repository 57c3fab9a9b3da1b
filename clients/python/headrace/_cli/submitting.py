"""The command that submits a job."""

import uuid
from typing import Annotated, Unpack

import typer

from headrace._cli.completing.values import complete_kinds
from headrace._cli.estimate import print_estimate
from headrace._cli.execution import DONE, errors_printed, execute
from headrace._cli.items.item_flags import ItemFlags, ItemsOption, items_of_flags, takes_item_flags
from headrace._cli.items.items_file import open_items
from headrace._cli.items.params import read_params
from headrace._cli.job_filters import LabelOption, NameOption, read_labels
from headrace._cli.job_flags import takes_job_flags
from headrace._cli.options import CallOptions, QuietOption, takes_call_options
from headrace._cli.prompts import show_first_prompts
from headrace._cli.submission import Submission
from headrace._cli.templates import NewJob, check_kind, start_from
from headrace.client import Client
from headrace.options import JobOptions


@takes_call_options
@takes_item_flags
@takes_job_flags
def submit(
    call: CallOptions,
    *,
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="KIND", help="Kind of work; see: headrace kinds.", autocompletion=complete_kinds
        ),
    ] = None,
    items: ItemsOption,
    item_flags: ItemFlags,
    params: Annotated[
        str | None,
        typer.Option(
            "--params",
            metavar="JSON",
            help="Parameters for all items, as a JSON object. @FILE reads them from a file, @- from stdin.",
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            "--key",
            metavar="FIELD",
            help="Field of each item that is its key: text or a number, unique in the job. Results have it.",
        ),
    ] = None,
    request_id: Annotated[
        str | None,
        typer.Option(
            "--request-id",
            metavar="ID",
            help="Name of the wanted job. Repeating it makes no second job and continues its upload.",
        ),
    ] = None,
    name: NameOption = None,
    label: LabelOption = None,
    like: Annotated[
        str | None,
        typer.Option(
            "--like",
            metavar="JOB_ID",
            help="Take the kind, params and options that are not given from this job, but no schedule time.",
        ),
    ] = None,
    show: Annotated[
        int,
        typer.Option(
            "--show-prompts",
            metavar="COUNT",
            min=0,
            max=1000,
            help="Print the prompts of the first items, as workers will send them.",
        ),
    ] = 0,
    validate_only: Annotated[
        bool,
        typer.Option(
            "--validate-only",
            help="Submit nothing. Print the calls, tokens and cost that the job would take.",
        ),
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Show progress until the job has ended.")] = False,
    quiet: QuietOption = False,
    **options: Unpack[JobOptions],
) -> None:
    """Submit a job and print its id. Many items are uploaded while they are read."""
    wanted_id = request_id or str(uuid.uuid4())
    labels = read_labels(label)
    with errors_printed(call):
        params_text = None if params is None else read_params(params, items)
        chosen = items_of_flags(items, key, **item_flags)
        given = NewJob(check_kind(kind, like), params_text, options)

    async def work(client: Client) -> int:
        job = await start_from(client, like, given)
        with open_items(chosen, items) as read:
            source = await show_first_prompts(job, read, show, json=call.json) if show else read
            if validate_only:
                estimate = await client.estimate(job.kind, source, job.params, options=job.options)
                print_estimate(estimate, call.json)
                return DONE
            submission = Submission(
                lambda on_open: client.submit(
                    job.kind,
                    source,
                    job.params,
                    request_id=wanted_id,
                    name=name,
                    labels=labels,
                    options=job.options,
                    on_open=on_open,
                ),
                wanted_id,
                call.json,
                quiet=quiet,
            )
            return await (submission.run_watched(client) if watch else submission.run())

    execute(call, work)
