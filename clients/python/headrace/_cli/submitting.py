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
from headrace._cli.job_flags import takes_job_flags
from headrace._cli.options import CallOptions, QuietOption, takes_call_options
from headrace._cli.submission import Submission
from headrace.client import Client
from headrace.options import JobOptions


@takes_call_options
@takes_item_flags
@takes_job_flags
def submit(
    call: CallOptions,
    *,
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND", help="Kind of work; see: headrace kinds.", autocompletion=complete_kinds
        ),
    ],
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
    request_id: Annotated[
        str | None,
        typer.Option(
            "--request-id",
            metavar="ID",
            help="Name of the wanted job. Repeating it makes no second job and continues its upload.",
        ),
    ] = None,
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
    with errors_printed(call):
        params_text = None if params is None else read_params(params, items)
        chosen = items_of_flags(items, **item_flags)

    async def work(client: Client) -> int:
        with open_items(chosen, items) as source:
            if validate_only:
                estimate = await client.estimate(kind, source, params_text, options=options)
                print_estimate(estimate, call.json)
                return DONE
            submission = Submission(
                lambda on_open: client.submit(
                    kind, source, params_text, request_id=wanted_id, options=options, on_open=on_open
                ),
                wanted_id,
                call.json,
                quiet=quiet,
            )
            return await (submission.run_watched(client) if watch else submission.run())

    execute(call, work)
