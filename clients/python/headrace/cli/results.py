"""The command that prints results."""

from contextlib import aclosing
from typing import Annotated

import typer

from headrace.cli.execution import DONE, execute
from headrace.cli.json_lines import write_json, write_json_now
from headrace.cli.options import CallOptions, JobIdArgument, JsonOption, TargetOption, TenantOption
from headrace.cli.text import result_row
from headrace.client import Client
from headrace.resources import ItemState, Result


def results(
    context: typer.Context,
    *,
    job_id: JobIdArgument,
    follow: Annotated[
        bool, typer.Option("--follow", help="Also those that come, as they come, until the job has ended.")
    ] = False,
    failed: Annotated[bool, typer.Option("--failed", help="Only those of failed items.")] = False,
    target: TargetOption = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Print a job's results. Each with its index, state, and output or error, ordered by index.

    With --follow they come in the order in which they were recorded.
    """
    options = CallOptions.of(context, target, tenant, json)

    async def work(client: Client) -> int:
        item_state = ItemState.FAILED if failed else None
        found = client.results(job_id, follow=follow, item_state=item_state)
        async with aclosing(found):
            async for result in found:
                _print_result(result, options.json, now=follow)
        return DONE

    execute(options, work)


def _print_result(result: Result, json: bool, now: bool) -> None:
    if json:
        write_json_now(result) if now else write_json(result)
    else:
        print(result_row(result), flush=now)
