"""The command that submits a job."""

import uuid
from datetime import datetime, timedelta
from typing import Annotated

import typer

from headrace._cli.estimate import print_estimate
from headrace._cli.execution import DONE, errors_told, execute
from headrace._cli.items_file import check_params, open_items
from headrace._cli.lengths import read_length
from headrace._cli.options import BudgetOption, CallOptions, JsonOption, TargetOption, TenantOption
from headrace._cli.submission import Submission
from headrace.client import Client


def submit(
    context: typer.Context,
    *,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="What to do; see: headrace kinds.")],
    items: Annotated[
        str,
        typer.Option("--items", metavar="FILE", help="JSON lines, an item each, any number; - for stdin."),
    ],
    params: Annotated[
        str | None, typer.Option("--params", metavar="JSON", help="What holds for all items: an object.")
    ] = None,
    request_id: Annotated[
        str | None,
        typer.Option(
            "--request-id",
            help="Names the wanted job: a repeat makes no second one, and goes on with its upload.",
        ),
    ] = None,
    job_class: Annotated[
        str | None, typer.Option("--class", help="interactive, default or bulk. Default: default.")
    ] = None,
    max_failed_ratio: Annotated[
        float | None,
        typer.Option(
            min=0.0, max=1.0, help="Fail as soon as more than this part of the items has. Default: 0.5."
        ),
    ] = None,
    max_parallelism: Annotated[
        int | None,
        typer.Option(min=1, max=2**31 - 1, help="Chunks worked on at once, at most. Default: no limit."),
    ] = None,
    schedule_time: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"],
            help="When to start, with an offset: 2030-01-31T18:00:00+00:00. Default: at once.",
        ),
    ] = None,
    job_timeout: Annotated[
        timedelta | None,
        typer.Option(
            parser=read_length,
            metavar="TIME",
            help="End the job when it has not ended in time: 90s, 15m, 2h, 7d. Default: never.",
        ),
    ] = None,
    item_timeout: Annotated[
        timedelta | None,
        typer.Option(
            parser=read_length,
            metavar="TIME",
            help="Fail an item that was worked on for so long, in all its attempts. Default: never.",
        ),
    ] = None,
    call_timeout: Annotated[
        timedelta | None,
        typer.Option(
            parser=read_length,
            metavar="TIME",
            help="Break off a call to the provider after so long. Default: 120s.",
        ),
    ] = None,
    cache_responses: Annotated[
        bool,
        typer.Option(
            "--cache-responses",
            help="Use answers to the very same calls again, of any such job of the tenant, for a day.",
        ),
    ] = False,
    budget: BudgetOption = None,
    validate_only: Annotated[
        bool, typer.Option("--validate-only", help="Submit nothing; tell what the job would take and cost.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Show its progress until it has ended.")] = False,
    target: TargetOption = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Submit a job and print its id. Many items are uploaded while they are read."""
    options = CallOptions.of(context, target, tenant, json)
    wanted_id = request_id or str(uuid.uuid4())
    with errors_told(options):
        params_text = None if params is None else check_params(params)

    async def work(client: Client) -> int:
        with open_items(items) as source:
            if validate_only:
                estimate = await client.estimate(kind, source, params_text, budget_micros=budget)
                print_estimate(estimate, options.json)
                return DONE
            submission = Submission(
                lambda on_open: client.submit(
                    kind,
                    source,
                    params_text,
                    request_id=wanted_id,
                    job_class=job_class,
                    max_failed_ratio=max_failed_ratio,
                    max_parallelism=max_parallelism,
                    schedule_time=schedule_time,
                    job_timeout=job_timeout,
                    item_timeout=item_timeout,
                    call_timeout=call_timeout,
                    cache_responses=cache_responses,
                    budget_micros=budget,
                    on_open=on_open,
                ),
                wanted_id,
                options.json,
            )
            return await (submission.run_watched(client) if watch else submission.run())

    execute(options, work)
