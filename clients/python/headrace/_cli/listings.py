"""Commands that list kinds and workers."""

import typer

from headrace._cli.execution import DONE, execute
from headrace._cli.json_lines import write_json
from headrace._cli.options import CallOptions, takes_call_options
from headrace._cli.text import WORKER_HEADER, kind_row, worker_row
from headrace.client import Client


@takes_call_options
def kinds(options: CallOptions) -> None:
    """List the kinds of work that jobs can name. With --json, also the schemas of their params."""

    async def work(client: Client) -> int:
        for kind in await client.kinds():
            write_json(kind) if options.json else typer.echo(kind_row(kind))
        return DONE

    execute(options, work)


@takes_call_options
def workers(options: CallOptions) -> None:
    """List the workers seen lately, live ones first."""

    async def work(client: Client) -> int:
        found = await client.workers()
        if found and not options.json:
            typer.echo(WORKER_HEADER)
        for worker in found:
            write_json(worker) if options.json else typer.echo(worker_row(worker))
        return DONE

    execute(options, work)
