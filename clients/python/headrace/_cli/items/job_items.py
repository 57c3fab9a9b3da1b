"""The command that prints items of a job."""

from contextlib import aclosing
from typing import Annotated

import typer

from headrace._cli.execution import DONE, execute
from headrace._cli.json_lines import write_json
from headrace._cli.options import CallOptions, JobIdArgument, takes_call_options
from headrace._cli.text import echo, item_row
from headrace.client import Client


@takes_call_options
def items(
    options: CallOptions,
    *,
    job_id: JobIdArgument,
    key: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="KEY", help="Only the item with this key. Repeatable."),
    ] = None,
    index: Annotated[
        list[int] | None,
        typer.Option("--index", metavar="INDEX", min=0, help="Only the item with this index. Repeatable."),
    ] = None,
) -> None:
    """Print items of a job as submitted: index, key if it has one, state of its result, and the item.

    Items are ordered by index. With --json, each has its result.
    """

    async def work(client: Client) -> int:
        async with aclosing(client.items(job_id, indexes=index or (), keys=key or ())) as found:
            async for item in found:
                write_json(item) if options.json else echo(item_row(item), flush=False)
        return DONE

    execute(options, work)
